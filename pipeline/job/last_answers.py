"""The answers that are under way when a job ends: it sends nothing more, waits for them, and remembers them."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.errors import DestinationHalt
from pipeline.job.commits import Commits
from pipeline.job.dead_lettering import DeadLettering
from pipeline.job.deliveries import Deliveries
from pipeline.job.dispatch import Dispatch
from pipeline.job.first_error import FirstError

LOOK_S = 0.01
"""The longest time between two looks at what has been answered."""


class LastAnswers:
    """Waits for the answers of all calls and dead letters under way, those of revoked partitions included, until the deadline of the job."""

    def __init__(
        self,
        dispatch: Dispatch,
        deliveries: Deliveries,
        dead_lettering: DeadLettering,
        commits: Commits,
        deadline: Deadline,
        errors: FirstError,
    ) -> None:
        """`errors` keeps the error that ends the job, and those of the steps here: an error of one does not keep the others from being done."""
        self._dispatch = dispatch
        self._deliveries = deliveries
        self._dead_lettering = dead_lettering
        self._commits = commits
        self._deadline = deadline
        self._errors = errors

    def finish(self, grace_ms: int, keep_lease: Callable[[int], None], clock: Callable[[], int]) -> None:
        """Wait for the answers, confirm what was accepted, and log what stays unknown.

        Without a stop before it, the end of the job begins here, and may take `grace_ms`. `keep_lease` keeps the claims meanwhile. A dedup
        store that does not answer is waited for, too, where something is to be confirmed. A fault of log2mq itself is raised at the end.
        """
        deadline, kept, faults = self._deadline, self._errors.kept, _Faults()
        deadline.begin(grace_ms, EndStep.ANSWERS)
        deadline.enter(EndStep.ANSWERS)
        deadline.exit_code = self._errors.exit_code or deadline.exit_code
        self._dead_lettering.end()
        while True:
            is_last = deadline.step_is_over
            now_ms = clock()
            with kept():
                keep_lease(now_ms)
            with faults, kept():
                self._deliveries.apply(self._dispatch.collect(now_ms))
            with kept():
                self._deliveries.end_dead_lettered(now_ms)
            is_store_awaited = self._deliveries.are_unconfirmed and self._errors.may_store_return
            if is_last or not (self._dispatch.sending or self._dead_lettering.is_writing or is_store_awaited):
                break
            self._dispatch.wait(LOOK_S)
        with kept():
            self._commits.sync()
            if self._dispatch.halt:
                raise DestinationHalt(self._dispatch.halt)
        self._deliveries.log_repeats(self._dispatch.sending)
        faults.raise_if_any()


class _Faults:
    """A context manager that keeps the first fault of a sender thread: the other answers are waited for all the same."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._first = self._first or error
            return True
        return False

    def raise_if_any(self) -> None:
        """Raise the first fault that was kept."""
        if self._first is not None:
            raise self._first
