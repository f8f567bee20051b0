"""Answers applied: confirm what was delivered, release what was not, close the messages that have ended, and end what is dead-lettered."""

from __future__ import annotations

import logging

from pipeline.job.claims import ClaimQueue
from pipeline.job.commits import Commits
from pipeline.job.dead_lettering import DeadLettering
from pipeline.job.dispatch import Answers
from pipeline.job.in_flight import InFlight, PendingMessage

_log = logging.getLogger("log2mq.job")


class Deliveries:
    """Remembers each delivered message until the dedup store has confirmed it."""

    def __init__(
        self, claims: ClaimQueue[PendingMessage], commits: Commits, in_flight: InFlight, dead_lettering: DeadLettering
    ) -> None:
        self._claims = claims
        self._dead_lettering = dead_lettering
        self._commits = commits
        self._in_flight = in_flight
        self._unconfirmed: list[PendingMessage] = []

    @property
    def are_unconfirmed(self) -> bool:
        """Whether the store has not confirmed something that was delivered, or a dead letter that is durable."""
        return bool(self._unconfirmed or self._dead_lettering.unconfirmed)

    def log_repeats(self, calls: int) -> None:
        """Log what is reported or written again after the end of the job. `calls` were not answered."""
        if calls:
            _log.warning("%d calls were not answered within stop.grace; their messages are reported again", calls)
        if messages := len(self._unconfirmed):
            _log.warning("the store did not confirm %d delivered messages; they are reported again", messages)
        if letters := self._dead_lettering.unwritten:
            _log.warning("%d dead letters were not written; their records are redelivered", letters)
        if letters := self._dead_lettering.unconfirmed:
            _log.warning("the store did not confirm %d dead letters; they are written again", letters)

    def end_dead_lettered(self, now_ms: int) -> None:
        """Write the dead letters that are due, and end the records whose dead letter is remembered.

        Raises:
            DeadLetterUnavailable: the dead-letter topic refuses a record, or has taken none for too long.
            StoreUnavailable: the store does not answer. The durable dead letters are confirmed by the next call.
            TooManyDeadLetters: the share of dead letters is above the limit.
        """
        for record in self._dead_lettering.process(now_ms):
            self._commits.confirmed()
            self._in_flight.end_dead_lettered(record)

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
        self._claims.add(self._in_flight.close_reported(delivered))
        for message, refused in answers.refused:
            self._claims.add(self._in_flight.refuse(message, refused))
