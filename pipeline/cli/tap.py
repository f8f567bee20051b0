"""`log2mq tap`: a live look at records, which changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event

import click

from pipeline.authoring.tap import RateLimit, RecordFilter, Tap, TapCounts, TapStage
from pipeline.authoring.wait import MOST_MS
from pipeline.cli.options import partitions_option, source_argument
from pipeline.cli.say import say
from pipeline.cli.tap_view import TapView
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.deadline import Deadline
from pipeline.contracts.values import Partition
from pipeline.errors import UsageError
from pipeline.job.replay_range import FROM_NAMES, Bound, bound_of, chosen_partitions
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.kafka_io.tail import Tail
from pipeline.runtime.build import now_ms
from pipeline.runtime.build_converter import build_converter
from pipeline.runtime.stop_signals import StopSignals
from pipeline.yaml_text.yaml_file import FileKind, UnreadableYaml, parse_yaml
from schemas.refusal import ReasonCode
from transforms.fault import MappingFaults
from transforms.mapping.comparisons import Predicate
from transforms.mapping.conditions import compile_condition
from transforms.mapping.values import is_constant, names_element


@click.command()
@source_argument
@click.option(
    "--stage",
    type=click.Choice([each.value for each in TapStage]),
    help="Show decoded records, those that become messages, or those that are refused. Default: decoded; with --event mapped, with --reason refused.",
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Only entries for which this condition holds. It is written as under `when`: 'type: order_paid'.",
)
@click.option("--event", "event_codes", multiple=True, metavar="CODE", help="Only records that become this event.")
@click.option("--reason", "reasons", multiple=True, metavar="CODE", help="Only records refused for this reason.")
@click.option(
    "--from",
    "from_text",
    metavar="T|OFFSET|earliest",
    help="Where to begin: an offset, a time, or how long ago (90m). Default: records that arrive from now on.",
)
@partitions_option
@click.option("--count", type=click.IntRange(1), help="End after so many records shown. Default: at Ctrl-C.")
@click.option(
    "--rate", default=10, show_default=True, type=click.IntRange(0), help="Show at most so many a second; 0 shows all."
)
@click.option("--json", "as_lines", is_flag=True, help="One JSON object a line.")
@click.option(
    "--show-identifiers",
    is_flag=True,
    help="Show customer IDs and identities as they are. Mind who can see your screen.",
)
def tap(  # noqa: PLR0913 - one parameter an option
    source_file: Path,
    stage: str | None,
    conditions: tuple[str, ...],
    event_codes: tuple[str, ...],
    reasons: tuple[str, ...],
    *,
    from_text: str | None,
    partitions_text: str | None,
    count: int | None,
    rate: int,
    as_lines: bool,
    show_identifiers: bool,
) -> None:
    """Show records of SOURCE_FILE's topics as they arrive. The command joins no group, and commits, reports and remembers nothing."""
    source = load_source(source_file, os.environ)
    record_filter = RecordFilter(
        TapStage(stage or ("refused" if reasons else "mapped" if event_codes else "decoded")),
        [_condition(each) for each in conditions],
        [_reason(each) for each in reasons],
        [_event_code(source, each) for each in event_codes],
    )
    bound = None if from_text is None else bound_of("--from", from_text, now_ms(), FROM_NAMES)
    converter = build_converter(source, os.environ, give_up_after_ms=MOST_MS)
    with KafkaAdmin(source.kafka, os.environ) as topics:
        starts = _starts(bound, chosen_partitions(partitions_text, topics.partitions()), topics)
    view = TapView(source, record_filter.stage, as_lines=as_lines, show_identifiers=show_identifiers)
    stop = Event()
    with StopSignals(stop.set, Deadline()), Tail(source.kafka, os.environ, starts) as tail:
        tap = Tap(tail, converter, record_filter, view.show, RateLimit(rate), clock=time.monotonic, stop=stop)
        view.counts = tap.counts
        say(
            f"log2mq: {source.source}: {record_filter.stage} records of {len(starts)} partitions; Ctrl-C ends it",
            err=True,
        )
        try:
            tap.run(count, live=bound is None)
        finally:
            say(_closing(tap.counts), err=True)


def _starts(bound: Bound | None, partitions: Sequence[Partition], topics: KafkaAdmin) -> Mapping[Partition, int]:
    """Return the offset from which each partition is read, within the offsets that exist."""
    ends = topics.end_offsets(partitions)
    if bound is None:
        return ends
    oldest, asked = topics.beginning_offsets(partitions), bound.offsets(partitions, topics)
    return {each: min(max(asked[each], oldest[each]), ends[each]) for each in partitions}


_CONDITION = FileKind("a condition", "a condition such as `type: order_paid`", 64 << 10, 1_000)


def _condition(text: str) -> Predicate:
    try:
        written = parse_yaml(Path("--where"), text, _CONDITION).content
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    if names_element(written):
        raise UsageError(f"--where: found {text!r}, which names $item or $index; expected a condition on the entry")
    try:
        return compile_condition(written, ()).holds
    except MappingFaults as faults:
        raise UsageError(
            *(
                f"--where: {'.'.join(map(str, each.location))}: found {each.found}; expected {each.expected}"
                for each in faults.faults
            )
        ) from None


def _reason(text: str) -> ReasonCode:
    try:
        return ReasonCode.read(text)
    except ValueError as error:
        raise UsageError(f"--reason: found {text!r}; {error}") from None


def _event_code(source: SourceFile, text: str) -> str:
    """Return the event code. A code that no rule can make is a mistake, since no record would ever be shown."""
    codes = [str(rule.event_code) for rule in source.events]
    if source.transform is None and text not in codes and all(is_constant(rule.event_code) for rule in source.events):
        raise UsageError(f"--event: found {text!r}; expected one of {', '.join(dict.fromkeys(codes))}")
    return text


def _closing(counts: TapCounts) -> str:
    passed = f", {counts.over_rate:,} more not shown because of --rate" if counts.over_rate else ""
    unread = f", {counts.unread:,} offsets skipped" if counts.unread else ""
    return f"log2mq: {counts.read:,} records read, {counts.shown:,} shown{passed}{unread}"
