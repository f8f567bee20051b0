"""What the verbs of `log2mq events` share: rows as a table on a terminal and with tabs between elsewhere, and models made of options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipeline.cli.say import say
from pipeline.errors import UsageError
from pipeline.observe.console import output
from schemas.catalogue import Catalogue

catalogue_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))

Built = TypeVar("Built")


def build(make: Callable[[], Built], *, argument: str = "", option: str = "") -> Built:
    """Return the object that `make` builds from options. `argument` is the key that is an argument; `option` is the option that holds all keys.

    Raises:
        UsageError: one of the texts cannot be a name or a code.
    """
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][-1])
        where = option or (key.upper() if key == argument else f"--{key.replace('_', '-')}")
        raise UsageError(
            f"{where}: found {first['input']!r}; expected a text of one line, not empty, without white space around it or characters that do not show"
        ) from None


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows: as a table on a terminal, and elsewhere with tabs between whole cells, headings first."""
    console = output()
    if not console.is_terminal:
        for row in [headings, *rows]:
            say("\t".join(row))
        return
    table = Table(title=title or None, title_justify="left", show_edge=False, box=SIMPLE_HEAD, padding=0)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(cell or "-" for cell in row))
    console.print(table)


def counted(catalogue: Catalogue) -> str:
    """Return the numbers of channels, events and properties in a catalogue, as text."""
    properties = sum(len(each.properties) for each in catalogue.events)
    parts = [(len(catalogue.channels), "channel"), (len(catalogue.events), "event"), (properties, "property")]
    return ", ".join(f"{count:,} {_plural(word, count)}" for count, word in parts)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else "properties" if word == "property" else f"{word}s"
