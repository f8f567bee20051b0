"""The names of functions and comparisons in other tools: an error message names the function or comparison that has that purpose here."""

from __future__ import annotations

from collections.abc import Mapping

FUNCTIONS_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("substring", "substr", "slice"), "extract"),
    "left": "truncate",
    **dict.fromkeys(("int", "to_int", "to_integer", "floor"), "integer"),
    **dict.fromkeys(("float", "decimal", "to_number", "to_float", "to_decimal"), "number"),
    **dict.fromkeys(("str", "to_string", "text"), "string"),
    **dict.fromkeys(("strip", "trim_space"), "trim"),
    **dict.fromkeys(("len", "size", "count"), "length"),
    **dict.fromkeys(("regex", "regexp", "match", "capture"), "extract"),
    **dict.fromkeys(("date", "datetime", "to_time", "strptime", "timestamp", "parse_time"), "time"),
    **dict.fromkeys(("minus", "subtract", "plus"), "add"),
    **dict.fromkeys(("map", "enum", "table"), "lookup"),
    "urldecode": "url_decode",
}
"""The function here by its name in other tools, where the two names are not similar."""

FUNCTION_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("concat", "format", "append"), "a template such as '{{ $.a }}-{{ $.b }}', or prefix and suffix"),
    **dict.fromkeys(
        ("coalesce", "or", "first_of", "if_null"), "{first_of: [$.a, $.b]} in place of the expression, or default"
    ),
    **dict.fromkeys(("if", "case", "when"), "two rules with their own `when`, or lookup"),
}
"""Another way to the same result, by the name of a function in other tools that has no equal here. A message quotes the hint as it is."""

COMPARISONS_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("!=", "<>", "neq", "not"), "ne"),
    **dict.fromkeys((">",), "gt"),
    **dict.fromkeys((">=", "gte", "min"), "ge"),
    **dict.fromkeys(("<",), "lt"),
    **dict.fromkeys(("<=", "lte", "max"), "le"),
    **dict.fromkeys(("regex", "regexp", "pattern", "match", "like", "~", "=~"), "matches"),
    **dict.fromkeys(("starts_with", "startswith", "begins_with"), "prefix"),
    **dict.fromkeys(("ends_with", "endswith"), "suffix"),
    **dict.fromkeys(("one_of", "any_of", "any"), "in"),
    **dict.fromkeys(("nin", "none_of"), "not_in"),
    **dict.fromkeys(("present", "is_null", "null", "defined"), "exists"),
}
"""The comparison here by its name in other tools, where the two names are not similar, or where another name here is more similar."""

EQUALITY_ELSEWHERE = frozenset({"eq", "=", "==", "equals", "equal", "is"})
"""The names of equality in other tools. Here equality has no name."""
