"""An outage of some calls, by chance: the API accepts what it refused before. Then its code says nothing of the content for a time.

One of several servers behind the API may fail, so that half of all calls are refused. A message that was refused alone, twice, with others
accepted in between, is no proof then (`contrast`).
"""

from __future__ import annotations

from collections import deque

from pipeline.job.batch import Batch

CONTRADICTED_MS = 60_000
"""How long a code says nothing of the content after the API accepted what it had refused with this code."""

OUTAGE_IN_A_ROW = 8
"""As many refusals in a row are explained by an outage of all calls: they contradict nothing when it is over."""

SEVERAL_MS = 5_000
"""Where another batch was refused in this time, there may be a contradiction soon."""


class Contradictions:
    """What one operation accepted although it had refused it. All times are in ms of the caller's clock."""

    def __init__(self) -> None:
        self._by_code: dict[str, int] = {}  # the time of the last one
        self._in_a_row = 0  # refusals since the last acceptance
        self._outage_call = 0  # the number of calls at the end of the last outage of all calls
        # The last two batches that were refused for the first time, and when.
        self._roots: deque[tuple[Batch, int]] = deque(maxlen=2)

    def refused(self, batch: Batch, calls: int, now_ms: int) -> None:
        """Note that a batch was refused. `calls` is the number of calls so far."""
        self._in_a_row += 1
        if batch.root is None and not batch.refused_call:
            self._roots.append((batch, now_ms))
        batch.refused_call, batch.refused_size = calls, len(batch.messages)

    def accepted(self, batch: Batch, calls: int, now_ms: int) -> None:
        """Note that a batch was accepted: it, or the refused batch of which it is the last piece, may have been refused before."""
        if self._in_a_row >= OUTAGE_IN_A_ROW:
            self._outage_call = calls
        self._in_a_row = 0
        self._note(batch, len(batch.messages), now_ms)
        if (parent := batch.parent) is not None:
            parent.accepted_size += len(batch.messages)
            self._note(parent, parent.accepted_size, now_ms)

    def is_any_of(self, code: str, now_ms: int) -> bool:
        """Return whether a refusal with this code says nothing of the content now."""
        at_ms = self._by_code.get(code)
        return at_ms is not None and now_ms - at_ms < CONTRADICTED_MS

    def may_come(self, batch: Batch, now_ms: int) -> bool:
        """Return whether another batch was refused lately, so that there may be a contradiction soon."""
        root = batch.root or batch
        return any(each is not root and now_ms - at_ms < SEVERAL_MS for each, at_ms in self._roots)

    def _note(self, batch: Batch, accepted_size: int, now_ms: int) -> None:
        if batch.refused_call > self._outage_call and batch.refused_size == accepted_size:
            lately = {code: at_ms for code, at_ms in self._by_code.items() if now_ms - at_ms < CONTRADICTED_MS}
            self._by_code = lately | {batch.code: now_ms}
