"""Decoders read back the lines of each format's own writers: Python's logging handlers, logfmter, structlog, and Java layouts filled in by the tests."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from logging.handlers import SysLogHandler
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from logfmter import Logfmter
from structlog.processors import LogfmtRenderer

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.syslog import FACILITIES


def decoder(name, **options):
    return build_decoder(name, options, DecodeLimits())


KEYS = st.from_regex(r"\A[a-z付][a-z0-9_.款-]{0,6}\Z").filter(lambda key: key not in LOG_RECORD)
LOG_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "at"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=10)


# --- logfmt ------------------------------------------------------------------------------------------------------------------


@given(fields=st.dictionaries(KEYS, TEXTS, min_size=1, max_size=4))
def test_what_logfmter_writes_is_read_back(fields):
    # logfmter escapes and quotes a line end, a tab or a control character. It writes a backslash in a plain value as it is.
    line = Logfmter(keys=[]).format(logging.makeLogRecord({"msg": fields}))
    assert decoder("logfmt")(line.encode()) == fields


@given(fields=st.dictionaries(KEYS, st.one_of(PLAIN, st.booleans(), st.integers(), st.none()), min_size=1, max_size=4))
def test_what_structlog_writes_is_read_back(fields):
    # structlog quotes a value with a blank, an equals sign or a quote, but not a value with other white space: so there is none here.
    assume(all(not isinstance(value, str) or value.isprintable() for value in fields.values()))
    assume(any(value is not True for value in fields.values()))  # a line of keys without values has no pair
    line = LogfmtRenderer()(None, "info", dict(fields))
    written = {True: True, False: "false", None: ""}
    assert decoder("logfmt")(line.encode()) == {
        key: written[value] if value is None or isinstance(value, bool) else str(value) for key, value in fields.items()
    }


# --- syslog ------------------------------------------------------------------------------------------------------------------


@given(
    facility=st.sampled_from(sorted(SysLogHandler.facility_names.items())), level=st.sampled_from([("DEBUG", "debug"), ("INFO", "info"), ("WARNING", "warning"), ("ERROR", "err"), ("CRITICAL", "crit")]),
    program=st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9_/.-]{0,8}\Z"), process=st.one_of(st.none(), st.integers(1, 99_999)), message=PLAIN,
)  # fmt: skip
def test_what_pythons_handler_sends_is_read_back(facility, level, program, process, message):
    assume(message == message.strip())
    name, number = facility
    assume(number < len(FACILITIES))
    tag = program if process is None else f"{program}[{process}]"
    fields = decoder("syslog")(sent(name, level[0], f"{tag}: {message}"))
    assert (fields["priority"] >> 3, fields["severity"]) == (number, level[1])
    assert (fields["app_name"], fields.get("proc_id")) == (program, None if process is None else str(process))
    assert fields.get("message", "") == message


def sent(facility, level, text):
    """Return the bytes that `SysLogHandler` writes to its socket."""
    out = []

    class Handler(SysLogHandler):
        def createSocket(self):  # noqa: N802 - the library's name
            self.socket = self
            self.unixsocket = False
            self.socktype = None

        def sendall(self, content):
            out.append(content)

        def close(self):
            logging.Handler.close(self)

    handler = Handler(facility=facility)
    record = logging.LogRecord("shop", getattr(logging, level), "", 0, text, (), None)
    handler.emit(record)
    handler.close()
    return out[0]


# --- nginx -------------------------------------------------------------------------------------------------------------------


def as_nginx_writes(text):
    r"""Escape as escape=default does: the quote, the backslash, and bytes below 32 or above 126 as \xHH."""
    return "".join(
        f"\\x{byte:02X}" if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte) for byte in text.encode()
    )


@given(
    path=TEXTS, query=st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3), referer=TEXTS, agent=TEXTS, user=TEXTS,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)), status=st.integers(100, 599), size=st.integers(0, 10**9),  # noqa: DTZ001 - the zone is added below
)  # fmt: skip
def test_what_nginx_writes_is_read_back(path, query, referer, agent, user, at, status, size):
    assume("-" not in (referer, agent, user))
    moment = at.replace(microsecond=0, tzinfo=UTC)
    target = "/" + quote(path, safe="/") + "".join(
        f"{'&' if place else '?'}{quote_plus(name)}={quote_plus(value)}" for place, (name, value) in enumerate(query.items())
    )  # fmt: skip
    values = [as_nginx_writes(text) or "-" for text in (user, referer, agent)]
    line = (
        f"1.2.3.4 - {values[0]} [{moment:%d/%b/%Y:%H:%M:%S +0000}] "
        f'"GET {target} HTTP/1.1" {status} {size} "{values[1]}" "{values[2]}"'
    )
    fields = decoder("nginx")(line.encode())
    assert (fields["path"], fields.get("query", {})) == ("/" + path, query)
    assert tuple(fields.get(key, "") for key in ("http_referer", "http_user_agent")) == (referer, agent)
    assert (fields["status"], fields["body_bytes_sent"]) == (status, size)
    assert fields["time_ms"] == moment.timestamp() * 1000
    assert fields.get("remote_user", "") == user


# --- key_value, tsv ----------------------------------------------------------------------------------------------------------


@given(rows=st.lists(st.tuples(*[st.text("ab付 \"',", min_size=1, max_size=5)] * 3), min_size=1, max_size=3))
def test_what_a_writer_of_tabs_writes_is_read_back(rows):
    answer = decoder("tsv", columns=["a", "b", "c"])("\n".join("\t".join(row) for row in rows).encode())
    want = [dict(zip("abc", row, strict=True)) for row in rows]
    assert (answer if isinstance(answer, list) else [answer]) == want


# --- java --------------------------------------------------------------------------------------------------------------------

CLASSES = st.from_regex(r"\A(?:[a-z][a-z0-9]{0,3}\.){1,3}[A-Z][A-Za-z0-9$]{0,6}\Z")
THREADS = st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9 #-]{0,10}[a-zA-Z0-9]\Z")
LEVELS = st.sampled_from(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])
MESSAGES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
MOMENTS = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)).map(  # noqa: DTZ001 - the source file names the zone
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
WRITERS = {
    "spring_boot": lambda at, level, thread, logger, message: (
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+08:00 {level:>5} 12345 --- [shop] [{thread[-15:]:>15}] {logger[:40]:<40} : {message}"
    ),
    "spring_boot_2": lambda at, level, thread, logger, message: (
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} {level:>5} 12345 --- [{thread[-15:]:>15}] {logger[:40]:<40} : {message}"
    ),
    "logback": lambda at, level, thread, logger, message: (
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} [{thread}] {level:<5} {logger} - {message}"
    ),
    "%d{ISO8601} [%t] %-5p {%c} %m%n": lambda at, level, thread, logger, message: (
        f"{at:%Y-%m-%dT%H:%M:%S},{at.microsecond // 1000:03} [{thread}] {level:<5} {{{logger}}} {message}"
    ),
    "%d{UNIX_MILLIS}|%level|%thread|%logger|%msg": lambda at, level, thread, logger, message: (
        f"{ms(at)}|{level}|{thread}|{logger}|{message}"
    ),
}
SHANGHAI = timedelta(hours=8)


def ms(moment):
    return round((moment - SHANGHAI - datetime(1970, 1, 1)) / timedelta(milliseconds=1))  # noqa: DTZ001 - both without a zone


@pytest.mark.parametrize("layout", WRITERS)
@given(
    at=MOMENTS,
    level=LEVELS,
    thread=THREADS,
    logger=CLASSES,
    messages=st.lists(MESSAGES, min_size=1, max_size=3),
    thrown=st.none() | CLASSES,
    cause=st.none() | CLASSES,
)
def test_what_a_layout_of_java_writes_is_read_back(layout, at, level, thread, logger, messages, thrown, cause):
    assume(at.year > 2001)  # earlier times have fewer than thirteen digits in milliseconds
    text = ""
    if thrown:
        text = f"\n{thrown}: 失败\n\tat a.B.c(B.java:1)"
        text += f"\nCaused by: {cause}\n\tat a.D.e(D.java:2)\n\t... 1 more" if cause else ""
    lines = [WRITERS[layout](at, level, thread, logger, message) + text for message in messages]
    answer = decoder("java", layout=layout)("\n".join(lines).encode())
    entries = answer if isinstance(answer, list) else [answer]
    assert [entry["message"] for entry in entries] == messages
    for entry in entries:
        assert (entry["time_ms"], entry["level"], entry["logger"]) == (ms(at), level, logger[:40])
        assert entry["thread"] == (thread[-15:].strip() if layout.startswith("spring") else thread)
        assert (entry.get("exception"), entry.get("root_cause")) == (thrown, cause if thrown else None)
        assert entry.get("stack_trace", "") == text.removeprefix("\n")


# --- xml ---------------------------------------------------------------------------------------------------------------------


@given(fields=st.dictionaries(st.from_regex(r"\A[A-Z][a-zA-Z]{0,6}\Z"), st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=8), min_size=1, max_size=4), spaces=st.sampled_from(["", " ", "\n"]))  # fmt: skip
def test_what_wechat_writes_is_read_back_within_json_too(fields, spaces):
    assume(all(value == value.strip() for value in fields.values()))
    children = "".join(
        f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>{spaces}"
        for name, value in fields.items()
    )
    record = json.dumps({"body": f"<xml>{spaces}{children}</xml>"}).encode()
    text = decoder("json")(record)["body"]
    assert decoder("xml")(text.encode()) == fields
