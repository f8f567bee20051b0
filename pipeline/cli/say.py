"""The one door for a command's sentences. What comes from outside, a name or a reason, cannot forge a line or command the terminal."""

from __future__ import annotations

import logging
from typing import Any

import click

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.control_characters import one_line

_log = logging.getLogger("log2mq.command")


def say(text: str = "", *, err: bool = False, **style: Any) -> None:
    r"""Print a text as one line, on standard output or standard error. Control characters and line ends in it become escapes such as `\u001b` and `\n`.

    `style` is click's: `bold`, `dim`, `fg`. Only a terminal gets it.
    """
    click.secho(one_line(text), err=err, **style)


def announce(event: LogEvent, text: str, level: int = logging.INFO, **fields: Any) -> None:
    """Say what a command has to say beside its log: a sentence `log2mq: …` on standard error, or a line of the log where that is JSON."""
    from pipeline.observe.log_lines import are_lines_json  # most commands have no log

    if are_lines_json():
        log_event(_log, level, event, text, **fields)
    else:
        say(f"log2mq: {text}", err=True)


def say_lines(text: str) -> None:
    """Print a text that is several lines by itself, such as indented JSON."""
    for line in text.split("\n"):
        say(line)


def write_out(content: str | bytes) -> None:
    """Write a file's content to standard output, byte for byte: a program reads it, and no person."""
    click.echo(content, nl=False)
