"""What is known of a running job at one moment: its workers, and the sum of what they said. The endpoint, and `top`, show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.job.status import Status


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker. `status` is its last one, None before the first one and between two processes. `restarts` counts the processes before this one."""

    number: int
    pid: int | None = None
    status: Status | None = None
    restarts: int = 0

    def still_ms(self, now_ms: int) -> int | None:
        """Return for how long its loop has told nothing; None before its first status. `now_ms` is of the clock of `Status.at_ms`."""
        return None if self.status is None else max(0, now_ms - self.status.at_ms)


@dataclass(frozen=True, slots=True)
class JobView:
    """A job. `status` sums up all workers, those included that have ended. Times are ms: `now_ms` of the clock of `Status.at_ms`, the others Unix ms.

    `is_file_refused`: the source file was changed, the change is wrong, and the job goes on as before.
    """

    source: str
    config_hash: str
    status: Status
    workers: tuple[WorkerView, ...] = ()
    begun_ms: int = 0
    now_ms: int = 0
    unix_ms: int = 0
    away_limit_ms: int = 0
    is_stopping: bool = False
    reloads: int = 0
    reloads_refused: int = 0
    is_file_refused: bool = False

    @property
    def lag_s(self) -> dict[tuple[str, int], float]:
        """The lag in seconds of each partition owned, as far as it is known: the age of its oldest unfinished record, by Kafka's time of it.

        A partition without an unfinished record has none, and one of which nothing was read yet is left out.
        """
        status, found = self.status, {}
        for partition, lag in status.lag.items():
            books = status.books.get(partition)
            if not lag and not (books is not None and books.in_flight):
                found[partition.topic, partition.partition] = 0.0
            elif partition in status.oldest_ms:
                age_ms = max(0, self.unix_ms - status.oldest_ms[partition])
                found[partition.topic, partition.partition] = age_ms / 1000
        return found


@dataclass(slots=True)
class ObservedJob:
    """Holds the newest view. One thread updates it, and any thread may ask for it: each update replaces a frozen value."""

    view: JobView

    def note(self, workers: Sequence[WorkerView], status: Status, *, is_stopping: bool = False) -> None:
        """Note what the workers said last, and the sum of all they have done."""
        self.view = replace(
            self.view, workers=tuple(workers), status=status, is_stopping=is_stopping or status.stopping
        )

    def note_reload(self, is_right: bool) -> None:  # noqa: FBT001 - the only thing there is to tell
        """Note that the source file was read again, and whether it is right. A wrong one is not taken."""
        view = self.view
        self.view = replace(
            view,
            reloads=view.reloads + is_right,
            reloads_refused=view.reloads_refused + (not is_right),
            is_file_refused=not is_right,
        )

    def note_config(self, config_hash: str, away_limit_ms: int) -> None:
        """Note that the job goes on with another configuration."""
        self.view = replace(self.view, config_hash=config_hash, away_limit_ms=away_limit_ms)

    def at(self, now_ms: int, unix_ms: int) -> JobView:
        """Return the newest view, as of this moment."""
        return replace(self.view, now_ms=now_ms, unix_ms=unix_ms)
