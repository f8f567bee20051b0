"""The command `log2mq`: its subcommands, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import NamedTuple

import click

from pipeline.cli.say import announce, say
from pipeline.contracts.log_events import LogEvent
from pipeline.errors import EXIT_FAULT, EXIT_INTERRUPTED, Log2mqError, fault_sentence


class Verb(NamedTuple):
    """One command: where it is, as `module:name`, and a line on what it does."""

    place: str
    does: str


COMMANDS: Mapping[str, Mapping[str, Verb]] = {
    "Write a source file": {
        "init": Verb("pipeline.cli.init:init", "propose one from a sample of a topic or a file"),
        "check": Verb("pipeline.cli.check:check", "is it right; over a sample; against Kafka and Quick Audience"),
        "explain": Verb("pipeline.cli.explain:explain", "one record, shown at every step"),
        "test": Verb("pipeline.cli.test:test", "run the test cases beside it"),
        "tap": Verb("pipeline.cli.tap:tap", "look at what passes, live"),
        "events": Verb("pipeline.cli.events.commands:events", "keep the event catalogue"),
        "schema": Verb("pipeline.cli.schema:schema", "print the JSON Schema of a file, for editors"),
        "plugins": Verb("pipeline.cli.plugins:plugins", "list plug-ins and what they do"),
    },
    "Run it": {
        "run": Verb("pipeline.cli.run:run", "report events until stopped"),
        "replay": Verb("pipeline.cli.replay:replay", "report a range again; only what was never reported is sent"),
        "status": Verb("pipeline.cli.status:status", "how it stands: members, lag, books, dead letters"),
        "dead-letters": Verb(
            "pipeline.cli.dead_letters:dead_letters", "what was refused and why, and what would become of it now"
        ),
        "top": Verb("pipeline.cli.top:top", "watch a running job: rates, lag, times, errors, the slowest stage"),
        "dedup": Verb(
            "pipeline.cli.dedup:dedup", "ask the dedup store: how full it is, and whether an event was reported"
        ),
        "offsets": Verb("pipeline.cli.offsets:offsets", "show the committed offsets, or set them while no job runs"),
    },
    "Try it": {
        "demo": Verb("pipeline.cli.demo:demo", "the whole job, with everything it needs"),
        "emulator": Verb("pipeline.cli.stand_ins:emulator", "a stand-in for Quick Audience"),
        "registry": Verb("pipeline.cli.stand_ins:registry", "a stand-in for a Schema Registry"),
        "broker": Verb("pipeline.cli.stand_ins:broker", "an embedded Apache Kafka"),
        "sample": Verb("pipeline.cli.stand_ins:sample", "make raw logs"),
    },
}
"""Every command by its name and by what it is for, in the order in which they are listed. The module of a command is imported when it is called."""


class Verbs(click.Group):
    """Lists the commands by what they are for, and loads the one that is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names."""
        return [name for verbs in COMMANDS.values() for name in verbs]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        for verbs in COMMANDS.values():
            if name in verbs:
                command: click.Command = resolve_name(verbs[name].place)
                return command
        return None

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, a section for each purpose."""
        for purpose, verbs in COMMANDS.items():
            with formatter.section(purpose):
                formatter.write_dl([(name, verb.does) for name, verb in verbs.items()])


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("log2mq")
    except PackageNotFoundError:
        installed = "not installed"
    say(f"log2mq, version {installed}")
    context.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Read raw application logs from Kafka and report them to Quick Audience as events, losing none and reporting none twice.

    Start with `log2mq demo`. Then `log2mq init` a source file, `log2mq check` it, and `log2mq run` it.
    """


def run_command() -> int:
    """Run the command and return its documented exit code (docs/exit-codes.md)."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        announce(LogEvent.FATAL, "interrupted", logging.ERROR, exit_code=EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except Log2mqError as error:
        for line in error.lines:
            announce(LogEvent.FATAL, line, logging.ERROR, exit_code=error.exit_code, error=type(error).__name__)
        return error.exit_code
    except BrokenPipeError:
        # The reader of the output has ended (`log2mq sample | head`), so nothing more is written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the command's main is one of the few places for this
        announce(LogEvent.FATAL, fault_sentence(error), logging.ERROR, exit_code=EXIT_FAULT, error=type(error).__name__)
        return EXIT_FAULT
    return 0
