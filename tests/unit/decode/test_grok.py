from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.grok.well_known import FILES, patterns_of, well_known_patterns
from schemas.refusal import ReasonCode, Refusal
from tests.support.paths import ROOT


def grok(pattern, **options):
    return build_decoder("grok", {"pattern": pattern, **options}, DecodeLimits())


def whole(name, text):
    answer = grok(f"%{{{name}:found}}", match="full")(text.encode())
    return not isinstance(answer, Refusal)


def test_every_pattern_file_is_read_and_no_name_is_given_twice():
    folder = ROOT / "pipeline/decode/grok/patterns"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    lines = [
        line
        for file in FILES
        for line in (folder / file).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert not [line for line in lines if line.endswith(" ")]  # editors remove such a space
    assert len(lines) == len(well_known_patterns()) == sum(len(patterns_of(file)) for file in FILES)
    assert all(name.isidentifier() and pattern for name, pattern in well_known_patterns().items())


@pytest.mark.parametrize("name", well_known_patterns())
def test_every_pattern_compiles_by_itself(name):
    grok(f"%{{{name}:found}}")


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("WORD", ["abc", "付款", "a_1"], ["a b", "", "a-b"]),
        ("INT", ["0", "-17", "+5"], ["1.5", "a"]),
        ("NUMBER", ["1", "-1.5", ".5", "007"], ["1.", "1e5", ""]),
        ("POSINT", ["1", "10"], ["0", "-1"]),
        ("BASE16NUM", ["ff", "0xFF", "-1a"], ["0x", "g"]),
        ("UUID", ["550e8400-e29b-41d4-a716-446655440000"], ["550e8400e29b41d4a716446655440000"]),
        ("QUOTEDSTRING", ['"a b"', "'a'", '"a\\"b"'], ['"a', "a"]),
        ("IPV4", ["1.2.3.4", "255.255.255.255", "010.001.1.1"], ["256.1.1.1", "1.2.3"]),
        ("IPV6", ["::", "::1", "fe80::1%eth0", "2001:db8::ff00:42:8329", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"], ["1:2:3", "g::1", ":::"]),
        ("MAC", ["00:1b:44:11:3a:b7", "00-1B-44-11-3A-B7", "001b.4411.3ab7"], ["00:1b:44:11:3a"]),
        ("HOSTNAME", ["a", "shop-1.example.com", "a.b."], ["-a", "a..b"]),
        ("HOSTPORT", ["shop:8080", "1.2.3.4:80"], ["shop", "shop:0"]),
        ("EMAILADDRESS", ["a.b+c@example.com"], ["@a", "a@"]),
        ("UNIXPATH", ["/", "/var/log/a.log", "/日志/a"], ["var", ""]),
        ("WINPATH", ["C:\\a\\b.log"], ["/a"]),
        ("URI", ["https://u:p@shop.example:8443/a/b?c=d&e=%20", "http://a/"], ["//a/", "a"]),
        ("URIPATHPARAM", ["/a/b", "/a?x=1&y=[2]"], ["a?b"]),
        ("TIMESTAMP_ISO8601", ["2024-05-01T10:00:00.123+08:00", "2024-05-01 10:00:00,123", "2024-05-01T10:00Z"], ["2024-13-01T10:00:00", "10:00"]),
        ("HTTPDATE", ["10/Oct/2000:13:55:36 -0700"], ["10/10/2000:13:55:36 -0700"]),
        ("SYSLOGTIMESTAMP", ["Oct 11 22:14:15", "Feb  5 17:32:18"], ["11 Oct 22:14:15"]),
        ("TIME", ["22:14:15", "23:59:60.5"], ["24:00:00", "22:14", "22"]),
        ("DATE_EU", ["01.05.2024", "1/5/24"], ["32.05.2024"]),
        ("DATESTAMP_RFC2822", ["Wed, 01 May 2024 10:00:00 +0800"], ["01 May 2024"]),
        ("MONTH", ["Jan", "september", "May", "Mai", "März", "Dez"], ["Janu", "Map"]),
        ("LOGLEVEL", ["INFO", "inf", "warning", "Error", "CRIT"], ["IN"]),
        ("JAVACLASS", ["com.example.Shop$1", "Shop"], ["1a", "a..b"]),
        ("JAVASTACKTRACEPART", ["\tat com.a.B.<init>(B.java:7)"], ["com.a.B"]),
    ],
)  # fmt: skip
def test_a_pattern_takes_what_it_is_named_for_and_nothing_else(name, yes, no):
    assert [text for text in yes if not whole(name, text)] == []
    assert [text for text in no if whole(name, text)] == []


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_every_address_is_one(address: IPv4Address | IPv6Address):
    assert whole("IP", str(address))
    assert whole("IP", address.exploded)


@pytest.mark.parametrize(
    ("pattern", "line", "fields"),
    [
        ("(?<queue>[0-9A-F]{4}) (?P<rest>.*)", "x ABCD 1", {"queue": "ABCD", "rest": "1"}),
        ("(?:a=%{INT:n}|b=%{INT:n})", "b=7", {"n": "7"}),
        ("%{INT:n:int} %{WORD:yes:boolean} %{NUMBER:f:int}", "7 true 1.5", {"n": 7, "yes": True, "f": "1.5"}),
        ("%{WORD:n:int} %{NOTSPACE:f:float}", "2024_11 1_0.5", {"n": "2024_11", "f": "1_0.5"}),
        ("(?>%{WORD:a}) %{DATA:b}$", "x y z", {"a": "x", "b": "y z"}),
    ],
)  # fmt: skip
def test_expressions_as_they_are_written(pattern, line, fields):
    assert grok(pattern)(line.encode()) == fields


def test_the_first_expression_that_matches_counts_and_patterns_may_be_ones_own():
    decode = grok(["paid %{ORDER:order}", "%{WORD:action} %{GREEDYDATA:rest}"], definitions={"ORDER": r"P%{INT}"})
    assert decode(b"paid P17") == {"order": "P17"}
    assert decode(b"paid Q17") == {"action": "paid", "rest": "Q17"}
    assert grok("%{WORD:w}", definitions={"WORD": "[0-9]+"})(b"a 7") == {"w": "7"}


def test_search_finds_any_part_and_full_needs_all_of_it():
    assert grok("%{INT:n}")(b"a 7 b") == {"n": "7"}
    answer = grok("%{INT:n}", match="full")(b"a 7 b")
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH


@pytest.mark.parametrize(
    ("pattern", "definitions", "says"),
    [
        ("%{IPP:x}", {}, "no pattern IPP; did you mean IP"),
        ("%{IP}", {}, "names no field"),
        ("%{INT:n:number}", {}, "a field of type number; there are int"),
        ("%{A:x}", {"A": "%{B}", "B": "%{A}"}, "holds itself"),
        ("%{IP:x", {}, "a %{ that is no reference"),
        ("(?i)%{NO-NAME} %{IP:x}", {}, "a %{ that is no reference"),
        ("%{IP:x} %{", {}, "a %{ that is no reference"),
        ("%{WORD:x}(?=y)", {}, "does not compile"),
        ("%{A:x}", {"A": "("}, "does not compile"),
        ("%{A9:x}", {"A0": "x" * 1000, **{f"A{n}": f"%{{A{n - 1}}}" * 10 for n in range(1, 10)}}, "longer than 100000 characters"),
        ([], {}, "at least 1"),
    ],
)  # fmt: skip
def test_what_is_no_expression_says_why(pattern, definitions, says):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its message is checked below
        grok(pattern, definitions=definitions)
    assert says in str(error.value)


def test_no_text_makes_an_expression_slow():
    assert isinstance(grok("(%{DATA:a} ?)*(%{DATA:b} ?)*X$")(b"a " * 50_000), Refusal)
