r"""Control characters in a text that comes from outside, written as escapes: a terminal or an editor cannot obey them.

A record, a plug-in, a registry or an answer may hold any character. A line end would forge a line of its own, a control sequence of a terminal would
hide or change what is above it, and a mark of writing direction would show a text in another order than a program reads it.
"""

from __future__ import annotations

import re

DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""The marks of writing direction (Unicode, UAX 9): they change the order in which the characters around them are shown."""

UNSEEN = f"\x7f-\x9f\u2028\u2029{DIRECTION}\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
"""What is escaped beside the lower controls: the upper controls, separators of lines, marks of direction, halves of surrogate pairs, and marks that nobody sees."""

_IN_A_BLOCK = re.compile(f"[\x00-\x08\x0b-\x1f{UNSEEN}]")
_IN_A_LINE = re.compile(f"[\x00-\x08\x0a-\x1f{UNSEEN}]")
_SHORT = {"\n": "\\n", "\r": "\\r"}


def escaped(text: str) -> str:
    r"""Return a text of several lines with control characters written as JSON escapes, such as `\u001b`. Tabs and line ends stay."""
    return text if text.isprintable() else _IN_A_BLOCK.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Return a text as one line: control characters and line ends are written as JSON escapes, such as `\u001b` and `\n`. Tabs stay."""
    return text if text.isprintable() else _IN_A_LINE.sub(_escape, text)  # the first test takes a tenth of the time


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"
