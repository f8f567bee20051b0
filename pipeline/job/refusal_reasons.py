"""Why the records of a run were refused, for the error that ends a job with too many dead letters."""

from __future__ import annotations

from collections import Counter

from schemas.log import Record
from schemas.refusal import Refusal

MOST_REASONS = 100
"""The most reasons that are counted each by itself. A plug-in may give any number of them."""

MOST_TOLD = 3


class RefusalReasons:
    """Counts reasons as their sentences say them: a sentence names the rule and the key, and no value of a record."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: Record | None = None

    def add(self, record: Record, refusal: Refusal) -> None:
        """Count a refused record."""
        self._first = self._first or record
        code = f"{refusal.code} ({refusal.api_code})" if refusal.api_code else refusal.code
        told = f"{code} at {refusal.stage}: {refusal.reason}"
        if told in self._counts or len(self._counts) < MOST_REASONS:
            self._counts[told] += 1

    def lines(self) -> list[str]:
        """Return the commonest reasons, the first refused record, and the way back, a sentence each."""
        told = [
            f"refused {count:,} {'time' if count == 1 else 'times'}: {reason}"
            for reason, count in self._counts.most_common(MOST_TOLD)
        ]
        if (first := self._first) is not None:
            place = f"{first.topic}:{first.partition}:{first.offset}"
            told.append(
                f"the first record of this run that was refused is {place}; correct the mapping, start the job again, "
                "and let the dead letters go back with `log2mq dead-letters redrive`"
            )
        return told
