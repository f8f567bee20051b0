"""The models as Avro: a message in wire form is written with its Avro schema and read back unchanged."""

from __future__ import annotations

import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeContext, DecodeLimits, build_decoder
from schemas.avro import MODELS, schema_text
from schemas.customer import CustomerMessage, IdMapping
from schemas.event import EventMessage

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
IDS = st.lists(
    st.fixed_dictionaries({"customer_id": TEXT, "id_mapping": st.sampled_from(IdMapping)}), min_size=1, max_size=4
)
EVENTS = st.fixed_dictionaries(
    {
        "customer_id": TEXT,
        "event_code": TEXT,
        "event_time": st.integers(1, (1 << 63) - 1),
        "extend_attributes": st.builds(
            lambda more, biz: {**more, "outBizId": biz}, st.dictionaries(TEXT, TEXT, max_size=4), TEXT
        ),
    },
    optional={
        "organization_id": TEXT,
        "workspace_id": TEXT,
        "event_source_code": TEXT,
        "customer_id_list": IDS,
    },
).map(EventMessage.model_validate)
CUSTOMERS = st.fixed_dictionaries(
    {"customer_id": TEXT, "customer_id_list": IDS}, optional={"organization_id": TEXT}
).map(CustomerMessage.model_validate)


def round_trip(message):
    schema = fastavro.parse_schema(json.loads(schema_text(type(message).__name__)))
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, message.wire(), strict_allow_default=True)
    stream.seek(0)
    return {name: each for name, each in fastavro.schemaless_reader(stream, schema).items() if each is not None}


@given(st.one_of(EVENTS, CUSTOMERS))
def test_a_message_is_read_back_as_it_was_written(message):
    found = round_trip(message)
    assert found == message.wire()
    assert type(message).model_validate(found) == message


@pytest.mark.parametrize("model", [EventMessage, CustomerMessage])
def test_the_schema_has_the_models_fields_and_the_wires_names(model):
    schema = json.loads(schema_text(model.__name__))
    assert [each["name"] for each in schema["fields"]] == [field.alias for field in model.model_fields.values()]
    optional = {each["name"] for each in schema["fields"] if "default" in each}
    assert optional == {field.alias for field in model.model_fields.values() if not field.is_required()}


def test_every_identity_type_is_a_symbol():
    text = schema_text("CustomerMessage")
    ids = json.loads(text)["fields"][2]["type"]["items"]["fields"][1]["type"]["symbols"]
    assert ids == [each.value for each in IdMapping]
    assert (
        json.loads(schema_text("EventMessage"))["fields"][7]["type"][1]["items"]
        == json.loads(text)["fields"][2]["type"]["items"]
    )


def test_the_decoder_reads_what_the_schema_wrote(tmp_path):
    (tmp_path / "EventMessage.avsc").write_text(schema_text("EventMessage"))
    message = EventMessage(
        customer_id="c", event_code="pay", event_time=1_700_000_000_000, extend_attributes={"outBizId": "o"}
    )
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, json.loads(schema_text("EventMessage")), message.wire())
    decode = build_decoder("avro", {"schema_file": "EventMessage.avsc"}, DecodeLimits(), DecodeContext(tmp_path))
    fields = decode(stream.getvalue())
    assert {name: each for name, each in fields.items() if each is not None} == message.wire()


def test_there_is_no_schema_of_anything_else():
    assert set(MODELS) == {"EventMessage", "CustomerMessage"}
    with pytest.raises(KeyError):
        schema_text("../event")
