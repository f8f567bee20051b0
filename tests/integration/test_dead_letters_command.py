"""`log2mq dead-letters`: what was refused and why, one of them whole, and what a mended mapping would make of it."""

from __future__ import annotations

import base64
import json

import pytest
from click.testing import CliRunner

from pipeline.cli.dead_letters import dead_letters as dead_letters_group
from pipeline.errors import Log2mqError
from tests.support.jobs import command

PHONE = "13800138000"


def line(number, **more):
    return json.dumps(
        {"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}", **more}
    ).encode()


@pytest.fixture
def refused(source, kafka):
    """A source with three kinds of dead letters, and one record of somebody else in its topic."""
    made = source(partitions=2)
    kafka.write(made.topic, [line(number) for number in range(5)], partition=0)
    kafka.write(
        made.topic,
        [b"{broken " + PHONE.encode(), b"[1]", line(7, ts="no time", user=PHONE)],
        partition=1,
        headers=[("trace", b"t1")],
    )
    kafka.write(made.topic, [line(8, ts="no time")], partition=0)
    made.run_to_end()
    kafka.write(made.dead, [b"of another program"])
    return made


def dead_letters(made, verb, *words, code=0):
    """Run a verb that only looks, in this process."""
    made.save()
    done = CliRunner().invoke(dead_letters_group, [verb, str(made.path), *words], standalone_mode=False)
    error = done.exception
    assert error is None or isinstance(error, Log2mqError), done.output
    text = done.output + (str(error) if error is not None else "")
    assert (error.exit_code if error is not None else 0) == code, text
    return text


def objects(text):
    return [json.loads(each) for each in text.splitlines()]


def test_they_are_counted_by_reason_with_an_example_of_each(refused):
    counts = objects(dead_letters(refused, "stats", "--json"))
    assert [(each["stage"], each["reason"], each["letters"]) for each in counts] == [
        ("transform", "TIME_INVALID", 2),
        ("decode", "NOT_AN_OBJECT", 1),
        ("decode", "NOT_JSON", 1),
    ]
    assert all(each["first_ms"] <= each["last_ms"] for each in counts)
    shown = dead_letters(refused, "stats")
    assert f"4 dead letters of {refused.name} in {refused.dead}" in shown
    assert counts[0]["example"] in shown
    assert PHONE not in shown


def test_they_are_listed_and_selected(refused):
    listed = objects(dead_letters(refused, "list", "--json"))
    assert len(listed) == 4
    assert {each["origin"]["partition"] for each in listed} == {0, 1}
    assert [each["refused_at"] for each in listed] == sorted(each["refused_at"] for each in listed)
    some = [
        (["--reason", "not_json"], 1),
        (["--reason", "NOT_JSON", "--reason", "TIME_INVALID"], 3),
        (["--stage", "decode"], 2),
        (["--code", "ES400"], 0),
        (["--partition", f"{refused.topic}:0"], 1),
        (["--since", "1h"], 4),
        (["--until", "1h"], 0),
    ]
    for options, expected in some:
        assert len(objects(dead_letters(refused, "list", "--json", *options))) == expected, options
    shown = dead_letters(refused, "list", "--most", "1")
    assert "3 older ones are not listed (--most)" in shown
    assert PHONE not in shown


def test_one_is_shown_through_the_mapping_of_now(refused):
    (letter,) = [
        each
        for each in objects(dead_letters(refused, "list", "--json", "--partition", f"{refused.topic}:1"))
        if each["reason"] == "TIME_INVALID"
    ]
    shown = dead_letters(refused, "show", letter["place"])
    assert f"log2mq-offset          {letter['origin']['offset']}" in shown
    assert f"record {refused.topic}:1:{letter['origin']['offset']}" in shown
    assert "dead letter: TIME_INVALID at transform" in shown
    assert PHONE not in shown
    assert PHONE in dead_letters(refused, "show", letter["place"], "--show-identifiers")
    refused.rules = refused.rules.replace("event_time: $.ts", "event_time: '@timestamp'")
    mended = dead_letters(refused, "show", letter["place"].split(":", 1)[1])
    assert "event message" in mended
    assert "dead letter:" not in mended.partition("as it is now")[2]


def test_an_export_has_the_content_only_where_it_is_asked_for(refused):
    plain = dead_letters(refused, "export")
    assert len(objects(plain)) == 4
    assert "value_base64" not in plain
    whole = {each["reason"]: each for each in objects(dead_letters(refused, "export", "--with-content"))}
    assert base64.b64decode(whole["NOT_JSON"]["value_base64"]) == b"{broken " + PHONE.encode()
    assert whole["NOT_JSON"]["headers_base64"] == [["trace", base64.b64encode(b"t1").decode()]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stats", "--reason", "NOT_JASON"], "--reason: found 'NOT_JASON'; expected a reason code, such as NOT_JSON"),
        (["list", "--since", "12"], "--since: found '12'; expected a time such as"),
        (["list", "--partition", "3"], "--partition: found '3'; expected a partition of the source's topics such as"),
        (["show", "first"], "PLACE: found 'first'; expected a place such as"),
    ],
)
def test_wrong_words_are_said(source, words, said):
    assert said in dead_letters(source(kafka={"bootstrap_servers": "127.0.0.1:9"}), *words, code=2)


def test_a_record_that_is_no_dead_letter_is_said(refused, kafka):
    (place,) = [
        f"{record.partition}:{record.offset}"
        for record in kafka.read(refused.dead)
        if record.value == b"of another program"
    ]
    assert "is no dead letter of log2mq" in dead_letters(refused, "show", place, code=2)


def redrive(made, *options):
    made.save()
    code, text = command("dead-letters", "redrive", made.path, *options)
    assert code == 0, text
    return text


def row_of(text):
    """The figures of the closing summary, of all partitions together."""
    rows = {
        cells[0]: [int(cell.replace(",", "")) for cell in cells[1:]]
        for cells in map(str.split, text.splitlines())
        if len(cells) == 8 and cells[1].isdecimal()
    }
    return next((rows[name] for name in rows if name == "all"), None) or next(iter(rows.values()))


def test_a_mended_mapping_takes_them_back_once(refused, kafka):
    before, committed = len(kafka.read(refused.dead)), kafka.committed(refused.group)
    again = redrive(refused, "--dry-run")
    assert "dead letters by reason: TIME_INVALID x2, NOT_AN_OBJECT x1, NOT_JSON x1" in again
    assert "events would be reported 0" in again
    refused.rules = refused.rules.replace("event_time: $.ts", "event_time: '@timestamp'")
    would = redrive(refused, "--dry-run")
    assert "events would be reported 2" in would
    assert refused.events() == {("pay_order", f"n{number}"): 1 for number in range(5)}
    done = redrive(refused)
    assert "events reported 2" in done
    read, reported, duplicate, filtered, dead, flying, _ = row_of(done)
    assert (read, reported, duplicate, filtered, dead, flying) == (5, 2, 0, 1, 2, 0)  # one record is another program's
    assert refused.events() == {("pay_order", f"n{number}"): 1 for number in (*range(5), 7, 8)}
    assert len(kafka.read(refused.dead)) == before  # what is refused again keeps the dead letter that it has
    assert kafka.committed(refused.group) == committed  # the offsets of the live job do not change
    twice = redrive(refused)
    assert "events reported 0, already reported 2" in twice
    assert refused.events() == {("pay_order", f"n{number}"): 1 for number in (*range(5), 7, 8)}


def test_a_redriven_event_has_the_time_and_the_place_of_its_own_record(refused, stand_in):
    refused.rules = refused.rules.replace("event_time: $.ts", "event_time: '@timestamp'").replace(
        "out_biz_id: $.no", "out_biz_id: {position: true}"
    )
    (letter,) = [
        each
        for each in objects(dead_letters(refused, "list", "--json", "--partition", f"{refused.topic}:1"))
        if each["reason"] == "TIME_INVALID"
    ]
    redrive(refused, "--reason", "TIME_INVALID", "--partition", f"{refused.topic}:1")
    new = {biz for code, biz in refused.events() if not biz.startswith("n")}
    assert new == {f"{refused.topic}-1-{letter['origin']['offset']}"}


def test_only_the_selected_ones_go_back(refused):
    refused.rules = refused.rules.replace("event_time: $.ts", "event_time: '@timestamp'")
    redrive(refused, "--partition", f"{refused.topic}:0")
    assert ("pay_order", "n8") in refused.events()
    assert ("pay_order", "n7") not in refused.events()


REGISTER = """
users:
  - when: {type: register}
    customer_id: $.user
    identities: {mobile: $.phone}
"""


def test_an_older_identity_that_goes_back_does_not_replace_a_newer_one(source, kafka):
    made = source(rules=REGISTER)
    old, new = (
        json.dumps({"type": "register", "user": "u1", "phone": phone}).encode()
        for phone in ("openid-of-u1-0001", "13900139000")
    )
    kafka.write(made.topic, [old, new])
    made.run_to_end()
    assert len(objects(dead_letters(made, "list", "--json"))) == 1
    made.rules = REGISTER.replace("mobile: $.phone", "open_id: $.phone")
    said = redrive(made)
    assert "users  reported 0, already reported 1" in said, said
    assert set(made.stand_in.ledger.users.values()) == {1}
