"""The console that tables and sentences are printed to. It is as wide as the terminal, or `FILE_COLUMNS` for a file or a pipe."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment
from rich.table import Table

from pipeline.control_characters import escaped

FILE_COLUMNS = 160


def output() -> Console:
    """Return standard output as a console. A file or a pipe has no width; it gets `FILE_COLUMNS`, so that no text is cut.

    Texts are printed without rich's markup, since names and codes may contain brackets. Control characters in them become escapes.
    """
    new = partial(Console, highlight=False, markup=False, emoji=False)
    console = on_terminal if (on_terminal := new()).is_terminal else new(width=FILE_COLUMNS)
    console.push_render_hook(_Escapes())
    return console


def plain_table(*headings: str, right: Collection[str] = ()) -> Table:
    """Return a table without a frame. The columns in `right` hold figures, and are aligned to the right."""
    table = Table(show_edge=False, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


class _Escapes(RenderHook):
    """Escapes control characters in all that a console prints. rich itself lets a terminal's control sequences pass."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Escaped(each) for each in renderables]


class _Escaped:
    """Something to print, with control characters escaped after rich has laid it out: what rich itself sends to the terminal stays."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else segment._replace(text=escaped(segment.text))
