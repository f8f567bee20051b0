"""Characters as a reader sees them: the one door to `regex`, for the clusters of Unicode's UAX 29.

A letter with its accent, a flag, or an emoji of several people is one character and several code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

MOST = 64 << 20
"""No record is larger."""

_LONGEST = 32
"""Code points that a character has on average at most: more of them (marks upon marks) are cut."""

# Of these no two are one character: ASCII and its neighbours, the letters of East Asia and their punctuation. Most texts hold nothing else.
_PLAIN = re.compile("[ -\u02ff\u2010-\u2027\u2030-\u205e\u3000-\u3029\u3031-\u3098\u309b-\ua66e\uff01-\uff9d]*")


def first_characters(most: int) -> Callable[[str], str]:
    """Return what keeps the first so many characters of a text and never cuts one. `most` is from 1 to `MOST`."""
    whole = regex.compile(rf"\X{{0,{most}}}+")

    def first(text: str) -> str:
        if len(text) <= most:
            return text
        if _PLAIN.fullmatch(text, 0, most + 1):  # one more: it may belong to the last
            return text[:most]
        found = whole.match(text[: most * _LONGEST])
        return str(found[0]) if found else ""

    return first
