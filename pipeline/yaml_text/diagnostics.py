"""Diagnostics: faults of a YAML file as values, each written as a line for a person: `shop.yaml:12: report.batch.events: found 500; expected at most 100`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from transforms.fault import KeyPath

Finding = tuple[KeyPath, str, str]
"""A fault without its file and line: the location of its key, what was found, and what was expected."""

_SECRET_KEYS = ("password", "secret", "token", "credential", "proxy")


class Diagnostic(NamedTuple):
    """One fault. `line` counts from 1; it is 0 if the fault concerns the whole file."""

    file: str
    line: int
    key: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{without_password(self.found)}" + (f"; {self.expected}" if self.expected else "")


def dotted(location: Sequence[str | int]) -> str:
    """Return a location as a person reads it: `events[0].attributes.title`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text


def line_of(location: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """Return the line of a location, from 1. If it has none, return that of the nearest key around it."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 1)


def shown(location: KeyPath, value: Any) -> str:
    """Return a found value for a message, shortened. It is left out if it may be a secret."""
    if any(word in str(step).lower() for step in location for word in _SECRET_KEYS):
        return "a value"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = (
        "nothing"
        if value is None
        else repr(value)
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    text = without_password(text)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - more would not fit on a line


def without_quotes(text: str) -> str:
    """Return the text of a fault without what it quotes. A single character stays."""
    return _QUOTED_TEXT.sub("...", text)


_QUOTED_TEXT = re.compile(r"(['\"]).{2,}\1")


def without_password(text: str) -> str:
    """Return a text in which no URL has a user, a password, a query or a fragment. All but a scheme, a host, a port and a path may be a secret."""
    if "://" in text:
        text = _URL_QUERY.sub(r"\1***", _URL_LOGIN.sub("//***@", text))
    return _LOGIN.sub("***@", text)


_URL_LOGIN = re.compile(r"//.*@", re.DOTALL)
"""A user and a password before a host. A password may hold any character that was not encoded, so this goes on to the last `@`."""

_URL_QUERY = re.compile(r"(://[^\s?#'\"]*[?#])[^\s'\"]+")
_LOGIN = re.compile(r"[^\s,@'\"(){}$|]+:(?!//)\S*@(?=[\w\[])")
"""The same before an address without a scheme, such as `user:password@broker:9092`."""


def errors_in(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors of pydantic, without consequences of others: pydantic also calls a list too short if one of its elements is wrong."""
    errors = error.errors()
    around = {each["loc"][:length] for each in errors for length in range(len(each["loc"]))}
    return [each for each in errors if each["type"] != "too_short" or each["loc"] not in around]


def from_pydantic(
    error: ErrorDetails, model: type[BaseModel], content: Any, further_keys: Sequence[str] = ()
) -> Finding:
    """Return one pydantic error as a finding, without class names and links.

    `further_keys` are valid keys beside those of the model.
    """
    kind, context = error["type"], error.get("ctx", {})
    location = _file_location(error["loc"], content, keeps_last=kind == "missing")
    found = f"found {shown(location, error['input'])}"
    if kind == "extra_forbidden":
        return _unknown_key(
            location, [*keys_at(model, location[:-1]), *further_keys], places_of(model, str(location[-1]))
        )
    if kind == "enum" and error["loc"][-1] == "[key]":
        return _unknown_key(location, _QUOTED.findall(context["expected"]))
    if kind == "missing":
        return location, "found nothing", "expected a value: this key is required"
    if kind in {"value_error", "assertion_error"}:
        message = str(context.get("error", error["msg"]))
        before, expected, after = message.partition("expected ")
        if not expected:
            return location, f"found {message}", ""
        return location, f"found {before.strip().rstrip(';:')}" if before.strip() else found, f"{expected}{after}"
    return location, found, f"expected {_EXPECTED.get(kind, lambda _: error['msg'])(context)}"


def _unknown_key(location: KeyPath, keys: Sequence[str], elsewhere: Sequence[str] = ()) -> Finding:
    """Return the finding for an unknown key. `elsewhere` are the places where the key is valid; these are better advice than a key that is only a little similar."""
    name = str(location[-1])
    near = difflib.get_close_matches(name, keys, n=1, cutoff=0.6 if elsewhere else 0.5)
    expected = (
        f"did you mean {near[0]!r}?"
        if near
        else f"it belongs at {' or '.join(elsewhere)}"
        if elsewhere
        else f"expected one of {', '.join(keys)}"
    )
    return location, f"found unknown key {name!r}", expected


_QUOTED = re.compile("'([^']+)'")

_EXPECTED: Mapping[str, Any] = {
    "string_type": lambda _: "a text (in quotes if it looks like a number)",
    "string_too_short": lambda _: "a text that is not empty",
    "string_too_long": lambda c: f"at most {c['max_length']} characters",
    "string_pattern_mismatch": lambda c: f"a text that fits {c['pattern']}",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "greater_than": lambda c: f"more than {c['gt']}",
    "greater_than_equal": lambda c: f"at least {c['ge']}",
    "less_than": lambda c: f"less than {c['lt']}",
    "less_than_equal": lambda c: f"at most {c['le']}",
    "literal_error": lambda c: f"one of {c['expected']}",
    "enum": lambda c: f"one of {c['expected']}",
    "dict_type": lambda _: "a mapping",
    "list_type": lambda _: "a list",
    "tuple_type": lambda _: "a list",
    "model_type": lambda _: "a mapping",
    "model_attributes_type": lambda _: "a mapping",
    "too_short": lambda c: f"at least {c['min_length']}",
    "too_long": lambda c: f"at most {c['max_length']}",
}
"""The expectation to show, by pydantic's type of error."""


def _file_location(location: tuple[str | int, ...], content: Any, *, keeps_last: bool) -> KeyPath:
    """Return a location without the steps that pydantic adds: names of union members, and the mark of dictionary keys.

    With `keeps_last`, the last step is a key that the file lacks.
    """
    steps: list[str | int] = []
    for place, step in enumerate(location):
        if step == "[key]":
            continue
        inside = (isinstance(content, dict) and step in content) or (
            isinstance(content, list) and isinstance(step, int) and step < len(content)
        )
        if inside:
            content = content[step]
        elif not keeps_last or place != len(location) - 1 or isinstance(step, int):
            continue
        steps.append(step)
    return tuple(steps)


def keys_at(model: type[BaseModel], location: KeyPath) -> list[str]:
    """Return the valid keys of a model at a location; none if every key is valid."""
    current: Any = model
    for step in location:
        current = _unwrapped(current)
        if _is_model(current):
            field = current.model_fields.get(str(step))
            current = None if field is None else field.annotation
        else:
            current = next(iter(get_args(current)[::-1]), None)  # the type of a dict's values or a list's elements
    current = _unwrapped(current)
    return [field.alias or name for name, field in current.model_fields.items()] if _is_model(current) else []


def places_of(model: type[BaseModel], name: str, at: str = "") -> list[str]:
    """Return the places where a model has a key of this name. A wrong indent puts a valid key at a wrong place."""
    found = []
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        if key == name:
            found.append(f"{at}{key}")
        inner = _unwrapped(field.annotation)
        if _is_model(inner):
            found += places_of(inner, name, f"{at}{key}.")
    return found


def _unwrapped(annotation: Any) -> Any:
    """Return the model, mapping or list inside `Annotated` and unions; None if there is none."""
    if _is_model(annotation) or get_origin(annotation) in {dict, list, tuple}:
        return annotation
    return next((found for each in get_args(annotation) if (found := _unwrapped(each)) is not None), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
