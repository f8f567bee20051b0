"""The desk where messages ask for the right to be reported, and wait while somebody else has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import Standing
from pipeline.job.in_flight import Parcel

ASK_AGAIN_MS = 200
"""How often to ask for a claim that another process holds."""


class ClaimDesk:
    """Puts the dedup store's three verbs to parcels, in batches.

    Two messages with the same key close together: the second waits for the first one's outcome. If the first was reported the second
    is a duplicate; if it was refused, the second is tried itself.
    """

    def __init__(self, store: DedupStore) -> None:
        self._store = store
        self._asking: list[Parcel] = []
        self._held_here: dict[bytes, list[Parcel]] = {}  # key claimed by this process -> who waits for its outcome
        self._held_elsewhere: list[Parcel] = []
        self._ask_elsewhere_at = 0

    def ask(self, parcels: Iterable[Parcel]) -> None:
        """Queue parcels to be claimed at the next `settle`."""
        self._asking.extend(parcels)

    @property
    def has_work(self) -> bool:
        """Whether the next `settle` has something to ask at once."""
        return bool(self._asking)

    @property
    def waiting_elsewhere(self) -> int:
        """Messages that wait for another process's outcome."""
        return len(self._held_elsewhere)

    def settle(self, now_ms: int) -> tuple[list[Parcel], list[tuple[Parcel, Standing]]]:
        """Claim what was asked for. Return the parcels granted, and those already reported with how that is known.

        Raises:
            StoreUnavailable: the store cannot answer.
        """
        granted: list[Parcel] = []
        known: list[tuple[Parcel, Standing]] = []
        asking, self._asking = self._asking, []
        if self._held_elsewhere and now_ms >= self._ask_elsewhere_at:
            asking += self._held_elsewhere
            self._held_elsewhere = []
            self._ask_elsewhere_at = now_ms + ASK_AGAIN_MS
        if not asking:
            return granted, known
        held_here, free, held = (
            self._held_here,
            Standing.GRANTED,
            Standing.HELD,
        )  # looking an enumeration's member up takes its time
        for parcel, standing in zip(asking, self._store.claim([each.claim for each in asking], now_ms), strict=True):
            if standing is free:
                held_here.setdefault(parcel.claim.key, [])  # whoever waits for a claim that lapsed goes on waiting
                granted.append(parcel)
            elif standing is not held:
                known.append((parcel, standing))
            elif (waiting := held_here.get(parcel.claim.key)) is not None:
                waiting.append(parcel)
            else:
                self._held_elsewhere.append(parcel)
        return granted, known

    def confirm(self, parcels: Sequence[Parcel], now_ms: int) -> None:
        """Remember them as reported; who waited for them asks again and learns it."""
        if parcels:
            self._store.confirm([parcel.claim for parcel in parcels], now_ms)
            self._wake(parcels)

    def release(self, parcels: Sequence[Parcel]) -> None:
        """Give their claims back unreported; who waited for them asks again and may be granted."""
        if parcels:
            self._store.release([parcel.claim for parcel in parcels])
            self._wake(parcels)

    def drop_stale(self) -> None:
        """Forget who waits for a record of a partition that was taken away."""
        self._asking = [parcel for parcel in self._asking if not parcel.is_stale]
        self._held_elsewhere = [parcel for parcel in self._held_elsewhere if not parcel.is_stale]
        for key, waiting in self._held_here.items():
            if waiting:
                self._held_here[key] = [parcel for parcel in waiting if not parcel.is_stale]

    def _wake(self, parcels: Sequence[Parcel]) -> None:
        pop = self._held_here.pop
        for parcel in parcels:
            waiting = pop(parcel.claim.key, None)
            if waiting:
                self._asking.extend(waiting)
