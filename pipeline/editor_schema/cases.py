"""The parts of the JSON Schema of test cases that no model says: what may stand for a value, and which keys go together."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.authoring.cases.models import EXPECTATIONS, VALUES, ExpectedEvent, ExpectedUser
from pipeline.editor_schema.source import Schema, ref
from schemas.customer import IdMapping

_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_TIME = [
    {"type": "string", "pattern": r"^\d{4}-?(\d\d-?\d\d|W\d\d)", "examples": ["2026-11-11T00:00:00+08:00"]},
    {"type": "integer"},
]
_CALLS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}
_OF_MESSAGES: Mapping[str, Schema] = {
    "event_time": {"anyOf": [*_TIME, {"type": "null"}]},
    "identities": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {kind.value: {"description": f"the user's {kind.value}", **_SCALAR} for kind in IdMapping},
    },
    "attributes": {"type": ["object", "null"], "additionalProperties": _SCALAR},
}
_BYTES: Mapping[str, Schema] = {
    "base64": {"type": "string", "pattern": r"^[A-Za-z0-9+/=\s]*$"},
    "hex": {"type": "string", "pattern": r"^\s*([0-9A-Fa-f]{2}\s*)*$"},
}
_TEXT_OR_BYTES: Schema = {
    "anyOf": [
        {"type": ["string", "null"]},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {form: {"description": f"its bytes in {form}", **_BYTES[form]} for form in _BYTES},
        },
    ]
}
_OF_RECORDS: Mapping[str, Schema] = {
    "json": {"type": ["object", "array", "string", "number", "boolean", "null"]},
    **_BYTES,
    "key": _TEXT_OR_BYTES,
    "headers": {"type": "object", "additionalProperties": _TEXT_OR_BYTES},
    "timestamp": {"anyOf": _TIME},
    "filtered": {"const": True},
    "duplicate": {"const": True},
    "without_value": {"const": True},
    "refused": ref("ReasonCode"),
}

CASES_INSTEAD: Mapping[str, Schema] = {
    "schemas": {
        "type": "object",
        "propertyNames": {"pattern": r"^\d+$"},
        "additionalProperties": {"type": "string", "minLength": 1},
    },
    **{f"{place}.{name}": schema for place in ("cases", "cases.records") for name, schema in _OF_RECORDS.items()},
    **{f"cases.events.{name}": _OF_MESSAGES.get(name, _SCALAR) for name in ExpectedEvent.model_fields},
    **{f"cases.users.{name}": _OF_MESSAGES.get(name, _SCALAR) for name in ExpectedUser.model_fields},
    **{f"cases.body.{name}": _CALLS for name in ("events", "users")},
}
"""By dotted key, what stands in place of what the models say: their types are wider there than what is taken."""


def _alone(fate: str) -> Schema:
    """Say that nothing else is expected of a record that ends so."""
    return {"not": {"anyOf": [{"required": [name]} for name in EXPECTATIONS if name != fate]}}


_ONE_END: Schema = {
    "dependentRequired": {"line": ["file"], "reason": ["refused"]},
    "dependentSchemas": {fate: _alone(fate) for fate in ("filtered", "duplicate")},
}

CASES_BESIDE: Mapping[str, Schema] = {
    "cases": {"oneOf": [{"required": [name]} for name in (*VALUES, "records")], **_ONE_END},
    "cases.records": {"oneOf": [{"required": [name]} for name in VALUES], **_ONE_END},
}
"""By dotted key, what the keys there have to do with each other."""
