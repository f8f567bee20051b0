"""`explain` over a record of several entries."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from pipeline.cli.main import cli

SOURCE = """
source: shop
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-log]}
decode:
  - json
  - {format: json, from: message, into: log}
events:
  - when: {log.type: paid}
    event_code: pay
    event_time: $.log.ts
    customer_id: $.log.user
    out_biz_id: {position: true}
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""


def wrapped(**log):
    return {"message": json.dumps({"type": "paid", "ts": 1_700_000_000, **log})}


def explain(tmp_path, content, *options, source=SOURCE):
    (tmp_path / "shop.yaml").write_text(source)
    (tmp_path / "records").write_text(content)
    result = CliRunner().invoke(
        cli, ["explain", str(tmp_path / "shop.yaml"), "--record", str(tmp_path / "records"), *options]
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_each_entry_is_shown_with_what_became_of_it(tmp_path):
    said = explain(tmp_path, json.dumps([wrapped(user="user-7001"), {"message": "no json"}, wrapped(user="user-7002")]))
    assert "decoded (json → json), entry 0 of 3" in said
    assert "refused, NOT_JSON: message: " in said
    assert '"outBizId": "shop-log-0-0.2"' in said
    assert said.rstrip().splitlines()[-1].startswith("── dead letter: NOT_JSON at decode: entry 1 of 3")
    assert "user-700" not in said


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ('{"op": "d", "before": {"user": "user-7001"}}', "the operation d is not among decode.operations"),
        ('{"before": null, "after": null, "op": "t"}', "the operation t is not among decode.operations"),
        ('{"user": "user-7001", "__deleted": "true"}', "the operation d is not among decode.operations"),
        ("null", "a tombstone"),
        ('[{"op": "d", "before": {}}, {"op": "t", "after": null}]', "the operation t is not among decode.operations"),
    ],
)
def test_a_change_that_is_not_wanted_says_which(tmp_path, record, why):
    source = SOURCE.replace("  - json\n  - {format: json, from: message, into: log}\n", "  format: debezium\n")
    assert explain(tmp_path, record, source=source).splitlines()[-1] == f"── filtered: no entry: {why}"


@pytest.mark.parametrize("decode", ["{format: debezium, split: lines}", "[json, {format: debezium, from: $}]"])
def test_a_record_of_entries_none_of_which_is_wanted_says_why(tmp_path, decode):
    before, _, after = SOURCE.partition("decode:\n")
    source = f"{before}decode: {decode}\nevents:{after.partition('events:')[2]}"
    said = explain(tmp_path, '{"op": "d", "before": {}}\n{"op": "d", "before": {}}', "--whole", source=source)
    assert said.splitlines()[-1] == "── filtered: no entry: the operation d is not among decode.operations"


def test_a_file_may_be_one_record_whatever_its_lines(tmp_path):
    content = json.dumps(wrapped(user="user-7001"), indent=2)
    assert "dead letter: NOT_JSON" in explain(tmp_path, content)
    assert '"eventCode": "pay"' in explain(tmp_path, content, "--whole")


def test_a_record_that_cannot_be_decoded_is_shown_as_far_as_it_names_nobody(tmp_path):
    said = explain(tmp_path, "{断行 user-7001 13812345678")
    assert "\n{断行 *** ***\n── dead letter: NOT_JSON" in said
    assert "\n{断行 user-7001 13812345678\n" in explain(tmp_path, "{断行 user-7001 13812345678", "--show-identifiers")


def test_a_line_of_a_file_is_as_old_as_the_file_as_for_check(tmp_path):
    source = SOURCE.replace("report:", "event_times: {before: 1d}\nreport:")
    content = json.dumps(wrapped(user="user-7001"))
    assert "dead letter: TIME_INVALID" in explain(tmp_path, content, source=source)
    os.utime(tmp_path / "records", (1_700_000_100, 1_700_000_100))
    result = CliRunner().invoke(cli, ["explain", str(tmp_path / "shop.yaml"), "--record", str(tmp_path / "records")])
    assert '"eventCode": "pay"' in result.output


@pytest.mark.slow
def test_a_line_is_found_however_much_stands_before_it(tmp_path):
    with (tmp_path / "records").open("wb") as stream:
        stream.write(b"x" * (65 << 20) + b"\n\n" + json.dumps(wrapped(user="user-7001")).encode())
    (tmp_path / "shop.yaml").write_text(SOURCE)
    asked = ["explain", str(tmp_path / "shop.yaml"), "--record", str(tmp_path / "records"), "--line"]
    assert '"outBizId": "shop-log-0-2"' in CliRunner().invoke(cli, [*asked, "3"]).output
    assert "RECORD_TOO_LARGE" in CliRunner().invoke(cli, [*asked, "1"]).output
    for line in ("2", "4"):
        assert str(CliRunner().invoke(cli, [*asked, line]).exception).endswith(f" has no line {line}, or nothing in it")


RULES = """
source: shop
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-log]}
decode: json
match: first
events:
  - {when: WHEN, event_code: one, event_time: $.ts, customer_id: $.user, out_biz_id: $.no}
  - {when: {$item.q: {gt: 2}}, for_each: $.items, event_code: two, event_time: $.ts, customer_id: $.user, out_biz_id: $item.no}
  - {event_code: three, event_time: $.ts, customer_id: $.user, out_biz_id: $.no}
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""
RECORD = {
    "type": "paid",
    "n": 3,
    "user": "member-1",
    "ts": 1_700_000_000,
    "items": [{"q": 1}, {"q": "many"}],
    "tags": ["a"],
    "price": None,
}


def rules_of(tmp_path, when, record=RECORD):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("WHEN", when))
    result = CliRunner().invoke(cli, ["explain", str(path)], input=json.dumps(record))
    assert result.exit_code == 0, result.output
    return result.output.partition("── rules\n")[2].partition("\n──")[0].splitlines()


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{type: seen}", ['wanted type = "seen", found "paid"']),
        ("{type: [a, b]}", ['wanted type in ["a", "b"], found "paid"']),
        ("{type: {not_in: [paid]}}", ['wanted type not_in ["paid"], found "paid"']),
        ("{n: {gt: 5}}", ["wanted n gt 5, found 3"]),
        ("{n: {gt: 0, lt: 3}}", ["wanted n lt 3, found 3"]),
        ("{price: {exists: true}}", ["wanted price exists true, found nothing"]),
        ("{n: {exists: false}}", ["wanted n exists false, found 3"]),
        ("{n: null}", ["wanted n = null, found 3"]),
        ("{tags: {contains: vip}}", ['wanted tags contains "vip", found ["a"]']),
        ("{type: {matches: '^x'}}", ['wanted type matches "^x", found "paid"']),
        ("{user: member-2}", ['wanted user = "member-2", found "***"']),
        ("{user: {ne: member-1}}", ['wanted user ne "***", found "***"']),
        ("{type: seen, n: 4}", ["", 'wanted type = "seen", found "paid"', "wanted n = 4, found 3"]),
        ("{any: [{type: seen}, {n: 3, type: x}]}", ["", "wanted: any of this", 'wanted type = "seen", found "paid"', 'wanted type = "x", found "paid"']),
        ("{all: [{type: paid}, {n: 4}]}", ["", "wanted: all of this", "wanted n = 4, found 3"]),
        ("{not: {type: paid, n: 3}}", ["", "wanted: none of this together", 'holds type = "paid", found "paid"', "holds n = 3, found 3"]),
        ("{not: {any: [{n: 3}, {n: 4}]}}", ["", "wanted: none of this together", "holds: any of this", "holds n = 3, found 3"]),
        ("{not: {not: {n: 4}}}", ["", "wanted: none of this together", "holds: none of this together", "wanted n = 4, found 3"]),
    ],
)  # fmt: skip
def test_a_rule_that_did_not_match_says_what_was_wanted_and_what_was_found(when, says, tmp_path):
    said = rules_of(tmp_path, when)
    until = next(place for place, line in enumerate(said) if "events[1]" in line)
    begun, *further = said[:until]
    assert begun == "  no   events[0] one:" + (f" {says[0]}" if says[0] else "")
    assert [line.strip() for line in further] == says[1:]


def test_rules_behind_the_first_that_matched_were_not_asked(tmp_path):
    said = rules_of(tmp_path, "{type: paid}")
    assert said == [
        "  yes  events[0] one: refused, OUT_BIZ_ID_MISSING: events[0] one: out_biz_id has no value",
        "  --   events[1] two: not asked, since events[0] one matched before it (match: first)",
        "  --   events[2] three: not asked, since events[0] one matched before it (match: first)",
    ]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([{"q": 1}, {"q": "many"}], ["nothing to report, no element is as wanted", "not of element 0: wanted $item.q gt 2, found 1", 'not of element 1: wanted $item.q gt 2, found "many"']),
        ([{"q": 1}, {"q": 3, "no": "n1"}], ["yes  events[1] two", "not of element 0: wanted $item.q gt 2, found 1"]),
        ([{"q": 1}] * 9, ["no element is as wanted", *(f"element {place}: wanted" for place in range(5)), "and 4 elements more"]),
        ([], ["nothing to report, for_each finds an empty list"]),
        (None, ["nothing to report, for_each finds no list"]),
        ("x", ["refused, FIELD_TYPE: events[1] two: for_each is no list"]),
    ],
)  # fmt: skip
def test_of_a_list_it_is_said_why_which_element_made_nothing(items, says, tmp_path):
    said = rules_of(tmp_path, "{type: seen}", {**RECORD, "items": items})[1:-1]
    assert len(said) == len(says)
    for line, wanted in zip(said, says, strict=True):
        assert wanted in line
