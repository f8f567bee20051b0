"""Avro: each value in each place, and hostile bytes. The specification's own examples are in tests/golden."""

from __future__ import annotations

import bz2
import datetime as dt
import io
import json
import lzma
import struct
import uuid
import zlib
from decimal import Decimal

import fastavro
import pytest
import snappy
import zstandard

from pipeline.decode import DecodeContext, DecodeLimits, DecodeSettings, build_chain, build_decoder
from pipeline.decode.avro.canonical import canonical_form
from pipeline.decode.avro.data_reader import schema_fingerprint
from pipeline.decode.avro.schema import SchemaFault, read_schema
from schemas.refusal import ReasonCode, Refusal

LIMITS = DecodeLimits()


@pytest.fixture
def decoder(tmp_path):
    """Build a decoder of plain data with these schemas."""

    def build(schema, reader=None, limits=LIMITS):
        (tmp_path / "writer.avsc").write_text(json.dumps(schema))
        options = {"schema_file": "writer.avsc"}
        if reader is not None:
            (tmp_path / "reader.avsc").write_text(json.dumps(reader))
            options["reader_schema_file"] = "reader.avsc"
        return build_decoder("avro", options, limits, DecodeContext(tmp_path))

    return build


def record(*types, name="test"):
    """A record of fields a, b, c ..."""
    fields = [{"name": chr(97 + place), "type": each} for place, each in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def written(schema, value):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, value)
    return stream.getvalue()


def code(answer):
    return answer.code if isinstance(answer, Refusal) else None


# --- the canonical form ----------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_one_that_other_implementations_publish():
    # The test cases of the Java implementation (share/test/data/schema-tests.txt), the lowest byte first.
    assert int.from_bytes(schema_fingerprint(read_schema('"int"')), "little") == 0x7275D51A3F395C8F
    assert int.from_bytes(schema_fingerprint(read_schema('{"type": "string"}')), "little") == 0x8F014872634503C7


def test_the_canonical_form_drops_what_changes_no_data():
    schema = {
        "namespace": "x.y",
        "doc": "d",
        "fields": [{"default": 1, "type": {"type": "long"}, "name": "a"}],
        "name": "R",
        "type": "record",
    }
    assert (
        canonical_form(read_schema(json.dumps(schema)))
        == '{"name":"x.y.R","type":"record","fields":[{"name":"a","type":"long"}]}'
    )


# --- values ----------------------------------------------------------------------------------------------------------------------


def of(kind, logical, **more):
    return {"type": kind, "logicalType": logical, **more}


def big_decimal(unscaled, scale):
    """A big-decimal as Avro for Java writes it: the unscaled number as bytes, the scale as an int."""
    return written("bytes", unscaled.to_bytes(13, signed=True)) + written("int", scale)


VALUES = [
    ("float", 12.1, 12.1),
    ("float", 0.1, 0.1),
    ("float", 16777216.0, 16777216.0),
    ("bytes", "付款".encode(), "付款"),
    ("bytes", b"\xff\x00", "/wA="),
    ({"type": "fixed", "name": "F", "size": 4}, b"\x01\x02abc"[:4], "01026162"),
    (of("bytes", "decimal", precision=10, scale=2), Decimal("-12.30"), -12.3),
    (of("bytes", "decimal", precision=10), Decimal(7), 7),
    (
        of("bytes", "decimal", precision=30, scale=2),
        Decimal("1234567890123456789012.34"),
        Decimal("1234567890123456789012.34"),
    ),
    (of("fixed", "decimal", name="D", size=8, precision=10, scale=3), Decimal("0.005"), 0.005),
    (of("bytes", "big-decimal"), big_decimal(-1230, 2), -12.3),
    (of("bytes", "big-decimal"), big_decimal(7, -3), 7000),
    (of("bytes", "big-decimal"), big_decimal(10**29 + 1, 10), Decimal(f"{10**29 + 1}E-10")),
    (of("bytes", "decimal", precision=2, scale=3), b"\x05", "\x05"),  # not valid, so ignored
    (of("int", "date"), dt.date(2024, 2, 29), "2024-02-29"),
    (of("int", "date"), 1 << 30, 1 << 30),
    (of("int", "time-millis"), dt.time(1, 2, 3, 4000), "01:02:03.004"),
    (of("int", "time-millis"), -1, -1),
    (of("long", "time-micros"), dt.time(23, 59, 59, 5), "23:59:59.000005"),
    (of("long", "timestamp-millis"), 1714528800123, 1714528800123),
    (of("long", "timestamp-micros"), 1714528800123456, 1714528800123456),
    (of("long", "timestamp-nanos"), 1714528800123456789, 1714528800123456789),
    (of("long", "local-timestamp-millis"), 1714528800123, "2024-05-01T02:00:00.123"),
    (of("long", "local-timestamp-micros"), -1, "1969-12-31T23:59:59.999999"),
    (of("long", "local-timestamp-nanos"), 1714528800123456789, "2024-05-01T02:00:00.123456789"),
    (of("long", "local-timestamp-millis"), 1 << 60, 1 << 60),
    (of("string", "uuid"), "0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    (of("fixed", "duration", name="P", size=12), struct.pack("<III", 1, 2, 3500), "P1M2DT3.5S"),
    (of("fixed", "duration", name="P", size=12), bytes(12), "PT0S"),
    (of("fixed", "uuid", name="U", size=16), uuid.UUID(int=5).bytes, str(uuid.UUID(int=5))),
    (of("string", "of our own"), "x", "x"),
]


def bare(schema):
    """The schema without its logical type where a raw value is written."""
    return {key: value for key, value in schema.items() if key != "logicalType"} if isinstance(schema, dict) else schema


@pytest.mark.parametrize(("schema", "value", "plain"), VALUES, ids=lambda each: str(each)[:60])
@pytest.mark.parametrize("within", ["alone", "union", "array", "map", "second use"])
def test_each_type_becomes_a_plain_value_wherever_it_stands(decoder, schema, value, plain, within):
    writer = bare(schema) if not isinstance(value, Decimal | dt.date | dt.time) else schema
    match within:
        case "union":
            fields, whole = record(["null", schema]), {"a": plain}
            content = written(record(["null", writer]), {"a": value})
        case "array":
            fields, whole = record({"type": "array", "items": schema}), {"a": [plain, plain]}
            content = written(record({"type": "array", "items": writer}), {"a": [value, value]})
        case "map":
            fields, whole = record({"type": "map", "values": schema}), {"a": {"k": plain}}
            content = written(record({"type": "map", "values": writer}), {"a": {"k": value}})
        case "second use" if isinstance(schema, dict) and "name" in schema:
            fields, whole = record(schema, schema["name"]), {"a": plain, "b": plain}
            content = written(record(writer, schema["name"]), {"a": value, "b": value})
        case _:
            fields, whole, content = record(schema), {"a": plain}, written(record(writer), {"a": value})
    found = decoder(fields)(content)
    assert found == whole
    assert json.dumps(found, default=str) == json.dumps(whole, default=str)  # types too: 7 is not 7.0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ReasonCode.NOT_AVRO),
        (b"\x04\x01", ReasonCode.NOT_AVRO),
        (b"\x03\x01\x02", ReasonCode.NOT_AVRO),
        (big_decimal(1, 2) + b"\x00", ReasonCode.NOT_AVRO),
        (big_decimal(1, 10**6), ReasonCode.NUMBER_TOO_LONG),
        (big_decimal(1, -(10**6)), ReasonCode.NUMBER_TOO_LONG),
        (big_decimal(10**29, -990), ReasonCode.NUMBER_TOO_LONG),
    ],
)
def test_a_big_decimal_that_is_none_or_too_long_is_refused(decoder, content, expected):
    assert code(decoder(of("bytes", "big-decimal"))(written("bytes", content))) is expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 3.4028234663852886e38, 1e-45])
def test_every_float_can_be_read(decoder, value):
    found = decoder(record("float"))(struct.pack("<f", value))["a"]
    assert struct.pack("<f", found) == struct.pack("<f", value)


def test_a_record_within_a_record_and_one_that_refers_to_itself(decoder):
    chain = record("int", ["null", "test"])
    assert decoder(chain)(b"\x02\x02\x04\x00") == {"a": 1, "b": {"a": 2, "b": None}}
    assert decoder(record(record("int", name="inner"), ["null", "inner"]))(b"\x02\x02\x04") == {
        "a": {"a": 1},
        "b": {"a": 2},
    }


def test_maps_and_arrays_of_records_are_entries_too_and_nothing_else_is(decoder):
    assert decoder({"type": "map", "values": "int"})(b"\x02\x02a\x04\x00") == {"a": 2}
    assert decoder({"type": "array", "items": record("int")})(b"\x04\x02\x04\x00") == [{"a": 1}, {"a": 2}]
    assert decoder(["null", record("int")])(b"\x02\x04") == {"a": 2}
    assert code(decoder(["null", record("int")])(b"\x00")) is ReasonCode.NOT_AN_OBJECT
    assert code(decoder("string")(b"\x02a")) is ReasonCode.NOT_AN_OBJECT
    assert code(decoder({"type": "array", "items": "int"})(b"\x02\x02\x00")) is ReasonCode.NOT_AN_OBJECT


def test_bytes_within_are_decoded_by_a_further_step_whatever_they_are(tmp_path):
    (tmp_path / "envelope.avsc").write_text(json.dumps(record("string", "bytes")))
    steps = [
        {"format": "avro", "schema_file": "envelope.avsc"},
        {"format": "json", "from": "b", "into": "log", "compression": "gzip"},
    ]
    from pydantic import TypeAdapter

    decode = build_chain(TypeAdapter(DecodeSettings).validate_python(steps), LIMITS, DecodeContext(tmp_path))
    packed = zlib.compress(b'{"type": "paid"}', wbits=31)
    assert decode(written(record("string", "bytes"), {"a": "x", "b": packed}))["log"] == {"type": "paid"}


# --- bytes that are none ---------------------------------------------------------------------------------------------------------


def test_every_cut_and_anything_behind_is_refused(decoder):
    schema = record(
        "long", "string", "float", {"type": "array", "items": "int"}, {"type": "fixed", "name": "F", "size": 3}
    )
    content = written(schema, {"a": 1 << 40, "b": "text", "c": 1.5, "d": [1, 2, 3], "e": b"abc"})
    decode = decoder(schema)
    assert isinstance(decode(content), dict)
    for end in range(len(content)):
        assert code(decode(content[:end])) is ReasonCode.NOT_AVRO
    assert code(decode(content + b"\x00")) is ReasonCode.NOT_AVRO


@pytest.mark.parametrize("branch", [b"\x01", b"\x03", b"\x05", b"\x0f", b"\x7f", b"\x04", b"\x80\x80\x01"])
def test_a_branch_or_symbol_that_is_not_there_is_refused_below_zero_too(decoder, branch):
    assert code(decoder(record(["null", "string"]))(branch + b"\x00")) is ReasonCode.NOT_AVRO
    assert (
        code(decoder(record({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "null"))(branch))
        is ReasonCode.NOT_AVRO
    )


NULLS = {"type": "array", "items": "null"}
HOSTILE = {
    "a length beyond memory": (record("string"), bytes.fromhex("feffffffffffffffff01"), ReasonCode.NOT_AVRO),
    "a negative length": (record("string"), bytes.fromhex("09") + b"abcd", ReasonCode.NOT_AVRO),
    "a count beyond memory": (
        record({"type": "array", "items": "long"}),
        bytes.fromhex("feffffffffffffffff01"),
        ReasonCode.NOT_AVRO,
    ),
    "the least count there is": (
        record({"type": "array", "items": "long"}),
        bytes.fromhex("ffffffffffffffffff0100"),
        ReasonCode.NOT_AVRO,
    ),
    "a billion nulls": (record(NULLS), bytes.fromhex("80a8d6b907") + b"\x00", ReasonCode.TOO_MANY_ENTRIES),
    "arrays of nulls": (
        {"type": "array", "items": NULLS},
        b"\xfe\xff" + (b"\xfe\xff\x00\x00" * 9_000),
        ReasonCode.NOT_AVRO,
    ),
    "empty records": (
        record({"type": "array", "items": record("null", "null", name="e")}),
        bytes.fromhex("80a8d6b90700"),
        ReasonCode.TOO_MANY_ENTRIES,
    ),
    "a level a byte": (record(["null", "test"]), b"\x02" * 1_000_000, ReasonCode.TOO_DEEP),
    "arrays a level a byte": (record({"type": "array", "items": "test"}), b"\x02" * 1_000_000, ReasonCode.TOO_DEEP),
    "a number without an end": (record("long"), b"\xff" * 1_000_000, ReasonCode.NOT_AVRO),
    "a decimal of many digits": (
        record(of("bytes", "decimal", precision=9, scale=2)),
        b"\x80\x80\x20" + b"\x7f" * 262_144,
        ReasonCode.NUMBER_TOO_LONG,
    ),
    "a record within itself": (record("test"), b"", ReasonCode.TOO_DEEP),
}


@pytest.mark.parametrize(("schema", "content", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_what_would_cost_more_than_it_is_long_is_refused(decoder, schema, content, expected):
    assert code(decoder(schema)(content)) is expected


def test_a_few_nulls_are_nothing_to_worry_about(decoder):
    assert decoder(record(NULLS))(b"\xd0\x0f\x00") == {"a": [None] * 1000}


def test_a_schema_that_doubles_at_each_level_costs_nothing(decoder):
    schema = "null"
    for level in range(40):
        schema = {
            "type": "record",
            "name": f"L{level}",
            "fields": [{"name": "a", "type": schema}, {"name": "b", "type": f"L{level - 1}" if level else "null"}],
        }
    assert code(decoder(schema)(b"")) in {ReasonCode.TOO_MANY_ENTRIES, ReasonCode.TOO_DEEP}


def test_depth_is_counted_as_for_json(decoder):
    limits = DecodeLimits(depth=3)
    chain = record(["null", "test"])
    assert decoder(chain, limits=limits)(b"\x02\x02\x00") == {"a": {"a": {"a": None}}}
    assert code(decoder(chain, limits=limits)(b"\x02\x02\x02\x00")) is ReasonCode.TOO_DEEP


# --- schema resolution -----------------------------------------------------------------------------------------------------------


def test_fields_are_matched_by_name_and_alias_dropped_and_filled_in(decoder):
    writer = record("int", "string", "long")
    reader = {
        "type": "record",
        "name": "elsewhere.test",
        "fields": [
            {"name": "c", "type": ["null", "double"]},
            {"name": "title", "aliases": ["b"], "type": "string"},
            {"name": "new", "type": {"type": "array", "items": "int"}, "default": [1]},
            {"name": "day", "type": ["null", of("int", "date")], "default": 0},
            {"name": "raw", "type": "bytes", "default": "\xff"},
        ],
    }
    found = decoder(writer, reader)(written(writer, {"a": 1, "b": "t", "c": 5}))
    assert found == {"c": 5.0, "title": "t", "new": [1], "day": "1970-01-01", "raw": "/w=="}


@pytest.mark.parametrize(
    ("writer", "reader", "value", "expected"),
    [
        ("int", "long", 5, 5),
        ("int", "double", 5, 5.0),
        ("long", "float", 5, 5.0),
        ("float", "double", 12.1, 12.1),
        ("string", "bytes", "a", "a"),
        ("bytes", "string", b"a", "a"),
        ("int", ["null", "string", "long"], 5, 5),
        ("int", ["double", "int"], 5, 5),
        (["null", "int", "string"], ["null", "string"], "x", "x"),
        (["null", "int"], "int", 5, 5),
        ("long", of("long", "local-timestamp-millis"), 0, "1970-01-01T00:00:00.000"),
        (of("bytes", "decimal", precision=9, scale=1), of("bytes", "decimal", precision=9, scale=2), Decimal("1.2"), 1.2),
        (of("bytes", "decimal", precision=9, scale=1), of("bytes", "big-decimal"), Decimal("1.2"), 1.2),
        ("bytes", of("bytes", "decimal", precision=9, scale=2), b"\x78", 1.2),
        (of("bytes", "decimal", precision=9, scale=2), "bytes", Decimal("1.2"), "x"),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "double"}, [1], [1.0]),
        ({"type": "map", "values": ["null", "int"]}, {"type": "map", "values": ["null", "long"]}, {"a": None}, {"a": None}),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, {"type": "enum", "name": "E", "symbols": ["A", "C"], "default": "C"}, "B", "C"),
    ],
    ids=str,
)  # fmt: skip
def test_values_are_promoted_and_meant_as_the_reader_says(decoder, writer, reader, value, expected):
    assert decoder(record(writer), record(reader))(written(record(writer), {"a": value})) == {"a": expected}


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("string", "int"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 3}),
        (record("int", name="X"), record("int", name="Y")),
        ("int", ["null", "string"]),
    ],
    ids=str,
)
def test_schemas_that_never_match_are_a_fault_of_the_file(decoder, writer, reader):
    with pytest.raises(ValueError, match="does not resolve to reader_schema_file"):
        decoder(record(writer), record(reader))


def test_a_field_without_a_default_is_a_fault_of_the_file(decoder):
    with pytest.raises(ValueError, match=r"no field test\.b, and it has no default"):
        decoder(record("int"), record("int", "int"))


def test_a_default_of_the_wrong_length_is_a_fault_of_the_file(decoder):
    duration = {"name": "d", "type": of("fixed", "duration", name="P", size=12), "default": "short"}
    with pytest.raises(ValueError, match=r"the default of test\.d is no value of its type"):
        decoder(record(), {**record(), "fields": [duration]})


def test_types_that_nest_without_end_are_a_fault_and_no_crash(decoder):
    levels = [{**record("int" if not n else f"n{n - 1}.L", name="L"), "namespace": f"n{n}"} for n in range(900)]
    writer = record(
        levels, "n899.L"
    )  # each level uses the one before: resolving it to a schema that contains itself goes 900 levels deep
    reader = {**record("null"), "fields": [{"name": "b", "type": record(["L", "int"], name="L")}]}
    with pytest.raises(ValueError, match="nest too deep"):
        decoder(writer, reader)


def test_a_branch_or_symbol_that_the_reader_lacks_costs_the_data_that_takes_it(decoder):
    decode = decoder(record(["null", "int", record("int", name="X")]), record(["null", "int"]))
    assert decode(b"\x02\x0a") == {"a": 5}
    assert code(decode(b"\x04\x0a")) is ReasonCode.SCHEMA_UNUSABLE
    decode = decoder(
        record({"type": "enum", "name": "E", "symbols": ["A", "B"]}),
        record({"type": "enum", "name": "E", "symbols": ["A"]}),
    )
    assert decode(b"\x00") == {"a": "A"}
    assert code(decode(b"\x02")) is ReasonCode.SCHEMA_UNUSABLE


def test_a_type_that_refers_to_itself_is_resolved_at_every_level(decoder):
    writer = record("int", ["null", "test"])
    reader = {
        "type": "record",
        "name": "test",
        "fields": [
            {"name": "a", "type": "double"},
            {"name": "b", "type": ["null", "test"]},
            {"name": "c", "type": "int", "default": 9},
        ],
    }
    found = decoder(writer, reader)(b"\x02\x02\x04\x00")
    assert found == {"a": 1.0, "b": {"a": 2.0, "b": None, "c": 9}, "c": 9}


# --- encodings -------------------------------------------------------------------------------------------------------------------


def test_single_objects_name_their_schema_by_its_fingerprint(tmp_path):
    one, other = record("int"), record("string", name="other")
    for name, schema in (("one", one), ("other", other)):
        (tmp_path / f"{name}.avsc").write_text(json.dumps(schema))
    options = {"encoding": "single_object", "schema_file": ["one.avsc", "other.avsc"]}
    decode = build_decoder("avro", options, LIMITS, DecodeContext(tmp_path))
    for schema, value in ((one, {"a": 5}), (other, {"a": "x"})):
        mark = b"\xc3\x01" + schema_fingerprint(read_schema(json.dumps(schema)))
        assert decode(mark + written(schema, value)) == value
    assert code(decode(b"\xc3\x01" + bytes(8) + b"\x00")) is ReasonCode.SCHEMA_UNKNOWN
    assert code(decode(b"\xc3\x02" + bytes(8) + b"\x00")) is ReasonCode.NOT_AVRO
    assert code(decode(b"\xc3\x01")) is ReasonCode.NOT_AVRO


CONTAINER = build_decoder("avro", {"encoding": "container"}, LIMITS)
ROWS = [{"a": number, "b": f"n{number}"} for number in range(100)]


def container(codec, rows=ROWS, schema=None):
    stream = io.BytesIO()
    fastavro.writer(stream, schema or record("int", "string"), rows, codec=codec, sync_interval=200)
    return stream.getvalue()


def zstandard_container(packed_with=lambda block: zstandard.ZstdCompressor().compress(block)):
    """A container as fastavro writes it. fastavro itself needs a further package for this codec."""
    return repacked("zstandard", packed_with)


def repacked(codec, packed_with):
    def long(number):
        return written("long", number)

    sync = b"s" * 16
    block = written(record("int", "string"), ROWS[0])
    meta = {"avro.schema": json.dumps(record("int", "string")).encode(), "avro.codec": codec.encode()}
    head = written({"type": "map", "values": "bytes"}, meta)
    packed = packed_with(block)
    return b"Obj\x01" + head + sync + long(1) + long(len(packed)) + packed + sync


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz"])
def test_a_container_is_an_entry_a_datum_whatever_it_is_packed_with(codec):
    assert CONTAINER(container(codec)) == ROWS


def test_a_container_packed_with_zstandard():
    assert CONTAINER(zstandard_container()) == ROWS[:1]


def test_an_empty_container_has_no_entry():
    assert CONTAINER(container("null", [])) == []


BOMB = b"\x00" * (20 << 20)


def snappy_bomb(_block):
    return bytes(snappy.compress(BOMB)) + zlib.crc32(BOMB).to_bytes(4)


def deflate_bomb(_block):
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(BOMB) + deflate.flush()


@pytest.mark.parametrize(
    ("codec", "bomb"),
    [("deflate", deflate_bomb), ("snappy", snappy_bomb), ("zstandard", lambda _: zstandard.ZstdCompressor().compress(BOMB)), ("null", lambda _: BOMB), ("bzip2", lambda _: bz2.compress(BOMB)), ("xz", lambda _: lzma.compress(BOMB))],
)  # fmt: skip
def test_a_container_that_unpacks_to_more_than_it_may_is_refused(codec, bomb):
    assert code(CONTAINER(repacked(codec, bomb))) is ReasonCode.RECORD_TOO_LARGE


def test_a_container_that_would_take_much_memory_to_unpack_is_refused():
    assert code(CONTAINER(repacked("xz", lambda block: lzma.compress(block, preset=9)))) is ReasonCode.NOT_AVRO


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz"])
def test_a_damaged_container_is_refused(codec):
    whole = container(codec)
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        answer = CONTAINER(bytes(damaged))
        assert isinstance(answer, Refusal | list)
        assert code(CONTAINER(whole[:place])) in {ReasonCode.NOT_AVRO, None}
    assert code(CONTAINER(b"Obj\x02")) is ReasonCode.NOT_AVRO
    assert code(CONTAINER(repacked("bzip2", lambda block: block))) is ReasonCode.NOT_AVRO


def test_a_checksum_that_is_wrong_is_found():
    assert (
        code(CONTAINER(repacked("snappy", lambda block: bytes(snappy.compress(block)) + bytes(4))))
        is ReasonCode.NOT_AVRO
    )


def test_a_container_whose_schema_is_none_is_refused():
    broken = container("null").replace(b'"record"', b'"wreckd"')
    assert code(CONTAINER(broken)) is ReasonCode.SCHEMA_UNUSABLE


def test_a_container_of_too_many_entries_is_refused():
    decode = build_decoder("avro", {"encoding": "container"}, DecodeLimits(entries=50))
    assert code(decode(container("null"))) is ReasonCode.TOO_MANY_ENTRIES


# --- schemas ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ("5", "neither a name"),
        ('"Nowhere"', "not declared"),
        ('{"type": "record", "name": "R"}', "no list of fields"),
        ('{"type": "record", "fields": []}', "no name"),
        ('{"type": "array"}', "no items"),
        ('{"type": "fixed", "name": "F", "size": -1}', "no size"),
        ('{"type": "enum", "name": "E", "symbols": ["a b"]}', "list of different names"),
        ('["int", "int"]', "of one type"),
        ('["int", ["null"]]', "directly within"),
        ("[]", "no branches"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "enum", "name": "R", "symbols": ["x"]}}]}', "declared twice"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}', "two fields"),
        ("[" * 400 + "]" * 400, "nested deeper"),
        (json.dumps([f"{'x' * 3}"] * 20_000), "more than"),
    ],
)  # fmt: skip
def test_what_is_no_schema_says_why(text, reason):
    with pytest.raises(SchemaFault, match=reason if reason != "more than" else "not declared"):
        read_schema(text)


def test_a_schema_may_have_only_so_many_parts():
    fields = [{"name": f"f{number}", "type": "int"} for number in range(11_000)]
    with pytest.raises(SchemaFault, match="more than 10000 parts"):
        read_schema(json.dumps({"type": "record", "name": "R", "fields": fields}))


# --- the source file -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "expected one schema_file with encoding plain"),
        ({"schema_file": "none.avsc"}, "none.avsc; expected an Avro schema, relative to the source file's folder"),
        ({"schema_file": "broken.avsc"}, "no Avro schema"),
        ({"encoding": "confluent"}, "expected a registry with encoding confluent"),
        ({"encoding": "single_object"}, "expected a schema_file"),
        ({"encoding": "container", "schema_file": "good.avsc"}, "expected neither schema_file nor registry"),
        ({"schema_file": ["good.avsc", "good.avsc"]}, "expected one schema_file"),
        ({"registry": "http://registry.example:8081"}, "plain http is for loopback only"),
        ({"registry": {"url": "https://r.example", "username": "u"}}, "username and password"),
        ({"registry": {"url": "https://r.example", "username": "u", "password": "secret"}}, "never written here"),
        ({"schema_file": "good.avsc", "reader_schema_file": "reader.avsc"}, "does not resolve"),
    ],
)  # fmt: skip
def test_wrong_options_are_said(tmp_path, options, reason):
    (tmp_path / "good.avsc").write_text(json.dumps(record("int")))
    (tmp_path / "reader.avsc").write_text(json.dumps(record("string")))
    (tmp_path / "broken.avsc").write_text("{")
    with pytest.raises(ValueError, match=reason):
        build_decoder("avro", options, LIMITS, DecodeContext(tmp_path))


def test_a_registry_alone_may_be_its_url_with_a_path():
    from pipeline.decode.avro.options import AvroOptions

    options = AvroOptions.model_validate({"registry": "https://r.example/apis/ccompat/v7/"})
    assert options.registry.url == ("https://r.example/apis/ccompat/v7",)
    assert options.framing == "confluent"
