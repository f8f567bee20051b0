"""Where tables and sentences are printed: as wide as the terminal, or wide enough for a file."""

from __future__ import annotations

from functools import partial

from rich.console import Console

FILE_COLUMNS = 160


def output() -> Console:
    """Return standard output. A file or a pipe has no width of its own, and nothing is cut for one that was made up.

    Texts are printed as they are: names and codes of others may have brackets, which rich would take for its markup.
    """
    console = partial(Console, highlight=False, markup=False, emoji=False)
    return on_terminal if (on_terminal := console()).is_terminal else console(width=FILE_COLUMNS)
