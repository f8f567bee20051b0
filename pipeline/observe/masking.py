"""Records and messages as a person may see them: identifiers are masked, and control characters for the terminal are escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from pipeline.control_characters import escaped
from pipeline.observe.redact import MASK, mask_tokens, redact

IDENTIFYING_KEY = "customerId"
"""The key whose value is always an identifier, at every level of a message."""

LEAST_WITHIN = 5
"""The least number of characters of an identifier that is masked inside longer words. A shorter one would match by chance, so only whole words are masked."""

LEAST_WORD = 2

MOST_SHORT_CHARACTERS = 60

MOST_RAW_BYTES = 1_000
"""The number of bytes that are shown of a record that cannot be decoded."""


class Unmasked:
    """Shows values without masking."""

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
        """Return the text itself."""
        return text

    def raw(self, value: bytes | None, charset: str) -> str:
        """Return the beginning of a record that cannot be decoded, on one line."""
        text = (value or b"")[:MOST_RAW_BYTES].decode(charset, "replace")
        return "".join(each if each.isprintable() else " " for each in text)


class Masking(Unmasked):
    """Shows values with every identifier masked."""

    def __init__(self, hidden: Iterable[str]) -> None:
        """`hidden` are the identifiers to mask, beside those that `redact` recognises by their form."""
        self._hidden = frozenset(hidden)
        written = {
            *self._hidden,
            *(quote(each, safe="", errors="replace") for each in self._hidden),
        }  # as they appear in URLs
        self._long = sorted((each for each in written if len(each) >= LEAST_WITHIN), key=len, reverse=True)
        words = sorted(re.escape(each) for each in written if LEAST_WORD <= len(each) < LEAST_WITHIN)
        self._short_words = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None

    def value(self, value: Any) -> Any:
        """Return the value with its identifiers masked."""
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
        """Return the beginning of the record with every word masked that may be an identifier. Its fields are not known, so `mask_tokens` is used."""
        return mask_tokens(super().raw(value, charset))

    def text(self, text: str) -> str:
        """Return the text, masked. `redact` comes first: it could not recognise an identifier whose beginning is already masked."""
        if text in self._hidden:
            return MASK
        text = redact(text)
        for each in self._long:
            text = text.replace(each, MASK)
        return text if self._short_words is None else self._short_words.sub(MASK, text)
