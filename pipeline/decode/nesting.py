"""The nesting depth of a decoded value, and of a JSON text before it is decoded."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import Any

_NOT_OPENING = bytes(byte for byte in range(256) if byte not in b"{[")
_BRACKET_STEPS = bytes(1 if byte in b"{[" else 255 for byte in range(256))  # 255 is -1 as a signed byte
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{[]}")

# Possessive, with an optional closing quote: each search begins where the last one ended, so the text takes one pass without back-tracking.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def opening_brackets(text: bytes) -> int:
    """Return the number of opening brackets, including those in strings. No JSON text nests deeper than this number."""
    return len(text.translate(None, _NOT_OPENING))


def is_deeper(container: Any, most: int) -> bool:
    """Whether a decoded value nests deeper than `most` levels. It is read level by level, without recursion."""
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
    """Return the largest number of brackets that are open at once outside strings. The text may be any bytes."""
    brackets = _STRING.sub(b"", text).translate(_BRACKET_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)
