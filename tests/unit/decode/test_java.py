from __future__ import annotations

import pytest

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal


def java(limits=None, **options):
    return build_decoder("java", options, limits or DecodeLimits())


TRACE = """java.lang.IllegalStateException: no stock
of sku 1
\tat com.example.Order.pay(Order.java:10)
\tat com.example.Main.main(Main.java:3)
Caused by: java.io.IOException: disk
\tat com.example.Disk.read(Disk.java:1)
\t... 2 more"""


def test_an_indented_line_begins_an_entry_where_the_layout_does():
    line = " 2024-05-01 10:00:00.123 x"
    indented = java(layout=" %d{yyyy-MM-dd HH:mm:ss.SSS} %m")(f"{line}\n{line}".encode())
    assert [entry["message"] for entry in indented] == ["x", "x"]
    assert java(layout="%d{yyyy-MM-dd HH:mm:ss.SSS} %m")(f"{line[1:]}\n{line}".encode())["message"] == f"x\n{line}"


@pytest.mark.parametrize(
    ("layout", "line", "fields"),
    [
        ("spring_boot", "2024-05-01T10:00:00.123+08:00  INFO 12345 --- [shop] [nio-8080-exec-1] c.e.shop.OrderService                  : 付款 order=1",
         {"time": "2024-05-01T10:00:00.123+08:00", "time_ms": 1714528800123, "level": "INFO", "pid": 12345, "application": "shop", "thread": "nio-8080-exec-1", "logger": "c.e.shop.OrderService", "message": "付款 order=1"}),
        ("spring_boot", "2024-05-01T10:00:00.123Z  WARN 1 --- [           main] c.e.A : a : b",
         {"time": "2024-05-01T10:00:00.123Z", "time_ms": 1714557600123, "level": "WARN", "pid": 1, "thread": "main", "logger": "c.e.A", "message": "a : b"}),
        ("spring_boot_2", "2024-05-01 10:00:00.123 ERROR 12345 --- [           main] c.e.A                                    : x",
         {"time": "2024-05-01 10:00:00.123", "time_ms": 1714528800123, "level": "ERROR", "pid": 12345, "thread": "main", "logger": "c.e.A", "message": "x"}),
        ("logback", "2024-05-01 10:00:00.123 [http-1] INFO  c.e.Order - paid - twice",
         {"time": "2024-05-01 10:00:00.123", "time_ms": 1714528800123, "thread": "http-1", "level": "INFO", "logger": "c.e.Order", "message": "paid - twice"}),
        ("log4j", "2024-05-01 10:00:00,123 INFO  [main] Order (Order.java:12) - hi",
         {"time": "2024-05-01 10:00:00,123", "time_ms": 1714528800123, "level": "INFO", "thread": "main", "logger": "Order", "file": "Order.java", "line": 12, "message": "hi"}),
        ("[%d{yyyy-MM-dd HH:mm:ss.SSS, UTC}] [%X] %p: %m%n", "[2024-05-01 10:00:00.123] [uid=7, act=pay] INFO: hi",
         {"time": "2024-05-01 10:00:00.123", "time_ms": 1714557600123, "mdc": {"uid": "7", "act": "pay"}, "level": "INFO", "message": "hi"}),
        ("%d{dd MMM yyyy HH:mm:ss.SSS}{GMT+8} %X{traceId:-none} %highlight{%-5p}{INFO=green}: %cyan(%m)%n%ex{full}", "01 May 2024 10:00:00.123 t-1 INFO : hi",
         {"time": "01 May 2024 10:00:00.123", "time_ms": 1714528800123, "mdc_traceId": "t-1", "level": "INFO", "message": "hi"}),
        ("%d{HH:mm:ss.SSS} %relative %msg100%%%n", "10:00:00.123 4711 hi100%", {"time": "10:00:00.123", "uptime_ms": 4711, "message": "hi"}),
        ("%d{yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX} \\(%t\\) %m", "2024-05-01T10:00:00.123456+08:00 (a) hi", {"time": "2024-05-01T10:00:00.123456+08:00", "time_ms": 1714528800123, "thread": "a", "message": "hi"}),
        ("%date %level %msg", "2024-05-01 10:00:00,123 INFO ", {"time": "2024-05-01 10:00:00,123", "time_ms": 1714528800123, "level": "INFO"}),
    ],
)  # fmt: skip
def test_lines_of_a_layout(layout, line, fields):
    assert java(layout=layout)(line.encode()) == fields


def test_a_stack_trace_is_told_from_a_message_of_several_lines():
    fields = java(layout="logback")(
        f"2024-05-01 10:00:00.123 [a] ERROR c.O - failed\r\nsecond line\n{TRACE}\n".encode()
    )
    assert fields["message"] == "failed\nsecond line"
    assert fields["stack_trace"] == TRACE
    assert (fields["exception"], fields["exception_message"]) == (
        "java.lang.IllegalStateException",
        "no stock\nof sku 1",
    )
    assert fields["root_cause"] == "java.io.IOException"


def test_lines_without_frames_are_the_messages():
    fields = java(layout="logback")(
        b"2024-05-01 10:00:00.123 [a] INFO c.O - SELECT *\n  FROM t\nWHERE java.lang.String: x"
    )
    assert fields["message"] == "SELECT *\n  FROM t\nWHERE java.lang.String: x"
    assert "stack_trace" not in fields


def test_an_exception_without_a_message():
    fields = java(layout="logback")(
        b"2024-05-01 10:00:00.123 [a] INFO c.O - x\njava.lang.NullPointerException\n\tat a.B.c(B.java:1)"
    )
    assert fields["exception"] == "java.lang.NullPointerException"
    assert "exception_message" not in fields
    assert fields["message"] == "x"


@pytest.mark.parametrize(
    ("layout", "line", "fields"),
    [
        ("%level{lowerCase=true} %tid %l - %replace(%msg){'\\d', '#'}%n", "warn 17 a.B.c(B.java:7) - paid #", {"level": "warn", "thread_id": 17, "location": "a.B.c(B.java:7)", "message": "paid #"}),
        ("%p{WARN=Warning}|%x|%m", "Warning||x", {"level": "Warning", "message": "x"}),
        ("%p %notEmpty{[%marker] }%m", "INFO x", {"level": "INFO", "message": "x"}),
        ("%p %notEmpty{[%marker] }%m", "INFO [PAID] x", {"level": "INFO", "marker": "PAID", "message": "x"}),
        ("%c %x - %m", "a.B  - x", {"logger": "a.B", "message": "x"}),
        ("%p %c - %m", "INFO a.B -", {"level": "INFO", "logger": "a.B"}),
        ("%replace{%msg}{a}{b}", "paid", {"message": "paid"}),
    ],
)  # fmt: skip
def test_further_words_of_layouts(layout, line, fields):
    assert java(layout=layout)(line.encode()) == fields


def test_each_line_of_the_layout_begins_an_entry():
    line = "2024-05-01 10:00:00.123 [a] INFO c.O - {}\n"
    first, second, third = java(layout="logback")(
        (line.format("1") + TRACE + "\n" + line.format("2") + line.format("3")).encode()
    )
    assert (first["message"], second["message"], third["message"]) == ("1", "2", "3")
    assert first["stack_trace"] == TRACE
    answer = java(DecodeLimits(entries=2), layout="logback")((line * 3).encode())
    assert answer.code is ReasonCode.TOO_MANY_ENTRIES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "\tat a.B.c(B.java:1)",
        "2024-05-01 10:00:00.123 [a] info c.O - x",
        "2024-02-30 10:00:00.123 [a] INFO c.O - x",
    ],
)
def test_what_does_not_begin_with_the_layout_is_refused(text):
    answer = java(layout="logback")(text.encode())
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "%msg %foo"}, "unknown conversion word %foo"),
        ({"layout": "%d{QQ} %m"}, "'QQ' in the date format"),
        ({"layout": "%p"}, "a layout without %msg"),
        ({"layout": "%cyan(%m"}, "a bracket of the layout that is not closed"),
        ({"layout": "%d{yyyy %m"}, "a brace of the layout that is not closed"),
        ({"layout": "%d{yyyy-MM-dd, Mars} %m"}, "unknown time zone 'Mars'"),
        ({"layout": "%d %d %m"}, "two dates in the layout"),
        ({"layout": "%m %"}, "expected a conversion word"),
        ({"layout": "%cyan %m"}, "%cyan without brackets"),
        ({"layout": "%(" * 900 + "%m"}, "more than 50 groups"),
        ({"layout": "%highlight{%p %m"}, "a brace of the layout that is not closed"),
        ({"time_zone": "Asia/Shanghi"}, "'Asia/Shanghai'"),
    ],
)  # fmt: skip
def test_what_is_no_layout_says_why(options, says):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its message is checked below
        java(**options)
    assert says in str(error.value)
