"""When offsets are committed, and which: never before the confirmations below them are durable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from pipeline.contracts.interfaces import DedupStore, Source
from pipeline.contracts.values import Claim, Commit, Partition
from pipeline.job.counts import Counts
from pipeline.job.flow_limits import FlowLimits
from pipeline.job.offsets import Offsets
from pipeline.job.timing import Interval

SYNC_EVERY_MS = 200
"""How often the offsets that a rebalance may commit are brought up to date. More often costs more waiting for the disk.

Records that finish after the last time are read again after a rebalance, and recognised.
"""


class Commits:
    """Commits the lowest unfinished offset of each partition, with the books up to there."""

    def __init__(
        self,
        source: Source,
        store: DedupStore,
        offsets: Offsets,
        limits: FlowLimits,
        before_commit: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
    ) -> None:
        """`before_commit` is called before anything is committed, by this process or by a rebalance. `counts` counts the commits."""
        self._source = source
        self._counts = counts or Counts()
        self._before_commit = before_commit
        self._store = store
        self._offsets = offsets
        self._most_records = limits.commit_records
        self._commit_interval = Interval(limits.commit_every_ms)
        self._sync_interval = Interval(SYNC_EVERY_MS)
        self._is_synced = True
        self._finished_at_commit = 0
        self.durable: Mapping[Partition, Commit] = {}
        """What a rebalance inside `poll` may commit: the confirmations below these offsets are durable."""

    def confirmed(self) -> None:
        """Note that the store confirmed something that is not durable yet."""
        self._is_synced = False

    def note_known(self, claim: Claim) -> None:
        """Note that the store knows a message. If it has versions, the store may now remember a later record of its version."""
        if claim.order:
            self._is_synced = False

    def forget_durable(self, partitions: Collection[Partition]) -> None:
        """Let a rebalance commit nothing of partitions whose epoch ended until the next interval."""
        self.durable = {each: commit for each, commit in self.durable.items() if each not in partitions}

    def commit_if_due(self, finished: int, now_ms: int) -> None:
        """Commit if enough records were finished, or enough time has passed. `finished` counts all finished records so far."""
        if finished - self._finished_at_commit >= self._most_records or self._commit_interval.is_due(now_ms):
            self._finished_at_commit = finished
            self.commit()
        if self._sync_interval.is_due(now_ms):
            commits = self._offsets.committable()
            self.sync()
            if commits:
                self._before_commit()
            self.durable = commits

    def commit(self) -> bool:
        """Commit everything that may be committed, and return whether the brokers took it. If not, the next commit includes it.

        Raises:
            StoreUnavailable: the confirmations cannot be made durable.
            SourceUnavailable: the brokers refuse commits for good.
        """
        commits = self._offsets.committable()
        if not commits:
            return True
        self.sync()
        self._before_commit()
        is_taken = self._source.commit(commits)
        self._counts.committed(is_taken=is_taken)
        if is_taken:
            self._offsets.committed(commits)
            self.durable = {}
        return is_taken

    def sync(self) -> None:
        """Make the confirmations durable: they survive a crash of the machine before any offset moves."""
        if not self._is_synced:
            self._store.sync()
            self._is_synced = True
