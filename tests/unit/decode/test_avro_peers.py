"""Avro against other writers and readers: the decoder reads what fastavro writes, and reads it as Apache's own library does."""

from __future__ import annotations

import io
import json
import struct
from base64 import b64encode
from decimal import Decimal

import avro.io
import avro.schema
import fastavro
import fastavro.schema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits
from pipeline.decode.avro.canonical import canonical_form
from pipeline.decode.avro.data_reader import DataReader, schema_fingerprint
from pipeline.decode.avro.schema import read_schema
from schemas.refusal import Refusal
from tests.support.examples import examples

LIMITS = DecodeLimits()


@st.composite
def typed(draw, depth=3):
    """A schema without logical types, and a strategy for its values; `named` numbers the named types afterwards."""
    kind = draw(st.sampled_from(PRIMITIVE + (CONTAINERS if depth else ())))
    match kind:
        case "array":
            inner, values = draw(typed(depth - 1))
            return {"type": "array", "items": inner}, st.lists(values, max_size=4)
        case "map":
            inner, values = draw(typed(depth - 1))
            return {"type": "map", "values": inner}, st.dictionaries(st.text(TEXT, max_size=5), values, max_size=4)
        case "union":
            inner, values = draw(
                typed(depth - 1).filter(lambda drawn: not isinstance(drawn[0], list) and drawn[0] != "null")
            )
            return ["null", inner], st.none() | values
        case "record":
            drawn = draw(st.lists(typed(depth - 1), max_size=4))
            fields = [{"name": f"f{place}", "type": each} for place, (each, _) in enumerate(drawn)]
            return {"type": "record", "name": "?", "fields": fields}, st.fixed_dictionaries(
                {f"f{place}": values for place, (_, values) in enumerate(drawn)}
            )
        case "enum":
            symbols = ["A", "B", "C"][: draw(st.integers(1, 3))]
            return {"type": "enum", "name": "?", "symbols": symbols}, st.sampled_from(symbols)
        case "fixed":
            size = draw(st.integers(0, 5))
            return {"type": "fixed", "name": "?", "size": size}, st.binary(min_size=size, max_size=size)
    return kind, {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(1 << 31), (1 << 31) - 1),
        "long": st.integers(-(1 << 63), (1 << 63) - 1),
        "float": st.floats(width=32, allow_nan=False),
        "double": st.floats(allow_nan=False),
        "bytes": st.binary(max_size=10),
        "string": st.text(TEXT, max_size=10),
    }[kind]


TEXT = st.characters(exclude_categories=["Cs"])
PRIMITIVE = ("null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed")
CONTAINERS = ("array", "map", "union", "record", "record")


def named(schema, numbers=None):
    """Give each named type a name of its own."""
    numbers = iter(range(10_000)) if numbers is None else numbers
    if isinstance(schema, list):
        return [named(each, numbers) for each in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {**schema}
    if "name" in renamed:
        renamed["name"] = f"N{next(numbers)}"
    for inner in ("items", "values"):
        if inner in renamed:
            renamed[inner] = named(renamed[inner], numbers)
    if "fields" in renamed:
        renamed["fields"] = [{**each, "type": named(each["type"], numbers)} for each in renamed["fields"]]
    return renamed


def plain(schema, value):
    """The plain value of a value: bytes are text or Base64, a fixed is hexadecimal, a float its shortest decimal."""
    if isinstance(schema, list):
        return None if value is None else plain(schema[1], value)
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind:
        case "array":
            return [plain(schema["items"], each) for each in value]
        case "map":
            return {name: plain(schema["values"], each) for name, each in value.items()}
        case "record":
            return {each["name"]: plain(each["type"], value[each["name"]]) for each in schema["fields"]}
        case "fixed":
            return value.hex()
        case "bytes":
            try:
                return value.decode()
            except UnicodeDecodeError:
                return b64encode(value).decode()
        case "float":
            return struct.unpack("<f", struct.pack("<f", value))[0]
    return value


def same(found, expected):
    """Whether two values are equal; floats may differ by the precision of 32 bits."""
    if isinstance(expected, float):
        return found == expected or abs(found - expected) <= abs(expected) * 1e-6 or abs(found - expected) < 1e-44
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], each) for key, each in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return (found == expected and type(found) is type(expected)) or str(found) == expected


def written(schema, value):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, value)
    return stream.getvalue()


@given(st.data())
@examples(times=4)
def test_what_is_written_is_read_back(data):
    schema, values = data.draw(typed())
    schema = named(schema)
    value = data.draw(values)
    content = written(schema, value)
    found = DataReader(read_schema(json.dumps(schema)), None, LIMITS).all_of(content)
    assert same(found, plain(schema, value)), (found, value)


@given(st.data())
@examples(times=2)
def test_apaches_library_writes_and_reads_the_same(data):
    schema, values = data.draw(typed())
    schema = named(schema)
    value = data.draw(values)
    apache = avro.schema.parse(json.dumps(schema))
    stream = io.BytesIO()
    avro.io.DatumWriter(apache).write(value, avro.io.BinaryEncoder(stream))
    reader = DataReader(read_schema(json.dumps(schema)), None, LIMITS)
    assert same(reader.all_of(stream.getvalue()), plain(schema, value))


@given(st.data())
@examples(times=2)
def test_the_schema_resolved_to_itself_changes_nothing(data):
    schema, values = data.draw(typed())
    schema = named(schema)
    content = written(schema, data.draw(values))
    model = read_schema(json.dumps(schema))
    other = read_schema(json.dumps(schema))
    alone, resolved = DataReader(model, None, LIMITS), DataReader(model, other, LIMITS)
    assert repr(alone.all_of(content)) == repr(resolved.all_of(content))


def resolved_by_apache(writer, reader, content):
    parsed = avro.schema.parse(json.dumps(writer)), avro.schema.parse(json.dumps(reader))
    return avro.io.DatumReader(*parsed).read(avro.io.BinaryDecoder(io.BytesIO(content)))


EVOLUTIONS = {
    "int": ["int", "long", "double", ["null", "int"], ["string", "double"]],
    "long": ["long", "double", ["null", "long"]],
    "string": ["string", ["null", "string"]],
    "boolean": ["boolean", ["boolean", "null"]],
}


@given(st.data())
@examples(times=2)
def test_apaches_library_resolves_schemas_the_same(data):
    kinds = data.draw(st.lists(st.sampled_from(list(EVOLUTIONS)), min_size=1, max_size=5))
    values = {
        "int": st.integers(-9, 9),
        "long": st.integers(-(1 << 40), 1 << 40),
        "string": st.text(TEXT, max_size=4),
        "boolean": st.booleans(),
    }
    value = {f"f{place}": data.draw(values[kind]) for place, kind in enumerate(kinds)}
    writer = {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"f{place}", "type": kind} for place, kind in enumerate(kinds)],
    }
    fields = [
        {"name": f"f{place}", "type": data.draw(st.sampled_from(EVOLUTIONS[kind]))}
        for place, kind in enumerate(kinds)
        if data.draw(st.booleans())
    ]
    fields += [
        {"name": "new", "type": ["null", "int"], "default": None},
        {"name": "list", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
    ]
    reader = {"type": "record", "name": "R", "fields": data.draw(st.permutations(fields))}
    content = written(writer, value)
    ours = DataReader(read_schema(json.dumps(writer)), read_schema(json.dumps(reader)), LIMITS).all_of(content)
    assert ours == resolved_by_apache(writer, reader, content)


@given(st.data())
@examples(times=2)
def test_canonical_form_and_fingerprint_are_those_of_the_libraries(data):
    schema = named(data.draw(typed())[0])
    form = canonical_form(read_schema(json.dumps(schema)))
    assert form == fastavro.schema.to_parsing_canonical_form(schema)
    assert form == avro.schema.parse(json.dumps(schema)).canonical_form
    assert schema_fingerprint(read_schema(json.dumps(schema))) == avro.schema.parse(json.dumps(schema)).fingerprint()


def record(*types, **more):
    return {"type": "record", "name": "R", "fields": [{"name": f"f{place}", "type": each} for place, each in enumerate(types)], **more}  # fmt: skip


ONLY_OURS = {
    "a type within a type": (
        record({"type": {"type": "string"}}),
        '{"name":"R","type":"record","fields":[{"name":"f0","type":"string"}]}',
    ),
    "a union within a type": (
        record({"type": ["null", "int"]}),
        '{"name":"R","type":"record","fields":[{"name":"f0","type":["null","int"]}]}',
    ),
    "a name within a type": (
        record({"type": "fixed", "name": "F", "size": 1}, {"type": "F"}),
        '{"name":"R","type":"record","fields":[{"name":"f0","type":{"name":"F","type":"fixed","size":1}},{"name":"f1","type":"F"}]}',
    ),
    "a decimal with more digits behind the point than digits": (
        {"type": "bytes", "logicalType": "decimal", "precision": 1, "scale": 5},
        '"bytes"',
    ),
    "a decimal that does not fit into its bytes": (
        {"type": "fixed", "name": "D", "size": 1, "logicalType": "decimal", "precision": 40},
        '{"name":"D","type":"fixed","size":1}',
    ),
    "a default of another type": (
        {"type": "record", "name": "R", "fields": [{"name": "f0", "type": "int", "default": "x"}]},
        '{"name":"R","type":"record","fields":[{"name":"f0","type":"int"}]}',
    ),
    "a name of the null namespace within another": (
        record({"type": "record", "name": "N", "namespace": "", "fields": []}, "N", namespace="x"),
        '{"name":"x.R","type":"record","fields":[{"name":"f0","type":{"name":"N","type":"record","fields":[]}},{"name":"f1","type":"N"}]}',
    ),
}


@pytest.mark.parametrize("name", ONLY_OURS)
def test_the_canonical_form_of_a_schema_that_fastavro_does_not_take(name):
    schema, form = ONLY_OURS[name]
    assert canonical_form(read_schema(json.dumps(schema))) == form
    with pytest.raises((TypeError, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType)):
        fastavro.schema.to_parsing_canonical_form(schema)


@given(st.data())
@examples(times=3)
def test_damaged_data_is_answered(data):
    schema, values = data.draw(typed())
    schema = named(schema)
    content = bytearray(written(schema, data.draw(values)) or b"\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    reader = DataReader(read_schema(json.dumps(schema)), None, LIMITS)
    found = reader.all_of(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert isinstance(found, Refusal | dict | list | str | int | float | type(None))


@given(unscaled=st.integers(-(10**40), 10**40), scale=st.integers(0, 40))
def test_a_decimal_is_exact(unscaled, scale):
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 41, "scale": scale}
    exact = Decimal(f"{unscaled}E-{scale}")
    content = written("bytes", unscaled.to_bytes(20, signed=True))
    found = DataReader(read_schema(json.dumps(schema)), None, LIMITS).all_of(content)
    assert Decimal(repr(found)) == exact if isinstance(found, float) else found == exact
