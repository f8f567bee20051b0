"""A replay as a job: the same loop over a range, with or without sending."""

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
    """Reads a range once and ends by itself. What was reported before is recognised; the live job's offsets are left alone."""

    def __init__(self, source: SourceFile, environment: Mapping[str, str], hooks: Hooks, todo: ReplayRange) -> None:
        super().__init__(source, environment, hooks)
        self.hooks = hooks
        self._todo = todo
        self._range_source: KafkaSource | None = None
        hooks.has_ended = self._has_ended

    def open_source(self) -> Source:
        """Take the range's partitions, without joining the live job's group."""
        kafka = self._file.kafka.model_copy(update={"group": self._todo.group})
        self._range_source = KafkaSource(
            kafka, client_id=self._name, environment=self._environment, ranges=self._todo.bounds
        )
        self._begin(self._range_source)
        return self._range_source

    def _begin(self, source: Source) -> None:
        """Write the range down before the first record, so that it stays what it is if the replay is interrupted."""
        source.commit(self._todo.first_commits())

    def remaining(self) -> int:
        """Return how many offsets are still to be read."""
        return sum(self._range_source.lag().values()) if self._range_source is not None else self._todo.records

    def _has_ended(self) -> bool:
        return self._range_source is not None and self._range_source.ended()


class DryReplayJob(ReplayJob):
    """Reads a range and says what would be sent: sends nothing, remembers nothing, commits nothing, dead-letters nothing."""

    def open_store(self) -> DedupStore:
        """Ask the real store, and remember what would be reported in memory only."""
        return open_dry_run(self._file.dedup, self._name, now_ms(), self._environment)

    def open_dead_letters(self) -> DeadLetters:
        """Count the dead letters only."""
        return NoDeadLetters()

    def make_reporter(self) -> Callable[[], Reporter]:
        """Take every batch as if it had been delivered."""
        return NoReporter

    def _begin(self, source: Source) -> None:
        """Write nothing down."""

    def open_source(self) -> Source:
        """Read the range, but commit nothing."""
        return _NoCommits(super().open_source())


class NoReporter:
    """A `Reporter` that sends nothing and says yes, for a dry run."""

    def report(self, kind: Kind, messages: Sequence[bytes]) -> Outcome:  # noqa: ARG002 - the contract's arguments
        """Say yes."""
        return Delivered()

    def close(self) -> None:
        """Nothing is open."""


class NoDeadLetters:
    """`DeadLetters` that keep nothing, for a dry run."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    def send(self, record: Record, refusal: Refusal) -> None:  # noqa: ARG002 - the contract's arguments
        """Take note of the record only."""
        self._records.append(record)

    def durable(self) -> list[Record]:
        """Return what was taken note of."""
        records, self._records = self._records, []
        return records

    def forget(self, partitions: Collection[Partition]) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class _NoCommits:
    """A source whose offsets stay where they are."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.poll = lambda timeout_ms, _committable: source.poll(timeout_ms, {})
        self.seek, self.pause, self.resume, self.lag, self.close = (
            source.seek,
            source.pause,
            source.resume,
            source.lag,
            source.close,
        )

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:  # noqa: ARG002 - the contract's argument
        """Commit nothing and say yes."""
        return True
