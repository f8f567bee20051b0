"""How deep a value nests: of decoded values, and of a JSON text before anything decodes it."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import Any

_NOT_OPENING = bytes(byte for byte in range(256) if byte not in b"{[")
_BRACKET_STEPS = bytes(1 if byte in b"{[" else 255 for byte in range(256))  # 255 is -1 as a signed byte
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{[]}")

# Possessive and optional at its end: each search goes on where the last one stopped, in one pass without back-tracking.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def opened(text: bytes) -> int:
    """Count the brackets that open, in strings too: no JSON text nests deeper."""
    return len(text.translate(None, _NOT_OPENING))


def deeper(container: Any, most: int) -> bool:
    """Whether a decoded value nests deeper than `most` levels, looked at level by level."""
    level = [container]
    for _ in range(most):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def depth_of(text: bytes) -> int:
    """The most brackets open at once outside strings, in any text."""
    brackets = _STRING.sub(b"", text).translate(_BRACKET_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)
