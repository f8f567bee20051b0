"""Characters as a reader sees them: the grapheme clusters of Unicode (UAX 29). Only this file imports `regex`.

A letter with its accent, a flag, or an emoji of several people is one character and several code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

MOST = 64 << 20
"""No record is larger, so no text has more characters."""

_LONGEST = 32
"""The most code points that a character may have on average. Further code points (many marks on one letter) are cut off."""

# No two of these code points form one character: ASCII and its neighbours, the letters of East Asia and their punctuation. Most texts hold no others.
_PLAIN = re.compile("[ -\u02ff\u2010-\u2027\u2030-\u205e\u3000-\u3029\u3031-\u3098\u309b-\ua66e\uff01-\uff9d]*")


def first_characters(most: int) -> Callable[[str], str]:
    """Return a function that keeps the first `most` characters of a text and never cuts one in two. `most` is from 1 to `MOST`."""
    whole = regex.compile(rf"\X{{0,{most}}}+")

    def first(text: str) -> str:
        if len(text) <= most:
            return text
        if _PLAIN.fullmatch(text, 0, most + 1):  # one more code point: it may belong to the last character
            return text[:most]
        found = whole.match(text[: most * _LONGEST])
        return str(found[0]) if found else ""

    return first
