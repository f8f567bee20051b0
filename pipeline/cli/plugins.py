"""`log2mq plugins`: lists Python plug-ins, and what each does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click

from pipeline.cli.say import say
from pipeline.errors import UsageError
from transforms.fault import MappingFaults
from transforms.plugins.description import OptionDescription, PluginDescription, describe_file, describe_installed
from transforms.plugins.factory import GROUP


@click.command()
@click.option("--file", type=click.Path(path_type=Path), help="List the plug-ins in this Python file instead.")
def plugins(file: Path | None) -> None:
    """List the installed plug-ins: what each does, its options, its package, or why it cannot be used."""
    with redirect_stdout(sys.stderr):  # a plug-in may print while it is imported
        try:
            found = describe_installed() if file is None else describe_file(file)
        except MappingFaults as faults:
            raise UsageError(f"--file: found {faults.faults[0].found}; expected {faults.faults[0].expected}") from None
    if not found:
        say(
            f"no plug-in is installed (none has an entry point in the group {GROUP})"
            if file is None
            else f"{file}: there is no function that takes the options of a plug-in"
        )
    for place, each in enumerate(found):
        if place:
            say()
        _show(each)


def _show(plugin: PluginDescription) -> None:
    say(f"{plugin.name} ({', '.join(filter(None, (plugin.place, plugin.distribution)))})")
    if plugin.summary:
        say(f"  {plugin.summary}")
    if plugin.problem:
        say(f"  cannot be used: {plugin.problem}")
    elif plugin.options is None:
        say("  options: it has no model that would say which")
    elif not plugin.options:
        say("  options: none")
    else:
        say("  options:")
        _show_options(plugin.options)


def _show_options(options: Sequence[OptionDescription]) -> None:
    rows = [
        (each.name, f"{each.type}, {f'default {each.default}' if each.default else 'required'}", each.description)
        for each in options
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, kind, description in rows:
        say(f"    {name:<{widths[0]}}  {kind:<{widths[1]}}  {description}".rstrip())
