"""What the API said for good about a message, remembered with the dead letter of its record: a replay needs no new evidence for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from pipeline.contracts.interfaces import DedupStore
from pipeline.contracts.message_order import record_origin
from pipeline.contracts.values import Claim, ClaimResult
from pipeline.errors import StoreUnavailable

if TYPE_CHECKING:
    from pipeline.job.in_flight import PendingMessage

_NO_DIGEST = bytes(8)
_KNOWN = frozenset({ClaimResult.DUPLICATE, ClaimResult.REDELIVERED})


class Judgement(Enum):
    """Why a message became a dead letter after its refusal."""

    NONE = auto()
    HELD = auto()
    """No other message was accepted for `report.unknown_hold`: the cause stayed unknown."""
    CONTRAST = auto()
    """Others were accepted between its refusals: its content is at fault."""


class Judged(NamedTuple):
    """A judgement about a message that was refused with a code."""

    judgement: Judgement
    code: str


def judgement_claim(message: PendingMessage, judged: Judged) -> Claim:
    """Return the claim that stands for a judgement in the dedup store. It is never claimed, only confirmed.

    It is that of these bytes of this record, refused with this code: what a person mended since has no judgement.
    """
    place, offset = message.record.offsets.place, message.record.raw.offset
    text = repr(("judgement", judged.judgement.name, message.kind.value, judged.code, place, offset))
    key = blake2b(text.encode() + message.body, digest_size=16).digest()
    return Claim(key, _NO_DIGEST, record_origin(place, offset))


def claims_of(refused: Iterable[PendingMessage]) -> list[Claim]:
    """Return the claims of the judgements about refused messages."""
    return [judgement_claim(each, each.judged) for each in refused if each.judged is not None]


def find_judgements(store: DedupStore, messages: Sequence[PendingMessage], code: str) -> None:
    """Set the judgement of each message that is refused with `code` now and was before.

    A store that does not answer knows none: the next verb raises it again; here it would cost the answers that were just collected.
    """
    asked = [message for message in messages if message.judged is None or message.judged.code != code]
    if not asked:
        return
    possible = (Judged(Judgement.CONTRAST, code), Judged(Judgement.HELD, code))
    try:
        results = store.look_up([judgement_claim(message, judged) for message in asked for judged in possible])
    except StoreUnavailable:
        for message in asked:
            message.judged = None
        return
    for place, message in enumerate(asked):
        found = [judged for judged, result in zip(possible, results[2 * place :], strict=False) if result in _KNOWN]
        message.judged = found[0] if found else Judged(Judgement.NONE, code)
