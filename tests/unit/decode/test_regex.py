from __future__ import annotations

import pytest

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal
from transforms.values.pattern import Pattern, PatternError


def regex(pattern, **options):
    return build_decoder("regex", {"pattern": pattern, **options}, DecodeLimits())


def code(answer):
    assert isinstance(answer, Refusal)
    return answer.code


def test_named_groups_become_fields():
    decode = regex(r"(?P<time>\S+) CRM \[(?P<level>[A-Z]+)\] coupon=(?P<coupon>\S+)(?: member=(?P<member>\S+))?")
    assert decode(b"2024-05-01T10:00:00+08:00 CRM [INFO] coupon=\xe6\x98\xa51\r\n") == {
        "time": "2024-05-01T10:00:00+08:00",
        "level": "INFO",
        "coupon": "春1",
    }


def test_full_describes_the_whole_line_and_search_any_part():
    assert code(regex(r"(?P<a>\d+)")(b"x 12")) is ReasonCode.NO_MATCH
    assert regex(r"(?P<a>\d+)", match="search")(b"x 12 13") == {"a": "12"}


def test_an_empty_group_is_an_empty_text():
    assert regex(r"a=(?P<a>\d*)")(b"a=") == {"a": ""}


def test_bytes_that_are_not_utf8_are_refused_even_where_the_pattern_would_match():
    assert code(regex(r"(?P<a>\d+)", match="search")(b"12 \xff")) is ReasonCode.NOT_UTF8


@pytest.mark.parametrize("pattern", [r"(?P<a>(a+)+)b", r"(?P<a>(.*)*)x$", r"(?P<a>(a|aa)+)$"])
def test_patterns_that_make_others_backtrack_for_ever_answer(pattern):
    assert code(regex(pattern)(b"a" * 20_000 + b"!")) is ReasonCode.NO_MATCH


@pytest.mark.parametrize("pattern", ["(?P<a>", "(?=x)(?P<a>y)", r"(?P<a>x)\1", "((((?P<a>x{1000}){1000}){1000}))"])
def test_a_pattern_that_does_not_compile_says_why(pattern):
    with pytest.raises(ValueError, match=r"the pattern does not compile: .+RE2"):
        regex(pattern)


def test_a_pattern_without_named_groups_is_refused():
    with pytest.raises(ValueError, match="no named group"):
        regex(r"(\d+)")


def test_a_name_given_twice_is_refused():
    with pytest.raises(ValueError, match="more than one group a"):
        regex("(?P<a>x)|(?P<a>y)")


def test_a_pattern_error_is_a_value_error():
    with pytest.raises(PatternError):
        Pattern("(")
    assert issubclass(PatternError, ValueError)


def test_names_come_in_the_order_they_open():
    assert Pattern(r"(?P<b>.)(x)(?P<a>.)").names == ("b", "a")


def test_unnamed_groups_are_given_by_place():
    assert Pattern(r"(a)(b)?(.)").groups("a春".encode()) == ("a", "", "春")
    assert Pattern(r"(a)").groups(b"b") is None
