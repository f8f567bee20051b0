"""Is the content of a refused batch at fault, or does the API refuse everything? Only a contrast tells.

A message is at fault only after this: it was refused alone, then a call of the same operation that began later was accepted, then the
message was refused alone again. So an outage condemns nothing, whatever its code (docs/guarantees.md, promise 4).

An outage of some calls only, by chance, is told by contradictions (`contradictions`). While there are some, a message that has its contrast is in
doubt: it is tried again and again, for as long as a hold.

Three things become of a refused batch:

* It waits here until a later call is accepted. Then it has a contrast: it is divided, or sent alone again.
* Its halves are tried. If both are refused, it is an outage: they are joined again, and only small parts are tried.
* It is held for too long. Then a few messages become dead letters; where more are held, the job halts.

Of this only judgements survive a restart (`judgements`): the other evidence is gathered anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple

from pipeline.contracts.values import Exhausted, Retry
from pipeline.job.attempts import Attempts
from pipeline.job.batch import Batch
from pipeline.job.contradictions import Contradictions
from pipeline.job.decision import Decision
from pipeline.job.hold import Hold
from pipeline.job.in_flight import PendingMessage
from pipeline.job.judgements import Judgement
from transforms.base import Kind

MOST_LONE = 3
"""The largest number of messages that may become dead letters without a contrast, in a row. Where more are refused, it is an outage."""

MOST_IN_A_ROW = 8
"""The largest number of refusals in a row after which parts are still divided at once. A batch of 100 is divided seven times."""

SEVERAL_LIMIT = 4
"""The least number of refusals, each with a contrast, after which a message is at fault while other batches are refused, too."""

DOUBT_MS = (1_000, 15_000)
"""The bounds of the wait before a message in doubt is tried again."""

PART_STEP = 8
"""A batch whose halves are both refused is tried by ever smaller parts: each has an eighth of the messages of the last one."""


class Released(NamedTuple):
    """Batches that have a contrast now: `again` are sent once more as they are, `parts` are halves and messages alone."""

    again: list[Batch]
    parts: list[Batch]


class Contrast:
    """The refused batches of one operation that have no contrast yet, and the evidence about them."""

    def __init__(self, kind: Kind, hold_ms: int, attempts: Attempts) -> None:
        """`hold_ms` is `report.unknown_hold`; `attempts` counts the calls of both operations."""
        self._kind = kind
        self._hold_ms = hold_ms
        self._attempts = attempts
        self._refused: list[Batch] = []
        self._out: list[Batch] = []  # taken out of these to be sent again, and not answered yet
        self._accepted_call = 0  # the number of the newest call that was accepted
        self._refusals = 0  # in a row
        self._lone = 0  # messages in a row that became dead letters without a contrast
        self._part_size = 0  # of the part that is tried next; 0 for a half
        self._ends = True  # whether the hold has an end
        self._contradictions = Contradictions()

    def __len__(self) -> int:
        """The number of batches without a contrast."""
        return len(self._refused)

    @property
    def is_outage(self) -> bool:
        """Whether more messages are refused without a contrast than may become dead letters."""
        return self._is_outage_with(())

    @property
    def is_lone(self) -> bool:
        """Whether a few messages are held whose content may be at fault, and nothing says that this is an outage."""
        return bool(self._held) and self._ends and not self.is_outage

    def hold(self) -> Hold | None:
        """Return what is held, or None."""
        if not self._refused and not self._out:
            return None
        if not (held := self._held):
            return None
        since_ms = min(batch.refused_ms or 0 for batch in held)
        until_ms = since_ms + self._hold_ms if self._ends else None
        messages = sum(len(batch.messages) for batch in held)
        return Hold(self._kind, messages, held[0].code, since_ms, until_ms, self.is_outage)

    def sent(self, batch: Batch) -> None:
        """Note that a batch is sent as the call `batch.call`."""
        batch.has_contrast = 0 < batch.refused_call < self._accepted_call

    def unsent(self, batch: Batch, *, again: bool) -> bool:
        """Note that a batch was not sent after all. With `again`, one that was taken out here is kept here again. Return whether it is."""
        if batch not in self._out:
            return False
        self._out.remove(batch)
        if again and batch.messages:
            self._refused.insert(0, batch)
        return again

    def accepted(self, batch: Batch, now_ms: int) -> Released:
        """Note that the API accepted a batch, and return the batches that were refused before this call began."""
        self._accepted_call = max(self._accepted_call, batch.call)
        self._contradictions.accepted(batch, self._attempts.calls, now_ms)
        for each in self._out:
            each.refused_ms = None
        self._out.clear()
        released = [each for each in self._refused if each.refused_call < batch.call]
        self._refused = [each for each in self._refused if each.refused_call >= batch.call]
        was_outage, self._refusals, self._lone = self._refusals > 1, len(self._refused), 0
        if batch.root is None:
            self._part_size = 0
        is_chance = self._contradictions.is_any_of
        again, parts = [], []
        for each in released:
            each.refused_ms = None
            if len(each.messages) == 1:
                parts.append(each)
            elif not each.is_repeated and (was_outage or self._part_size or is_chance(each.code, now_ms)):
                each.is_repeated = True
                again.append(each)
            else:
                parts += self.divide(each)
        return Released(again, parts)

    def refused(self, batch: Batch, retry: Retry, now_ms: int) -> Decision:
        """Note that a batch was refused, and decide what becomes of it. A batch that is held stays here."""
        self._out = [each for each in self._out if each is not batch]
        is_alone = len(batch.messages) == 1
        if retry.exhausted is Exhausted.HALVE_OR_HALT and not is_alone:
            return Decision.DIVIDE
        self._refusals += 1
        if retry.code != batch.code:
            batch.code, batch.alone = retry.code, 0
        self._contradictions.refused(batch, self._attempts.calls, now_ms)
        if is_alone:
            if batch.messages[0].judgement is Judgement.CONTRAST:
                return Decision.REFUSE  # an earlier run had the contrast
            is_counted = batch.has_contrast or not batch.alone
            batch.alone += is_counted
            least = SEVERAL_LIMIT if self._contradictions.may_come(batch, now_ms) else 0
            if is_counted and retry.limit is not None and batch.alone >= max(retry.limit, least):
                return self._condemn(batch, now_ms)
        elif self._is_searched(batch):
            return Decision.DIVIDE
        if batch.refused_ms is None:
            batch.refused_ms = now_ms
        self._ends = retry.exhausted is not Exhausted.ISOLATE_OR_RETRY
        oldest_ms = min(each.refused_ms or 0 for each in [batch, *self._held] if each.code == retry.code)
        if self._ends and self._is_outage_with(batch.messages) and now_ms - oldest_ms >= self._hold_ms:
            return Decision.HALT
        if self._ends and is_alone and now_ms - batch.refused_ms >= self._hold_ms:
            self._lone += batch.messages[0].judgement is Judgement.NONE
            return Decision.GIVE_UP
        self._keep(batch)
        return Decision.HOLD

    def doubt_ms(self, batch: Batch) -> int:
        """Return how long to wait before a message is tried again that is in doubt."""
        return min(DOUBT_MS[0] << min(batch.alone, 10), DOUBT_MS[1])

    def divide(self, batch: Batch) -> list[Batch]:
        """Halve a batch. Where most halves are refused, cut it into parts of the size that is accepted."""
        self._attempts.halvings += 1
        if 0 < self._part_size < len(batch.messages) // 2:
            return batch.pieces(self._part_size)
        return batch.halves()

    def probe(self) -> list[Batch]:
        """Take out what tells most when it is sent next: a message alone, both halves of a batch, or a small part of it."""
        if not self._refused:
            return []
        batch = self._refused.pop(0)
        if len(batch.messages) == 1:
            parts = [batch]
        elif not self._part_size:
            parts = self.divide(batch)
        else:
            self._refused.append(batch)
            parts = [batch.part(min(self._part_size, len(batch.messages) // 2))]
        self._out += parts
        return parts

    def clear(self) -> list[PendingMessage]:
        """Remove all batches and return their messages."""
        messages = [message for batch in self._refused for message in batch.messages]
        self._refused.clear()
        self._out.clear()
        return messages

    def drop_stale(self) -> list[PendingMessage]:
        """Remove the messages of partitions that were revoked, and return them."""
        dropped = [message for batch in self._refused for message in batch.drop_stale()]
        self._refused = [batch for batch in self._refused if batch.messages]
        return dropped

    def _condemn(self, batch: Batch, now_ms: int) -> Decision:
        """Decide about a message that has its contrast."""
        if not self._contradictions.is_any_of(batch.code, now_ms):
            return Decision.REFUSE
        batch.doubted_ms = now_ms if batch.doubted_ms is None else batch.doubted_ms
        if now_ms - batch.doubted_ms >= self._hold_ms:
            return Decision.REFUSE  # by chance it would have been accepted meanwhile
        batch.refused_ms = None
        return Decision.DOUBT

    @property
    def _held(self) -> list[Batch]:
        return [batch for batch in (*self._refused, *self._out) if batch.messages]

    def _is_outage_with(self, messages: Sequence[PendingMessage]) -> bool:
        """Return whether more is refused than bad content explains. What has a judgement from earlier is no sign of an outage."""
        refused = chain(messages, *[batch.messages for batch in self._held])
        new = (message for message in refused if message.judgement is Judgement.NONE)
        # It looks no further than it must: thousands may be held, and this is asked in each turn of the loop.
        return next(islice(new, MOST_LONE - self._lone, None), None) is not None

    def _is_searched(self, batch: Batch) -> bool:
        """Whether this is a part of a batch in which the bad message is searched: a call was accepted since the batch was refused."""
        if batch.root is None or batch.whole is not None:
            return False
        return batch.root.refused_call < self._accepted_call and self._refusals <= MOST_IN_A_ROW

    def _keep(self, batch: Batch) -> None:
        """Keep a batch until it has a contrast. A part comes back to its batch, and a half to the other half that was refused.

        A message alone that was a half stays alone: its refusals count.
        """
        size = max(1, len(batch.messages) // PART_STEP)
        for other in self._refused:
            if other is batch.whole or (other is batch.sibling and min(len(other.messages), len(batch.messages)) > 1):
                other.messages += batch.messages
                other.refused_call, other.alone = batch.refused_call, 0
                other.refused_size = len(other.messages)
                if other is batch.sibling and other.root is not None:
                    other.is_repeated, other.root.is_repeated = other.root.is_repeated, True
                self._part_size = size
                return
        self._refused.append(batch)
