"""Whether the brokers are away, told from signs of life.

kafka-python's `poll` raises nothing while no broker answers: it returns no records, as from a quiet topic. So after a silence a question
is asked that only a living broker answers.
"""

from __future__ import annotations

ASK_AFTER_S = 5.0
"""How long nothing may arrive before the brokers are asked whether they live."""

ASK_AGAIN_S = 1.0
"""How often they are asked while they do not answer."""

CALM_S = 5.0
"""How long nothing may have failed before an answer ends an outage: an answer from one broker does not mend what another one refuses."""

REBUILD_AFTER_S = 30.0
"""Outages that last this long are answered with a new client: some leave the old one without its connections."""


class Outage:
    """The clock of an outage. All times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, give_up_after_s: float, now_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._alive_s = now_s
        self._asked_s = now_s
        self._failed_s = now_s - CALM_S
        self._since_s: float | None = None
        self._rebuilt_s = now_s

    @property
    def is_on(self) -> bool:
        """Whether the brokers are held to be away."""
        return self._since_s is not None

    def answered(self, now_s: float, *, with_records: bool = False) -> bool:
        """Take note of a sign of life, and say whether it ended an outage."""
        self._alive_s = now_s
        if self._since_s is None or not (with_records or now_s - self._failed_s >= CALM_S):
            return False
        self._since_s = None
        return True

    def failed(self, now_s: float) -> bool:
        """Take note of a failure, and say whether it began an outage. It begins here, and not at the last sign of life: the process may have slept."""
        self._failed_s = now_s
        if self._since_s is not None:
            return False
        self._since_s = now_s
        return True

    def ask_due(self, now_s: float) -> bool:
        """Say whether it is time to ask for a sign of life; asking counts from now."""
        if now_s - self._alive_s < (ASK_AGAIN_S if self.is_on else ASK_AFTER_S):
            return False
        if now_s - self._asked_s < ASK_AGAIN_S:
            return False
        self._asked_s = now_s
        return True

    def is_over_limit(self, now_s: float) -> bool:
        """Whether it has lasted longer than may be waited for."""
        return self._since_s is not None and now_s - self._since_s > self._give_up_after_s

    def rebuild_due(self, now_s: float) -> bool:
        """Say whether it is time for a new client; the next one is due as long after."""
        if self._since_s is None or now_s - max(self._since_s, self._rebuilt_s) <= REBUILD_AFTER_S:
            return False
        self._rebuilt_s = now_s
        return True
