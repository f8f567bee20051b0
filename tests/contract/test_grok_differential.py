"""Grok against pygrok, which has Logstash's pattern files as they were in 2015 and Python's `regex` behind them.

pygrok is the only other reader of grok expressions in Python. It is no longer maintained, and so its pattern files do not change.
"""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.grok.well_known import patterns_of
from schemas.refusal import Refusal
from tests.support.examples import examples

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)  # pygrok's source has an escape that Python does not know
    from pygrok import Grok

# Patterns that Logstash has changed since pygrok copied its files (2015), or that are wider here on purpose: letters of any script.
CHANGED = {"UNIXPATH", "PATH", "BASE16FLOAT", "EMAILLOCALPART", "EMAILADDRESS", "HTTPDUSER", "HOSTNAME", "IPORHOST", "HOSTPORT", "SYSLOGHOST", "URIHOST", "URIPROTO", "URI",
         "JAVACLASS", "JAVAFILE", "JAVASTACKTRACEPART", "LOGLEVEL", "MONTH", "HTTPD20_ERRORLOG", "HTTPD24_ERRORLOG", "HTTPD_ERRORLOG", "HOST", "HTTPD_COMBINEDLOG",
         "HTTPD_COMMONLOG", "MULTILINEDATA", "URIQUERY", "URN", "URIPATH", "URIPATHPARAM", "IPV6", "IP"}  # fmt: skip
# Patterns of whole lines, which contain changed patterns.
LINES = {
    "COMMONAPACHELOG",
    "COMBINEDAPACHELOG",
    "CRONLOG",
    "SYSLOGBASE",
    "SYSLOGBASE2",
    "SYSLOGLINE",
    "SYSLOG5424BASE",
    "SYSLOG5424LINE",
}
ALIKE = sorted(patterns_of("core.grok").keys() - CHANGED - LINES)
PIECES = st.lists(
    st.one_of(
        st.sampled_from(["Oct", "May", "Mon", "2024", "24", "10", "0", "59", "60", "1.5", "-", ":", "/", ".", ",", " ", "+", "Z", "T", "0x1f", "abc", "\\", '"', "'", "a b", "_", "[7]", "1.2.3.4", "UTC", "0800", "fe80::1"]),
        st.integers(0, 99).map(str),
    ),
    min_size=1, max_size=9,
).map("".join)  # fmt: skip
WHOLE = {
    "HTTPDATE": "10/Oct/2000:13:55:36 -0700", "TIMESTAMP_ISO8601": "2024-05-01T10:00:00.123+08:00", "SYSLOGTIMESTAMP": "Oct  1 22:14:15", "DATESTAMP_RFC2822": "Wed, 01 May 2024 10:00:00 +0800",
    "DATESTAMP_OTHER": "Wed May 01 10:00:00 UTC 2024", "DATESTAMP_RFC822": "Wed May 01 2024 10:00:00 UTC", "DATESTAMP_EVENTLOG": "20240501100000", "DATE": "05/01/2024", "DATESTAMP": "01.05.2024 10:00:00",
    "TIME": "10:00:59,5", "MAC": "00:1b:44:11:3a:b7", "UUID": "550e8400-e29b-41d4-a716-446655440000", "IPV4": "010.1.1.255", "QUOTEDSTRING": '"a \\"b\\" c"',
    "WINPATH": "C:\\a\\b.log", "URIPARAM": "?c=d&e=%20", "NUMBER": "-1.5", "TTY": "/dev/pts/8",
}  # fmt: skip


def grok(pattern, **options):
    return build_decoder("grok", {"pattern": pattern, **options}, DecodeLimits())


THEIRS = {name: Grok(f"^(?:%{{{name}:found}})$") for name in ALIKE}
OURS = {name: grok(f"%{{{name}:found}}", match="full") for name in ALIKE}


def agree(name, text):
    theirs, ours = THEIRS[name].match(text), OURS[name](text.encode())
    if theirs is None:
        assert isinstance(ours, Refusal), name
    else:  # an empty capture gives no field, as in Logstash
        assert ours == {key: value for key, value in theirs.items() if value}, name


@given(name=st.sampled_from(ALIKE), text=PIECES)
@examples(times=6)
def test_a_named_pattern_of_grok_takes_what_pygrok_takes(name, text):
    agree(name, text)


@given(
    name=st.sampled_from(sorted(WHOLE)),
    place=st.integers(0, 60),
    piece=st.one_of(st.just(""), st.sampled_from(list(" 019:-/.,+aZ\\\"'?"))),
)
@examples(times=6)
def test_a_text_of_a_named_pattern_with_one_letter_changed_is_taken_or_not_as_by_pygrok(name, place, piece):
    text = WHOLE[name]
    place %= len(text)
    agree(name, text[:place] + piece + text[place + 1 :])


EXPRESSION = r"%{IP:client} \[%{USERNAME:action}\] n=%{INT:number:int} %{GREEDYDATA:rest}"
PYGROK = Grok(EXPRESSION)


@given(
    client=st.ip_addresses(v=4).map(str), action=st.from_regex(r"\A[A-Za-z0-9._-]{1,8}\Z"), number=st.integers(-(10**6), 10**6), rest=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12),
)  # fmt: skip
def test_an_expression_of_grok_gives_the_fields_that_pygrok_gives(client, action, number, rest):
    line = f"{client} [{action}] n={number} {rest}"
    ours = grok(EXPRESSION)(line.encode())
    assert ours == {name: value for name, value in PYGROK.match(line).items() if value != ""}


OF_PROGRAMS = {
    "HAPROXYHTTP": 'Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"',
    "HAPROXYTCP": "Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
    "S3_ACCESS_LOG": '79a59df9 mybucket [06/Feb/2014:00:00:38 +0000] 192.0.2.3 79a59df9 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /mybucket?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" -',
    "ELB_ACCESS_LOG": '2014-02-15T23:39:43.945958Z my-test-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com/a?b=c HTTP/1.1"',
    "REDISLOG": "[4018] 14 Nov 07:01:22.119 * Background saving terminated with success",
    "RUBY_LOGGER": "I, [1999-03-03T02:34:24.895701 #19074]  INFO -- Main: info.",
    "MONGO_LOG": "Nov  3 18:28:32 [initandlisten] waiting for connections on port 27017",
    "MONGO3_LOG": "2014-11-03T18:28:32.450-0500 I NETWORK [initandlisten] waiting for connections on port 27017",
    "POSTGRESQL": "2013-05-29 10:11:12 UTC postgres 5432.7 123",
    "SYSLOGPAMSESSION": "Mar 16 00:01:25 evita su[4]: pam_unix(su:session): session opened for user root by joe(uid=0)",
    "CATALINALOG": "Jan 9, 2013 7:13:13 AM org.apache.coyote.http11.AbstractHttp11Protocol start",
    "TOMCATLOG": "2014-01-09 20:03:28,269 -0800 | ERROR | com.example.service.ExampleService - something unexpected",
    "RAILS3": 'Started POST "/api/v3" for 127.0.0.1 at 2015-08-05 11:37:01 +0200\nProcessing by Projects::Merges#search as JSON\n  Parameters: {"id"=>"root", "b"=>"x"}\nsomething\n'
    "Completed 200 OK in 18ms (Views: 12.1ms | ActiveRecord: 5.0ms)",
}  # fmt: skip


@pytest.mark.parametrize("name", OF_PROGRAMS)
def test_a_line_of_a_well_known_program_gives_the_fields_that_pygrok_gives(name):
    line = OF_PROGRAMS[name]
    theirs = {key: value for key, value in Grok(f"%{{{name}}}").match(line).items() if value not in (None, "")}
    assert grok(f"%{{{name}}}")(line.encode()) == theirs
