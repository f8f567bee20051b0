"""The values of the mapping: a constant, an expression, a text with expressions in it, or the first of several.

9.90                                            a constant
$.order.amount | divide(100)                    an expression: a path, with functions behind it
订单 {{ $.order.no }} of {{ $.user.name }}        a template
{first_of: [$.user.mobile, $.order.phone]}      the first that has a value
{first_of: [...], then: trim | lower}           likewise, with functions behind it
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from schemas.log import LogEntry
from transforms.fault import BadExpression
from transforms.fields import Value, is_path
from transforms.mapping.expressions import compile_calls, compile_expression, constants_in, functions_in, source_in
from transforms.mapping.scope import Scope, Tables
from transforms.values.text import Inconvertible, text_or_none

FIRST_OF = "first_of"
THEN = "then"
MOST_CHOICES = 20
MOST_PLACES = 50

_PLACE = re.compile(r"\{\{\s*((?=[$@]).*?)\s*\}\}")  # it matches in one way only: the first two closing braces end it
_ELEMENT = re.compile(r"\$(?:item|index)(?![A-Za-z0-9_])")


def compile_value(written: Any, scope: Scope) -> Value:
    """Compile a value as it is written in the source file.

    Raises:
        BadExpression: a path, a function or its arguments are wrong.
    """
    if is_constant(written):
        constant = constant_of(written)
        return lambda _: constant
    if isinstance(written, Mapping):
        first = _first_of([compile_value(each, scope) for each in _choices(written)])
        return compile_calls(first, written[THEN], scope) if THEN in written else first
    _must_be_text(written)
    if is_path(written):
        return compile_expression(written, scope)
    return _template(written, scope)


def is_constant(written: Any) -> bool:
    """Whether a value of the source file is the same for every entry."""
    return not expressions_of(written)


def expressions_of(written: Any) -> list[str]:
    """Return the expressions in a value, in their order, each with all functions that are applied to it; none in a constant."""
    if isinstance(written, str):
        if is_path(written):
            return [written]
        return [found[1] for found in _PLACE.finditer(written)]
    if _is_first_of(written):
        behind = f" | {written[THEN]}" if THEN in written else ""
        return [f"{each}{behind}" for one in _choices(written) for each in expressions_of(one)]
    return []


def _is_first_of(written: Any) -> bool:
    return isinstance(written, Mapping) and FIRST_OF in written and written.keys() <= {FIRST_OF, THEN}


def text_around(written: Any) -> str:
    """Return the parts of a text outside its expressions, which are reported as they are written."""
    return _PLACE.sub("", written) if isinstance(written, str) and not is_path(written) else ""


def functions_of(written: Any) -> list[str]:
    """Return the functions of a value that is one expression, in their order; of a `first_of` those of its first choice and of `then`."""
    if _is_first_of(written):
        behind = functions_in(f"$ | {written[THEN]}") if THEN in written else []
        return [*functions_of(_choices(written)[0]), *behind]
    return functions_in(written) if isinstance(written, str) and is_path(written) else []


def sources_of(written: Any) -> list[str]:
    """Return the paths that the expressions of a value begin with: the places of the values in the entry, before any function."""
    return [source_in(each) for each in expressions_of(written)]


def names_element(written: Any) -> bool:
    """Whether a value or a condition names, at any depth, `$item` or `$index`: the element of a rule's `for_each`."""
    if isinstance(written, Mapping):
        return any(names_element(part) for pair in written.items() for part in pair)
    if isinstance(written, list):
        return any(map(names_element, written))
    return isinstance(written, str) and any(_ELEMENT.match(each) for each in expressions_of(written))


def constant_of(written: Any) -> Any:
    """Return the constant that is written in the source file; `$$` and `@@` at the start of a text stand for `$` and `@`.

    Raises:
        BadExpression: JSON cannot hold the value, or it is a list or mapping with a path in it, which would be reported as it is written.
    """
    if isinstance(written, str):
        _must_be_text(written)
        return written[1:] if written.startswith(("$$", "@@")) else written
    if isinstance(written, float) and not isfinite(written):
        raise BadExpression(f"{written}", "a number")
    if written is None or isinstance(written, int | float):
        return written
    if isinstance(written, list | dict):
        for each in written if isinstance(written, list) else written.values():
            if isinstance(each, str) and is_path(each):
                raise BadExpression(
                    f"the path {each!r} inside a {'list' if isinstance(written, list) else 'mapping'}",
                    "one path or one constant, or {first_of: [...]}",
                )
            constant_of(each)
        return written
    raise BadExpression(f"a {type(written).__name__}", "a text (in quotes), a number, true or false")


def _must_be_text(written: str) -> None:
    if not written.isprintable() and any("\ud800" <= each <= "\udfff" for each in written):
        raise BadExpression("half of a surrogate pair", "text")


def constant_text(written: Any) -> str | None:
    """Return the text that a value of the source file always has; None where the entry decides, or where the value has no text."""
    try:
        return text_or_none(constant_of(written)) if is_constant(written) else None
    except (BadExpression, Inconvertible):
        return None


def constant_texts(written: Any, tables: Tables) -> list[str]:
    """Return the texts that a value can have independently of the entry's own text: a constant, the values of a lookup's table, defaults and choices."""
    if _is_first_of(written):
        if THEN in written:
            return constant_texts(f"$ | {written[THEN]}", tables)
        return [text for each in _choices(written) for text in constant_texts(each, tables)]
    constants = constants_in(written, tables) if isinstance(written, str) and is_path(written) else [written]
    return [text for each in constants if (text := constant_text(each)) is not None]


def _choices(written: Mapping[str, Any]) -> list[Any]:
    choices = written[FIRST_OF]
    if not isinstance(choices, list) or not 1 <= len(choices) <= MOST_CHOICES:
        raise BadExpression(f"{FIRST_OF}: {choices!r}", f"a list of 1 to {MOST_CHOICES} values")
    return choices


def _first_of(values: Sequence[Value]) -> Value:
    frozen = tuple(values)

    def first(entry: LogEntry) -> Any:
        for value in frozen:
            found = value(entry)
            if found is not None and found != "":
                return found
        return None

    return first


def _template(written: str, scope: Scope) -> Value:
    """Compile a template. Where one of its parts has no value, the whole text has none: half a text would be reported as a whole one."""
    parts: list[Value | str] = []
    position = 0
    for found in _PLACE.finditer(written):
        parts += [written[position : found.start()], compile_expression(found[1], scope)]
        position = found.end()
    if len(parts) > 2 * MOST_PLACES:
        raise BadExpression(f"a text with more than {MOST_PLACES} expressions", "fewer")
    frozen = (*parts, written[position:])

    def filled(entry: LogEntry) -> Any:
        texts = []
        for part in frozen:
            text = part if isinstance(part, str) else text_or_none(part(entry))
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)

    return filled
