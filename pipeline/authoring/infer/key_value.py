"""Whether lines of text are pairs of key and value with separators of their own: `uid:7|act:pay`, `a=1, b=2`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

ENOUGH = 0.8
"""Share of the lines that must be nothing but pairs."""

LEAST_PAIRS = 2
MOST_LINES = 1_000

_PAIR_SEPARATORS = ("||", "|", ";", ",", "&", "\t", "^", "#", " ")
_KEY_SEPARATORS = ("=>", "::", "=", ":")
_KEY = re.compile(r"[^\W\d][\w.\-]{0,60}")
_QUOTED = re.compile(r'(?s)"(?:[^"\\]|\\.)*+(?:"|\\?\Z)')
"""A quoted value; one that is not closed goes on to the end, so that the search is linear."""


def key_value_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Find the separators that make most pairs of most lines."""
    lines = [_QUOTED.sub('""', text) for text in texts[:MOST_LINES]]
    best, most = None, 0
    for pairs, keys in product(_PAIR_SEPARATORS, _KEY_SEPARATORS):
        found = [_keys(line, pairs, keys) for line in lines]
        whole = [each for each in found if len(each) >= LEAST_PAIRS]
        count = sum(map(len, whole))
        if count > most and len(whole) >= ENOUGH * len(lines) and _come_again(whole):
            best, most = {"format": "key_value", "pair_separator": pairs, "key_separator": keys}, count
    return best


def _keys(text: str, pairs: str, keys: str) -> list[str]:
    """Return the keys of a line; none where a part of it is no pair."""
    parts = [part.partition(keys) for part in text.split(pairs) if part.strip()]
    names = [name.strip() for name, separator, _ in parts if separator]
    return names if len(names) == len(parts) and all(map(_KEY.fullmatch, names)) else []


def _come_again(lines: Sequence[Sequence[str]]) -> bool:
    """Whether some key stands in most lines: what looks like one in a sentence does not."""
    often = Counter(name for names in lines for name in set(names)).most_common(1)
    return bool(often) and often[0][1] >= ENOUGH * len(lines)
