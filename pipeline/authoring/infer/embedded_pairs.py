"""Finds pairs of key and value within sentences of a log: `order paid, orderNo=P1, userId=u7`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

INTO = "pairs"
"""The field that holds the pairs."""

MOST_SENTENCES = 4
SOME = 0.05
"""The share of the texts that must have the same keys in the same order. A rarer sentence gets no step."""

_LEAST_PAIRS = 2
_VALUE = r"[^\s,;|&]+"
_PAIR = re.compile(r"(?<!\w)([A-Za-z_]\w{0,40})=(?=[^\s,;|&])")


def steps_within(texts: Sequence[str], source: str) -> Iterator[dict[str, Any]]:
    """Yield a step for each frequent sentence, fewer keys first: if several match, the last one counts."""
    sentences = Counter(keys for text in texts if len(keys := tuple(_PAIR.findall(text))) >= _LEAST_PAIRS)
    often = [
        keys
        for keys, count in sentences.most_common(MOST_SENTENCES)
        if count >= SOME * len(texts) and len(set(keys)) == len(keys)
    ]
    for keys in sorted(often, key=len):
        pattern = ".*?".join(rf"\b{key}=(?P<{key}>{_VALUE})" for key in keys)
        yield {
            "format": "regex",
            "match": "search",
            "pattern": pattern,
            "from": source,
            "into": INTO,
            "required": False,
        }
