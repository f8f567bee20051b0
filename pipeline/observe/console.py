"""Where tables and sentences are printed: as wide as the terminal, or wide enough for a file."""

from __future__ import annotations

from rich.console import Console

FILE_COLUMNS = 160


def output() -> Console:
    """Return standard output. A file or a pipe has no width of its own, and nothing is cut for one that was made up."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=FILE_COLUMNS)
