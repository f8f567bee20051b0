"""A thread whose fault is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Runs a function in a thread. `finish` raises what the function raised."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, limit_s: float) -> None:
        """Wait for the end of the thread, and raise its error.

        Raises:
            TimeoutError: it has not ended in time.
        """
        if self._thread.ident is None:
            return
        self._thread.join(limit_s)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._thread.is_alive():
            raise TimeoutError(f"the thread {self._thread.name} has not ended in {limit_s:.0f} s")

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001 - `finish` raises it
            self._error = error
