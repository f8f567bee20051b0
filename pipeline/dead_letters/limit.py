"""The share of dead letters among the latest records, and the limit at which the job stops."""

from __future__ import annotations

from pipeline.errors import TooManyDeadLetters


class DeadLetterLimit:
    """Counts the dead letters among the latest records read. The sliding window is kept as two half windows, so that counting costs very little.

    It counts records read and not records finished: in an outage only dead letters are finished, which is not a fault of the source.
    """

    def __init__(self, stop_above: float, window: int) -> None:
        """Begin. `stop_above` is a share from 0 to 1, `window` a number of records."""
        self._stop_above = stop_above
        self._most = stop_above * window
        self._window = window
        self._half = max(1, window // 2)
        self._dead = self._dead_before = 0
        self._read = 0

    def read(self) -> None:
        """Count one record read."""
        self._read += 1
        if self._read >= self._half:
            self._dead_before, self._dead, self._read = self._dead, 0, 0

    def dead(self) -> None:
        """Count a dead letter.

        Raises:
            TooManyDeadLetters: the dead letters within the window are more than the permitted share.
        """
        self._dead += 1
        if self._dead + self._dead_before > self._most:
            raise TooManyDeadLetters(
                f"{self._dead + self._dead_before} of the last {self._window} records became dead letters; "
                f"dead_letters.stop_above allows {self._stop_above:.1%}. The source or its mapping is wrong: see the reasons in the dead letters"
            )
