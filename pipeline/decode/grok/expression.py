"""A grok expression, `%{IP:client} %{NUMBER:bytes:int}`, expanded to one pattern of RE2, and the fields that its groups give."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from transforms.values.pattern import Pattern, PatternError

MOST_CHARACTERS = 100_000
"""Most characters of one expanded expression: named patterns within named patterns grow fast."""

MOST_DEPTH = 30
MOST_DIGITS = 1_000

_REFERENCE = re.compile(
    r"%\{([A-Za-z_][A-Za-z0-9_]{0,100})(?::((?:\[[^\]{}:]{1,100}\]){1,10}|[^\[\]{}:]{1,100}))?(?::(\w{1,20}))?\}"
)
_NAMED_GROUP = re.compile(r"\(\?P?<([A-Za-z_@][^>]{0,100})>")
_ATOMIC = re.compile(r"\(\?>")
_NESTED = re.compile(r"\[([^\]]+)\]")

TYPES = ("int", "integer", "long", "float", "double", "string", "boolean")


class GrokGroup(NamedTuple):
    """One group of the pattern: the path of the field that its text becomes, and the field's type."""

    path: tuple[str, ...]
    kind: str


class GrokExpression:
    """One compiled expression. Raises `PatternError` where the text is not a grok expression."""

    def __init__(self, text: str, known: Mapping[str, str], *, whole: bool) -> None:
        self._known = known
        self._groups: dict[str, GrokGroup] = {}
        self._size = 0
        pattern = self._expanded(text, 0)
        if not self._groups:
            raise PatternError("the expression names no field, so it would give none; write %{WORD:name}")
        self._pattern = Pattern(pattern, whole=whole)

    def fields(self, text: bytes) -> dict[str, Any] | None:
        """Return the fields of a text, or None where it does not match. Of groups with one name, the first that is not empty counts, as in Logstash."""
        found = self._pattern.named(text)
        if found is None:
            return None
        fields: dict[str, Any] = {}
        for name, value in found.items():
            if not value:
                continue
            path, kind = self._groups[name]
            inner = fields
            for step in path[:-1]:
                inner = inner.setdefault(step, {})
                if not isinstance(inner, dict):
                    break
            else:
                inner.setdefault(path[-1], converted(value, kind))
        return fields

    def _expanded(self, text: str, depth: int) -> str:
        """Return the text with its named patterns expanded. A group with a field is renamed: RE2 allows only letters and digits, and each name once."""
        if depth > MOST_DEPTH:
            raise PatternError("a named pattern holds itself, or patterns nest deeper than 30 levels")
        text = _ATOMIC.sub("(?:", text)  # RE2 does not back-track, so it needs no atomic groups
        text = _NAMED_GROUP.sub(lambda found: f"(?P<{self._group(found[1], '')}>", text)
        if "%{" in _REFERENCE.sub("", text):
            raise PatternError("a %{ that is no reference; write %{NAME}, %{NAME:field} or %{NAME:field:int}")
        parts, position = [], 0
        for found in _REFERENCE.finditer(text):
            name, field, kind = found.groups()
            inner = self._expanded(self._pattern_named(name), depth + 1)
            parts.append(text[position : found.start()])
            parts.append(f"(?P<{self._group(field, kind or '')}>{inner})" if field else f"(?:{inner})")
            position = found.end()
        expanded = "".join(parts) + text[position:]
        self._size += len(expanded)
        if self._size > MOST_CHARACTERS:
            raise PatternError(f"the expression is longer than {MOST_CHARACTERS} characters with its patterns expanded")
        return expanded

    def _pattern_named(self, name: str) -> str:
        pattern = self._known.get(name)
        if pattern is None:
            near = difflib.get_close_matches(name, self._known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PatternError(f"there is no pattern {name}{hint}")
        return pattern

    def _group(self, field: str, kind: str) -> str:
        if kind and kind not in TYPES:
            raise PatternError(f"a field of type {kind}; there are {', '.join(TYPES)}")
        path = tuple(_NESTED.findall(field)) if field.startswith("[") else (field,)
        name = f"g{len(self._groups)}"
        self._groups[name] = GrokGroup(path, kind)
        return name


def converted(text: str, kind: str) -> Any:
    """Return the value in the type that the expression names. A text that is not of that type stays a text."""
    if "_" in text:  # Python allows it between digits
        return text
    try:
        match kind:
            case "int" | "integer" | "long":
                return int(text) if len(text) <= MOST_DIGITS else text
            case "float" | "double":
                number = float(text)
                return number if number - number == 0 else text  # neither NaN nor infinite
            case "boolean" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
    except ValueError:
        return text
    return text
