"""What the log says of rebalances: the partitions that this process gained and lost, and from where it reads."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.values import Commit, LostToRetention, Partition

MOST_NAMED = 20
"""The most partitions that a line names."""

_log = logging.getLogger("log2mq.job")


def log_gained(start: Mapping[Partition, Commit]) -> None:
    """Log that partitions are owned now, and the first offset to read of each."""
    if start:
        offsets = {_name(each): commit.offset for each, commit in sorted(start.items())[:MOST_NAMED]}
        named = ", ".join(f"{name} from offset {offset}" for name, offset in offsets.items())
        text = f"reads {named}{_more(start)}"
        log_event(_log, logging.INFO, LogEvent.PARTITIONS_GAINED, text, count=len(start), partitions=offsets)


def log_lost(partitions: Collection[Partition]) -> None:
    """Log that partitions are not owned any more."""
    if partitions:
        names = [_name(each) for each in sorted(partitions)[:MOST_NAMED]]
        text = f"does not read {', '.join(names)}{_more(partitions)} any more: the group gave them to another member"
        log_event(_log, logging.INFO, LogEvent.PARTITIONS_LOST, text, count=len(partitions), partitions=names)


def log_offsets_lost(lost: LostToRetention) -> None:
    """Log that offsets were gone before they were read."""
    count = lost.last - lost.first + 1
    if count > 0:
        (topic, partition), first = lost.partition, lost.first
        text = f"{count:,} offsets of {topic}:{partition} from {first} on were gone before they were read (retention, or a truncation)"
        place = {"topic": topic, "partition": partition, "offset": first}
        log_event(_log, logging.ERROR, LogEvent.OFFSETS_LOST, text, **place, count=count)


def _name(partition: Partition) -> str:
    return f"{partition.topic}:{partition.partition}"


def _more(partitions: Collection[Partition]) -> str:
    left = len(partitions) - MOST_NAMED
    return f" and {left:,} more" if left > 0 else ""
