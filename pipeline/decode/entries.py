"""The entries of one record, collected from several decoded parts of it."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contracts.interfaces import Decoded, Fields
from pipeline.contracts.values import Pending
from pipeline.decode.limits import DecodeLimits
from schemas.refusal import Refusal
from transforms.base import Skipped


def gathered(answers: Iterable[Decoded], limits: DecodeLimits) -> list[Fields | Refusal] | Skipped | Refusal | Pending:
    """Return the entries of all answers in order, without the skipped ones; or the first `Pending`, or a refusal where there are too many entries.

    Where all answers are skipped, return the last `Skipped`.
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
