"""`check --sample`: the results of the records, and the warnings on the source file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.authoring.dry_run.records import file_records
from pipeline.authoring.dry_run.run import try_out
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.emulator.samples.generate import SampleKind, SampleSettings, generate
from pipeline.errors import UsageError
from pipeline.job.books import RecordOutcome
from tests.support.examples import examples
from tests.support.good_files import GOOD_CATALOGUE
from tests.support.paths import ROOT

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}
EXAMPLES = ROOT / "examples"

SOURCE = """\
source: shop
kafka: {bootstrap_servers: "127.0.0.1:9", topics: [shop-log]}
decode: json
events:
  - when: {type: paid, shop: {exists: false}}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    identities: {mobile: $.phone}
    out_biz_id: $.no
    attributes:
      amount: $.amount
      title: $.titel
      first: {first_of: [$.nick, $.name]}
      part: $.amount | extract('x(.*)')
  - when: {tpye: refund}
    event_code: refund
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
  - when: {type: items, $item.colour: red}
    for_each: $.items
    event_code: item
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $item.no
    attributes: {size: $item.size}
users:
  - when: {type: register}
    customer_id: $.user
    identities: {mobile: $.phone}
report: {region: cn-shanghai, organization_id: org, access_id: access}
dead_letters: {stop_above: 50%}
"""


def paid(no, **more):
    return {"type": "paid", "ts": 1_700_000_000, "user": "member-1", "no": no, "amount": 5, "name": "n", **more}


LINES = [
    paid("n1", phone="13812345678"),
    paid("n1", phone="13812345678"),
    paid("n2"),
    paid("n2", amount=6),
    paid("n2", user="member-2"),
    paid(None),
    {"type": "seen", "user": "member-9", "wx": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "mail": "member-9@example.com"},
    {"type": "items", "ts": 1_700_000_000, "user": "member-1", "items": [{"no": "i1"}, {"no": "i2"}]},
    {"type": "register", "user": "member-3", "phone": "13812345670"},
    {"type": "register", "user": "member-3", "phone": "13812345670"},
    {"type": "register", "user": "member-3", "phone": "13812345671"},
]


@pytest.fixture
def check(tmp_path, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def check(*options, source=SOURCE, lines=LINES, code=0):
        Path("shop.yaml").write_text(source)
        Path("shop.log").write_bytes(
            b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines)
        )
        result = CliRunner().invoke(cli, ["check", "shop.yaml", *options])
        if code:
            assert isinstance(result.exception, UsageError), result.output
            assert result.exception.exit_code == code
            return str(result.exception)
        assert result.exit_code == 0, result.output
        return result.output

    return check


def rows(said):
    """Return the rows of the first table: outcome to records, share and place."""
    table = said.partition("─\n")[2].partition("\nmessages")[0]
    return {" ".join(line.split()[:-3]): line.split()[-3:] for line in table.splitlines()}


def test_the_fates_are_counted_with_a_place_and_one_example_of_each(check):
    said = check("--sample", "shop.log", lines=[*LINES, b"{broken of member-77 and a@b.com", b"", b"\xff"])
    found = rows(said)
    assert "would become of 13 records" in said
    assert found == {
        "would be reported": ["4", "30.8%", "shop.log:1"],
        "duplicate in the sample": ["4", "30.8%", "shop.log:2"],
        "filtered: no rule matched": ["1", "7.7%", "shop.log:7"],
        "filtered: nothing to report: no identity, or no element": ["1", "7.7%", "shop.log:8"],
        "dead letter: OUT_BIZ_ID_MISSING": ["1", "7.7%", "shop.log:6"],
        "dead letter: NOT_JSON": ["1", "7.7%", "shop.log:12"],
        "dead letter: NOT_UTF8": ["1", "7.7%", "shop.log:14"],
    }
    for name, (_, _, place) in found.items():
        assert f"\n{name}, {place}" in said  # its example
    assert "events[0] pay_order: out_biz_id has no value (at transform)" in said
    assert "member-" not in said
    assert "138123" not in said
    assert "a@b.com" not in said
    assert "o6_bmj" not in said
    assert "example.com" not in said


def test_messages_are_counted_by_event_code_and_what_comes_again_is_a_duplicate(check):
    said = [line.split() for line in check("--sample", "shop.log").splitlines()]
    assert ["event", "pay_order", "2", "3"] in said
    assert ["users", "2", "1"] in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (5, "events[0]: out_biz_id has no value in 1 of the 6 records that the rule matches"),
        (13, "events[0].attributes.title: $.titel has no value in any of the 6 records that the rule matches"),
        (14, "events[0].attributes.first: $.nick has no value in any of the 6 records that the rule matches"),
        (15, "events[0].attributes.part: is empty in all 5 events that the rule makes"),
        (10, "events[0].out_biz_id: is not unique: 2 events of the sample, such as that of shop.log:4, have the ID of an earlier one, such as that of shop.log:3, but differ in extendAttributes; only the first is reported"),
        (16, "events[1]: no record of the sample matches the rule"),
        (16, "events[1].when: no record of the sample has $.tpye"),
        (21, "events[2].when: no element of the sample has $item.colour"),
    ],
)  # fmt: skip
def test_what_the_sample_says_of_the_file_has_its_line_and_key(check, line, says):
    said = check("--sample", "shop.log").splitlines()
    assert any(each.startswith(f"warning: shop.yaml:{line}: ") and each.endswith(says) for each in said), said


def test_nothing_is_said_of_what_has_a_value_or_is_wanted_to_be_absent(check):
    said = check("--sample", "shop.log")
    assert "$.amount" not in said
    assert "$.shop" not in said
    assert "$item.size" not in said  # no element met the condition, so the sample shows nothing about the path


def test_what_cannot_be_decoded_is_shown_in_the_records_character_set(check):
    source = SOURCE.replace("decode: json", "decode: {format: json, charset: gbk}")
    assert "\n    断行 {" in check("--sample", "shop.log", source=source, lines=["断行 {".encode("gbk")])


def test_too_many_dead_letters_are_said_clearly(check):
    said = check("--sample", "shop.log", lines=[LINES[0], b"x", b"y"])
    assert (
        "dead_letters.stop_above: 2 of 3 records (66.7%) would be dead letters, 50.0% are allowed: a job with such records stops with exit code 7"
        in said
    )


def test_what_the_catalogue_lets_pass_is_counted_by_event(check, tmp_path):
    (tmp_path / "shop.catalogue.yaml").write_text(GOOD_CATALOGUE)
    source = SOURCE.partition("  - when: {tpye")[0].replace("first:", "nick:") + (
        "catalogue: {file: shop.catalogue.yaml, unknown_property: warn}\nreport:" + SOURCE.partition("report:")[2]
    )
    said = check("--sample", "shop.log", source=source, lines=[paid("n1"), paid("n2")])
    assert (
        "catalogue.unknown_property: PROPERTY_UNKNOWN in 2 events of pay_order, let pass with a warning; explain shows the finding"
        in said
    )


def test_what_a_record_brings_is_shown_as_it_is_and_obeyed_by_nobody(check, tmp_path):
    source = SOURCE.replace("event_code: pay_order", "event_code: $.code")
    codes = ["[/b]", "[red]x", "\x1b[2J", *(f"code{n:02}" for n in range(60))]
    name = "[" + "a].log"
    (tmp_path / name).write_text("\n".join(json.dumps(paid(f"n{n}", code=code)) for n, code in enumerate(codes)))
    said = check("--sample", name, source=source)
    for row in ("event [/b] ", "event [red]x ", "event \\u001b[2J ", "and 13 event codes more"):
        assert f"\n{row}" in said
    assert "\x1b" not in said
    assert f"{name}: what would become of 63 records" in said
    assert f"{name}:1" in said


def test_strict_makes_warnings_an_error_after_they_are_printed(check):
    good = SOURCE.partition("      title:")[0] + "report:" + SOURCE.partition("report:")[2]
    assert "shop.yaml: ok" in check("--sample", "shop.log", "--strict", source=good, lines=LINES[:1])
    assert (
        check("--sample", "shop.log", "--strict", source=good, lines=[LINES[0], *LINES[5:6]], code=2)
        == "shop.yaml: found 1 warning; expected none, with --strict"
    )
    assert "--strict" in check("--strict", source=good.replace("report:", "dedup: {keep: 1h}\nreport:"), code=2)


def test_only_the_first_records_are_read_and_a_file_may_be_one(check):
    assert "of 2 records" in check("--sample", "shop.log", "--records", "2")
    whole = check(
        "--sample", "shop.log", "--whole", lines=[b'{"type": "paid",', b' "ts": 1700000000, "user": "u", "no": "n"}']
    )
    assert "of 1 records" in whole
    assert "would be reported" in whole


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--sample", "no/such.log"], "--sample: found 'no/such.log', which cannot be read (No such file or directory); expected a file of records, or a topic"),
        (["--whole"], "--whole: found no --sample; expected one with it"),
        (["--records", "5"], "--records: found no --sample; expected one with it"),
        (["--sample", "some-topic", "--whole"], "--sample: found 'some-topic', which cannot be read"),
        (["--sample", "empty.log"], "--sample: found no record in empty.log; expected some"),
        (["--sample", "."], "--sample: found '.', which cannot be read (Is a directory)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_sample_is_one_sentence(check, tmp_path, options, says):
    (tmp_path / "empty.log").write_text("\n  \n")
    assert says in check(*options, code=2)


def test_a_sample_of_very_many_messages_ends_early_and_says_so(check, monkeypatch):
    monkeypatch.setattr("pipeline.authoring.dry_run.run.MOST_MESSAGES", 3)
    lines = [paid(f"n{n}") for n in range(9)]
    said = check("--sample", "shop.log", lines=lines)
    assert "would become of 3 records" in said
    assert "warning: shop.yaml:1: the sample ends after 3 records: they make 3 messages already" in said


def test_a_line_longer_than_a_record_may_be_is_refused_and_not_held(check):
    source = SOURCE.replace("dead_letters:", "limits: {record: 100}\ndead_letters:")
    said = check(
        "--sample", "shop.log", source=source, lines=[b'{"a": "' + b"x" * 5_000_000 + b'"}', b'{"type": "seen"}']
    )
    assert "RECORD_TOO_LARGE" in said
    assert "of 2 records" in said


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(SampleKind))
def test_the_example_files_over_their_sample_logs_come_to_the_books_known_beforehand(kind, tmp_path):
    sample = generate(kind, 3_000, 5, SampleSettings(poison=False))
    lines = list(sample)
    log = tmp_path / "sample.log"
    log.write_bytes(b"\n".join(line.value for line in lines))
    source = load_source(EXAMPLES / f"{kind.value}.yaml", KEYS)
    tally, _ = try_out(source, file_records(source, log, 10_000), KEYS)
    dead = {code: group.count for (fate, code), group in tally.outcomes.items() if fate is RecordOutcome.DEAD_LETTERED}
    books = sample.books
    assert (tally.records, tally.count(RecordOutcome.REPORTED), tally.count(RecordOutcome.DUPLICATE)) == (
        books.read,
        books.reported,
        books.duplicate,
    )
    assert (tally.count(RecordOutcome.FILTERED), dead) == (books.filtered, books.dead_lettered)
    assert sum(counts.reported for counts in tally.events.values()) == len(books.events)
    assert tally.users.reported == books.user_messages


@examples(times=0.4)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([json.dumps(each).encode() for each in LINES]), max_size=8))
def test_whatever_the_records_each_has_one_fate(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("sample")
    (folder / "shop.yaml").write_text(SOURCE)
    (folder / "shop.log").write_bytes(b"\n".join(values))
    source = load_source(folder / "shop.yaml", KEYS)
    tally, notes = try_out(source, file_records(source, folder / "shop.log", 100), KEYS)
    assert sum(tally.count(fate) for fate in RecordOutcome) == tally.records
    assert all(source.warning(note.location, note.text) for note in notes)


def test_a_plug_in_is_tried_out_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "shop_plugin-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-plugin\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[log2mq.transforms]\nshop = shop_plugin:make\n")
    (tmp_path / "shop_plugin.py").write_text(
        "from schemas.event import EventMessage\n"
        "def make(options):\n"
        "    def transform(entry):\n"
        "        found = {'outBizId': entry.fields['no'], 'n': entry.fields['n']}\n"
        "        return [EventMessage(customer_id='member-1', event_code='e', event_time=1_700_000_000_000, extend_attributes=found)]\n"
        "    return transform\n"
    )
    begin, end = SOURCE.partition("events:")[0], "report:" + SOURCE.partition("report:")[2]
    (tmp_path / "shop.yaml").write_text(f"{begin}transform: {{plugin: shop}}\n{end}")
    (tmp_path / "shop.log").write_text('{"no": "a", "n": "1"}\n{"no": "a", "n": "2"}\n{"no": "b"}\n')
    source = load_source(tmp_path / "shop.yaml", KEYS)
    tally, notes = try_out(source, file_records(source, tmp_path / "shop.log", 10), KEYS)
    assert [(fate, code, group.count) for (fate, code), group in tally.outcomes.items()] == [
        (RecordOutcome.REPORTED, "", 1),
        (RecordOutcome.DUPLICATE, "", 1),
        (RecordOutcome.DEAD_LETTERED, "PLUGIN_RAISED", 1),
    ]
    assert [note.location for note in notes] == [("transform",)]
    assert "is not unique: 1 event of the sample" in notes[0].text


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("contact", "138 0013 8000 call me on 13800138000", True), ("contact", "wang@example.com", True), ("contact", "order 20261111000138001", False)],
)  # fmt: skip
def test_a_value_that_looks_like_an_identifier_is_said_of_its_attribute(check, key, value, says):
    source = SOURCE.replace("    attributes:", f"    attributes:\n      note: $.{key}", 1)
    said = check("--sample", "shop.log", source=source, lines=[paid("n1", **{key: value})])
    assert ("attributes.note: holds what looks like an identifier of a person in 1 of 1 events" in said) is says
