"""Records and messages as a person may see them: every identifier masked, and nothing in them that a terminal would obey."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from pipeline.observe.redact import MASK, mask_tokens, redact

IDENTIFYING_KEY = "customerId"
"""Holds an identifier wherever it stands in a message."""

LEAST_WITHIN = 5
"""Characters that an identifier has at least to be looked for within longer texts: a shorter one is found everywhere, and only meant where it is a word."""

LEAST_WORD = 2

MOST_SHORT_CHARACTERS = 60

MOST_RAW_BYTES = 1_000
"""Shown of a record that cannot be decoded."""

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal takes for a command, or for the other direction of writing. Tabs and ends of lines stay."""


def escaped(text: str) -> str:
    r"""Write characters that a terminal would obey as JSON does: `\u001b`."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Unmasked:
    """Shows values as they are."""

    def __call__(self, value: Any) -> str:
        """Return the value as JSON over several lines."""
        return escaped(json.dumps(self.value(value), ensure_ascii=False, indent=2, default=str))

    def short(self, value: Any, most: int = MOST_SHORT_CHARACTERS) -> str:
        """Return the value as JSON on one line, cut to `most` characters."""
        text = escaped(json.dumps(self.value(value), ensure_ascii=False, default=str))
        return text if len(text) <= most else f"{text[: most - 3]}..."

    def value(self, value: Any) -> Any:
        """Return the value itself."""
        return value

    def text(self, text: str) -> str:
        """Return a text that may hold identifiers."""
        return text

    def raw(self, value: bytes | None, charset: str) -> str:
        """Return the beginning of a record that cannot be decoded, on one line."""
        text = (value or b"")[:MOST_RAW_BYTES].decode(charset, "replace")
        return "".join(each if each.isprintable() else " " for each in text)


class Masking(Unmasked):
    """Shows values with every identifier masked."""

    def __init__(self, hidden: Iterable[str]) -> None:
        """`hidden` are the identifiers, beside those that are known by their looks."""
        self._hidden = frozenset(hidden)
        written = {
            *self._hidden,
            *(quote(each, safe="", errors="replace") for each in self._hidden),
        }  # as URLs have them
        self._telling = sorted((each for each in written if len(each) >= LEAST_WITHIN), key=len, reverse=True)
        words = sorted(re.escape(each) for each in written if LEAST_WORD <= len(each) < LEAST_WITHIN)
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None

    def value(self, value: Any) -> Any:
        """Return the same value, masked."""
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): MASK
                if key == IDENTIFYING_KEY and not isinstance(each, Mapping | list)
                else self.value(each)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        written = str(value)
        return MASK if written in self._hidden or redact(written) != written else value

    def raw(self, value: bytes | None, charset: str) -> str:
        """Return it masked: which part of it tells who the customer is, nobody knows."""
        return mask_tokens(super().raw(value, charset))

    def text(self, text: str) -> str:
        """Return the text, masked: first by its looks, since with its begin masked nothing looks like an identifier."""
        if text in self._hidden:
            return MASK
        text = redact(text)
        for each in self._telling:
            text = text.replace(each, MASK)
        return text if self._words is None else self._words.sub(MASK, text)
