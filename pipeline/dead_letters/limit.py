"""The share of dead letters among records read one after the other, and the limit at which the job stops."""

from __future__ import annotations

from pipeline.errors import TooManyDeadLetters

KEPT_HALVES = 1_000
"""The half windows whose dead letters are counted. One that had dead letters before these begins at 0 again."""


class DeadLetterLimit:
    """Counts dead letters in half windows of records read, so that counting costs very little. Two half windows, one after the other, are a window.

    A dead letter counts in the half window in which its record was read, whenever it is known. After an outage the refusals of thousands of
    records come without a read between them, and in an outage only dead letters are finished: neither is a fault of the source.
    """

    def __init__(self, stop_above: float, window: int) -> None:
        """Begin. `stop_above` is a share from 0 to 1, `window` a number of records."""
        self._stop_above = stop_above
        self._most = stop_above * window
        self._window = window
        self._half = max(1, window // 2)
        self._dead: dict[int, int] = {}  # dead letters by half window, the oldest first; those without any are left out
        self._number = 0
        self._read = 0

    def share(self) -> float:
        """Return the share of dead letters, from 0 to 1, among the records of the last window."""
        found = self._dead.get(self._number, 0) + self._dead.get(self._number - 1, 0)
        return found / max(1, self._read + min(self._number, 1) * self._half)

    def read(self) -> int:
        """Count one record read, and return its half window."""
        if self._read == self._half:
            self._read = 0
            self._number += 1
        self._read += 1
        return self._number

    def dead(self, half_window: int) -> None:
        """Count a dead letter of a record that was read in this half window.

        Raises:
            TooManyDeadLetters: the dead letters within a window are more than the permitted share.
        """
        count = self._dead.get
        here = self._dead[half_window] = count(half_window, 0) + 1
        found = here + max(count(half_window - 1, 0), count(half_window + 1, 0))
        if len(self._dead) > KEPT_HALVES:
            del self._dead[next(iter(self._dead))]
        if found > self._most:
            raise TooManyDeadLetters(
                f"{found} of {self._window} records that were read one after the other became dead letters; "
                f"dead_letters.stop_above allows {self._stop_above:.1%}. The source or its mapping is wrong"
            )
