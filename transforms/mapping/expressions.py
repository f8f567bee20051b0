"""Expressions of the mapping: a path with functions behind `|`. Each is compiled once to a closure.

$.order.amount | divide(100) | round(2)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.log import LogEntry
from transforms.fault import BadExpression, nearest
from transforms.fields import Value, compile_path
from transforms.mapping.functions import FUNCTIONS, Literal
from transforms.mapping.scope import Scope, Tables
from transforms.mapping.synonyms import FUNCTION_HINTS, FUNCTIONS_ELSEWHERE
from transforms.mapping.text_functions import BoundFunction
from transforms.values.text import Inconvertible

MOST_EXPRESSION_CHARACTERS = 2_000
MOST_FUNCTIONS = 20

# Each token is matched where the last one ended; none can be matched in two ways, so reading is linear.
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-z_][a-z0-9_]*)|(?P<number>-?\d+(?:\.\d+)?)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<mark>[(),|]))",
    re.ASCII,
)


def compile_expression(written: str, scope: Scope) -> Value:
    """Compile a path with functions behind `|`.

    Raises:
        BadExpression: the path, a function or its arguments are wrong.
    """
    if len(written) > MOST_EXPRESSION_CHARACTERS:
        raise BadExpression("an expression of more than 2,000 characters", "a shorter one")
    path, *calls = _split_pipe(written)
    return _called(compile_path(path.strip()), calls, scope)


def compile_calls(value: Value, written: Any, scope: Scope) -> Value:
    """Compile functions that are applied to a value, with `|` between them.

    Raises:
        BadExpression: `written` is no text, or a function or its arguments are wrong.
    """
    if not isinstance(written, str) or len(written) > MOST_EXPRESSION_CHARACTERS:
        raise BadExpression(f"then: {written!r}"[:100], "functions such as trim | truncate(60)")
    return _called(value, _split_pipe(written), scope)


def _called(value: Value, calls: Sequence[str], scope: Scope) -> Value:
    if len(calls) > MOST_FUNCTIONS:
        raise BadExpression(f"{len(calls)} functions in one expression", f"at most {MOST_FUNCTIONS}")
    for call in calls:
        value = _then(value, *compile_call(call, scope))
    return value


def source_in(written: str) -> str:
    """Return the path that an expression begins with. The expression may have faults."""
    try:
        return _split_pipe(written)[0].strip()
    except BadExpression:
        return written.strip()


def functions_in(written: str) -> list[str]:
    """Return the names of the functions of an expression, in their order; none where the expression cannot be parsed."""
    try:
        return [_parse_call(call.strip())[0] for call in _split_pipe(written)[1:]]
    except BadExpression:
        return []


def names_in(written: str, function: str) -> list[str]:
    """Return the first arguments of all calls of a function: the tables of `lookup`, the keys of `hmac`."""
    calls = [_parse_call(call.strip()) for call in _split_pipe(written)[1:]]
    return [str(arguments[0]) for name, arguments in calls if name == function]


def constants_in(written: str, tables: Tables) -> list[Any]:
    """Return the constants that an expression can result in: the values of its last lookup's table, and the defaults behind.

    There are none where the expression cannot be parsed.
    """
    found: list[Any] = []
    try:
        for name, arguments in map(_parse_call, (call.strip() for call in _split_pipe(written)[1:])):
            match name, arguments:
                case "lookup", [str() as table, *otherwise]:
                    found = [*tables.get(table, {}).values(), *otherwise]
                case "default", [otherwise]:
                    found.append(otherwise)
                case _:
                    found = []
    except BadExpression:
        return []
    return found


def _then(value: Value, name: str, step: BoundFunction) -> Value:
    if FUNCTIONS[name].takes_null:

        def then_always(entry: LogEntry) -> Any:
            return step(value(entry))

        return then_always

    def then(entry: LogEntry) -> Any:
        before = value(entry)
        if before is None:
            return None
        try:
            return step(before)
        except Inconvertible as error:
            raise Inconvertible(f"{name}: {error}") from None

    return then


def _split_pipe(text: str) -> list[str]:
    """Split at each `|` that stands outside quotes."""
    parts, quote, begun = [], "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "|":
            parts.append(text[begun:place])
            begun = place + 1
    if quote:
        expected = (
            f"another {quote}; where a text has ` #` in it, quotes around all of it: YAML takes the rest for a comment"
        )
        raise BadExpression(f"{text!r}, where a quote is not closed", expected)
    return [*parts, text[begun:]]


def compile_call(text: str, scope: Scope) -> tuple[str, BoundFunction]:
    """Compile one function with its arguments, such as `truncate(60)`.

    Raises:
        BadExpression: there is no such function, or its arguments are wrong.
    """
    name, arguments = _parse_call(text.strip())
    function = FUNCTIONS.get(name)
    if function is None:
        raise BadExpression(f"unknown function {name!r}", _right_function(name))
    least = sum(not kind.endswith("?") for kind in function.arguments)
    if not least <= len(arguments) <= len(function.arguments):
        wanted = ", ".join(function.arguments)
        raise BadExpression(f"{name} with {len(arguments)} arguments", f"{name}({wanted})")
    values = [
        _argument(name, kind.rstrip("?"), each, scope)
        for kind, each in zip(function.arguments, arguments, strict=False)
    ]
    return name, function.build(*values, **({"without_zone": scope.time_zone} if function.takes_zone else {}))


def _right_function(name: str) -> str:
    """Return the function that is probably meant, or another way to the same result."""
    if name in FUNCTION_HINTS:
        return FUNCTION_HINTS[name]
    if name in FUNCTIONS_ELSEWHERE:
        return repr(FUNCTIONS_ELSEWHERE[name])
    begun = [each for each in FUNCTIONS if len(name) > 2 and (each.startswith(name) or name.startswith(each))]  # noqa: PLR2004 - enough to identify one
    return repr(begun[0]) if begun else nearest(name, FUNCTIONS, f"one of {', '.join(FUNCTIONS)}")


def _argument(name: str, kind: str, value: Literal, scope: Scope) -> Any:
    match kind:
        case "text" if isinstance(value, str):
            return value
        case "integer" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return value
        case "any":
            return value
        case "table" | "key" if isinstance(value, str):
            known: Mapping[str, Any] = scope.tables if kind == "table" else scope.keys
            if value in known:
                return known[value]
            raise BadExpression(
                f"unknown {kind} {value!r}", nearest(value, known, f"a {kind} defined under `{kind}s:`")
            )
    raise BadExpression(
        f"{name}({value!r})", f"{f'a name of a {kind}' if kind in {'table', 'key'} else 'a ' + kind} as its argument"
    )


def _parse_call(text: str) -> tuple[str, list[Literal]]:
    if not text:
        raise BadExpression("nothing behind `|`", "a function such as truncate(60)")
    wanted = "a function such as truncate(60)" + (", whose arguments are no paths" if "$" in text else "")
    tokens, position = [], 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise BadExpression(f"{text!r}", wanted)
        tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
        position = found.end()
    if not tokens or tokens[0][0] != "name":
        raise BadExpression(f"{text!r}", wanted)
    name, rest = tokens[0][1], tokens[1:]
    if not rest:
        return name, []
    if rest[0] != ("mark", "(") or rest[-1] != ("mark", ")"):
        raise BadExpression(f"{text!r}", wanted)
    inner = rest[1:-1]
    if not inner:
        return name, []
    arguments = []
    for place, (group, token) in enumerate(inner):
        if place % 2:
            if (group, token) != ("mark", ","):
                raise BadExpression(f"{text!r}", "a comma between arguments")
        else:
            arguments.append(_literal(group, token))
    if len(inner) % 2 == 0:
        raise BadExpression(f"{text!r}", "an argument after each comma")
    return name, arguments


def _literal(group: str, token: str) -> Literal:
    constants: dict[str, Literal] = {"true": True, "false": False, "null": None}
    match group:
        case "single" | "double":
            return token
        case "number":
            return Decimal(token) if "." in token else int(token)
        case "name" if token in constants:
            return constants[token]
    raise BadExpression(f"the argument {token!r}", "a text in quotes, a number, true, false or null")
