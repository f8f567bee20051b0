"""Claims messages in the dedup store, in batches. A message whose key is already claimed waits here for that claim's outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, takewhile

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import ClaimResult
from pipeline.job.in_flight import PendingMessage

ASK_AGAIN_MS = 200
"""How often to ask for a claim that another process holds."""


class ClaimQueue:
    """Puts the dedup store's three verbs to messages, in batches.

    The messages of one key are claimed one after the other, in the order in which they were first asked for, whatever happens to the
    claims before them: two versions of a customer's identities never change places. If the first was reported, a second one of the same
    version is a duplicate; if it was refused, the second is tried itself.
    """

    def __init__(self, store: DedupStore) -> None:
        self._store = store
        # Key -> its unfinished messages, in the order of `add`. The first is claimed here, unless the key is in one of the next two.
        self._lines: dict[bytes, list[PendingMessage]] = {}
        self._asking: dict[
            bytes, list[PendingMessage]
        ] = {}  # the lines whose first message is to be claimed at the next `process`
        self._elsewhere: dict[bytes, list[PendingMessage]] = {}  # the lines that wait for another process
        self._ask_elsewhere_at = 0

    def add(self, messages: Iterable[PendingMessage]) -> None:
        """Queue messages to be claimed: at the next `process`, or when those before them with the same key are finished."""
        lines, asking = self._lines, self._asking
        for message in messages:
            key = message.claim.key
            if (line := lines.get(key)) is None:
                lines[key] = asking[key] = [message]
            else:
                line.append(message)

    @property
    def is_empty(self) -> bool:
        """Whether the next `process` has nothing to claim."""
        return not self._asking

    @property
    def waiting_elsewhere(self) -> int:
        """Messages that wait for another process's outcome."""
        return sum(map(len, self._elsewhere.values()))

    def process(self, now_ms: int) -> tuple[list[PendingMessage], list[tuple[PendingMessage, ClaimResult]]]:
        """Claim what was asked for. Return the messages granted, and those already reported with how that is known.

        Raises:
            StoreUnavailable: the store cannot answer.
        """
        granted: list[PendingMessage] = []
        known: list[tuple[PendingMessage, ClaimResult]] = []
        if self._elsewhere and now_ms >= self._ask_elsewhere_at:
            self._asking.update(self._elsewhere)
            self._elsewhere = {}
            self._ask_elsewhere_at = now_ms + ASK_AGAIN_MS
        if not self._asking:
            return granted, known
        asked = list(chain.from_iterable(self._asking.values()))
        if len(asked) > len(self._asking):
            asked = list(chain.from_iterable(map(_same_version, self._asking.values())))
        self._asking = {}
        free, held = ClaimResult.GRANTED, ClaimResult.HELD  # looking an enumeration's member up takes its time
        results = self._store.claim([message.claim for message in asked], now_ms)
        if results.count(free) == len(asked):  # as nearly always
            return asked, known
        for message, result in zip(asked, results, strict=True):
            if result is free:
                granted.append(message)
            elif result is not held:
                known.append((message, result))
            elif (line := self._lines[message.claim.key])[0] is message:
                self._elsewhere[message.claim.key] = line
        self._finish([message for message, _ in known])
        return granted, known

    def confirm(self, messages: Sequence[PendingMessage], now_ms: int) -> None:
        """Remember them as reported; who waits for them is asked for next, and learns it."""
        if messages:
            self._store.confirm([message.claim for message in messages], now_ms)
            self._finish(messages)

    def release(self, messages: Sequence[PendingMessage]) -> None:
        """Give their claims back unreported; who waits for them is asked for next, and may be granted."""
        if messages:
            self._store.release([message.claim for message in messages])
            self._finish(messages)

    def renew(self, messages: Sequence[PendingMessage]) -> None:
        """Give claims back that may have lapsed, and ask for them anew. They keep their place before those that wait for them."""
        if messages:
            self._store.release([message.claim for message in messages])
            for message in messages:
                self._asking[message.claim.key] = self._lines[message.claim.key]

    def drop_stale(self) -> None:
        """Forget who waits for a record of a partition that was taken away. What is claimed stays until its outcome."""
        for key, line in list(self._lines.items()):
            is_claimed = key not in self._asking and key not in self._elsewhere
            line[is_claimed:] = [message for message in line[is_claimed:] if not message.is_stale]
            if not line:
                del self._lines[key]
                self._asking.pop(key, None)
                self._elsewhere.pop(key, None)

    def _finish(self, messages: Iterable[PendingMessage]) -> None:
        """The first messages of some lines have their outcome: the next ones are asked for."""
        lines, asking = self._lines, self._asking
        for message in messages:
            if len(line := lines.pop(message.claim.key)) > 1:
                del line[0]
                lines[message.claim.key] = asking[message.claim.key] = line
            elif asking:  # several of one line may be finished at once
                asking.pop(message.claim.key, None)


def _same_version(line: Sequence[PendingMessage]) -> Iterable[PendingMessage]:
    """Return the first message and those directly behind it with the same version: where it was reported before, so were they."""
    digest = line[0].claim.digest
    return takewhile(lambda message: message.claim.digest == digest, line)
