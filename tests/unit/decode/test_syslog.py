"""Syslog; the examples of RFC 5424 and RFC 3164 are in tests/golden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal

decode = build_decoder("syslog", {}, DecodeLimits())

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12).filter(
    lambda text: text != "-"
)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='="]'), min_size=1, max_size=12)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10)


def refused(line, decoder=decode):
    answer = decoder(line.encode())
    return isinstance(answer, Refusal) and answer.code is ReasonCode.NO_MATCH


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("<30>2024-05-01T10:00:00.5+08:00 pos-1 till: x=1",
         {"priority": 30, "facility": "daemon", "severity": "info", "timestamp": "2024-05-01T10:00:00.5+08:00", "time_ms": 1714528800500, "hostname": "pos-1", "app_name": "till", "message": "x=1"}),
        ("<34>Oct 11 22:14:15 2001:db8::7 su[9]: a:b: c",
         {"priority": 34, "facility": "auth", "severity": "crit", "timestamp": "Oct 11 22:14:15", "hostname": "2001:db8::7", "app_name": "su", "proc_id": "9", "message": "a:b: c"}),
        ("Oct 11 22:14:15 fe80::1%eth0 up", {"timestamp": "Oct 11 22:14:15", "hostname": "fe80::1%eth0", "message": "up"}),
        ("Oct 11 22:14:15 dead: beef", {"timestamp": "Oct 11 22:14:15", "app_name": "dead", "message": "beef"}),
        ("<13>hello", {"priority": 13, "facility": "user", "severity": "notice", "message": "hello"}),
    ],
)  # fmt: skip
def test_lines_as_they_are_written(line, fields):
    assert decode(line.encode()) == fields


@given(
    priority=st.integers(0, 191), names=st.tuples(*[st.one_of(st.none(), PRINTABLE)] * 4), message=st.one_of(st.just(""), VALUES),
    data=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3),
)  # fmt: skip
def test_what_rfc_5424_writes_is_read_back_the_same(priority, names, data, message):
    elements = "".join(
        f"[{name}" + "".join(f' {key}="{_escaped(value)}"' for key, value in parameters.items()) + "]"
        for name, parameters in data.items()
    )
    header = " ".join("-" if name is None else name for name in names)
    line = f"<{priority}>1 2024-05-01T02:00:00Z {header} {elements or '-'}" + (f" {message}" if message else "")
    fields = decode(line.encode())
    assert (fields["priority"], fields["time_ms"]) == (priority, 1714528800000)
    assert tuple(fields.get(key) for key in ("hostname", "app_name", "proc_id", "msg_id")) == names
    assert fields.get("structured_data", {}) == data
    assert fields.get("message", "") == message.removeprefix("\ufeff")


def _escaped(value):
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def test_a_bracket_in_a_value_need_not_be_escaped():
    fields = decode(b'<34>1 - - - - - [a b="x[1] ] y" c="z\\]"][d] m')
    assert (fields["structured_data"], fields["message"]) == ({"a": {"b": "x[1] ] y", "c": "z]"}, "d": {}}, "m")


@pytest.mark.parametrize(
    "line",
    ["", "hello", "<192>1 - - - - - -", "<a>1 x", "<34>1 2003-13-11T22:14:15Z h a p m - x", "<34>1 yesterday h a p m - x", '<34>1 - - - - - [a b="1"', '<34>1 - - - - - [a b="1"]x'],
)  # fmt: skip
def test_what_is_no_syslog_is_refused(line):
    assert refused(line)


def test_one_standard_alone_may_be_asked_for():
    new = build_decoder("syslog", {"standard": "rfc5424"}, DecodeLimits())
    old = build_decoder("syslog", {"standard": "rfc3164"}, DecodeLimits())
    assert refused("<34>Oct 11 22:14:15 mymachine su: x", new)
    assert old(b"<34>1 hello")["message"] == "1 hello"


def test_a_time_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="Mars"):
        build_decoder("syslog", {"time_zone": "Mars"}, DecodeLimits())
