"""The dedup store of a dry run: it answers as the real store, and changes nothing in it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.rate_table import RateTable
from pipeline.contracts.values import Claim, ClaimResult, StoreUsage


class DryRunStore:
    """Answers as the wrapped store would, and keeps the messages that the dry run would report in an overlay in memory.

    It claims nothing in the wrapped store, so a running job never waits for a dry run.
    """

    def __init__(self, wrapped: DedupStore, overlay: DedupStore) -> None:
        """`overlay` is an empty store in memory."""
        self._wrapped = wrapped
        self.identity = wrapped.identity
        self._overlay = overlay
        self._reported: set[bytes] = (
            set()
        )  # keys whose newest version is in the overlay; the wrapped store has an older one

    def claim(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the answers of the overlay, or else of the wrapped store."""
        results = self._overlay.claim(claims)
        asked = [
            place
            for place, result in enumerate(results)
            if result is ClaimResult.GRANTED and claims[place].key not in self._reported
        ]
        answers = self._wrapped.look_up([claims[place] for place in asked])
        to_release = []
        for place, answer in zip(asked, answers, strict=True):
            if answer is not ClaimResult.GRANTED:
                results[place] = answer
                to_release.append(claims[place])
        self._overlay.release(to_release)
        return results

    def look_up(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        """Return the results that `claim` would return now, and change nothing."""
        results = self._overlay.look_up(claims)
        for place, result in enumerate(self._wrapped.look_up(claims)):
            if results[place] is ClaimResult.GRANTED and claims[place].key not in self._reported:
                results[place] = result
        return results

    def confirm(self, claims: Sequence[Claim]) -> None:
        """Confirm in the overlay only."""
        self._reported.update(claim.key for claim in claims)
        self._overlay.confirm(claims)

    def release(self, claims: Sequence[Claim], *, in_doubt: bool = False) -> None:
        """Release in the overlay only."""
        self._overlay.release(claims, in_doubt=in_doubt)

    def renew(self) -> None:
        """Renew the leases of both stores."""
        self._overlay.renew()
        self._wrapped.renew()

    def sync(self) -> None:
        """Do nothing: the overlay is not durable."""

    def sweep(self) -> int:
        """Sweep the overlay only."""
        return self._overlay.sweep()

    def usage(self) -> StoreUsage:
        """Return how full the wrapped store is."""
        return self._wrapped.usage()

    def rates(self) -> RateTable:
        """Return the table of the overlay: a dry run sends nothing."""
        return self._overlay.rates()

    def close(self) -> None:
        """Close both stores."""
        self._overlay.close()
        self._wrapped.close()
