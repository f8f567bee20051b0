"""Regular expressions of RE2, whose time is linear in the length of the text. Only this file imports `re2`.

RE2 has no look-around and no back-references; in return it never backtracks, whatever the pattern and the text.
"""

from __future__ import annotations

import re
from collections import Counter

import re2

_NAME = re.compile(r"(?<!\\)\(\?P?<(\w+)>")
_ONE_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_HINT = "the syntax is RE2's: no look-around, no back-references, named groups are (?P<name>...)"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class PatternError(ValueError):
    """A pattern does not compile. The message names the fault."""


class Pattern:
    """One compiled pattern. Texts are UTF-8 bytes, which RE2 reads without a copy."""

    def __init__(self, expression: str, *, whole: bool = True) -> None:
        """`whole`: the pattern must match the whole text, otherwise any part of it. Raises `PatternError`."""
        if _ONE_BYTE.search(expression):
            raise PatternError(
                r"the pattern does not compile: \C is a single byte, a part of a character; . is a character"
            )
        options = re2.Options()
        options.log_errors = False
        try:
            self._expression = re2.compile(expression.encode(), options)
        except re2.error as error:
            found = error.args[0] if error.args else "unknown error"
            text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
            raise PatternError(f"the pattern does not compile: {text}; {_HINT}") from None
        except UnicodeEncodeError:
            raise PatternError("the pattern does not compile: it holds half a surrogate pair") from None
        repeated = sorted(name for name, times in Counter(_NAME.findall(expression)).items() if times > 1)
        if repeated:  # RE2 would fill the first of them only
            raise PatternError(f"the pattern names more than one group {', '.join(repeated)}; each name stands once")
        self._find = self._expression.fullmatch if whole else self._expression.search
        groups: dict[bytes, int] = self._expression.groupindex
        self._named = tuple((name.decode(), place) for name, place in sorted(groups.items(), key=lambda item: item[1]))
        self._places = range(1, self._expression.groups + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """The named groups, in the order they open."""
        return tuple(name for name, _ in self._named)

    def holds(self, text: str) -> bool:
        """Whether the pattern matches."""
        return self._find(_bytes(text)) is not None

    def part(self, text: str) -> str | None:
        """Return the text of the first group, or of the whole match where the pattern has no group; None where nothing matches.

        Half a surrogate pair is no UTF-8, so RE2 reads three characters. A match of only some of them becomes U+FFFD.
        """
        content = _bytes(text)
        found = self._find(content)
        if found is None:
            return None
        start, end = found.span(1 if self._expression.groups else 0)
        return content[start:end].decode(errors="replace") if start >= 0 else None

    def named(self, text: bytes) -> dict[str, str] | None:
        """Return the texts of the named groups, without groups that took no part in the match; None where nothing matches."""
        found = self._find(text)
        if found is None:
            return None
        fields = {}
        for name, place in self._named:
            start, end = found.span(place)
            if start >= 0:
                fields[name] = text[start:end].decode()
        return fields

    def groups(self, text: bytes) -> tuple[str, ...] | None:
        """Return the text of each group, "" for a group that took no part in the match; None where nothing matches."""
        found = self._find(text)
        if found is None:
            return None
        spans = [found.span(place) for place in self._places]
        return tuple(text[start:end].decode() if start >= 0 else "" for start, end in spans)
