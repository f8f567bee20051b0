"""What an author runs finds each breach of the contract."""

from __future__ import annotations

import pytest

from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.testing import check_transform, entry

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
        (change, "changed its input"), (counting(), "differently the second time"), (lambda _: [], "no message"), (lambda _: [EVENT, USER], "an event came before"),
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
