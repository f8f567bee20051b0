"""Several entries of one record, put together from answers of which each may hold some."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.interfaces import Decoded, Fields
from pipeline.contracts.values import Pending
from pipeline.decode.limits import DecodeLimits
from schemas.refusal import Refusal
from transforms.base import Skipped


def gathered(answers: Iterable[Decoded], limits: DecodeLimits) -> list[Fields | Refusal] | Skipped | Refusal | Pending:
    """Return all their entries in order, without what is skipped; or the first `Pending`, or a refusal as soon as there are too many.

    Where none of them is wanted, the last one's reason.
    """
    entries: list[Fields | Refusal] = []
    skipped: Skipped | None = None
    most = limits.entries
    for answer in answers:
        if isinstance(answer, Pending):
            return answer
        if isinstance(answer, list):
            entries += answer
        elif isinstance(answer, Skipped):
            skipped = answer
        else:
            entries.append(answer)
        if len(entries) > most:
            return limits.too_many_entries
    return entries or skipped or entries
