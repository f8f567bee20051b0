"""What a store keeps, the same in every store: who is about to report, and what was reported.

A *claim* maps a key to its owner's number; it is short-lived and need not survive the machine. A *confirmed* entry maps a key to expiry,
digest and origin; it must. They live in tables apart, so a claim never hides what was confirmed under its key: a claim over another
digest that is released leaves the earlier confirmation known.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from pipeline.contracts.values import Claim, ClaimResult

KEY_BYTES = 16
LAYOUT = struct.Struct(">Q8s8s")
"""A confirmed entry: end in Unix ms, digest, origin."""

NEVER = bytes(LAYOUT.size)
"""An entry that expired long ago: the same as none."""


def confirmed_entries(claims: Sequence[Claim], until_ms: int) -> dict[bytes, bytes]:
    """Write confirmed entries by key; of equal keys the last one stands."""
    until = until_ms.to_bytes(8)
    return {key: until + digest + origin for key, digest, origin in claims}


def end_of(now_ms: int) -> bytes:
    """Return what sorts after every confirmed entry that ends by `now_ms`, and before all others."""
    return now_ms.to_bytes(8) + b"\xff" * LAYOUT.size


def expires_ms(value: bytes) -> int:
    """Return when a confirmed entry ends, in Unix ms."""
    return int.from_bytes(value[:8])


def result_of(value: bytes, claim: Claim, now_ms: int) -> ClaimResult:
    """Answer a claim that nobody living holds, from what is confirmed under its key."""
    until_ms, digest, origin = LAYOUT.unpack(value)
    if until_ms <= now_ms or digest != claim.digest:
        return ClaimResult.GRANTED
    return ClaimResult.REDELIVERED if origin == claim.origin else ClaimResult.DUPLICATE


def answer(
    claims: Sequence[Claim], held: set[bytes], confirmed: Mapping[bytes, bytes], now_ms: int
) -> tuple[list[ClaimResult], list[bytes]]:
    """Answer claims in order, and name the keys granted. `held` are keys that someone living holds; it takes in those granted here.

    A living claim is looked at first: while a newer version of a message is on its way, the confirmed one is not the last word.
    """
    if not held and not confirmed:  # the usual case by far: nothing is known of any of them
        granted = list({claim.key for claim in claims})
        if len(granted) == len(claims):
            held.update(granted)
            return [ClaimResult.GRANTED] * len(claims), granted
    results: list[ClaimResult] = []
    granted = []
    for claim in claims:
        key = claim.key
        if key in held:
            results.append(ClaimResult.HELD)
            continue
        result = result_of(confirmed[key], claim, now_ms) if key in confirmed else ClaimResult.GRANTED
        if result is ClaimResult.GRANTED:
            held.add(key)
            granted.append(key)
        results.append(result)
    return results, granted


def owner_number(owner: str) -> bytes:
    """Return the eight bytes that stand for an owner's name."""
    return blake2b(owner.encode(), digest_size=8).digest()
