"""Writes values as YAML that every reader of YAML reads alike: a text is plain where it is unambiguous, otherwise as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.control_characters import UNSEEN

FLOW_COLUMNS = 100
"""A mapping or list of scalars is written on one line if it has at most so many characters."""

_PLAIN = re.compile(r"[^\W\d_](?:[\w.\-]| (?=[\w.\-])){0,80}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?[+\-]\d\d:\d\d")
"""Texts that YAML 1.2 reads as text without quotes: words, or a time."""
_RESERVED_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_UNPRINTABLE = re.compile(f"[{UNSEEN}]")
_NEEDS_ESCAPES = re.compile(f"[\x00-\x1f]|{_UNPRINTABLE.pattern}")


def scalar_text(value: Any, quote: str | None = None) -> str:
    """Return a text, a number, true, false or null as YAML. `quote` is the preferred quote of a text."""
    if isinstance(value, str):
        if quote == "'" and not _NEEDS_ESCAPES.search(value):
            return "'" + value.replace("'", "''") + "'"
        if quote != '"' and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED_WORDS:
            return value
    return json_text(value)


def flow_text(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar_text(key)}: {flow_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value)


def json_text(value: Any) -> str:
    """Return a value as JSON on one line."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def block_lines(value: Mapping[str, Any], *, spread: bool = True) -> list[str]:
    """Return the lines of a mapping. A value that is short and has no nested collection is on the line of its key.

    With `spread`, each key of a list's element has a line of its own too.
    """
    lines = []
    for key, each in value.items():
        name = scalar_text(key)
        if _is_short(each):
            lines.append(f"{name}: {flow_text(each)}")
        elif isinstance(each, list):
            lines += [f"{name}:", *(f"  {line}" for item in each for line in element_lines(item, spread=spread))]
        else:
            lines += [f"{name}:", *(f"  {line}" for line in block_lines(each, spread=spread))]
    return lines


def element_lines(item: Any, *, spread: bool) -> list[str]:
    """Return the lines of a list's element, with its dash. A mapping has a line for each key if `spread` is set or if the mapping is not short."""
    is_block = isinstance(item, Mapping) and len(item) > 0 and (spread or not _is_short(item))
    first, *rest = block_lines(item, spread=False) if is_block else [flow_text(item)]
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _is_short(value: Any) -> bool:
    if not isinstance(value, Mapping | list) or not value:
        return True
    inner = list(value.values()) if isinstance(value, Mapping) else value
    return len(flow_text(value)) <= FLOW_COLUMNS and not any(isinstance(each, Mapping | list) for each in inner)
