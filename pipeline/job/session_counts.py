"""What one process has done of one partition, over all times that it owned it."""

from __future__ import annotations

from pipeline.job.books import Books, MessageResult, Tally


class SessionCounts:
    """What this process has done of one partition since it started, over all epochs. Owned by `Offsets`; the epochs count in it."""

    __slots__ = ("lost", "read", "returned", "tally")

    def __init__(self) -> None:
        self.tally = Tally()
        self.read = 0
        self.returned = 0
        self.lost = 0

    @property
    def is_remembered(self) -> bool:
        """Whether the dedup store remembers something of it: a message that was reported or known, or a dead letter."""
        messages = self.tally.messages
        refused = messages[MessageResult.EVENT_REFUSED] + messages[MessageResult.USER_REFUSED]
        return self.tally.remembered > 0 or sum(messages) > refused

    def books(self, in_flight: int) -> Books:
        """Return the books, with the records that are in flight now."""
        return Books.of(self.tally, read=self.read, in_flight=in_flight, returned=self.returned, lost=self.lost)
