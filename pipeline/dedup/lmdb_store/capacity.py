"""How many keys the durable table holds, and how long it lasts at a rate of new keys."""

from __future__ import annotations

BYTES_A_KEY = 85
"""The bytes of the file for an entry, with the room that a B-tree of random keys leaves free. Measured with `bench/dedup.py`: 75 to 96."""

LOOKED_PER_MOVED = 3
"""For each entry that is moved to the durable table, so many are looked at there, in the order of their keys, for expired ones. So where as many
expire as are confirmed, one entry of three is expired, whatever the rate, and none stays for more than half of the time to live after its end."""

ENTRIES_PER_LIVING = LOOKED_PER_MOVED / (LOOKED_PER_MOVED - 1)


def keys_held(max_bytes: int) -> int:
    """Return about how many keys a store of this size holds, expired ones included."""
    return max_bytes // BYTES_A_KEY


def keys_made(keys_a_second: float, keep_ms: int) -> float:
    """Return how many keys a store holds in the end, expired ones included, at a rate of new keys."""
    return keys_a_second * keep_ms / 1000 * ENTRIES_PER_LIVING


def bytes_needed(keys_a_second: float, keep_ms: int) -> int:
    """Return the size of a store that never fills at a rate of new keys."""
    return int(keys_made(keys_a_second, keep_ms) * BYTES_A_KEY)


def steady_rate(max_bytes: int, keep_ms: int) -> float:
    """Return the rate of new keys a second that a store of this size bears for ever."""
    return keys_held(max_bytes) / keys_made(1.0, keep_ms)
