"""Recognises lines of pairs of key and value, and finds their separators: `uid:7|act:pay`, `a=1, b=2`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

ENOUGH = 0.8
"""The share of the lines that must consist of pairs only."""

LEAST_PAIRS = 2
MOST_LINES = 1_000

_PAIR_SEPARATORS = ("||", "|", ";", ",", "&", "\t", "^", "#", " ")
_KEY_SEPARATORS = ("=>", "::", "=", ":")
_KEY = re.compile(r"[^\W\d][\w.\-]{0,60}")
_QUOTED = re.compile(r'(?s)"(?:[^"\\]|\\.)*+(?:"|\\?\Z)')
"""A quoted value. Without a closing quote it extends to the end of the text, so the search takes linear time."""


def key_value_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Return the step for the separators that give the most pairs; None if most lines are not pairs with any."""
    lines = [_QUOTED.sub('""', text) for text in texts[:MOST_LINES]]
    best, most = None, 0
    for pairs, keys in product(_PAIR_SEPARATORS, _KEY_SEPARATORS):
        found = [_keys(line, pairs, keys) for line in lines]
        whole = [each for each in found if len(each) >= LEAST_PAIRS]
        count = sum(map(len, whole))
        if count > most and len(whole) >= ENOUGH * len(lines) and _share_a_key(whole):
            best, most = {"format": "key_value", "pair_separator": pairs, "key_separator": keys}, count
    return best


def _keys(text: str, pairs: str, keys: str) -> list[str]:
    """Return the keys of a line; none if a part of the line is no pair."""
    parts = [part.partition(keys) for part in text.split(pairs) if part.strip()]
    names = [name.strip() for name, separator, _ in parts if separator]
    return names if len(names) == len(parts) and all(map(_KEY.fullmatch, names)) else []


def _share_a_key(lines: Sequence[Sequence[str]]) -> bool:
    """Whether most lines share a key. A word of a sentence that looks like a key is not in most lines."""
    often = Counter(name for names in lines for name in set(names)).most_common(1)
    return bool(often) and often[0][1] >= ENOUGH * len(lines)
