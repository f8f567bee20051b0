"""The ends of a replay's ranges, where the log was truncated before them: what is gone never comes, and the range must still end.

A truncation is told only to a client that has read past it (`truncation`). Here the end of the log is compared: when the replay began, the log had
the whole range, and only a truncation makes it shorter.
"""

from __future__ import annotations

import logging
import time

from pipeline.contracts.pauses import PauseReason
from pipeline.contracts.values import LostToRetention, Partition
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.source_client import SourceClient

CERTAIN_S = 3.0
"""How long a partition stands at the end of its log before its leader is asked once more: a broker that just started may not know the end yet."""

_log = logging.getLogger("log2mq.kafka")


class RangeEnds:
    """Ends the ranges of one source where their log ends."""

    def __init__(self, client: SourceClient) -> None:
        """Begin with no range suspected."""
        self._client = client
        self._stuck: dict[Partition, tuple[int, float]] = {}  # the position, and since when it is the end of the log

    def cut(self) -> list[LostToRetention]:
        """End each range whose log ends before it, where everything is read that is left. Return what is lost.

        Raises:
            SourceUnavailable: there is such a range, and `kafka.on_lost_offsets` is `halt`.
        """
        client, ranges = self._client, self._client.ranges
        if ranges is None:
            return []
        now_s, positions = time.monotonic(), client.positions()
        for partition in ranges.read_to_end(positions) | client.pauses.because(PauseReason.TRUNCATED):
            positions.pop(partition, None)
        stuck = {
            each: position for each, position in positions.items() if position >= client.ends.get(each, position + 1)
        }
        self._stuck = {
            each: self._stuck[each] if self._stuck.get(each, (None,))[0] == position else (position, now_s)
            for each, position in stuck.items()
        }
        if not (due := [each for each, (_, since_s) in self._stuck.items() if now_s - since_s >= CERTAIN_S]):
            return []
        ends = client.learn_ends(due)
        for each in due:
            del self._stuck[each]  # one that has no answer is asked again after the same time
        return [self._lost(each, stuck[each]) for each in due if ends.get(each) == stuck[each]]

    def _lost(self, partition: Partition, end: int) -> LostToRetention:
        ranges, settings = self._client.ranges, self._client.settings
        assert ranges is not None  # noqa: S101 - `cut` has looked
        until = ranges.bounds[partition][1]
        message = f"{partition.topic}:{partition.partition} ends at {end}, before the end of the range {until}: it was truncated, or deleted and created again"
        if settings.on_lost_offsets == "halt":
            raise SourceUnavailable(
                f"{message}; set kafka.on_lost_offsets to continue to end the range there and count the loss"
            )
        _log.warning("%s; the range ends there, and offsets %d to %d are lost", message, end, until - 1)
        ranges.cut(partition, end)
        return LostToRetention(partition, end, until - 1, end)
