"""Both operations of the API, events and users, which share the sender threads: neither holds up the other."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.job.api_operation import ApiOperation
from pipeline.job.batch import Batch
from pipeline.job.flow.state import FlowState
from pipeline.job.hold import Hold
from pipeline.job.in_flight import PendingMessage
from transforms.base import Kind


class Operations:
    """The operations, and whose turn it is."""

    def __init__(self, operations: Iterable[ApiOperation]) -> None:
        self._by_kind = {operation.batcher.kind: operation for operation in operations}
        self._order = list(self._by_kind.values())  # the one that sends next comes first
        self._seen: set[Kind] = set()  # the kinds of which there was a message

    def __getitem__(self, kind: Kind) -> ApiOperation:
        return self._by_kind[kind]

    def add(self, messages: Iterable[PendingMessage], now_ms: int) -> None:
        """Gather messages into batches."""
        kind, operation = None, self._order[0]
        for message in messages:
            if message.kind is not kind:
                kind = message.kind
                operation = self._by_kind[kind]
                if kind not in self._seen:
                    self._see(kind)
            if (full := operation.batcher.add(message, now_ms)) is not None:
                operation.queue.add(full)

    def seal_due(self, now_ms: int, *, flush: bool) -> None:
        """Let batches that are due wait for a sender; with `flush`, those that are not full too."""
        for operation in self._order:
            due_ms = operation.batcher.due_ms()
            if due_ms is not None and (flush or due_ms <= now_ms):
                operation.queue.add(operation.batcher.seal())

    def next(self, now_ms: int) -> tuple[ApiOperation, Batch] | None:
        """Take out the batch that is sent next, of the operations in turn; None where none may be sent now."""
        for operation in self._order:
            if (batch := operation.next(now_ms)) is not None:
                self._order.remove(operation)
                self._order.append(operation)
                return operation, batch
        return None

    def look(self, now_ms: int) -> None:
        """Note which operations are held back now. Call it when everything is sent that may be."""
        for operation in self._order:
            operation.flow.look(now_ms, is_waiting=operation.waiting > 0)

    @property
    def has_batches(self) -> bool:
        """Whether anything is gathered or waits."""
        return any(operation.has_batches for operation in self._order)

    @property
    def ready(self) -> int:
        """New batches that wait for an idle sender. Those of an operation that is held back count only while no other operation works."""
        seen = [operation for kind, operation in self._by_kind.items() if kind in self._seen]
        return sum(
            operation.queue.new for operation in [operation for operation in seen if not operation.is_held_back] or seen
        )

    @property
    def queued(self) -> int:
        """Batches that wait to be sent, or to be sent again."""
        return sum(operation.waiting for operation in self._order)

    def flows(self, now_ms: int) -> tuple[FlowState, ...]:
        """Return the flow of each operation of which there was a message."""
        return tuple(each.flow.state(now_ms) for kind, each in self._by_kind.items() if kind in self._seen)

    def holds(self) -> tuple[Hold, ...]:
        """Return what is refused without a contrast, for each operation that refuses something."""
        return tuple(hold for operation in self._by_kind.values() if (hold := operation.hold()) is not None)

    def withdraw(self) -> list[PendingMessage]:
        """Remove all messages that are not being sent, and return them."""
        return [message for operation in self._order for message in operation.withdraw()]

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of revoked partitions that are not being sent, and return them."""
        return [message for operation in self._order for message in operation.drop_stale()]

    def _see(self, kind: Kind) -> None:
        """Note that there is a message of a kind: from now on its operation has a share of the sender threads."""
        self._seen.add(kind)
        for operation in self._order:
            operation.flow.share_threads(is_shared=len(self._seen) > 1)
