"""The console that tables and sentences are printed to. It is as wide as the terminal, or `FILE_COLUMNS` for a file or a pipe."""

from __future__ import annotations

from functools import partial

from rich.console import Console

FILE_COLUMNS = 160


def output() -> Console:
    """Return standard output as a console. A file or a pipe has no width; it gets `FILE_COLUMNS`, so that no text is cut.

    Texts are printed unchanged: names and codes may contain brackets, which rich would read as its markup.
    """
    console = partial(Console, highlight=False, markup=False, emoji=False)
    return on_terminal if (on_terminal := console()).is_terminal else console(width=FILE_COLUMNS)
