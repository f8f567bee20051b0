"""`log2mq` itself: the verbs, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import click

from pipeline.cli.check import check
from pipeline.cli.demo import demo
from pipeline.cli.events.commands import events
from pipeline.cli.explain import explain
from pipeline.cli.init import init
from pipeline.cli.plugins import plugins
from pipeline.cli.replay import replay
from pipeline.cli.run import run
from pipeline.cli.schema import schema
from pipeline.cli.tap import tap
from pipeline.cli.test import test
from pipeline.cli.tools import broker, emulator, registry, sample
from pipeline.errors import Log2mqError

EXIT_FAULT = 70
"""A fault in log2mq itself (EX_SOFTWARE of sysexits.h)."""


def installed_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("log2mq")
    except PackageNotFoundError:
        return "not installed"


COMMANDS: Mapping[str, Sequence[tuple[click.Command, str]]] = {
    "Write a source file": (
        (init, "propose one from a sample of a topic or a file"),
        (check, "is it right; over a sample; against Kafka and Quick Audience"),
        (explain, "one record, shown at every step"),
        (test, "run the test cases beside it"),
        (tap, "look at what passes, live"),
        (events, "keep the event catalogue"),
        (schema, "print the JSON Schema of a file, for editors"),
        (plugins, "list plug-ins and what they do"),
    ),
    "Run it": (
        (run, "report events until stopped"),
        (replay, "report a range again; only what was never reported is sent"),
    ),
    "Try it": (
        (demo, "the whole job, with everything it needs"),
        (emulator, "a stand-in for Quick Audience"),
        (registry, "a stand-in for a Schema Registry"),
        (broker, "an embedded Apache Kafka"),
        (sample, "make raw logs"),
    ),
}
"""Every command, with a line on what it does, in the order in which they are listed."""


class Verbs(click.Group):
    """Lists the commands by what they are for."""

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, a section for each purpose."""
        for purpose, commands in COMMANDS.items():
            with formatter.section(purpose):
                formatter.write_dl([(command.name or "", does) for command, does in commands])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(installed_version(), prog_name="log2mq")
def cli() -> None:
    """Read raw application logs from Kafka and report them to Quick Audience as events, losing none and reporting none twice.

    Start with `log2mq demo`. Then `log2mq init` a source file, `log2mq check` it, and `log2mq run` it.
    """


for _commands in COMMANDS.values():
    for _command, _ in _commands:
        cli.add_command(_command)


def run_command() -> int:
    """Run the command and return its documented exit code (docs/exit-codes.md).

    Raises:
        KeyboardInterrupt: Ctrl-C, where no job was there to be stopped by it.
    """
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except Log2mqError as error:
        for line in str(error).splitlines():  # a source file's faults have a line each
            click.echo(f"log2mq: {line}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone (`log2mq sample | head`); say nothing more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the command's main is one of the two places for this
        if os.environ.get("LOG2MQ_TRACEBACK"):
            traceback.print_exc()
        click.echo(
            f"log2mq: a fault in log2mq itself ({type(error).__name__}). Set LOG2MQ_TRACEBACK=1 and try again to see where; please report it",
            err=True,
        )
        return EXIT_FAULT
    return 0
