"""The API's answers applied: confirm what was delivered, release what was not, and close the messages that have ended."""

from __future__ import annotations

from pipeline.job.claims import ClaimQueue
from pipeline.job.commits import Commits
from pipeline.job.dispatch import Answers
from pipeline.job.in_flight import REPORTED, InFlight, PendingMessage


class Deliveries:
    """Remembers each delivered message until the dedup store has confirmed it."""

    def __init__(self, claims: ClaimQueue, commits: Commits, in_flight: InFlight) -> None:
        self._claims = claims
        self._commits = commits
        self._in_flight = in_flight
        self._unconfirmed: list[PendingMessage] = []

    @property
    def unconfirmed(self) -> int:
        """Messages that were delivered, and that the store did not confirm."""
        return len(self._unconfirmed)

    def apply(self, answers: Answers) -> None:
        """Apply final answers. Messages that waited for one of these are claimed next.

        Raises:
            StoreUnavailable: the store does not answer. The delivered messages are confirmed by the next call.
        """
        self._unconfirmed += answers.delivered
        self._claims.confirm(self._unconfirmed)
        delivered, self._unconfirmed = self._unconfirmed, []
        if delivered:
            self._commits.confirmed()
        self._claims.release([*(message for message, _ in answers.refused), *answers.dropped])
        self._claims.renew(answers.withdrawn)
        close, add = self._in_flight.close, self._claims.add
        for message in delivered:
            if released := close(message, REPORTED[message.kind]):
                add(released)
        for message, refused in answers.refused:
            add(self._in_flight.refuse(message, refused))
