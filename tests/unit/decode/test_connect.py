"""Rows of Kafka Connect and change events of Debezium: every type both ways. The examples of their documentation are in tests/golden."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.decode.connect.types import SEMANTIC_TYPES
from schemas.attribute import attribute_string
from schemas.refusal import Refusal
from transforms.base import Skipped
from transforms.mapping.readers import event_time
from transforms.mapping.scope import Scope
from transforms.mapping.values import compile_value
from transforms.testing import entry

LIMITS = DecodeLimits()
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the times have no zone


def decode(format_name, value, limits=LIMITS, **options):
    return build_decoder(format_name, options, limits)(json.dumps(value).encode())


def column(name, kind, semantic=None, **parameters):
    schema = {"field": name, "type": kind, "optional": True}
    if semantic:
        schema["name"] = semantic
    return {**schema, "parameters": parameters} if parameters else schema


def wrapped(columns, row):
    return {"schema": {"type": "struct", "fields": columns, "optional": False, "name": "orders"}, "payload": row}


def unscaled(number):
    return base64.b64encode(number.to_bytes(number.bit_length() // 8 + 1, signed=True)).decode()


# --- Connect's JSON converter ------------------------------------------------------------------------------------------------

CONNECT, DEBEZIUM = "org.apache.kafka.connect.data.", "io.debezium."


@pytest.mark.parametrize(
    ("kind", "semantic", "value", "plain"),
    [
        ("int64", DEBEZIUM + "time.Timestamp", 1_529_476_623_000, "2018-06-20T06:37:03Z"),
        ("int64", DEBEZIUM + "time.Timestamp", 1_529_476_623_045, "2018-06-20T06:37:03.045Z"),
        ("int64", DEBEZIUM + "time.MicroTimestamp", 1_529_476_623_000_007, "2018-06-20T06:37:03.000007Z"),
        ("int64", DEBEZIUM + "time.NanoTimestamp", 1_529_476_623_123_456_780, "2018-06-20T06:37:03.12345678Z"),
        ("int64", DEBEZIUM + "time.MicroTimestamp", -1, "1969-12-31T23:59:59.999999Z"),
        ("int64", DEBEZIUM + "time.MicroTimestamp", 9_223_372_036_825_200_000, 9_223_372_036_825_200_000),  # PostgreSQL's infinity
        ("int32", DEBEZIUM + "time.Date", 16_816, "2016-01-16"),
        ("int32", DEBEZIUM + "time.Date", -719_162, "0001-01-01"),
        ("int32", DEBEZIUM + "time.Date", 2**31 - 1, 2**31 - 1),
        ("int32", DEBEZIUM + "time.Time", 86_399_999, "23:59:59.999"),
        ("int64", DEBEZIUM + "time.MicroTime", 61_000_010, "00:01:01.00001"),
        ("int64", DEBEZIUM + "time.MicroTime", -3_600_000_000 * 838, "-838:00:00"),
        ("int64", DEBEZIUM + "time.NanoTime", 1, "00:00:00.000000001"),
        ("string", DEBEZIUM + "time.ZonedTimestamp", "2018-06-20T13:37:03Z", "2018-06-20T13:37:03Z"),
        ("int32", DEBEZIUM + "time.Year", 2026, 2026),
        ("string", DEBEZIUM + "data.Json", '{"a":1}', '{"a":1}'),
        ("string", DEBEZIUM + "data.Enum", "paid", "paid"),
        ("bytes", DEBEZIUM + "data.Bits", "AQI=", 513),
        ("bytes", DEBEZIUM + "data.Bits", "AQIDBAUGBwgJ", "AQIDBAUGBwgJ"),
        ("struct", DEBEZIUM + "data.VariableScaleDecimal", {"scale": 3, "value": "MDk="}, Decimal("12.345")),
        ("bytes", None, "AQI=", "AQI="),
        ("int64", None, 5, 5),
    ],
)  # fmt: skip
def test_a_semantic_type_is_a_plain_value(kind, semantic, value, plain):
    columns = [column("a", kind, semantic), column("list", "array"), column("map", "map")]
    columns[1]["items"] = columns[2]["values"] = columns[0]
    row = {"a": value, "list": [value, None], "map": {"x": value}}
    assert decode("connect", wrapped(columns, row)) == {"a": plain, "list": [plain, None], "map": {"x": plain}}


@pytest.mark.parametrize(
    ("scale", "value", "plain"),
    [
        ("0", "AJw=", "156"), ("-2", "AJw=", "15600"), ("4", "/w==", "-0.0001"), ("2", "AA==", "0"), ("2", 12.5, "12.5"), ("2", 12, "12"),
        ("10", unscaled(12345678901234567890123456789012345678), "1234567890123456789012345678.9012345678"),
    ],
)  # fmt: skip
def test_a_decimal_is_exact_in_base64_and_as_a_number(scale, value, plain):
    decoded = decode("connect", wrapped([column("a", "bytes", CONNECT + "Decimal", scale=scale)], {"a": value}))
    assert attribute_string(decoded["a"]) == plain


@given(number=st.integers(-(10**60), 10**60), scale=st.integers(-20, 60))
def test_what_a_writer_makes_of_a_decimal_is_read_back(number, scale):
    decoded = decode("connect", {"a": unscaled(number)}, types={"a": f"decimal({scale})"})["a"]
    assert (int(decoded.as_tuple().sign), decoded.as_tuple().exponent) == (int(number < 0), -scale)
    assert int("".join(map(str, decoded.as_tuple().digits))) == abs(number)


@given(day=st.dates(), moment=st.datetimes())
def test_dates_and_times_are_read_back(day, moment):
    ticks = (moment - EPOCH) // timedelta(microseconds=1)
    row = {"day": (day - date(1970, 1, 1)).days, "at": ticks, "at_ns": ticks * 1_000}
    decoded = decode(
        "connect", row, types={"day": "date", "at": "micro_timestamp", "at_ns": "nano_timestamp"}, timestamps="local"
    )
    assert date.fromisoformat(decoded["day"]) == day
    assert datetime.fromisoformat(decoded["at"]) == moment == datetime.fromisoformat(decoded["at_ns"])


def test_a_row_of_the_jdbc_source_is_its_columns():
    columns = [
        column("id", "int64"),
        column("amount", "bytes", CONNECT + "Decimal", scale="2"),
        column("sold_at", "int64", CONNECT + "Timestamp"),
    ]
    row = {"id": 7, "amount": "BOI=", "sold_at": 1_714_528_800_000}
    plain = {"id": 7, "amount": Decimal("12.50"), "sold_at": "2024-05-01T02:00:00Z"}
    assert decode("connect", wrapped(columns, row)) == plain
    assert decode("connect", {"schema": None, "payload": row}) == row
    assert decode("connect", row, types={"amount": "decimal(2)", "sold_at": "timestamp", "absent": "date"}) == plain
    assert decode("connect", [row, {"id": None, "amount": None}], types={"amount": "decimal(2)"})[1] == {
        "id": None,
        "amount": None,
    }


def test_an_object_that_only_has_a_schema_and_more_is_no_wrapper():
    row = {"schema": "public", "payload": "p", "id": 1}
    assert decode("connect", row) == row


@pytest.mark.parametrize("value", [None, {"schema": None, "payload": None}])
@pytest.mark.parametrize("name", ["connect", "debezium"])
def test_a_tombstone_is_no_entry(name, value):
    assert decode(name, value) == Skipped("no entry: a tombstone")


@pytest.mark.parametrize(
    ("value", "options", "code", "says"),
    [
        ({"schema": None, "payload": [1]}, {}, "NOT_AN_OBJECT", ""),
        ({"day": "2024-05-01"}, {"types": {"day": "date"}}, "FIELD_TYPE", "day is no date, as decode.types says"),
        ({"amount": True}, {"types": {"amount": "decimal(2)"}}, "FIELD_TYPE", "amount is no decimal(2)"),
        ({"amount": "1.50"}, {"types": {"amount": "decimal(2)"}}, "FIELD_TYPE", ""),
        ({"amount": ""}, {"types": {"amount": "decimal(2)"}}, "FIELD_TYPE", ""),
        (wrapped([column("a", "bytes", CONNECT + "Decimal")], {"a": "AJw="}), {}, "FIELD_TYPE", "what the schema beside it says"),
        (wrapped([column("a", "int32", CONNECT + "Date")], {"a": "x"}), {}, "FIELD_TYPE", ""),
        ({"amount": "QUFB" * 200}, {"types": {"amount": "decimal(2)"}}, "NUMBER_TOO_LONG", ""),
        (wrapped([column("a", "bytes", CONNECT + "Decimal", scale="999999999")], {"a": "AJw="}), {}, "NUMBER_TOO_LONG", ""),
    ],
)  # fmt: skip
def test_what_is_not_what_its_type_says_is_refused(value, options, code, says):
    answer = decode("connect", value, **options)
    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert says in answer.reason


@pytest.mark.parametrize("name", sorted({*SEMANTIC_TYPES.values()} - {"decimal"} | {"decimal(2)"}))
def test_every_type_can_be_named(name):
    build_decoder("connect", {"types": {"a": name}}, LIMITS)


@pytest.mark.parametrize("name", ["decimal", "decimal(x)", "Timestamp", ""])
def test_another_type_cannot(name):
    with pytest.raises(ValueError, match="expected one of date, time, timestamp"):
        build_decoder("connect", {"types": {"a": name}}, LIMITS)


# --- Debezium ----------------------------------------------------------------------------------------------------------------


def envelope_schema(columns):
    value = {"type": "struct", "fields": columns, "optional": True, "name": "shop.orders.Value"}
    return {
        "type": "struct",
        "fields": [
            {**value, "field": "before"},
            {**value, "field": "after"},
            column("op", "string"),
            column("ts_ms", "int64"),
        ],
        "optional": False,
        "name": "shop.orders.Envelope",
    }  # fmt: skip


ANNE = {"id": 1004, "first_name": "Anne"}
CREATE, UPDATE, DELETE = ({"op": op, "before": ANNE, "after": ANNE} for op in "cud")
TRUNCATE = {"op": "t", "source": {}}
EVERY = list("cudrtm")


def test_operations_that_are_not_wanted_are_filtered_not_refused():
    events = [
        CREATE,
        UPDATE,
        DELETE,
        {**CREATE, "op": "r"},
        TRUNCATE,
        {"op": "m", "message": {"prefix": "p"}, "source": {}},
    ]
    assert [each["debezium"]["op"] for each in decode("debezium", events)] == ["c", "u"]
    assert [each["debezium"]["op"] for each in decode("debezium", events, operations=EVERY)] == list("cudrtm")
    assert decode("debezium", events[2:]) == Skipped("no entry: the operation m is not among decode.operations")
    assert decode("debezium", DELETE) == Skipped("no entry: the operation d is not among decode.operations")


def test_an_order_with_all_its_types():
    columns = [
        column("order_no", "string"),
        column("amount", "bytes", CONNECT + "Decimal", scale="2"),
        column("day", "int32", DEBEZIUM + "time.Date"),
        column("created_at", "int64", DEBEZIUM + "time.Timestamp"),
        column("paid_at", "string", DEBEZIUM + "time.ZonedTimestamp"),
    ]
    row = {
        "order_no": "A1",
        "amount": "BOI=",
        "day": 20768,
        "created_at": 1_794_355_200_000,
        "paid_at": "2026-11-10T16:00:01Z",
    }
    event = {"before": {**row, "amount": "AJw="}, "after": row, "op": "u", "source": {"table": "orders"}, "ts_ms": 1}
    decoded = decode("debezium", {"schema": envelope_schema(columns), "payload": event})
    assert decoded == {
        "order_no": "A1", "amount": Decimal("12.50"), "day": "2026-11-11", "created_at": "2026-11-11T00:00:00", "paid_at": "2026-11-10T16:00:01Z",
        "debezium": {"before": {**decoded["debezium"]["before"]}, "op": "u", "source": {"table": "orders"}, "ts_ms": 1},
    }  # fmt: skip
    assert decoded["debezium"]["before"]["amount"] == Decimal("1.56")
    types = {"amount": "decimal(2)", "day": "date", "created_at": "timestamp"}
    assert decode("debezium", event, types=types) == decoded
    # A DATETIME has no zone: it is a time in the database's zone, which the source file's `time_zone` names.
    read = event_time(compile_value("$.created_at", Scope()))
    assert read(entry(decoded)) == 1_794_326_400_000
    utc = decode("debezium", event, types=types, timestamps="utc")
    assert utc["created_at"] == "2026-11-11T00:00:00Z"
    assert read(entry(utc)) == 1_794_355_200_000


@pytest.mark.parametrize(
    ("value", "op"),
    [
        ({**ANNE, "__op": "c", "__table": "customers", "__source_ts_ms": 123456789, "__deleted": "false"}, "c"),
        ({**ANNE, "__deleted": "true"}, "d"),
        ({**ANNE, "__deleted": True, "__op": "d"}, "d"),
        ({**ANNE, "__deleted": "false"}, None),
    ],
)
def test_flattened_events(value, op):
    decoded = decode("debezium", value, operations=EVERY)
    assert {name: each for name, each in decoded.items() if name != "debezium"} == ANNE
    added = {name[2:]: each for name, each in value.items() if name.startswith("__")}
    assert decoded["debezium"] == ({**added, "op": op} if op else added)
    assert decode("debezium", value) == (decode("debezium", DELETE) if op == "d" else decoded)


def test_a_flattened_event_has_its_types_from_its_schema():
    columns = [column("amount", "bytes", CONNECT + "Decimal", scale="2"), column("__op", "string")]
    assert decode("debezium", wrapped(columns, {"amount": "BOI=", "__op": "c"})) == {
        "amount": Decimal("12.50"),
        "debezium": {"op": "c"},
    }


def test_a_document_of_mongodb_is_json_within_the_json():
    event = {
        "op": "c",
        "after": json.dumps({"_id": {"$oid": "64a"}, "no": 12345678901234567890123}),
        "source": {"collection": "orders"},
    }
    decoded = decode("debezium", event)
    assert (decoded["no"], decoded["_id"]) == (12345678901234567890123, {"$oid": "64a"})
    assert decode("debezium", {**event, "after": "{"}).code == "NOT_JSON"
    assert decode("debezium", {**event, "after": 5}).code == "NO_MATCH"


def test_the_envelope_can_have_another_name():
    decoded = decode("debezium", {"op": "c", "after": {"debezium": 1}, "ts_ms": 2}, envelope="change")
    assert decoded == {"debezium": 1, "change": {"op": "c", "ts_ms": 2}}


@pytest.mark.parametrize("value", [{}, {"ts_ms": 1}, {"op": "x", "after": {}}, {"op": "c"}, {"status": "BEGIN", "id": "1"}, {"ddl": "CREATE TABLE"}, {"__op": "z"}])  # fmt: skip
def test_another_object_is_refused(value):
    assert decode("debezium", value).code == "NO_MATCH"


def test_a_value_that_the_event_does_not_have_is_absent():
    row = {"id": 1, "text": "__debezium_unavailable_value"}
    event = {"op": "u", "before": row, "after": row}
    assert decode("debezium", event, types={"text": "bits"}) == {"id": 1, "debezium": {"op": "u", "before": {"id": 1}}}
    assert decode("debezium", {**row, "__op": "u"}) == {"id": 1, "debezium": {"op": "u"}}


WORDS = st.sampled_from(
    ["schema", "payload", "op", "before", "after", "source", "name", "type", "fields", "field", "items", "values", "parameters", "scale", "value", "__op", "__deleted", "a"]
)  # fmt: skip
SCALARS = st.sampled_from(
    [*SEMANTIC_TYPES, "struct", "array", "map", "c", "u", "d", "a", "2", "AJw=", "after", "__debezium_unavailable_value", None, True, -1, 0, 2.5, 10**30]
)  # fmt: skip
NESTED = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=25,
)


@given(value=st.dictionaries(WORDS, NESTED, max_size=4), row=NESTED, schema=NESTED)
@pytest.mark.parametrize("name", ["connect", "debezium"])
def test_whatever_the_object_it_is_answered(name, value, row, schema):
    options = {"types": {"a": "decimal(2)", "value": "micro_timestamp"}} | (
        {"operations": EVERY} if name == "debezium" else {}
    )
    side = {"fields": [{"field": "after", "type": "struct", "fields": [schema]}]}
    for each in (value, {"schema": schema, "payload": row}, {"schema": side, "payload": {"op": "c", "after": row}}):
        answer = decode(name, each, **options)
        assert isinstance(answer, dict | Skipped | Refusal)
        if isinstance(answer, dict):
            json.dumps(answer, default=str)
