"""Several entries of one record, put together from answers of which each may hold some."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.decode.limits import DecodeLimits
from pipeline.interfaces import Decoded, Fields
from pipeline.values import NotYet
from schemas.refusal import Refusal
from transforms.base import Skipped


def gathered(answers: Iterable[Decoded], limits: DecodeLimits) -> list[Fields | Refusal] | Refusal | NotYet:
    """Return all their entries in order, without what is skipped; or the first `NotYet`, or a refusal as soon as there are too many."""
    entries: list[Fields | Refusal] = []
    most = limits.entries
    for answer in answers:
        if isinstance(answer, NotYet):
            return answer
        if isinstance(answer, list):
            entries += answer
        elif not isinstance(answer, Skipped):
            entries.append(answer)
        if len(entries) > most:
            return limits.too_many_entries
    return entries
