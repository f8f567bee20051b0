"""The stand-in's ledger: its file holds whole lines only, and a batch is counted whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emulator.quick_audience.ledger import AcceptedCall, Ledger, identities_digest
from pipeline.errors import UsageError


def event(biz, code="paid"):
    return {"eventCode": code, "extendAttributes": {"outBizId": biz}}


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4), max_size=8))
def test_the_totals_are_what_a_count_of_all_comes_to(batches):
    ledger = Ledger()
    for batch in batches:
        ledger.accept("event", "org", [event(each) for each in batch])
    plain = Counter(each for batch in batches for each in batch)
    assert ledger.totals() == {
        "calls": len(batches),
        "events": plain.total(),
        "distinct_events": len(plain),
        "events_more_than_once": sum(count > 1 for count in plain.values()),
        "users": 0,
        "distinct_users": 0,
    }


def test_a_line_cut_short_is_forgotten_and_the_file_goes_on(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.accept("event", "org", [event("a")])
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    ledger = Ledger(path)
    assert ledger.totals()["events"] == 1
    ledger.accept("user", "org", [{"customerId": "c"}])
    ledger.close()
    assert Ledger(path).totals()["users"] == 1


def test_a_batch_with_a_message_that_cannot_be_counted_is_not_entered_at_all(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for bad in ({}, {"eventCode": "paid"}, event(7), [], "text"):
        with pytest.raises(ValueError, match="counted under"):
            ledger.accept("event", "org", [event("a"), bad])
    assert ledger.totals()["events"] == 0
    assert (tmp_path / "ledger.jsonl").read_bytes() == b""


def test_somebody_elses_file_is_refused_with_its_line(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text('{"kind": "event", "organization": "o", "keys": [["a", "b"]]}\nmilk, eggs\n')
    with pytest.raises(UsageError, match=r"notes\.txt:2: found a line that no stand-in wrote"):
        Ledger(path)
    assert path.read_text().endswith("eggs\n")


def test_only_its_user_may_read_the_file(tmp_path):
    before = os.umask(0)
    try:
        Ledger(tmp_path / "ledger.jsonl").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "ledger.jsonl").stat().st_mode) == 0o600


def test_a_ledger_that_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        Ledger(tmp_path)


def test_events_are_counted_by_code_too():
    ledger = Ledger()
    ledger.accept("event", "org", [event("a"), event("a"), event("b", "viewed")])
    assert ledger.event_codes == {"paid": 2, "viewed": 1}
    ledger.reset()
    assert not ledger.event_codes


def test_the_file_says_which_call_brought_a_batch_and_which_identities(tmp_path):
    path = tmp_path / "ledger.jsonl"
    told = [{"idMapping": "open_id", "customerId": "o1"}, {"idMapping": "union_id", "customerId": "u1"}]
    messages = [{"customerId": "c", "customerIdList": each} for each in (told, told[::-1], told[:1])]
    ledger = Ledger(path)
    ledger.accept("user", "org", messages, AcceptedCall("R1", 10, 12))
    ledger.close()
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["request_id"], line["received_ms"], line["accepted_ms"]) == ("R1", 10, 12)
    first, again, other = line["identities"]
    assert first == again == identities_digest(messages[0])
    assert first != other
    assert "o1" not in path.read_text()
