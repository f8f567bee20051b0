"""The tools for authors find each breach of the contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode.json.decoder import JsonOptions, build_json
from pipeline.decode.limits import DecodeLimits
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.testing import check_golden, check_transform, entry, json_entries

WIRE = {"customerId": "c", "eventCode": "e", "eventTime": 1_700_000_000_000, "extendAttributes": {"outBizId": "b"}}
EVENT = Message(Kind.EVENT, WIRE)
USER = Message(Kind.USER, {"customerId": "c", "customerIdList": [{"customerId": "x", "idMapping": "oneid"}]})


def counting():
    count = iter(range(100))
    return lambda _: [Message(Kind.EVENT, {**WIRE, "eventTime": 1_700_000_000_000 + next(count)})]


def change(given):
    given.fields["a"].append(1)
    return Skipped("")


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (change, "entry 0, counted from 0: the transform changed its input"), (counting(), "differently the second time"), (lambda _: [], "no message"), (lambda _: [EVENT, USER], "an event came before"),
        (lambda _: [Message(Kind.EVENT, {**WIRE, "v": 1, "organizationId": "o"})], "organizationId, v, which the job adds"), (lambda _: [Message(Kind.EVENT, {**WIRE, "eventSourceCode": None})], "null"),
        (lambda _: [Message(Kind.EVENT, {**WIRE, "extendAttributes": {}})], "breaks the model"), (lambda _: [Message(Kind.USER, WIRE)], "breaks the model"),
    ],
)  # fmt: skip
def test_each_breach_is_found(transform, said):
    with pytest.raises(AssertionError, match=said):
        check_transform(transform, [entry({"a": []}), entry({"a": []})])


def test_what_one_entry_leaves_for_the_next_is_found():
    seen = []

    def once(given):
        if given.fields in seen:
            return Skipped("seen")
        seen.append(given.fields)
        return [EVENT]

    with pytest.raises(AssertionError, match="differently"):
        check_transform(once, [entry({"a": 1})])


def test_a_right_one_s_answers_are_returned_in_order():
    refusal = Refusal(Stage.TRANSFORM, ReasonCode.FIELD_MISSING, "")
    answers = {1: [USER, EVENT], 2: Skipped("x"), 3: refusal}
    assert check_transform(lambda given: answers[given.fields["n"]], [entry({"n": n}) for n in (3, 1, 2)]) == [refusal, [USER, EVENT], Skipped("x")]  # fmt: skip


def test_what_a_transform_changed_is_shown():
    with pytest.raises(AssertionError) as found:
        check_transform(change, [entry({"a": []})])
    assert "\n+  1\n" in str(found.value)


def test_answers_are_compared_with_a_golden_file(tmp_path):
    golden, given = tmp_path / "answers.json", [entry({"n": n}) for n in range(3)]
    answers = [[USER, EVENT], Skipped("of no use"), Refusal(Stage.TRANSFORM, ReasonCode.FIELD_MISSING, "at line 1")]
    with pytest.raises(AssertionError, match=r"is not there; check_golden\(..., update=True\) writes it"):
        check_golden(lambda each: answers[each.fields["n"]], given, golden)
    check_golden(lambda each: answers[each.fields["n"]], given, golden, update=True)
    answers[2] = Refusal(Stage.TRANSFORM, ReasonCode.FIELD_MISSING, "at another line")
    check_golden(lambda each: answers[each.fields["n"]], given, golden)
    answers[1] = Skipped("of some use")
    with pytest.raises(AssertionError) as found:
        check_golden(lambda each: answers[each.fields["n"]], given, golden)
    assert '-  "filtered": "of no use"\n+  "filtered": "of some use"' in str(found.value)


def test_what_breaks_the_contract_is_not_written_as_golden(tmp_path):
    with pytest.raises(AssertionError, match="no message"):
        check_golden(lambda _: [], [entry({})], tmp_path / "answers.json", update=True)
    assert not (tmp_path / "answers.json").exists()


def test_entries_are_read_from_lines_of_json(tmp_path):
    path = tmp_path / "sample.jsonl"
    path.write_text('{"a": 1}\n\n{"a": "二"}\n', encoding="utf-8")
    assert [(each.fields, each.record.offset, each.record.value) for each in json_entries(path)] == [
        ({"a": 1}, 0, b'{"a": 1}'),
        ({"a": "二"}, 1, '{"a": "二"}'.encode()),
    ]
    path.write_text('{"a": 1}\n[2]\n', encoding="utf-8")
    with pytest.raises(AssertionError, match="no JSON object in line 2"):
        json_entries(path)


@given(
    st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
)
def test_numbers_of_a_file_are_those_that_the_decoder_makes(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("numbers") / "numbers.jsonl"
    line = f'{{"a": {number}}}'
    path.write_text(f"{line}\n")
    decoded = build_json(JsonOptions(), DecodeLimits(digits=4_000))(line.encode())
    if not isinstance(decoded, Refusal):
        (made,) = json_entries(path)
        assert (made.fields, type(made.fields["a"])) == (decoded, type(decoded["a"]))
