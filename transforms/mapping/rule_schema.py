"""The JSON Schemas of conditions and values, which may contain themselves. `transforms.mapping.models` refers to them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.customer import IdMapping
from transforms.mapping.comparisons import OPERATORS
from transforms.mapping.values import MOST_CHOICES

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_TEXT, _ORDERED = {"type": "string"}, {"type": ["string", "number"]}
_VALUES = {"type": "array", "minItems": 1, "items": _SCALAR}
_ONE_OR_MORE = {"anyOf": [_SCALAR, _VALUES]}
_CONDITIONS = {"type": "array", "minItems": 1, "items": {**ref("condition"), "minProperties": 1}}

_COMPARISONS: Mapping[str, tuple[Schema, str]] = {
    "ne": (_ONE_OR_MORE, "The field has another value, or is not there."),
    "gt": (
        _ORDERED,
        "The field is greater. With a number, numbers are compared; with a text in quotes, texts by their order.",
    ),
    "ge": (_ORDERED, "The field is greater or equal."),
    "lt": (_ORDERED, "The field is less."),
    "le": (_ORDERED, "The field is less or equal."),
    "exists": ({"enum": [True, False]}, "true: the field is there and not null. false: it is not."),
    "prefix": (_TEXT, "The field is a text that begins with this text."),
    "suffix": (_TEXT, "The field is a text that ends with this text."),
    "contains": (
        {"type": ["string", "integer"]},
        "The field is a text that contains this text, or a list that contains this element.",
    ),
    "matches": (_TEXT, "Some part of the field matches this pattern of RE2."),
    "in": (_VALUES, "The field has one of these values."),
    "not_in": (_VALUES, "The field has none of these values, or is not there."),
}

RULE_DEFINITIONS: Mapping[str, Schema] = {
    "value": {
        "description": "A path such as $.order.no with functions behind |, a template with {{ }}, {first_of: [...]}, or a constant.",
        "anyOf": [ref("first_of"), {"type": ["string", "number", "boolean", "null", "array"]}, {"type": "object", "not": {"required": ["first_of"]}}],
    },
    "text_value": {
        "description": "A path such as $.order.no with functions behind |, a template with {{ }}, {first_of: [...]}, or a constant text.",
        "anyOf": [ref("first_of"), {"type": ["string", "number", "null"]}],
    },
    "path_or_template": {
        "description": "A path such as $.order.no with functions behind |, a template with {{ }}, or {first_of: [...]}. A constant is not allowed.",
        "anyOf": [ref("first_of"), {"type": "string", "pattern": r"^(\$(?!\$)|@(?!@))|\{\{\s*[$@]"}],
    },
    "first_of": {
        "type": "object",
        "required": ["first_of"],
        "additionalProperties": False,
        "properties": {
            "first_of": {
                "description": "The first of these that has a value, and not an empty one.",
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_CHOICES,
                "items": ref("value"),
            },
            "then": {"description": "Functions for what was found, with | between them: trim | lower.", "type": "string", "minLength": 1},
        },
    },
    "business_id": {
        "anyOf": [
            ref("path_or_template"),
            {"type": "array", "minItems": 1, "items": ref("value")},
            {
                "type": "object",
                "required": ["content"],
                "additionalProperties": False,
                "properties": {
                    "content": {
                        "description": "all: a hash of the whole record. A list of fields: a hash of these.",
                        "anyOf": [{"const": "all"}, {"type": "array", "minItems": 1, "items": ref("value")}],
                    }
                },
            },
            {
                "type": "object",
                "required": ["position"],
                "additionalProperties": False,
                "properties": {"position": {"description": "The topic, partition and offset of the record.", "const": True}},
            },
        ]
    },
    "condition": {
        "description": "All lines must hold. A name without $ is a field: order.amount is $.order.amount.",
        "type": "object",
        "properties": {
            "all": {"description": "All of these conditions hold.", **_CONDITIONS},
            "any": {"description": "One of these conditions holds.", **_CONDITIONS},
            "not": {"description": "This condition does not hold.", **ref("condition"), "minProperties": 1},
        },
        "additionalProperties": ref("expectation"),
    },
    "expectation": {
        "description": "The value that the field must have, a list of allowed values, or comparisons.",
        "anyOf": [
            _SCALAR,
            _VALUES,
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {name: {"description": _COMPARISONS[name][1], **_COMPARISONS[name][0]} for name in OPERATORS},
            },
        ],
    },
    "identities_by_type": {
        "type": "object",
        "additionalProperties": False,
        "properties": {kind.value: {"description": f"The user's {kind.value}: where it is in the entry.", **ref("path_or_template")} for kind in IdMapping},
    },
    "values_by_property": {"type": "object", "propertyNames": {"minLength": 1}, "additionalProperties": ref("value")},
}  # fmt: skip
"""The definitions by name. A type refers to one as `{"definition": NAME}`. It stands once under `$defs`, so that it may contain itself."""
