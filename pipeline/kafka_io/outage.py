"""The clock of an outage of the brokers.

kafka-python's `poll` raises nothing while no broker answers: it returns no records, as from a quiet topic. So after some seconds without records
the source asks the brokers a question.
"""

from __future__ import annotations

ASK_AFTER_S = 5.0
"""The time without records after which the brokers are asked."""

ASK_AGAIN_S = 1.0
"""The time between two questions while the brokers do not answer."""

CALM_S = 5.0
"""The time without an error after which an answer ends an outage. An earlier answer may come from one broker while another broker still fails."""

SELDOM_S = 2.0
"""A failure that comes so long after the one before may be of a connection that broke while this process stood still."""

REBUILD_AFTER_S = 30.0
"""The time after which an outage is answered with a new client: after some outages the old client does not connect again."""


class Outage:
    """Finds the begin and the end of outages. The caller gives all times, in seconds of one monotonic clock."""

    def __init__(self, give_up_after_s: float, now_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._answered_s = now_s
        self._asked_s = now_s
        self._failed_s = now_s - CALM_S
        self._since_s: float | None = None
        self._last_tries_s: float | None = None  # since when it is tried beyond the limit
        self._rebuilt_s = now_s

    @property
    def is_on(self) -> bool:
        """Whether an outage lasts."""
        return self._since_s is not None

    def answered(self, now_s: float, *, with_records: bool = False) -> bool:
        """Note an answer of the brokers, and return whether it ended an outage."""
        self._answered_s = now_s
        if self._since_s is None or not (with_records or now_s - self._failed_s >= CALM_S):
            return False
        self._since_s = None
        return True

    def failed(self, now_s: float) -> bool:
        """Note an error, and return whether it began an outage. The outage begins now and not at the last answer, since the process may have been suspended."""
        is_seldom, self._failed_s = now_s - self._failed_s > SELDOM_S, now_s
        if self._since_s is None:
            self._since_s, self._last_tries_s = now_s, None
            return True
        if is_seldom and self._last_tries_s is None and now_s - self._since_s > self._give_up_after_s:
            self._last_tries_s = now_s
        return False

    def ask_due(self, now_s: float) -> bool:
        """Return whether it is time to ask the brokers. If so, the time to the next question counts from now."""
        if now_s - self._answered_s < (ASK_AGAIN_S if self.is_on else ASK_AFTER_S):
            return False
        if now_s - self._asked_s < ASK_AGAIN_S:
            return False
        self._asked_s = now_s
        return True

    def is_over_limit(self, now_s: float) -> bool:
        """Return whether the outage has lasted longer than the limit.

        A process that stood still within the outage, such as on a machine that was suspended, tries for `CALM_S` more after it woke up, since the
        brokers may have come back meanwhile. A call that hangs cannot be told from that, so it also gets `CALM_S` more, once in an outage.
        """
        if self._since_s is None or now_s - self._since_s <= self._give_up_after_s:
            return False
        return self._last_tries_s is None or now_s - self._last_tries_s > CALM_S

    def rebuild_due(self, now_s: float) -> bool:
        """Return whether it is time for a new client. If so, the next one is due after the same time."""
        if self._since_s is None or now_s - max(self._since_s, self._rebuilt_s) <= REBUILD_AFTER_S:
            return False
        self._rebuilt_s = now_s
        return True
