from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.access_log.line import FormatError
from schemas.refusal import ReasonCode, Refusal
from tests.support.examples import examples

LIMITS = DecodeLimits()


def nginx(log_format="combined", **options):
    return build_decoder("nginx", {"log_format": log_format, **options}, LIMITS)


def apache(log_format="combined", **options):
    return build_decoder("apache", {"log_format": log_format, **options}, LIMITS)


COMBINED = (
    b'203.0.113.7 - - [01/May/2024:10:00:00 +0800] "GET /h5/item?sku=P1&name=%E6%98%A5+%E8%A3%85&x HTTP/1.1" 200 5316 '
    b'"https://m.shop.example/list" "Mozilla/5.0 (iPhone)"'
)


def test_a_whole_log_format_directive_is_read():
    directive = """log_format h5 escape=json '$remote_addr "$request" '
                   '$status "$http_x_uid" "$cookie_sid"';"""
    fields = nginx(directive)('1.2.3.4 "GET / HTTP/1.1" 200 "春\\"装\\n" "a\\u0001"'.encode())
    assert fields["http_x_uid"] == '春"装\n'
    assert fields["cookie_sid"] == "a\x01"


def test_a_whole_logformat_line_is_read():
    line = r'LogFormat "%h \"%r\" %>s \"%{X-Uid}i\" %D" h5'
    fields = apache(line)(b'1.2.3.4 "GET / HTTP/1.1" 200 "u1" 1500')
    assert (fields["http_x_uid"], fields["request_time_us"], fields["path"]) == ("u1", 1500, "/")


def test_escaped_bytes_are_text_again():
    line = rb'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET / HTTP/1.1" 200 5 "-" "\xE6\x98\xA5\x22\x5C"'
    assert nginx()(line)["http_user_agent"] == '春"\\'
    short = rb'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET / HTTP/1.1" 200 5 "-" "say \"hi\"\t\\ \q"'
    with_quote = apache()(short)
    assert with_quote["http_user_agent"] == 'say "hi"\t\\ \\q'


def test_escaped_bytes_that_are_not_utf8_stay_visible():
    line = rb'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET /%B4%BA?a=%B4 HTTP/1.1" 200 5 "-" "\xB4\xBA"'
    fields = nginx()(line)
    assert (fields["http_user_agent"], fields["path"], fields["query"]) == (r"\xb4\xba", r"/\xb4\xba", {"a": r"\xb4"})


def test_without_escaping_a_backslash_is_itself():
    assert nginx("$status|$args", escape="none")(rb"200|\x41")["args"] == r"\x41"


def test_a_dash_and_an_empty_text_are_no_value():
    fields = nginx('$remote_user|$status|$http_referer|"$http_x"')(b'-|-||""')
    assert fields == {}


def test_apaches_dash_for_bytes_is_zero():
    assert apache("%>s %b")(b"304 -") == {"status": 304, "body_bytes_sent": 0}


def test_numbers_and_the_most_exact_time():
    log_format = "$msec $time_iso8601 [$time_local] $request_time $bytes_sent $upstream_response_time"
    fields = nginx(log_format)(
        b"1714528800.123 2024-05-01T10:00:00+08:00 [01/May/2024:10:00:00 +0800] 0.005 12 0.001, 0.002"
    )
    assert fields["time_ms"] == 1714528800123
    assert (fields["request_time"], fields["bytes_sent"]) == (0.005, 12)
    assert fields["upstream_response_time"] == "0.001, 0.002"
    assert nginx("$time_iso8601")(b"2024-05-01T10:00:00+08:00")["time_ms"] == 1714528800000


@pytest.mark.parametrize(
    ("log_format", "line"),
    [
        ("%{msec}t", b"1714528800123"),
        ("%{usec}t", b"1714528800123999"),
        ("%{sec}t %{%d/%b/%Y}t", b"1714528800 01/May/2024"),
    ],
)
def test_apaches_times(log_format, line):
    assert apache(log_format)(line)["time_ms"] // 1000 == 1714528800


@given(
    at=st.integers(0, 7_000_000_000),
    minutes=st.integers(-14 * 4, 14 * 4).map(lambda quarters: quarters * 15),
)
@examples(times=2)
def test_local_times_are_read_with_their_zone(at, minutes):
    local = datetime.fromtimestamp(at, timezone(timedelta(minutes=minutes)))
    assert nginx("$time_local")(local.strftime("%d/%b/%Y:%H:%M:%S %z").encode())["time_ms"] == at * 1000
    assert nginx("$time_iso8601")(local.isoformat().encode())["time_ms"] == at * 1000


@pytest.mark.parametrize(
    ("time", "years"), [("01/Jan/0001:00:00:00 +2300", -1969), ("31/Dec/9999:23:59:59 -2300", 8030)]
)
def test_a_time_at_the_ends_of_the_calendar_is_one_too(time, years):
    assert nginx("$time_local")(time.encode())["time_ms"] // 31_556_952_000 == pytest.approx(years, abs=1)


@pytest.mark.parametrize(
    "time", ["32/May/2024:10:00:00 +0800", "01/Mai/2024:10:00:00 +0800", "01/May/2024:25:00:00 +0800"]
)
def test_an_impossible_time_is_no_match(time):
    answer = nginx("$time_local")(time.encode())
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH


QUOTES = st.text('a1 "\\-?/', min_size=1, max_size=10).filter(lambda text: text != "-")


@given(request=QUOTES, referer=QUOTES, agent=QUOTES)
@examples(times=3)
@example(request='GET /a" 200 5 ', referer="r", agent="a")
def test_no_quote_of_a_visitor_ends_a_value(request, referer, agent):
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (request, referer, agent)]
    line = '1.2.3.4 - - [01/May/2024:10:00:00 +0800] "{}" 400 226 "{}" "{}"'.format(*escaped).encode()
    for fields in (apache()(line), nginx(escape="json")(line)):
        assert (fields["request"], fields["http_referer"], fields["http_user_agent"]) == (request, referer, agent)
        assert fields["status"] == 400


def test_a_line_whose_quotes_nobody_escaped_is_read_as_far_as_it_can_be():
    line = b'1.2.3.4 - - [01/May/2024:10:00:00 +0800] "GET / HTTP/1.1" 200 5 "C:\\" "say "hi""'
    fields = apache()(line)
    assert (fields["http_referer"], fields["http_user_agent"]) == ("C:\\", 'say "hi"')


def test_a_number_that_is_absent_is_empty_where_nginx_writes_it_so():
    log_format = """log_format h5 escape=json '{"length":"$content_length","status":$status}';"""
    assert nginx(log_format)(b'{"length":"","status":200}') == {"status": 200}
    assert nginx("$content_length|$status", escape="none")(b"|200") == {"status": 200}
    assert isinstance(nginx("$content_length|$status")(b"|200"), Refusal)


@pytest.mark.parametrize("forwarded", ["203.0.113.7", "203.0.113.7, 2001:db8::1, unknown", "a,b", "-", "a b", ", a"])
def test_the_addresses_that_a_request_came_by_are_one_value(forwarded):
    line = f'{forwarded} - - [01/May/2024:10:00:00 +0800] "GET / HTTP/1.1" 200 5'.encode()
    fields = apache(r'LogFormat "%{X-Forwarded-For}i %l %u %t \"%r\" %>s %b" proxy')(line)
    found = fields.get("http_x_forwarded_for")
    assert found == {"-": None, "a b": "a", ", a": ","}.get(forwarded, forwarded)  # the last two are not addresses
    assert (fields.get("remote_user"), fields["status"]) == (None if found in (forwarded, None) else "- -", 200)
    same = nginx('$http_x_forwarded_for $remote_user "$http_x_forwarded_for|$http_x"')(b'a, b - "c, d|e"')
    assert same == {"http_x_forwarded_for": "c, d", "http_x": "e"}


def test_a_user_name_with_blanks_and_brackets_is_one_field():
    line = COMBINED.replace(b" - - [", b" - a [b] c [")
    fields = nginx()(line)
    assert (fields["remote_user"], fields["time_ms"], fields["status"]) == ("a [b] c", 1714528800000, 200)


def test_values_that_hold_the_separator_are_told_apart_where_they_can_be():
    fields = nginx("$remote_addr|$http_x_note|$status")(b"1.2.3.4|a|b|200")
    assert (fields["http_x_note"], fields["status"]) == ("a|b", 200)


SEPARATORS = st.text('a1 -|"/?[].', max_size=6)


@pytest.mark.parametrize(
    ("log_format", "shortest", "line"),
    [
        ("$a|$b|$status", r"(.*?)\|(.*?)\|([0-9]{1,18}|-|)", "{}|{}|200"),
        ("$a - $b [$c]", r"(.*?)\ \-\ (.*?)\ \[(.*?)\]", "{} - {} [{}]"),
        ('"$a" "$b" $c', r'"(.*?)"\ "(.*?)"\ (.*?)', '"{}" "{}" {}'),
        ("$a$request_uri $b", r"(.*?)(/.*?)\ (.*?)", "{}/{} {}"),
    ],
)
@given(values=st.tuples(SEPARATORS, SEPARATORS, SEPARATORS), cut=st.integers(0, 3))
@examples(times=2)
def test_the_first_separator_that_fits_counts(log_format, shortest, line, values, cut):
    text = line.format(*values)
    text = text[: len(text) - cut]
    expected = re.fullmatch(shortest, text, re.DOTALL)
    answer = nginx(log_format, escape="none")(text.encode())
    if expected is None:
        assert isinstance(answer, Refusal)
        return
    names = re.findall(r"\$([a-z_]+)", log_format)
    texts = {name: found for name, found in zip(names, expected.groups(), strict=True) if found not in ("", "-")}
    assert {name: str(answer[name]) for name in names if name in answer} == texts


def test_a_variable_may_have_capitals_and_columns_may_have_tabs_between_them():
    fields = nginx(r"log_format h5 '$remote_addr\t$cookie_UID\t${http_X_Id}\t$status';")(b"1.2.3.4\tu 1\tx\t200")
    assert fields == {"remote_addr": "1.2.3.4", "cookie_UID": "u 1", "http_X_Id": "x", "status": 200}
    assert nginx(r"$status\t\"$args\"")(b'200\t"a=b"')["query"] == {"a": "b"}


def test_variables_that_touch_are_told_apart_by_the_slash_and_the_question_mark():
    url = nginx("$scheme://$host$request_uri $status")(b"https://m.shop.example/a/b?c=d 200")
    assert (url["host"], url["path"], url["query"]) == ("m.shop.example", "/a/b", {"c": "d"})
    parts = nginx("$request_method $uri$is_args$args $status")
    assert parts(b"GET /a/b?c=d 200")["query"] == {"c": "d"}
    assert parts(b"GET /a/b 200") == {
        "request_method": "GET",
        "method": "GET",
        "uri": "/a/b",
        "path": "/a/b",
        "status": 200,
    }
    of_apache = apache("%m %U%q %H")(b"GET /a?b=c HTTP/1.1")
    assert (of_apache["path"], of_apache["query"], of_apache["protocol"]) == ("/a", {"b": "c"}, "HTTP/1.1")


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (r"\x16\x03\x01", {}),
        ("GET /", {"method": "GET", "path": "/"}),
        ("GET /a b?c=d e HTTP/1.1", {"method": "GET", "path": "/a b", "query": {"c": "d e"}, "protocol": "HTTP/1.1"}),
        ("CONNECT m.example:443 HTTP/1.1", {"method": "CONNECT", "path": "m.example:443", "protocol": "HTTP/1.1"}),
        (
            "GET http://m.example/a?b=c HTTP/1.1",
            {"method": "GET", "path": "/a", "query": {"b": "c"}, "protocol": "HTTP/1.1"},
        ),
        ("OPTIONS * HTTP/1.1", {"method": "OPTIONS", "path": "*", "protocol": "HTTP/1.1"}),
        ("PRI * HTTP/2.0", {"method": "PRI", "path": "*", "protocol": "HTTP/2.0"}),
    ],
)
def test_request_lines(request_line, expected):
    fields = dict(nginx('"$request"')(f'"{request_line}"'.encode()))
    fields.pop("request")
    assert fields == expected


@given(parameters=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=8))
def test_query_parameters_are_read_back(parameters):
    query = urlencode(parameters, errors="replace")
    written = {
        name.encode(errors="replace").decode(): text.encode(errors="replace").decode()
        for name, text in parameters.items()
    }
    assert nginx('"$request"')(f'"GET /?{query} HTTP/1.1"'.encode()).get("query", {}) == written


def test_query_parameters_are_bounded():
    query = "&".join(f"p{number}={number}" for number in range(100))
    line = f'"GET /?{query} HTTP/1.1"'.encode()
    assert nginx('"$request"', query_parameters=3)(line)["query"] == {"p0": "0", "p1": "1", "p2": "2"}
    assert len(nginx('"$request"')(line)["query"]) == 64


PLAIN = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
)


@given(values=st.lists(PLAIN.filter(lambda text: text != "-"), min_size=3, max_size=3))
@examples(times=2)
def test_quoted_values_are_read_back(values):
    line = " ".join(f'"{text}"' for text in values)
    assert list(nginx('"$http_a" "$http_b" "$http_c"')(line.encode()).values()) == values


@given(values=st.lists(st.text(max_size=20).filter(lambda text: text not in ("", "-")), min_size=2, max_size=2))
@examples(times=2)
def test_values_escaped_as_json_are_read_back(values):
    texts = [text.encode(errors="replace").decode() for text in values]
    line = "|".join(json.dumps(text, ensure_ascii=False) for text in texts)
    assert list(nginx('"$http_a"|"$http_b"', escape="json")(line.encode()).values()) == texts


@given(values=st.lists(st.binary(min_size=1, max_size=12).filter(lambda raw: raw != b"-"), min_size=2, max_size=2))
@examples(times=2)
def test_values_escaped_as_nginx_does_are_read_back(values):
    line = b" ".join(
        b'"' + re.sub(rb'[\x00-\x1f"\\\x7f-\xff]', lambda found: b"\\x%02X" % found[0][0], raw) + b'"' for raw in values
    )
    assert list(nginx('"$http_a" "$http_b"')(line).values()) == [
        raw.decode(errors="backslashreplace") for raw in values
    ]


@pytest.mark.parametrize("line", [b"nonsense", COMBINED[:-1], COMBINED + b" more", COMBINED.replace(b" 200 ", b" OK ")])
def test_a_line_of_another_shape_is_no_match(line):
    answer = nginx()(line)
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH


@pytest.mark.parametrize("log_format", ["$host$status", "no variable", "$", "cost: $5$ $status", "$args$host", ""])
def test_a_log_format_that_cannot_be_read_is_refused(log_format):
    with pytest.raises(ValueError, match=r"log_format|format names no field|nothing stands between"):
        nginx(log_format)


@pytest.mark.parametrize("log_format", ["%h%u", "plain", "%Y", "100%", "%{no-such}p"])
def test_an_apache_format_that_cannot_be_read_is_refused(log_format):
    with pytest.raises(ValueError, match=r"log_format|format names no field|nothing stands between"):
        apache(log_format)


def test_format_errors_are_value_errors():
    assert issubclass(FormatError, ValueError)
