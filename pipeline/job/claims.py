"""Claims messages in the dedup store, in batches. A message whose key is already claimed waits here for that claim's outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, takewhile
from typing import Generic, Protocol, TypeVar

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import Claim, ClaimResult

ASK_AGAIN_MS = 200
"""The time between two attempts to claim a key that another process has claimed."""


class Claimant(Protocol):
    """What is claimed: a message, or a dead letter."""

    @property
    def claim(self) -> Claim:
        """The claim under which it is reported or written."""
        ...

    @property
    def in_doubt(self) -> bool:
        """Whether it may have been reported: the answer of a call was lost."""
        ...

    @property
    def is_stale(self) -> bool:
        """Whether the partition of its record was revoked."""
        ...


ClaimantT = TypeVar("ClaimantT", bound=Claimant)


class ClaimQueue(Generic[ClaimantT]):
    """Claims, confirms and releases messages, or dead letters, in the dedup store, in batches.

    Messages with the same key are claimed one after the other, in the order of `add`, whatever happens to the claims before them. So two
    versions of a customer's identities never change places. If the first message was reported, a second one of the same version is a
    duplicate. If it was refused, the second one is claimed itself.
    """

    def __init__(self, store: DedupStore) -> None:
        self._store = store
        # The unfinished messages by key, in the order of `add`. This process has claimed the first one, unless the key is in one of the next two.
        self._queues: dict[bytes, list[ClaimantT]] = {}
        self._due: dict[bytes, list[ClaimantT]] = {}  # the next `process` claims the first message
        self._elsewhere: dict[bytes, list[ClaimantT]] = {}  # another process has claimed the key
        self._elsewhere_due_ms = 0

    def add(self, messages: Iterable[ClaimantT]) -> None:
        """Queue messages. The next `process` claims them, or a later one when all earlier messages with the same key have ended."""
        queues, due = self._queues, self._due
        for message in messages:
            key = message.claim.key
            if (queue := queues.get(key)) is None:
                queues[key] = due[key] = [message]
            else:
                queue.append(message)

    @property
    def is_empty(self) -> bool:
        """Whether the next `process` has nothing to claim."""
        return not self._due

    @property
    def waiting_elsewhere(self) -> int:
        """Messages whose key another process has claimed."""
        return sum(map(len, self._elsewhere.values()))

    def process(self, now_ms: int) -> tuple[list[ClaimantT], list[tuple[ClaimantT, ClaimResult]]]:
        """Claim the queued messages. Return the granted ones, and the ones that were reported before, with the store's answer.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        granted: list[ClaimantT] = []
        known: list[tuple[ClaimantT, ClaimResult]] = []
        if self._elsewhere and now_ms >= self._elsewhere_due_ms:
            self._due.update(self._elsewhere)
            self._elsewhere = {}
            self._elsewhere_due_ms = now_ms + ASK_AGAIN_MS
        if not self._due:
            return granted, known
        claimed = list(chain.from_iterable(self._due.values()))
        if len(claimed) > len(self._due):
            claimed = list(chain.from_iterable(map(_same_version, self._due.values())))
        self._due = {}
        free, held = ClaimResult.GRANTED, ClaimResult.HELD  # looking up a member of an enumeration is slow
        results = self._store.claim([message.claim for message in claimed])
        if results.count(free) == len(claimed):  # as in nearly all calls
            return claimed, known
        for message, result in zip(claimed, results, strict=True):
            if result is free:
                granted.append(message)
            elif result is not held:
                known.append((message, result))
            elif (queue := self._queues[message.claim.key])[0] is message:
                self._elsewhere[message.claim.key] = queue
        if known:
            self._finish([message for message, _ in known])
            for message in granted:  # a message behind a known one of its key may be granted in the same call
                self._due.pop(message.claim.key, None)
        return granted, known

    def confirm(self, messages: Sequence[ClaimantT]) -> None:
        """Confirm messages that were reported. Messages that wait for them are claimed next, and turn out as duplicates."""
        if messages:
            self._store.confirm([message.claim for message in messages])
            self._finish(messages)

    def release(self, messages: Sequence[ClaimantT]) -> None:
        """Release messages that were not reported. Messages that wait for them are claimed next, and may be granted."""
        if messages:
            self._give_back(messages)
            self._finish(messages)

    def renew(self, messages: Sequence[ClaimantT]) -> None:
        """Release claims that may have lapsed, and claim the messages again. They stay before the messages that wait for them."""
        if messages:
            self._give_back(messages)
            for message in messages:
                self._due[message.claim.key] = self._queues[message.claim.key]

    def drop_stale(self) -> None:
        """Forget the waiting messages of revoked partitions. A claimed message stays until its outcome."""
        for key, queue in list(self._queues.items()):
            is_claimed = key not in self._due and key not in self._elsewhere
            queue[is_claimed:] = [message for message in queue[is_claimed:] if not message.is_stale]
            if not queue:
                del self._queues[key]
                self._due.pop(key, None)
                self._elsewhere.pop(key, None)

    def _give_back(self, messages: Sequence[ClaimantT]) -> None:
        """Release claims in the store. Those of messages that may have been reported leave the confirmed versions in doubt."""
        self._store.release([message.claim for message in messages if not message.in_doubt])
        if in_doubt := [message.claim for message in messages if message.in_doubt]:
            self._store.release(in_doubt, in_doubt=True)

    def _finish(self, messages: Iterable[ClaimantT]) -> None:
        """Remove messages that have their outcome from the head of their queue. The next message of the key is due."""
        queues, due = self._queues, self._due
        for message in messages:
            if len(queue := queues.pop(message.claim.key)) > 1:
                del queue[0]
                queues[message.claim.key] = due[message.claim.key] = queue
            elif due:  # several messages of one key may end at once
                due.pop(message.claim.key, None)


def _same_version(queue: Sequence[ClaimantT]) -> Iterable[ClaimantT]:
    """Return the first message and the following ones of the same version: if the first was reported before, the others usually were too."""
    digest = queue[0].claim.digest
    return takewhile(lambda message: message.claim.digest == digest, queue)
