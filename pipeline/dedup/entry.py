"""The entries of a store, the same in every store: claims, and confirmed messages.

A *claim* maps a key to the number of its owner. It lasts a short time and may be lost when the machine crashes. A *confirmed* entry maps a key
to expiry, digest and origin, and of a message with versions also to the order of its record. It must survive a crash. They are in different
tables, so a claim never hides the confirmed entry of its key: after the release of a claim for another digest, the earlier confirmation is still
known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from pipeline.contracts.message_order import ORDER_BYTES, is_older, is_same_place, succeeding
from pipeline.contracts.values import Claim, ClaimResult

KEY_BYTES = 16
PLAIN_BYTES = 24
"""The bytes of a confirmed entry without an order: expiry in ms of the store's clock (8), digest (8), origin (8)."""

ORDERED_BYTES = PLAIN_BYTES + ORDER_BYTES
"""The bytes of a confirmed entry with an order, which stands behind the origin."""

IN_DOUBT = b"\xff" * 8
"""The origin of an entry in doubt: an owner ended while it held a claim of another version, which may have been reported or not."""

NOBODY = bytes(8)
"""The number of no owner. Its claims are those of an ended owner."""

NEVER = bytes(PLAIN_BYTES)
"""An entry that expired long ago. It has the same effect as no entry."""


class ClaimAnswers(NamedTuple):
    """The answers to claims, in order; the keys granted; and the confirmed entries to be written: the log tells their version again, or it is in doubt."""

    results: list[ClaimResult]
    granted: list[bytes]
    advanced: Mapping[bytes, bytes]


def confirmed_entries(
    claims: Sequence[Claim], until_ms: int, entries_of: Callable[[Sequence[bytes]], Mapping[bytes, bytes]], now_ms: int
) -> dict[bytes, bytes]:
    """Return the confirmed entries to be written, by key, with the expiry `until_ms`. Of claims with the same key the last or newest one counts.

    `entries_of` is asked for the entries of sorted keys, those of the claims with an order: an entry of a newer version stays as it is.
    """
    until = until_ms.to_bytes(8)
    entries = {key: until + digest + origin for key, digest, origin, order in claims if not order}
    if len(entries) < len(claims) and (ordered := [claim for claim in claims if claim.order]):
        confirmed = entries_of(sorted({claim.key for claim in ordered}))
        for key, digest, origin, order in ordered:
            before = _order_of(entries.get(key) or confirmed.get(key, NEVER), now_ms)
            if not is_older(order, before):
                entries[key] = until + digest + origin + succeeding(order, before)
    return entries


def end_of(now_ms: int) -> bytes:
    """Return the bytes that sort after every confirmed entry that expires by `now_ms`, and before all others."""
    return now_ms.to_bytes(8) + b"\xff" * ORDERED_BYTES


def expires_ms(value: bytes) -> int:
    """Return the expiry of a confirmed entry, in ms of the store's clock."""
    return int.from_bytes(value[:8])


def is_ordered(value: bytes) -> bool:
    """Return whether a confirmed entry has an order."""
    return len(value) > PLAIN_BYTES


def is_newer(value: bytes, existing: bytes, now_ms: int) -> bool:
    """Return whether `value` replaces `existing` where nobody knows which of the two was written first: the newer version, or else the later expiry."""
    order, before = _order_of(value, now_ms), _order_of(existing, now_ms)
    return is_older(before, order) or (not is_older(order, before) and value[:8] >= existing[:8])


def result_of(value: bytes, claim: Claim, now_ms: int) -> ClaimResult:
    """Return the answer to a claim that no living owner holds, from the confirmed entry of its key."""
    if int.from_bytes(value[:8]) <= now_ms:
        return ClaimResult.GRANTED
    is_same_version, is_same_record = value[8:16] == claim.digest, value[16:24] == claim.origin
    order = value[PLAIN_BYTES:]
    if is_older(claim.order, order):
        # A later record of the same partition told another version, so this record was read before.
        is_redelivered = is_same_record or (not is_same_version and is_same_place(claim.order, order))
        return ClaimResult.REDELIVERED if is_redelivered else ClaimResult.DUPLICATE
    if not is_same_version:
        return ClaimResult.GRANTED
    if value[16:24] == IN_DOUBT:
        return ClaimResult.GRANTED if is_older(order, claim.order) else ClaimResult.REDELIVERED
    return ClaimResult.REDELIVERED if is_same_record else ClaimResult.DUPLICATE


def resolve_claims(
    claims: Sequence[Claim], held: set[bytes], orphaned: set[bytes], confirmed: Mapping[bytes, bytes], now_ms: int
) -> ClaimAnswers:
    """Return the answers to claims. `held` are keys that a living owner holds; the keys granted are added to it. `orphaned` are those of ended owners.

    A living claim comes before a confirmed entry: while a newer version of a message is in flight, the confirmed version may soon be replaced.
    An orphaned one leaves the confirmed version in doubt: the owner may have reported another one. So if the log tells the confirmed version
    again, later, it is reported again.
    """
    advanced: dict[bytes, bytes] = {}
    if not held and not confirmed:  # by far the most frequent case: no key is known
        granted = list({claim.key for claim in claims})
        if len(granted) == len(claims):
            held.update(granted)
            return ClaimAnswers([ClaimResult.GRANTED] * len(claims), granted, advanced)
    results: list[ClaimResult] = []
    granted = []
    for claim in claims:
        key = claim.key
        if key in held:
            results.append(ClaimResult.HELD)
            continue
        value = advanced.get(key) or confirmed.get(key)
        if key in orphaned and value is not None and is_ordered(value) and value[16:24] != IN_DOUBT:
            advanced[key] = value = value[:16] + IN_DOUBT + value[PLAIN_BYTES:]
        result = ClaimResult.GRANTED if value is None else result_of(value, claim, now_ms)
        if value is None or result is ClaimResult.GRANTED:
            held.add(key)
            granted.append(key)
        elif claim.order and not is_older(claim.order, before := value[PLAIN_BYTES:]):
            order = succeeding(claim.order, before)
            if order != before:
                advanced[key] = value[:PLAIN_BYTES] + order
        results.append(result)
    return ClaimAnswers(results, granted, advanced)


def owner_number(owner: str) -> bytes:
    """Return the number of an owner, eight bytes from its name."""
    return blake2b(owner.encode(), digest_size=8).digest()


def _order_of(value: bytes, now_ms: int) -> bytes:
    """Return the order of a confirmed entry, or nothing if it has expired or has none."""
    return value[PLAIN_BYTES:] if expires_ms(value) > now_ms else b""
