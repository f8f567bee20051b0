"""Time without faults."""

from __future__ import annotations

from collections.abc import Iterable

from tests.soak.evidence import PlayedFault


def clear_ms(faults: Iterable[PlayedFault], from_ms: int, to_ms: int) -> int:
    """Return how much of a time no fault took."""
    return max(0, to_ms - from_ms) - sum(end - start for start, end in _blocks(faults, from_ms, to_ms))


def stood_ms(faults: Iterable[PlayedFault], from_ms: int, to_ms: int) -> int:
    """Return a time without the longest block of faults in it. Faults that overlap are one block.

    After the end of that block the clock runs, whatever happens next: between two blocks a partition can move.
    """
    longest = max((end - start for start, end in _blocks(faults, from_ms, to_ms)), default=0)
    return max(0, to_ms - from_ms) - longest


def _blocks(faults: Iterable[PlayedFault], from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Return the parts of a time that faults took, in order. No two of them touch."""
    blocks: list[tuple[int, int]] = []
    for fault in sorted(faults, key=lambda each: each.from_ms):
        start, end = max(fault.from_ms, from_ms), min(fault.to_ms, to_ms)
        if start >= end:
            continue
        if blocks and start <= blocks[-1][1]:
            blocks[-1] = blocks[-1][0], max(end, blocks[-1][1])
        else:
            blocks.append((start, end))
    return blocks
