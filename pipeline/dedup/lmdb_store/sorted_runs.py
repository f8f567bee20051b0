"""The entries of a frozen round in the order of their keys, for moving one range of keys after the other.

Sorting them all at once would hold the loop for long. So they are sorted in runs of some thousands, a few at a time, and each range is taken out of
all runs. A run is one block of bytes: a look at it costs a fraction of a look at as many objects.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import islice

from pipeline.dedup.entry import KEY_BYTES
from pipeline.dedup.lmdb_store.recent_tables import ENTRIES, blocks

RUN = 4_000
"""The entries of a run."""

SORTED_AT_ONCE = 8
"""The most runs that are sorted in one call."""


class SortedRuns:
    """The entries of a round that does not change any more."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self._unsorted = iter(entries.items())
        self._runs: list[tuple[int, bytes]] = []  # the size of a value, and the entries

    def sort_some(self) -> bool:
        """Sort some more runs, and return whether all are sorted."""
        for _ in range(SORTED_AT_ONCE):
            entries = sorted(map(b"".join, islice(self._unsorted, RUN)))
            if not entries:
                return True
            self._runs += blocks(entries).items()
        return False

    def next_range(self, start: bytes, most: int) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Return the next entries from the key `start`, sorted, at most `most`, and whether they are the last. All runs must be sorted.

        The range ends where the first run has given its share, so no run gives more than that.
        """
        share = max(1, most // max(1, len(self._runs)))
        starts = [_place(size, block, start) for size, block in self._runs]
        bounds = [
            block[at : at + KEY_BYTES]
            for (size, block), begun in zip(self._runs, starts, strict=True)
            if (at := (begun + share) * (KEY_BYTES + size)) < len(block)
        ]
        end = min(bounds, default=None)
        entries: list[tuple[bytes, bytes]] = []
        for (size, block), begun in zip(self._runs, starts, strict=True):
            width = KEY_BYTES + size
            ended = len(block) // width if end is None else _place(size, block, end)
            entries += ENTRIES[size].iter_unpack(block[begun * width : ended * width])
        entries.sort()
        return entries, end is None


def _place(size: int, block: bytes, key: bytes) -> int:
    """Return the number of entries of a run whose keys are before `key`."""
    width = KEY_BYTES + size
    return bisect_left(
        range(len(block) // width), key, key=lambda place: block[place * width : place * width + KEY_BYTES]
    )
