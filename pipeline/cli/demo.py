"""`log2mq demo`: shows on this machine, in a minute, that the promises are kept."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.cli.options import created_folder
from pipeline.emulator.demo import Demo
from pipeline.emulator.demo_result import DemoResult
from pipeline.errors import Log2mqError
from pipeline.observe.console import output
from pipeline.observe.summary import HEADINGS, books_row

EXAMPLES = Path(__file__).parents[2] / "examples"


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep topics, ledger and logs in this folder. Default: a new one, removed at the end.",
)
def demo(folder: Path | None) -> None:
    """Run the real job over 51,000 raw records on an embedded Kafka against the stand-in, with an outage, a poison event and a killed worker.

    The exit code is 0 only if nothing is lost and nothing is unexplained.
    """
    console = output()
    place = created_folder("--folder", folder) if folder else Path(tempfile.mkdtemp(prefix="log2mq-demo-"))
    begun_s = time.monotonic()
    console.print("log2mq demo: raw logs in Kafka become events in a stand-in for Quick Audience", style="bold")
    result = Demo(
        place, EXAMPLES, lambda text: console.print(f"[{time.monotonic() - begun_s:5.1f} s] {text}", markup=False)
    ).run()
    show_accounts(console, result)
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)
    if result.lost or result.unknown:
        raise Log2mqError(f"lost {result.lost}, unknown {result.unknown}: please report this")


def show_accounts(console: Console, result: DemoResult) -> None:
    """Print the three accounts side by side, and where to look next."""
    console.print()
    table = Table(
        title="Records: what the generator wrote, and what the job says became of them",
        title_justify="left",
        show_edge=False,
        box=SIMPLE_HEAD,
        padding=0,
    )
    for heading in ("source", "account", *HEADINGS):
        table.add_column(heading, justify="left" if heading in {"source", "account"} else "right", overflow="fold")
    for kind, source in result.sources.items():
        expected = source.expected
        figures = (expected.read, expected.reported, expected.duplicate, expected.filtered, expected.dead_letters, 0, 0)
        table.add_row(kind.value, "expected", *(f"{figure:,}" for figure in figures))
        table.add_row("", "job's books", *books_row(source.account), end_section=True)
    console.print(table)
    console.print()
    table = Table(
        title="Events: three accounts side by side", title_justify="left", show_edge=False, box=SIMPLE_HEAD, padding=0
    )
    for heading in (
        "source",
        "expected",
        "job: reported",
        "job: redelivered",
        "stand-in: distinct",
        "more than once",
        "lost",
        "unknown",
    ):
        table.add_column(heading, justify="left" if heading == "source" else "right", overflow="fold")
    for kind, source in result.sources.items():
        books = source.books
        row = (
            len(source.expected.events), books.events_reported, books.events_redelivered, len(source.accepted), source.more_than_once, source.lost, source.unknown,
        )  # fmt: skip
        table.add_row(kind.value, *(f"{figure:,}" for figure in row))
    console.print(table)
    console.print()
    for kind, source in result.sources.items():
        reasons = ", ".join(
            f"{reason} {count:,}" for reason, count in sorted(source.reasons.items(), key=lambda pair: -pair[1])
        )
        console.print(f"dead letters of {kind}: {reasons}", markup=False)
    console.print(
        "\nredelivered: reported just before the worker was killed; its successor read their records again and recognised them; the records count as reported. "
        "more than once: sent again because nobody knew whether the call of the killed worker had arrived (same outBizId).",
        markup=False,
    )
    verdict = "nothing lost, nothing unexplained" if not result.lost and not result.unknown else "NOT balanced"
    console.print(
        f"lost {result.lost}, unknown {result.unknown}: {verdict}; {result.seconds:.0f} s in all", style="bold"
    )
    console.print(
        "Next: examples/shop-app.yaml is a whole source file; `log2mq check` and `log2mq explain` show what it does; docs/ has the rest."
    )
