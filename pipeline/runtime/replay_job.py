"""The job of a replay: the same loop over a range of offsets, with or without sending."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from pipeline.config.source_file import SourceFile
from pipeline.contracts.interfaces import DeadLetters, DedupStore, Reporter, Source, never_late
from pipeline.contracts.values import Commit, Delivered, Outcome, Partition
from pipeline.dedup import open_dry_run
from pipeline.job.converter import Converter
from pipeline.job.group_store import GroupStore
from pipeline.job.redirect import Redirect
from pipeline.job.replay_range import ReplayRange
from pipeline.kafka_io.bounded_fetch import ReadBounds
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.source import KafkaSource
from pipeline.runtime.build import Hooks, Job
from schemas.log import Record
from schemas.refusal import Refusal
from transforms.base import Kind


class ReplayJob(Job):
    """Reads a range once, and ends. Messages reported before are recognised. The offsets of the running job do not change."""

    def __init__(
        self,
        source: SourceFile,
        environment: Mapping[str, str],
        hooks: Hooks,
        replay_range: ReplayRange,
        live: Mapping[Partition, Commit],
        *,
        new_store: bool = False,
        redirect: Redirect | None = None,
    ) -> None:
        """`live` are the commits of the live job: they name the store that knows what was reported. `new_store` accepts any store.

        `redirect` is for the redrive of dead letters: the range is of their topic. What is refused again keeps the dead letter that it has.
        """
        super().__init__(source, environment, hooks, new_store=new_store)
        self._redirect = redirect
        self._live = live
        self.hooks = hooks
        self._replay_range = replay_range
        self._range_source: KafkaSource | None = None
        self._ranges = FixedRanges(replay_range.bounds)
        hooks.has_ended = self._has_ended

    def check_store(self, group_store: GroupStore) -> None:
        """Check the store against the commits of the live job.

        Raises:
            StoreUnavailable: the live job finished records with another store.
        """
        group_store.check_replayed(self._live)

    def make_converter(self) -> Converter:
        """Return the converter of the job; of a redrive one that converts the records that were refused."""
        converter = super().make_converter()
        converter.redirect = self._redirect
        return converter

    def open_dead_letters(self) -> DeadLetters:
        """Return the writer of dead letters; for a redrive one that only counts."""
        return super().open_dead_letters() if self._redirect is None else NoDeadLetters(self._file.dead_letters.topic)

    def open_source(self) -> Source:
        """Return a source over the range, which does not join the group of the running job."""
        kafka = self._file.kafka.model_copy(update={"group": self._replay_range.group})
        self._ranges = FixedRanges(self._replay_range.bounds, self.first_commits())
        self._range_source = KafkaSource(
            kafka,
            client_id=self._name,
            environment=self._environment,
            ranges=self._ranges,
            deadline=self.deadline,
            bounds=ReadBounds.of(self._file.limits.record, self._file.limits.in_flight),
        )
        return self._range_source

    def first_commits(self) -> Mapping[Partition, Commit]:
        """Return what is committed before the first record, so that an interrupted replay goes on with the same range."""
        return self._replay_range.first_commits()

    @property
    def records(self) -> int:
        """The number of offsets of the range."""
        return self._replay_range.records

    def remaining(self) -> int:
        """Return the number of offsets that are not read yet."""
        return sum(self._range_source.lag().values()) if self._range_source is not None else self.records

    def unfinished(self) -> int:
        """Return the number of offsets of the range behind the commits: they are read again when the replay goes on."""
        owned = self.runner.offsets.owned
        return sum(
            max(0, until - (owned[each].committed if each in owned else start))
            for each, (start, until) in self._ranges.bounds.items()
        )

    def _has_ended(self) -> bool:
        return self._range_source is not None and self._range_source.ended()


class DryReplayJob(ReplayJob):
    """Reads a range and counts what a replay would send. It sends, confirms, commits and dead-letters nothing."""

    def open_store(self) -> DedupStore:
        """Return the dedup store with an overlay in memory, so that nothing in it changes."""
        return open_dry_run(self._file.dedup, self._name, self._clocks, self._environment, self.wait_for_store)

    def open_dead_letters(self) -> DeadLetters:
        """Return dead letters that are only counted."""
        return NoDeadLetters(self._file.dead_letters.topic)

    def make_reporter(self) -> Callable[[], Reporter]:
        """Return the function that creates a reporter which sends nothing."""
        return NoReporter

    def first_commits(self) -> Mapping[Partition, Commit]:
        """Return nothing."""
        return {}

    def open_source(self) -> Source:
        """Return a source over the range that commits nothing."""
        return _NoCommits(super().open_source())


class NoReporter:
    """The `Reporter` of a dry run: it sends nothing, and every batch counts as delivered."""

    def report(self, kind: Kind, messages: Sequence[bytes], is_late: Callable[[], bool] = never_late) -> Outcome:  # noqa: ARG002 - the contract's arguments
        """Return `Delivered`."""
        return Delivered()

    def close(self) -> None:
        """Do nothing: nothing is open."""


class NoDeadLetters:
    """The `DeadLetters` of a dry run, and of a redrive: they write nothing."""

    is_writing = False
    is_away = False

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
        self.poll = lambda timeout_ms, _committable, most_bytes: source.poll(timeout_ms, {}, most_bytes)
        self.seek, self.pauses = source.seek, source.pauses
        self.release, self.lag, self.state, self.close = source.release, source.lag, source.state, source.close

    def commit(self, offsets: Mapping[Partition, Commit]) -> bool:  # noqa: ARG002 - the contract's argument
        """Commit nothing, and return True."""
        return True
