"""The claims of user messages: which are one version, which are told later, and where a record comes from."""

from __future__ import annotations

import orjson

from pipeline.contracts.message_order import is_older, is_same_place, place_number
from pipeline.contracts.values import Partition
from pipeline.decode import DecodeLimits, build_decoder
from pipeline.job.converter import Converter, Identity
from schemas.log import RawRecord
from transforms.mapping import compile_mapping
from transforms.mapping.models import MappingSettings

MAPPING = MappingSettings(
    users=[{"when": {"type": "user"}, "customer_id": "$.user", "identities": {"open_id": "$.identity"}}],
    events=[
        {
            "when": {"type": "pay"},
            "event_code": "pay",
            "event_time": "$.ts",
            "customer_id": "$.user",
            "out_biz_id": "$.no",
        }
    ],
)


def claims_of(offset, *told, place=None, users_once=True, **more):
    converter = Converter(
        build_decoder("json", {}, DecodeLimits()), compile_mapping(MAPPING), Identity("org-1"), users_once=users_once
    )
    lines = [orjson.dumps({"type": "user", "user": user, "identity": identity}) for user, identity in told]
    record = RawRecord("log", 0, offset, 1_700_000_000_000, None, b"\n".join(lines))._replace(**more)
    return [message.claim for message in converter(record, place).messages]


def test_identities_of_one_record_are_in_its_order():
    first, other, second, third = claims_of(5, ("u", "a"), ("v", "a"), ("u", "b"), ("u", "a"))
    assert first.key == second.key == third.key != other.key
    assert is_older(first.order, second.order)
    assert is_older(second.order, third.order)
    assert other.order == first.order  # the place of a message depends on the messages of its customer only
    (later,) = claims_of(6, ("u", "a"))
    assert is_older(third.order, later.order)


def test_an_event_has_no_order():
    value = orjson.dumps({"type": "pay", "user": "u", "no": "n1", "ts": 1_700_000_000_000})
    assert [each.order for each in claims_of(5, value=value)] == [b""]


def test_unchanged_identities_are_one_version_or_each_record_has_one_of_its_own():
    for users_once in (True, False):
        (one,), (again,), (changed,) = (
            claims_of(offset, ("u", identity), users_once=users_once)
            for offset, identity in ((5, "a"), (6, "a"), (7, "b"))
        )
        assert one.key == again.key == changed.key
        assert (one.digest == again.digest) is users_once
        assert changed.digest not in {one.digest, again.digest}
        assert claims_of(5, ("u", "a"), users_once=users_once) == [one]


def test_a_topic_that_was_created_again_is_another_place():
    before, after = (place_number(Partition("log", 0), topic_id) for topic_id in ("1" * 32, "2" * 32))
    (old,), (new,) = claims_of(5, ("u", "a"), place=before), claims_of(5, ("u", "a"), place=after)
    assert old.origin != new.origin
    assert not is_same_place(old.order, new.order)


def test_a_dead_letter_read_again_is_no_newer_than_its_record():
    (between,) = claims_of(9, ("u", "b"), timestamp=1_700_000_000_500)
    (letter,) = claims_of(
        0,
        ("u", "a"),
        topic="log-dead",
        timestamp=1_700_000_001_000,
        headers=[("log2mq-timestamp", b"1700000000000")],
    )
    assert is_older(letter.order, between.order)
