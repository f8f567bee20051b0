"""Records as a person may see them: every identifier that is known or looks like one hidden, and nothing in them that a terminal would obey."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.convert import Converter, Draft
from pipeline.observe.redact import redact
from pipeline.report.explain import MASK
from schemas.log import LogEntry
from schemas.refusal import Refusal
from transforms.mapping import Mapper

IDENTIFYING_KEY = "customerId"
"""Holds an identifier wherever it stands in a message."""

LEAST_WITHIN = 5
"""Characters that an identifier has at least to be looked for within longer texts: a shorter one is found everywhere."""

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal takes for a command, or for the other direction of writing. Tabs and ends of lines stay."""


def escaped(text: str) -> str:
    r"""Write characters that a terminal would obey as JSON does: `\u001b`."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_json(value: Any) -> str:
    """Write a value as JSON for a person, over several lines."""
    return escaped(json.dumps(value, ensure_ascii=False, indent=2, default=str))


class Masking:
    """Hides every identifier: under its key, where the value is one the mapping takes for one, and what looks like one."""

    def __init__(self, converter: Converter, entries: Sequence[LogEntry | Refusal], drafts: Sequence[Draft]) -> None:
        """The identifiers are those in the messages, and those that any rule would read from an entry, whether it matched or not."""
        self._hidden = {each for draft in drafts for each in _identifiers(json.loads(draft.body))}
        if isinstance(mapper := converter.transform, Mapper):
            for entry in entries:
                self._hidden |= mapper.identifiers(entry) if isinstance(entry, LogEntry) else set()
        self._telling = sorted((each for each in self._hidden if len(each) >= LEAST_WITHIN), key=len, reverse=True)

    def __call__(self, value: Any) -> Any:
        """Return the same value, masked."""
        if isinstance(value, Mapping):
            return {
                self._text(str(key)): MASK
                if key == IDENTIFYING_KEY and not isinstance(each, Mapping | list)
                else self(each)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self(each) for each in value]
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        written = str(value)
        return MASK if written in self._hidden or redact(written) != written else value

    def _text(self, text: str) -> str:
        if text in self._hidden:
            return MASK
        for each in self._telling:
            text = text.replace(each, MASK)
        return redact(text)


def _identifiers(message: dict[str, Any]) -> set[str]:
    """Return the identifiers in a message: the customer's, and every other one of the list."""
    return {message["customerId"], *(each["customerId"] for each in message.get("customerIdList", ()))}
