"""The entries of a store, the same in every store: claims, and confirmed messages.

A *claim* maps a key to the number of its owner. It lasts a short time and may be lost when the machine crashes. A *confirmed* entry maps a key
to expiry, digest and origin. It must survive a crash. They are in different tables, so a claim never hides the confirmed entry of its key: after
the release of a claim for another digest, the earlier confirmation is still known.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from pipeline.contracts.values import Claim, ClaimResult

KEY_BYTES = 16
LAYOUT = struct.Struct(">Q8s8s")
"""The bytes of a confirmed entry: expiry in Unix ms, digest, origin."""

NEVER = bytes(LAYOUT.size)
"""An entry that expired long ago. It has the same effect as no entry."""


def confirmed_entries(claims: Sequence[Claim], until_ms: int) -> dict[bytes, bytes]:
    """Return confirmed entries by key, with the expiry `until_ms`. Of claims with the same key the last one counts."""
    until = until_ms.to_bytes(8)
    return {key: until + digest + origin for key, digest, origin in claims}


def end_of(now_ms: int) -> bytes:
    """Return the bytes that sort after every confirmed entry that expires by `now_ms`, and before all others."""
    return now_ms.to_bytes(8) + b"\xff" * LAYOUT.size


def expires_ms(value: bytes) -> int:
    """Return the expiry of a confirmed entry, in Unix ms."""
    return int.from_bytes(value[:8])


def result_of(value: bytes, claim: Claim, now_ms: int) -> ClaimResult:
    """Return the answer to a claim that no living owner holds, from the confirmed entry of its key."""
    until_ms, digest, origin = LAYOUT.unpack(value)
    if until_ms <= now_ms or digest != claim.digest:
        return ClaimResult.GRANTED
    return ClaimResult.REDELIVERED if origin == claim.origin else ClaimResult.DUPLICATE


def resolve_claims(
    claims: Sequence[Claim], held: set[bytes], confirmed: Mapping[bytes, bytes], now_ms: int
) -> tuple[list[ClaimResult], list[bytes]]:
    """Return the answers to claims, in order, and the keys granted. `held` are keys that a living owner holds; the keys granted are added to it.

    A living claim comes before a confirmed entry: while a newer version of a message is in flight, the confirmed version may soon be replaced.
    """
    if not held and not confirmed:  # by far the most frequent case: no key is known
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
    """Return the number of an owner, eight bytes from its name."""
    return blake2b(owner.encode(), digest_size=8).digest()
