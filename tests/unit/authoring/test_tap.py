"""`log2mq tap`: the records that it shows, their number, and the identifiers that it hides. A scripted reader gives the records."""

from __future__ import annotations

import json
from threading import Event

import pytest
from click.testing import CliRunner

from pipeline.authoring.tap import MOST_BEHIND, RateLimit, RecordFilter, Tap, TapStage
from pipeline.authoring.trace import trace
from pipeline.cli.main import cli
from pipeline.cli.tap_view import TapView
from pipeline.config.load import load_source
from pipeline.errors import UsageError
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from schemas.refusal import ReasonCode
from transforms.mapping.conditions import compile_condition

SOURCE = """
source: shop
kafka: {bootstrap_servers: "localhost:9", topics: [shop-log]}
decode: json
events:
  - when: {type: [paid, refunded]}
    event_code: $.type
    event_time: $.ts
    customer_id: $.user
    identities: {mobile: $.phone}
    out_biz_id: $.no
    attributes: {note: $.note}
users:
  - when: {type: register}
    customer_id: $.user
    identities: {mobile: $.phone}
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "shop.yaml").write_text(SOURCE)
    return load_source(tmp_path / "shop.yaml", {})


def record(offset=0, timestamp=1_700_000_000_000, **fields):
    fields = {"type": "paid", "ts": 1_700_000_000, "user": "member-1", "no": f"n{offset}", **fields}
    return RawRecord("shop-log", 0, offset, timestamp, None, json.dumps(fields).encode())


BROKEN = RawRecord("shop-log", 0, 9, -1, None, b"{ no json of 13812345678")


class Scripted:
    """A reader. Each poll takes its seconds and gives its records. After the last poll the tap is stopped."""

    def __init__(self, *polls, behind=0):
        self.polls, self.lag, self.now_s, self.asked, self.stop = list(polls), behind, 0.0, 0, Event()

    def poll(self, wait_ms):
        if not self.polls:
            self.stop.set()
            return []
        seconds, records = self.polls.pop(0)
        self.now_s += seconds
        return records

    def ask(self):
        self.asked += 1

    def behind(self):
        return self.lag

    def skip_to_end(self):
        passed, self.lag = self.lag, 0
        return passed

    def clock(self):
        return self.now_s


def look(source, reader, choice=None, rate=0, most=None, *, live=True):
    converter, shown = build_converter(source, {}), []
    tap = Tap(
        reader,
        converter,
        choice or RecordFilter(),
        lambda passing: shown.append(passing.record.offset),
        RateLimit(rate),
        clock=reader.clock,
        stop=reader.stop,
    )
    return shown, tap.run(most, live=live)


RECORDS = [
    record(0),
    record(1, type="seen"),
    record(2, user=None),
    record(3, type="refunded"),
    record(4, type="register", phone="13812345678"),
    BROKEN,
]


@pytest.mark.parametrize(
    ("choice", "offsets"),
    [
        (RecordFilter(), [0, 1, 2, 3, 4]),
        (RecordFilter(TapStage.MAPPED), [0, 3, 4]),
        (RecordFilter(TapStage.REFUSED), [2, 9]),
        (RecordFilter(TapStage.MAPPED, event_codes=["refunded"]), [3]),
        (RecordFilter(TapStage.REFUSED, reasons=[ReasonCode.NOT_JSON]), [9]),
        (RecordFilter(TapStage.DECODED, reasons=[ReasonCode.FIELD_MISSING]), [2]),
        (RecordFilter(where=[compile_condition({"type": {"ne": "paid"}}, ()).holds]), [1, 3, 4]),
        (
            RecordFilter(
                TapStage.MAPPED,
                where=[
                    compile_condition({"type": "paid"}, ()).holds,
                    compile_condition({"user": {"exists": True}}, ()).holds,
                ],
            ),
            [0],
        ),
    ],
)
def test_what_is_shown_is_what_was_asked_for(source, choice, offsets):
    shown, counts = look(source, Scripted((0, RECORDS)), choice)
    assert shown == offsets
    assert (counts.read, counts.shown) == (len(RECORDS), len(offsets))


def test_it_ends_after_so_many(source):
    assert look(source, Scripted((0, RECORDS), (0, RECORDS)), most=3)[0] == [0, 1, 2]


def test_of_a_busy_topic_so_many_a_second_are_shown_and_the_others_counted(source):
    polls = [(0, [record(n) for n in range(5)]), (0.5, [record(5)]), (0.6, [record(n) for n in range(6, 9)])]
    shown, counts = look(source, Scripted(*polls), rate=2)
    assert shown == [0, 1, 6, 7]
    assert (counts.read, counts.shown, counts.over_rate) == (9, 4, 5)


def test_far_behind_the_end_it_goes_on_there(source):
    reader = Scripted((0, [record(0)]), (0, [record(1)]), behind=MOST_BEHIND + 1)
    assert look(source, reader)[1].unread == MOST_BEHIND + 1


def test_what_lies_in_the_past_waits_its_turn(source):
    class Waiting(Event):
        def wait(self, timeout=None):
            reader.now_s += timeout
            return False

    reader = Scripted((0, [record(n) for n in range(5)]), behind=MOST_BEHIND + 1)
    reader.stop = Waiting()
    shown, counts = look(source, reader, rate=2, live=False)
    assert shown == [0, 1, 2, 3, 4]
    assert (counts.over_rate, counts.unread, reader.now_s) == (0, 0, 2.0)


def test_after_a_silence_the_brokers_are_asked(source):
    reader = Scripted((3, []), (1, []), (2, []), (4, [record()]), (2, []))
    look(source, reader)
    assert reader.asked == 1


# --- what is printed ---------------------------------------------------------------------------------------------------------------


def printed(source, capsys, *records, stage=TapStage.DECODED, **options):
    options = {"as_lines": False, "show_identifiers": False, **options}
    converter = build_converter(source, {})
    view = TapView(source, stage, **options)
    for each in records:
        passing = trace(converter, each)
        assert RecordFilter(stage).matches(passing)
        view.show(passing)
    return capsys.readouterr().out


PERSONAL = record(
    7, phone="+86 138-1234-5678", note="call 13812345678 for member-1", mail={"li@example.com": 13812345678}
)


@pytest.mark.parametrize("stage", [TapStage.DECODED, TapStage.MAPPED])
@pytest.mark.parametrize("as_lines", [False, True])
def test_identifiers_are_hidden_unless_they_are_asked_for(source, capsys, stage, as_lines):
    said = printed(source, capsys, PERSONAL, stage=stage, as_lines=as_lines)
    for secret in ("member-1", "1234-5678", "13812345678", "li@example.com"):
        assert secret not in said
    assert "call *** for ***" in said
    assert "member-1" in printed(source, capsys, PERSONAL, stage=stage, as_lines=as_lines, show_identifiers=True)


def test_an_identifier_of_the_wrong_shape_is_hidden_too(source, capsys):
    said = printed(source, capsys, record(user={"uid": ["member-8", 4242]}), stage=TapStage.REFUSED)
    assert "FIELD_TYPE" in said
    assert "member-8" not in said
    assert "4242" not in said


def test_an_identifier_is_hidden_in_a_url_too_and_a_short_one_where_it_is_a_word(source, capsys):
    said = printed(source, capsys, record(user="王小明", note="GET /a?u=%E7%8E%8B%E5%B0%8F%E6%98%8E&x=1"))
    assert "u=***&x=1" in said
    said = printed(source, capsys, record(user="U7", note="GET /U7/a?u=U7&n=U70&m=AU7"))
    assert "GET /***/a?u=***&n=U70&m=AU7" in said


def test_a_line_is_an_object_whatever_is_in_the_record(source, capsys):
    (line,) = printed(source, capsys, PERSONAL, as_lines=True).splitlines()
    said = json.loads(line)
    assert (said["topic"], said["partition"], said["offset"], said["outcome"]) == ("shop-log", 0, 7, "paid")
    assert said["entries"][0]["mail"] == {"***": "***"}


def test_a_refused_record_says_why_and_shows_its_bytes_only_where_identifiers_may_be_shown(source, capsys):
    said = printed(source, capsys, BROKEN, stage=TapStage.REFUSED)
    assert "── shop-log:0:9: refused" in said
    assert "NOT_JSON at decode" in said
    assert "no json" not in said
    assert "no json of 13812345678" in printed(source, capsys, BROKEN, stage=TapStage.REFUSED, show_identifiers=True)


@pytest.mark.parametrize("as_lines", [False, True])
def test_nothing_in_a_record_commands_the_terminal(source, capsys, as_lines):
    said = printed(source, capsys, record(type="\x1b[2J\x9b31m\u202e"), record(timestamp=1 << 62), as_lines=as_lines)
    assert not {"\x1b", "\x9b", "\u202e"} & set(said)


def test_a_large_record_does_not_fill_the_screen(source, capsys):
    said = printed(source, capsys, record(many=list(range(10_000)), wide="x" * 100_000))
    assert len(said.splitlines()) < 70
    assert len(said) < 10_000


# --- the command -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "paid"], "--where"),
        (["--where", "type: {gr: 1}"], "--where: type: found"),
        (["--where", "$item.sku: a"], "found '$item.sku: a', which names $item or $index"),
        (["--reason", "NOT_JSN"], "such as NOT_JSON"),
        (["--from", "yesterday"], "--from: found 'yesterday'"),
    ],
)
def test_a_wrong_option_is_said_before_anything_connects(source, tmp_path, options, said):
    with pytest.raises(UsageError) as error:
        CliRunner().invoke(
            cli, ["tap", str(tmp_path / "shop.yaml"), *options], catch_exceptions=False, standalone_mode=False
        )
    assert said in str(error.value)


def test_an_event_that_no_rule_makes_is_not_waited_for(tmp_path):
    (tmp_path / "shop.yaml").write_text(SOURCE.replace("$.type", "pay_order"))
    with pytest.raises(UsageError, match="expected one of pay_order"):
        CliRunner().invoke(
            cli, ["tap", str(tmp_path / "shop.yaml"), "--event", "pay"], catch_exceptions=False, standalone_mode=False
        )


def test_no_line_of_a_record_looks_like_another_record(source, capsys):
    forged = BROKEN._replace(
        value=b"no json\n\xe2\x94\x80\xe2\x94\x80 shop-log:0:1: paid\r\x1b[1A\xe2\x94\x80\xe2\x94\x80 x"
    )
    said = printed(source, capsys, forged, stage=TapStage.REFUSED, show_identifiers=True)
    assert [line[:16] for line in said.split("\n") if line.startswith("──")] == ["── shop-log:0:9:"]
    assert "    ── shop-log:0:1: paid" in said
