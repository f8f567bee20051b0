"""Decoders against libraries that read the same formats and share no code with them.

The tests prove nothing where both are wrong in the same way. Where they differ, the format's document decides. Where the library is wrong, or
reads less than the document allows, the strategies leave such lines out, and a comment beside them gives the reason.
"""

from __future__ import annotations

import json
import re
import warnings
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from apachelogs import InvalidEntryError, LogParser
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.syslog import FACILITIES, SEVERITIES
from schemas.refusal import ReasonCode, Refusal
from tests.support.examples import examples

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its parser generator imports deprecated modules
    from syslog_rfc5424_parser import ParseError, SyslogMessage


def decoder(name, **options):
    return build_decoder(name, options, DecodeLimits())


# --- Apache: apachelogs ------------------------------------------------------------------------------------------------------

COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
MORE = '%v:%p %a %u %t "%r" %>s %B %I %O %D %X "%{Referer}i" "%{Cookie}i"'
HOSTS = st.sampled_from(["127.0.0.1", "2001:db8::1", "shop.example.com"])
WORDS = st.from_regex(r"\A[A-Za-z0-9._-]{1,8}\Z").filter(lambda text: text != "-")
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.timezones(no_cache=False)).map(  # noqa: DTZ001 - hypothesis adds the zones
    lambda moment: moment.replace(microsecond=0)
)
HEADERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda text: text != "-")
TARGETS = st.from_regex(r"\A/[A-Za-z0-9._~%/=&?+-]{0,16}\Z")


def as_apache_writes(text):
    """Escape as `ap_escape_logitem` does: C's short escapes, and every other byte that is not printable ASCII as hexadecimal."""
    short = {8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return "".join(short.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in text.encode())


def clf_time(moment):
    offset = moment.strftime("%z")[:5]
    return f"[{moment:%d/%b/%Y:%H:%M:%S} {offset}]"


@given(
    host=HOSTS, user=st.one_of(st.just("-"), WORDS), at=TIMES, request=st.tuples(st.sampled_from(["GET", "POST", "OPTIONS"]), TARGETS).map(" ".join),
    status=st.integers(100, 599), size=st.one_of(st.just("-"), st.integers(1, 10**12).map(str)), referer=st.one_of(st.just(None), HEADERS), agent=st.one_of(st.just(None), HEADERS),
)  # fmt: skip
@examples(times=3)
def test_apache_combined_is_read_as_apachelogs_reads_it(host, user, at, request, status, size, referer, agent):
    assume(at.utcoffset().total_seconds() % 60 == 0)  # %z of the common format has no seconds
    quoted = ["-" if text is None else as_apache_writes(text) for text in (referer, agent)]
    line = f'{host} - {user} {clf_time(at)} "{request} HTTP/1.1" {status} {size} "{quoted[0]}" "{quoted[1]}"'
    ours, theirs = decoder("apache")(line.encode()), APACHE_COMBINED.parse(line)
    assert ours["time_ms"] == round(theirs.request_time.timestamp() * 1000)
    assert ours["remote_addr"] == theirs.remote_host
    assert ours.get("remote_user") == theirs.remote_user
    assert (ours["request"], ours["status"]) == (theirs.request_line, theirs.final_status)
    assert ours["body_bytes_sent"] == (theirs.bytes_sent or 0)
    assert ours.get("http_referer") == in_utf8(theirs.headers_in["Referer"])
    assert ours.get("http_user_agent") == in_utf8(theirs.headers_in["User-Agent"])


APACHE_COMBINED, APACHE_MORE = LogParser(COMBINED), LogParser(MORE)


def in_utf8(text):
    """Return the text in UTF-8. The library reads the bytes as ISO 8859-1 by default."""
    return None if text is None else text.encode("iso-8859-1").decode()


@given(
    host=HOSTS, port=st.integers(1, 65_535), at=TIMES, request=st.one_of(TARGETS.map(lambda target: f"GET {target} HTTP/1.1"), st.just(r"\x16\x03\x01")),
    numbers=st.tuples(*[st.integers(0, 10**9)] * 4), state=st.sampled_from("X+-"), cookie=WORDS, cut=st.integers(0, 3),
)  # fmt: skip
def test_another_apache_format_is_read_or_refused_as_apachelogs_does(
    host, port, at, request, numbers, state, cookie, cut
):
    assume(at.utcoffset().total_seconds() % 60 == 0)
    line = (
        f'{host}:{port} 1.2.3.4 - {clf_time(at)} "{request}" 200 {" ".join(map(str, numbers))} {state} "-" "{cookie}"'
    )
    line = line[: len(line) - cut]
    ours = decoder("apache", log_format=MORE)(line.encode())
    try:
        theirs = APACHE_MORE.parse(line)
    except InvalidEntryError:
        assert isinstance(ours, Refusal)
        return
    assert ours["time_ms"] == round(theirs.request_time.timestamp() * 1000)
    assert (ours["server_name"], ours["server_port"]) == (theirs.virtual_host, theirs.server_port)
    found = (theirs.bytes_sent, theirs.bytes_in, theirs.bytes_out, theirs.request_duration_microseconds)
    assert tuple(ours[key] for key in ("body_bytes_sent", "request_length", "bytes_sent", "request_time_us")) == found
    assert ours["request"] == theirs.request_line


# --- URLs: urllib ------------------------------------------------------------------------------------------------------------


@given(target=st.from_regex(r"\A/[a-z%20+./]{0,8}(?:\?[a-z0-9=&+%]{0,20})?\Z"))
@examples(times=2)
def test_a_query_is_read_as_urllib_reads_it(target):
    fields = decoder("nginx", log_format='"$request"')(f'"GET {target} HTTP/1.1"'.encode())
    pairs = parse_qsl(urlsplit(f"http://h{target}").query, keep_blank_values=True, errors="backslashreplace")
    assert fields.get("query", {}) == {name: value for name, value in pairs if name}


# --- syslog: syslog-rfc5424-parser -------------------------------------------------------------------------------------------

# The library's lexer finds the header's fields by the longest match of a common set of tokens, so they must begin with a letter.
NAMES = st.from_regex(r"\A[a-z][a-zA-Z0-9._/]{0,10}\Z")
# The library keeps the escapes in a value and ends it at JSON's closing quote; section 6.3.3 says to undo them. It accepts a bracket without an escape.
PARAMETERS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\]'), max_size=8)


@given(
    priority=st.integers(0, 191), at=st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)), names=st.tuples(*[st.one_of(st.just("-"), NAMES)] * 4),  # noqa: DTZ001 - hypothesis adds the zone
    data=st.dictionaries(NAMES, st.dictionaries(NAMES, PARAMETERS, max_size=3), max_size=3), message=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
)  # fmt: skip
@examples(times=1.5)
def test_rfc_5424_is_read_as_another_parser_reads_it(priority, at, names, data, message):
    assume(
        not message.startswith("\ufeff")
    )  # the library keeps the byte order mark, which does not belong to the message (section 6.4)
    written = "".join(
        f"[{name}{''.join(f' {key}={json.dumps(value, ensure_ascii=False)}' for key, value in parameters.items())}]"
        for name, parameters in data.items()
    )
    moment = at.isoformat().replace("+00:00", "Z")
    line = f"<{priority}>1 {moment} {' '.join(names)} {written or '-'}" + (f" {message}" if message else "")
    ours = decoder("syslog")(line.encode())
    theirs = SyslogMessage.parse(line)
    assert (ours["facility"], ours["severity"]) == (FACILITIES[theirs.facility], SEVERITIES[theirs.severity])
    assert (ours["timestamp"], ours["version"]) == (theirs.timestamp, theirs.version)
    found = (theirs.hostname, theirs.appname, theirs.procid or "-", theirs.msgid or "-")
    assert tuple(ours.get(key, "-") for key in ("hostname", "app_name", "proc_id", "msg_id")) == found
    assert ours.get("structured_data", {}) == theirs.sd
    assert ours.get("message") == (theirs.msg or None)


@pytest.mark.parametrize("line", ["<34>1 x h a p m - x", "<34>1 - - - - - [a b=1] x", '<34>1 - - - - - [ a b="1"] x', "<34>0 - - - - - -", "1 - - - - - -"])  # fmt: skip
def test_what_another_parser_refuses_is_no_line_of_rfc_5424(line):
    with pytest.raises(ParseError):
        SyslogMessage.parse(line)
    assert isinstance(decoder("syslog", standard="rfc5424")(line.encode()), Refusal)


# --- regex: re ---------------------------------------------------------------------------------------------------------------

EXPRESSIONS = [
    r"(?P<a>\w+) (?P<b>.*)", r"(?P<a>a|ab)(?P<b>c|bcd)?(?P<c>d*)", r"(?P<a>[^|]*)\|(?P<b>[^|]*?)(?P<c>\|+)?", r"(?:(?P<a>x)|(?P<b>y))*(?P<c>[xyz]{0,3})", r"(?P<a>.*?)=(?P<b>.*)", r"(?i)(?P<a>LEVEL|l)=?(?P<b>\d{1,3})?.*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", EXPRESSIONS)
@given(text=st.text("abcdxyz|= L1付", max_size=10), match=st.sampled_from(["full", "search"]))
def test_a_pattern_matches_as_in_re(pattern, text, match):
    # Python's \w matches letters of any script, RE2's \w matches ASCII letters.
    found = getattr(re.compile(pattern, re.ASCII), {"full": "fullmatch", "search": "search"}[match])(text)
    answer = decoder("regex", pattern=pattern, match=match)(text.encode())
    if found is None:
        assert isinstance(answer, Refusal)
    else:
        assert answer == {name: value for name, value in found.groupdict().items() if value is not None}


# --- csv, json, xml: the standard library ------------------------------------------------------------------------------------


@given(text=st.text('ab,"\n\r; 付', max_size=16))
@examples(times=4)
def test_rows_are_those_that_the_grammar_of_rfc_4180_finds(text):
    rows, whole = rfc_4180(text.rstrip("\r\n"))
    answer = decoder("csv", columns=["a", "b", "c"], ragged=True)(text.encode())
    found = answer if isinstance(answer, list) else [answer]
    if not whole:
        assert isinstance(found.pop(), Refusal)
    assert found == [{name: value for name, value in zip("abc", row, strict=False) if value} for row in rows]


# A quote within a field that does not begin with a quote is an ordinary character, as in spreadsheets. A line may end with LF or CR alone.
FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|((?:[^",\r\n][^,\r\n]*)?))(,|\r\n|\r|\n|\Z)')


def rfc_4180(text):
    """Return the rows as far as the text follows the grammar of section 2, without blank rows; and whether all of the text follows it."""
    rows, row, position = [], [], 0
    while (found := FIELD.match(text, position)) is not None:
        row.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        position = found.end()
        if found[3] != ",":
            if row != [""] or found[1] is not None:
                rows.append(row)
            row = []
            if position == len(text):
                return rows, True
    return rows, False


NUMBERS_ALIKE = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(value=st.dictionaries(st.text(max_size=4), st.recursive(NUMBERS_ALIKE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8), max_size=4), place=st.integers(0, 200), byte=st.sampled_from(b'{}[],:"\\0 -e.tu'))  # fmt: skip
@examples(times=3)
def test_json_is_taken_or_refused_as_by_the_standard_library(value, place, byte):
    text = bytearray(json.dumps(value, ensure_ascii=True).encode())
    text[place % len(text)] = byte
    answer = decoder("json")(bytes(text))
    try:
        found = json.loads(text, parse_constant=lambda _name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        assert isinstance(answer, Refusal | list)  # a list: the changed byte split one value into two
        return
    if not isinstance(found, dict) or re.search(r"\\u[dD][89a-fA-F]", text.decode()):
        return  # half a surrogate pair, which the standard library accepts (RFC 8259, section 8.2)
    if isinstance(answer, Refusal) and answer.code is ReasonCode.NUMBER_TOO_LONG:
        assert re.search(
            rb"[0-9][eE][+-]?[0-9]*[1-9][0-9]{2}", text
        )  # the changed byte made an exponent, and the number has too many digits
        return
    assert json.dumps(answer, sort_keys=True, default=float) == json.dumps(found, sort_keys=True)


TAGS = st.from_regex(r"\A[a-z]{1,3}\Z")
# The decoder drops blanks around a text, since people indent XML that they write by hand.
XML_TEXTS = st.text("ab<>&'\"付 ]", min_size=1, max_size=6).map(str.strip)
TREES = st.recursive(XML_TEXTS, lambda inner: st.lists(st.tuples(TAGS, inner), min_size=1, max_size=3), max_leaves=6)


@given(
    children=st.lists(st.tuples(TAGS, TREES), min_size=1, max_size=4),
    attributes=st.dictionaries(TAGS, XML_TEXTS, max_size=2),
)
@examples(times=2)
def test_what_elementtree_writes_and_reads_is_read_the_same(children, attributes):
    root = element("root", children)
    root.attrib.update(attributes)
    text = ET.tostring(root, encoding="unicode")
    assert decoder("xml", keep_root=True)(text.encode()) == {"root": fields_of(ET.fromstring(text))}


def element(tag, content):
    node = ET.Element(tag)
    if isinstance(content, str):
        node.text = content
    else:
        node.extend(element(*child) for child in content)
    return node


def fields_of(tree):
    """Return the value of an element by docs/decoders.md: an object, a list where it is repeated, a text, or null."""
    fields = {f"@{name}": value for name, value in tree.attrib.items()}
    for child in tree:
        found = fields_of(child)
        if child.tag not in fields:
            fields[child.tag] = found
        elif isinstance(fields[child.tag], list):
            fields[child.tag].append(found)
        else:
            fields[child.tag] = [fields[child.tag], found]
    text = (tree.text or "").strip()
    if not fields:
        return text or None
    return {**fields, "#text": text} if text else fields
