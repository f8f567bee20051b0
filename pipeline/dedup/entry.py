"""What a store keeps: two tables, the same in every store.

*Confirmed* holds what was reported: key to expiry, digest and origin. *Claims* holds who is about to report: key to owner. Apart, since claims are few, short-lived and need not
survive the machine, while what is confirmed is many and must.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from pipeline.values import Claim, Standing

_LAYOUT = struct.Struct(">Q8s8s")


def pack(until_ms: int, claim: Claim) -> bytes:
    """Write a confirmed entry."""
    return _LAYOUT.pack(until_ms, claim.digest, claim.origin)


def expires_ms(value: bytes) -> int:
    """Return when a confirmed entry ends, in Unix ms."""
    return int.from_bytes(value[:8])


def standing_of(value: bytes | None, claim: Claim, now_ms: int) -> Standing:
    """Answer a claim that nobody living holds, from what is confirmed under its key."""
    if value is None:
        return Standing.GRANTED
    until_ms, digest, origin = _LAYOUT.unpack(value)
    if until_ms <= now_ms or digest != claim.digest:
        return Standing.GRANTED
    return Standing.REREAD if origin == claim.origin else Standing.DUPLICATE


def owner_number(owner: str) -> bytes:
    """Return the eight bytes that stand for an owner's name."""
    return blake2b(owner.encode(), digest_size=8).digest()
