"""The job of a replay: the same loop over a range of offsets, with or without sending."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from pipeline.config.source_file import SourceFile
from pipeline.contracts.interfaces import DeadLetters, DedupStore, Reporter, Source
from pipeline.contracts.values import Commit, Delivered, Outcome, Partition
from pipeline.dedup import open_dry_run
from pipeline.job.replay_range import ReplayRange
from pipeline.kafka_io.source import KafkaSource
from pipeline.runtime.build import Hooks, Job, now_ms
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind


class ReplayJob(Job):
    """Reads a range once, and ends. Messages reported before are recognised. The offsets of the running job do not change."""

    def __init__(
        self, source: SourceFile, environment: Mapping[str, str], hooks: Hooks, replay_range: ReplayRange
    ) -> None:
        super().__init__(source, environment, hooks)
        self.hooks = hooks
        self._replay_range = replay_range
        self._range_source: KafkaSource | None = None
        hooks.has_ended = self._has_ended

    def open_source(self) -> Source:
        """Return a source over the range, which does not join the group of the running job."""
        kafka = self._file.kafka.model_copy(update={"group": self._replay_range.group})
        self._range_source = KafkaSource(
            kafka,
            client_id=self._name,
            environment=self._environment,
            ranges=self._replay_range.bounds,
            deadline=self.deadline,
        )
        self._commit_range(self._range_source)
        return self._range_source

    def _commit_range(self, source: Source) -> None:
        """Commit the range before the first record, so that an interrupted replay goes on with the same range."""
        source.commit(self._replay_range.first_commits())

    def remaining(self) -> int:
        """Return the number of offsets that are not read yet."""
        return sum(self._range_source.lag().values()) if self._range_source is not None else self._replay_range.records

    def _has_ended(self) -> bool:
        return self._range_source is not None and self._range_source.ended()


class DryReplayJob(ReplayJob):
    """Reads a range and counts what a replay would send. It sends, confirms, commits and dead-letters nothing."""

    def open_store(self) -> DedupStore:
        """Return the dedup store with an overlay in memory, so that nothing in it changes."""
        return open_dry_run(self._file.dedup, self._name, now_ms(), self._environment)

    def open_dead_letters(self) -> DeadLetters:
        """Return dead letters that are only counted."""
        return NoDeadLetters(self._file.dead_letters.topic)

    def make_reporter(self) -> Callable[[], Reporter]:
        """Return the function that creates a reporter which sends nothing."""
        return NoReporter

    def _commit_range(self, source: Source) -> None:
        """Commit nothing."""

    def open_source(self) -> Source:
        """Return a source over the range that commits nothing."""
        return _NoCommits(super().open_source())


class NoReporter:
    """The `Reporter` of a dry run: it sends nothing, and every batch counts as delivered."""

    def report(self, kind: Kind, messages: Sequence[bytes]) -> Outcome:  # noqa: ARG002 - the contract's arguments
        """Return `Delivered`."""
        return Delivered()

    def close(self) -> None:
        """Do nothing: nothing is open."""


class NoDeadLetters:
    """The `DeadLetters` of a dry run: they write nothing."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._records: list[Record] = []

    def send(self, record: Record, refusal: Refusal) -> None:  # noqa: ARG002 - the contract's arguments
        """Note the record."""
        self._records.append(record)

    def durable(self) -> list[Record]:
        """Return the records since the last call."""
        records, self._records = self._records, []
        return records

    def forget(self, partitions: Collection[Partition]) -> list[Record]:  # noqa: ARG002 - the contract's argument
        """Return nothing: no dead letter waits."""
        return []

    def close(self) -> None:
        """Do nothing: nothing is open."""


class _NoCommits:
    """A source that commits nothing."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.poll = lambda timeout_ms, _committable: source.poll(timeout_ms, {})
        self.seek, self.pause, self.resume = source.seek, source.pause, source.resume
        self.release, self.lag, self.close = source.release, source.lag, source.close

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:  # noqa: ARG002 - the contract's argument
        """Commit nothing, and return True."""
        return True
