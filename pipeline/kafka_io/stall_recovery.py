"""The recovery of partitions that stand still: seek to their position, then make a new client."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.contracts.values import Stalled
from pipeline.errors import SourceUnavailable
from pipeline.kafka_io.broker_liveness import REBUILD_LIMIT_MS, BrokerLiveness
from pipeline.kafka_io.source_client import SourceClient
from pipeline.kafka_io.stall_watch import Remedy, Stall, StallTimes, StallWatch

_log = logging.getLogger("log2mq.kafka")


class StallRecovery:
    """Finds partitions of one source that are not read although they have records, and has them read on."""

    def __init__(self, client: SourceClient, liveness: BrokerLiveness, times: StallTimes) -> None:
        """Begin with no partition suspected."""
        self._client = client
        self._liveness = liveness
        self._watch = StallWatch(time.monotonic(), times)

    def note_poll(self) -> list[Stalled]:
        """Note a poll, and return an event for each partition that stood still and was sought."""
        now_s = time.monotonic()
        if not self._watch.look_due(now_s, is_full=self._client.is_poll_full):
            return []
        if self._liveness.is_outage:
            self._watch.forget(now_s)
            return []
        stalls = self._look(now_s)
        for stall in stalls:
            self._seek(stall)
        if any(stall.remedy is Remedy.REBUILD for stall in stalls):
            self._rebuild()
        return [Stalled(stall.partition) for stall in stalls if stall.remedy is Remedy.SEEK]

    def _look(self, now_s: float) -> list[Stall]:
        client = self._client
        asked = self._watch.look(now_s, client.positions(), client.pauses.paused())
        return self._watch.learn(now_s, asked, client.learn_ends(asked)) if asked else []

    def _seek(self, stall: Stall) -> None:
        (topic, partition), offset = stall.partition, stall.position
        remedy = "seeking to this offset" if stall.remedy is Remedy.SEEK else "making a new client"
        stood = f"{topic}:{partition} has stood at offset {offset} for {stall.for_s:.0f} s"
        log_event(
            _log,
            logging.WARNING,
            LogEvent.PARTITION_STALLED,
            f"{stood} although it has records up to {stall.end - 1}; {remedy}",
            topic=topic,
            partition=partition,
            offset=offset,
        )
        if self._client.position(stall.partition) == stall.position:
            self._client.seek(stall.partition, stall.position)

    def _rebuild(self) -> None:
        if self._client.ranges is None:
            self._client.commit(self._client.rebalances.committable)
        with suppress(SourceUnavailable):  # the old client tries on
            self._client.rebuild(REBUILD_LIMIT_MS)
        self._watch.rebuilt(time.monotonic())
