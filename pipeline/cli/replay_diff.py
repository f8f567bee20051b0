"""`log2mq replay --diff`: what a changed source file makes of a range of records, against the file of now."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from pipeline.authoring.mapping_diff import DiffKey, MappingDiff, MessageChange
from pipeline.authoring.wait import MOST_MS
from pipeline.cli.say import say
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.errors import MappingsDiffer, UsageError
from pipeline.job.replay_range import ReplayRange
from pipeline.kafka_io.admin import KafkaAdmin
from pipeline.observe.console import output, plain_table
from pipeline.runtime.build_converter import build_converter


def diff_mappings(source: SourceFile, other_path: Path, replay_range: ReplayRange, *, as_json: bool) -> None:
    """Compare both files over the range, and print the differences. Nothing is sent, committed or remembered.

    Raises:
        MappingsDiffer: at least one message differs.
        SourceUnavailable: no broker answers.
        UsageError: the other file has a fault, or is of another source.
    """
    other = load_source(other_path, os.environ)
    if other.source != source.source:
        raise UsageError(
            f"--diff: {other_path} is of the source {other.source!r}; expected another version of {source.source!r}"
        )
    old, new = (build_converter(each, os.environ, give_up_after_ms=MOST_MS) for each in (source, other))
    diff = MappingDiff(old, new)
    with KafkaAdmin(source.kafka, os.environ) as topics:
        for record in topics.records_between(replay_range.bounds):
            diff.add(record)
    _print(diff, as_json=as_json)
    if diff.differs:
        counted = {
            change: sum(count for key, count in diff.counts.items() if key.change is change) for change in MessageChange
        }
        said = ", ".join(f"{count:,} {change}" for change, count in counted.items() if count)
        raise MappingsDiffer(f"the two files make different messages of {diff.records:,} records: {said}")


def _print(diff: MappingDiff, *, as_json: bool) -> None:
    rows = sorted(diff.counts.items(), key=lambda each: (each[0].change is MessageChange.SAME, *each[0]))
    if as_json:
        for key, count in rows:
            say(orjson.dumps({**key._asdict(), "messages": count, "example": diff.examples.get(key)}).decode())
        return
    table = plain_table("rule", "event code", "change", "messages", "example", right=["messages"])
    for key, count in rows:
        table.add_row(key.rule, _code(key), key.change, f"{count:,}", diff.examples.get(key, ""))
    output().print(table)


def _code(key: DiffKey) -> str:
    return key.event_code or "(identities)"
