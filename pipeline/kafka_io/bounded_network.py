"""kafka-python's event loop, with an end for each wait of the thread that calls it."""

from __future__ import annotations

import threading
from typing import Any

from kafka import errors
from kafka.net.selector import NetworkSelector

from pipeline.contracts.deadline import Deadline, monotonic_ms

CALL_LIMIT_MS = 45_000
"""The longest call of a consumer or an admin client.

kafka-python's own limits are shorter, but its IO thread keeps them: they do not hold while this thread waits for a name server.
"""

STOP_LIMIT_MS = 1_000
"""The longest wait for the end of the IO thread."""

LOOK_S = 0.1
"""The time between two looks at the deadline of the job, which a signal may begin at any time. Meanwhile the job keeps its lease."""


class BoundedNetwork(NetworkSelector):  # type: ignore[misc]  # kafka-python ships no types
    """The event loop of one client. In kafka-python 3.0.12 some calls wait without a limit, such as the one for all topics.

    A consumer and an admin client have a thread for their IO, and their calls wait for it here. A producer's own thread drives its loop.
    """

    def __init__(self, deadline: Deadline, **configs: Any) -> None:
        super().__init__(**configs)
        self._deadline = deadline

    def run(self, coro: Any, *args: Any) -> Any:
        """Run a coroutine on the IO thread, and return its result.

        Raises:
            kafka.errors.KafkaTimeoutError: there is none within `CALL_LIMIT_MS`, or by the deadline of a job that ends. The coroutine goes on.
            kafka.errors.KafkaError: what the coroutine raises, or the loop has ended.
        """
        if self._closed or self._exception or self._io_thread in {None, threading.current_thread()}:
            return super().run(coro, *args)
        ended, failure = threading.Event(), {"value": None, "exception": None}
        with self._pending_waiters_lock:
            self._pending_waiters[ended] = failure  # the end of the loop sets both
        try:
            future = self.call_soon_with_future(coro, *args)
            future.add_both(lambda *_: ended.set())
            self._wait(ended)
        finally:
            with self._pending_waiters_lock:
                self._pending_waiters.pop(ended, None)
        if failure["exception"] is not None:
            raise failure["exception"]
        if future.exception is not None:
            raise future.exception
        return future.value

    def stop(self, timeout_ms: float | None = None) -> None:
        """End the IO thread, and wait for it a moment. It is a daemon: it does not keep the process."""
        super().stop(min(timeout_ms or STOP_LIMIT_MS, self._deadline.limit_ms(STOP_LIMIT_MS)))

    def close(self) -> None:
        """Close the loop, unless its thread still uses it."""
        thread = self._io_thread
        self.stop()
        if thread is not None and thread.is_alive():
            self._closed = True
        else:
            super().close()

    def _wait(self, ended: threading.Event) -> None:
        until_ms = monotonic_ms() + CALL_LIMIT_MS
        while not ended.wait(LOOK_S):
            self._deadline.while_waiting()
            is_late = monotonic_ms() >= until_ms or self._deadline.step_is_over
            if is_late and not ended.is_set():  # it may have ended while the lease was renewed
                raise errors.KafkaTimeoutError("a call has not ended in time")
