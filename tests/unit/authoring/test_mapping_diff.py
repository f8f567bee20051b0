"""Two versions of a mapping over the same records: every message is counted once, and an example shows no identifier."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.authoring.mapping_diff import MappingDiff, MessageChange, changed_fields
from pipeline.config.load import load_source
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from tests.support.good_files import GOOD_SOURCE
from transforms.base import Kind

USERS = """users:
  - when: {type: paid}
    customer_id: $.user
    identities: {mobile: $.phone}
report:"""
SOURCE = GOOD_SOURCE.replace("report:", USERS)


@pytest.fixture(scope="module")
def diff_of(tmp_path_factory):
    def diff_of(change, *values):
        made = []
        for text in (SOURCE, change(SOURCE)):
            path = tmp_path_factory.mktemp("source") / "shop.yaml"
            path.write_text(text, encoding="utf-8")
            made.append(build_converter(load_source(path, {}), {}))
        diff = MappingDiff(*made)
        for offset, value in enumerate(values):
            diff.add(RawRecord("log", 1, offset, 0, None, json.dumps(value).encode()))
        return diff

    return diff_of


def paid(number, **more):
    return {
        "type": "paid",
        "ts": 1_700_000_000_000,
        "user": f"user-{number:06}",
        "no": f"n{number}",
        "amount": 100 * number,
        "phone": f"138{number:08}",
        **more,
    }


def counted(diff, change):
    return {key.event_code: count for key, count in diff.counts.items() if key.change is change}


def test_the_same_file_makes_the_same(diff_of):
    diff = diff_of(lambda text: text, paid(1), paid(2), {"type": "seen"}, paid(3, no=None))
    assert diff.records == 4
    assert counted(diff, MessageChange.SAME) == {"pay_order": 2, "": 2}
    assert (diff.differs, diff.examples) == (0, {})


def test_a_changed_value_is_named_and_identifiers_are_not(diff_of):
    diff = diff_of(lambda text: text.replace("divide(100)", "divide(10)"), paid(1), paid(2))
    assert counted(diff, MessageChange.CHANGED) == {"pay_order": 2}
    assert counted(diff, MessageChange.SAME) == {"": 2}
    ((key, example),) = diff.examples.items()
    assert (key.rule, key.kind) == ("events[0] pay_order", Kind.EVENT)
    assert example == 'log:1:0: extendAttributes.amount: "1" → "10"'
    diff = diff_of(lambda text: text.replace("customer_id: $.user\n    out", "customer_id: $.phone\n    out"), paid(1))
    assert counted(diff, MessageChange.CHANGED) == {"pay_order": 1}
    (example,) = diff.examples.values()
    assert "13800000001" not in example
    assert "user-000001" not in example


def test_a_rule_that_is_new_gone_or_refuses_now(diff_of):
    renamed = diff_of(lambda text: text.replace("event_code: pay_order", "event_code: order_paid"), paid(1))
    assert counted(renamed, MessageChange.NEW) == {"order_paid": 1}
    assert counted(renamed, MessageChange.GONE) == {"pay_order": 1}
    refused = diff_of(lambda text: text.replace("event_time: $.ts", "event_time: $.never"), paid(1))
    assert counted(refused, MessageChange.REFUSED) == {"pay_order": 1, "": 1}  # a record is refused as a whole
    assert all("log:1:0: " in example and " at transform: " in example for example in refused.examples.values())
    mended = diff_of(lambda text: text.replace("out_biz_id: $.no", "out_biz_id: $.ts"), paid(1, no=None))
    assert counted(mended, MessageChange.NEW) == {"pay_order": 1, "": 1}
    assert {example.partition(", ")[2] for example in mended.examples.values()} == {
        "refused before with OUT_BIZ_ID_MISSING"
    }


PLAIN = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2), max_size=3)
NESTED = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2) | PLAIN, max_size=3)


@given(NESTED, NESTED)
def test_differences_are_none_only_between_equals(one, other):
    found = list(changed_fields(one, other))
    assert bool(found) is (one != other)
    for path, before, after in found:
        at = [one, other]
        for name in path.split("."):
            at = [each.get(name) if isinstance(each, dict) else None for each in at]
        assert at == [before, after]
        assert before != after
