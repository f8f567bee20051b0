"""Explains a YAML syntax error to a person who does not know YAML well: the line to look at, and what was expected."""

from __future__ import annotations

import re
from typing import NamedTuple

from ruamel.yaml.error import MarkedYAMLError

_BRACKETS = "quotes around a text with brackets, braces or a star, between braces or brackets"

_EXPECTED: tuple[tuple[str, str], ...] = (
    (r"character '\\t'", "spaces, and no tab"),
    (r"character '.' that cannot start", "quotes around a text that begins so"),
    (
        r"mapping values are not allowed",
        "quotes around a text with a colon in it; or a key in the column of the one before",
    ),
    (r"unknown escape character", "single quotes around a text with backslashes"),
    (r"expected ',' or '[]}]', but got '[{[]'", _BRACKETS),
    (r"expected alphabetic or numeric character", _BRACKETS),
    (
        r"but found '<scalar>'|a comment or a line break",
        "one pair of quotes around all of the text, and the other kind within",
    ),
    (r"a number of .* characters", "a text in quotes, or at most 1,000 digits"),
    (r"more merged keys", "fewer merges (`<<`)"),
    (r"expected <block end>", "a key in the column of the others"),
    (r"expected ',' or '[]}]'|<stream end>", "a bracket or brace that closes"),
)
"""The expectation to show, by a pattern of ruamel.yaml's message. A test has a text for each."""


class SyntaxExplanation(NamedTuple):
    """A syntax error for a person. `line` counts from 1."""

    line: int
    found: str
    expected: str


def explain_syntax_error(error: MarkedYAMLError) -> SyntaxExplanation:
    """Return an explanation of ruamel.yaml's error. An unclosed quote is placed where it opens; ruamel.yaml places it at the end of the file."""
    problem = str(error.problem or error.context)
    mark = error.problem_mark or error.context_mark
    if "quoted scalar" in str(error.context) and "end of stream" in problem:
        expected = "another one; a text with a comma, between braces or brackets, stands in quotes as a whole"
        return SyntaxExplanation(error.context_mark.line + 1, "a quote that is not closed", expected)
    expected = next((right for problem_pattern, right in _EXPECTED if re.search(problem_pattern, problem)), "YAML 1.2")
    return SyntaxExplanation(mark.line + 1 if mark else 1, problem, expected)
