"""Records and messages as a person may see them: identifiers masked, under their key, where the mapping takes a value for one, and what looks like one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.convert import Converter, Draft
from pipeline.observe.redact import MASK, MOST_CHARACTERS, redact
from schemas.log import LogEntry
from schemas.refusal import Refusal
from transforms.mapping import Mapper

IDENTIFYING_KEY = "customerId"
"""Holds an identifier wherever it stands in a message."""

LEAST_WITHIN = 5
"""Characters that an identifier has at least to be looked for within longer texts: a shorter one is found everywhere."""

MOST_SHORT_CHARACTERS = 60


class Unmasked:
    """Shows values as they are."""

    def __call__(self, value: Any) -> str:
        """Return the value as JSON over several lines."""
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)

    def short(self, value: Any, most: int = MOST_SHORT_CHARACTERS) -> str:
        """Return the value as JSON on one line, cut to `most` characters."""
        return _cut(json.dumps(value, ensure_ascii=False, default=str), most)

    def text(self, text: str) -> str:
        """Return a text that may hold identifiers."""
        return text


class Masking(Unmasked):
    """Shows values with every identifier masked."""

    def __init__(self, hidden: Iterable[str]) -> None:
        """`hidden` are the identifiers, beside those that are known by their looks."""
        self._hidden = frozenset(hidden)
        self._telling = sorted((each for each in self._hidden if len(each) >= LEAST_WITHIN), key=len, reverse=True)

    def __call__(self, value: Any) -> str:
        """Return the value as JSON over several lines, masked."""
        return redact(super().__call__(self._masked(value)))

    def short(self, value: Any, most: int = MOST_SHORT_CHARACTERS) -> str:
        """Return the value as JSON on one line, masked and then cut."""
        return _cut(redact(super().short(self._masked(value), 10 * most)), most)

    def text(self, text: str) -> str:
        """Return the text, masked."""
        return redact(str(self._masked(text)))

    def _masked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: MASK if key == IDENTIFYING_KEY and not isinstance(each, Mapping | list) else self._masked(each)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._masked(each) for each in value]
        if isinstance(value, str | int) and str(value) in self._hidden:
            return MASK
        if isinstance(value, str):
            value = (
                redact(value) if len(value) <= MOST_CHARACTERS else value
            )  # first: with its begin masked, nothing looks like one
            for each in self._telling:
                value = value.replace(each, MASK)
        return value


def identifiers(converter: Converter, entries: Sequence[LogEntry | Refusal], drafts: Sequence[Draft] = ()) -> set[str]:
    """Return the identifiers in messages, and those that any rule would read from an entry, whether it matched or not."""
    found = {each for draft in drafts for each in _in_message(json.loads(draft.body))}
    if isinstance(mapper := converter.transform, Mapper):
        for entry in entries:
            found |= mapper.identifiers(entry) if isinstance(entry, LogEntry) else set()
    return found


def _in_message(message: dict[str, Any]) -> set[str]:
    """Return the customer's identifier, and every other one of the list."""
    return {message["customerId"], *(each["customerId"] for each in message.get("customerIdList", ()))}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
