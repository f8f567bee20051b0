"""A look into a dedup store without a trace: what would be reported, and what was reported before."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.values import Claim, ClaimResult


class DryRunStore:
    """Answers as the store wrapped would, and keeps what this run would report in memory of its own.

    A claim granted wrapped is given back at once, so that the live job never waits for a dry run.
    """

    def __init__(self, wrapped: DedupStore, overlay: DedupStore) -> None:
        """`overlay` is an empty store in memory."""
        self._wrapped = wrapped
        self._overlay = overlay
        self._reported: set[bytes] = set()  # of these this run knows the newest version, the store wrapped an older one

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[ClaimResult]:
        """Answer from this run first, then from the store wrapped."""
        results = self._overlay.claim(claims, now_ms)
        asked = [
            place
            for place, result in enumerate(results)
            if result is ClaimResult.GRANTED and claims[place].key not in self._reported
        ]
        answers = self._wrapped.claim([claims[place] for place in asked], now_ms)
        self._wrapped.release(
            [claims[place] for place, answer in zip(asked, answers, strict=True) if answer is ClaimResult.GRANTED]
        )
        given_back = []
        for place, answer in zip(asked, answers, strict=True):
            if answer is not ClaimResult.GRANTED:
                results[place] = answer
                given_back.append(claims[place])
        self._overlay.release(given_back)
        return results

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Remember in memory only."""
        self._reported.update(claim.key for claim in claims)
        self._overlay.confirm(claims, now_ms)

    def release(self, claims: Sequence[Claim]) -> None:
        """Forget in memory only."""
        self._overlay.release(claims)

    def renew(self, now_ms: int) -> None:
        """Keep both leases."""
        self._overlay.renew(now_ms)
        self._wrapped.renew(now_ms)

    def sync(self) -> None:
        """Nothing here is durable."""

    def sweep(self, now_ms: int) -> int:
        """Tidy memory only."""
        return self._overlay.sweep(now_ms)

    def close(self) -> None:
        """Close both."""
        self._overlay.close()
        self._wrapped.close()
