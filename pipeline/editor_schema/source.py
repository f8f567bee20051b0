"""The parts of a source file's JSON Schema that no model says: what may stand for a value, a condition, a quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.fragments import MOST_USED
from pipeline.config.source_file import NAME
from pipeline.setting_types.quantity import format_bytes, format_duration, format_share
from schemas.customer import IdMapping
from transforms.mapping.comparisons import OPERATORS
from transforms.mapping.values import MOST_CHOICES

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to one of `DEFINITIONS`, or to a model."""
    return {"$ref": f"#/$defs/{name}"}


_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_TEXT, _ORDERED = {"type": "string"}, {"type": ["string", "number"]}
_VALUES = {"type": "array", "minItems": 1, "items": _SCALAR}
_ONE_OR_MORE = {"anyOf": [_SCALAR, _VALUES]}
_CONDITIONS = {"type": "array", "minItems": 1, "items": {**ref("condition"), "minProperties": 1}}

_COMPARISONS: Mapping[str, tuple[Schema, str]] = {
    "ne": (_ONE_OR_MORE, "it is not that value, or not there"),
    "gt": (_ORDERED, "it is greater: a number, or with a text in quotes a text that comes later"),
    "ge": (_ORDERED, "it is greater or equal"),
    "lt": (_ORDERED, "it is less"),
    "le": (_ORDERED, "it is less or equal"),
    "exists": ({"type": "boolean"}, "true: it is there and not null; false: it is not"),
    "prefix": (_TEXT, "it is a text that begins so"),
    "suffix": (_TEXT, "it is a text that ends so"),
    "contains": ({"type": ["string", "integer"]}, "the text holds that text, or the list that element"),
    "matches": (_TEXT, "some part of it matches this pattern of RE2"),
    "in": (_VALUES, "it is one of these"),
    "not_in": (_VALUES, "it is none of these, or not there"),
}

DEFINITIONS: Mapping[str, Schema] = {
    "variable": {"type": "string", "pattern": r"\$\{", "description": "a value from the environment: ${NAME} or ${NAME:-default}"},
    "value": {
        "description": "a path such as $.order.no with functions behind |, a template with {{ }}, {first_of: [...]}, or a constant",
        "anyOf": [ref("first_of"), {"type": ["string", "number", "boolean", "null", "array"]}, {"type": "object", "not": {"required": ["first_of"]}}],
    },
    "text_value": {
        "description": "a path such as $.order.no with functions behind |, a template, {first_of: [...]}, or a constant text",
        "anyOf": [ref("first_of"), {"type": ["string", "number", "null"]}],
    },
    "varying": {
        "description": "a path such as $.order.no with functions behind |, a template with {{ }}, or {first_of: [...]}; no constant",
        "anyOf": [ref("first_of"), {"type": "string", "pattern": r"^(\$(?!\$)|@(?!@))|\{\{\s*[$@]"}],
    },
    "first_of": {
        "type": "object",
        "required": ["first_of"],
        "additionalProperties": False,
        "properties": {
            "first_of": {
                "description": "the first of these that has a value, and not an empty one",
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_CHOICES,
                "items": ref("value"),
            },
            "then": {"description": "functions for what was found, with | between: trim | lower", "type": "string", "minLength": 1},
        },
    },
    "out_biz_id": {
        "anyOf": [
            ref("varying"),
            {"type": "array", "minItems": 1, "items": ref("value")},
            {
                "type": "object",
                "required": ["content"],
                "additionalProperties": False,
                "properties": {
                    "content": {
                        "description": "all: a hash of the whole record; or a list of fields: a hash of these",
                        "anyOf": [{"const": "all"}, {"type": "array", "minItems": 1, "items": ref("value")}],
                    }
                },
            },
            {
                "type": "object",
                "required": ["position"],
                "additionalProperties": False,
                "properties": {"position": {"description": "topic, partition and offset of the record", "const": True}},
            },
        ]
    },
    "condition": {
        "description": "all lines must hold; a name without $ is a field: order.amount is $.order.amount",
        "type": "object",
        "properties": {
            "all": {"description": "all of these conditions hold", **_CONDITIONS},
            "any": {"description": "one of these conditions holds", **_CONDITIONS},
            "not": {"description": "this condition does not hold", **ref("condition"), "minProperties": 1},
        },
        "additionalProperties": ref("expectation"),
    },
    "expectation": {
        "description": "the value that the field must have, a list of which it must be one, or comparisons",
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
    "identities": {
        "type": "object",
        "additionalProperties": False,
        "properties": {kind.value: {"description": f"where the user's {kind.value} is", **ref("varying")} for kind in IdMapping},
    },
    "use": {
        "description": "the names of fragments that the rule is put together from",
        "anyOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": MOST_USED, "items": _TEXT}],
    },
    "attributes": {"type": "object", "propertyNames": {"minLength": 1}, "additionalProperties": ref("value")},
}  # fmt: skip

_RULE: Mapping[str, Schema] = {
    "when": {"anyOf": [ref("condition"), {"type": "null"}]},
    "for_each": {"anyOf": [ref("varying"), {"type": "null"}]},
    "event_code": ref("text_value"),
    "event_source_code": ref("text_value"),
    "event_time": ref("varying"),
    "customer_id": ref("varying"),
    "identities": ref("identities"),
    "out_biz_id": ref("out_biz_id"),
    "attributes": ref("attributes"),
}

INSTEAD: Mapping[str, Schema] = {
    "kafka.bootstrap_servers": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]},
    "decode": {
        "anyOf": [
            ref("decoder_name"),
            ref("decode_first"),
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 10,
                "prefixItems": [{"anyOf": [ref("decoder_name"), ref("decode_first")]}],
                "items": ref("decode_further"),
            },
        ]
    },
    "decode.registry": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}, ref("RegistrySettings")]},
    "decode.schema_file": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": 1_000, "items": _TEXT}]},
    "source": {"type": "string", "pattern": f"^{NAME.pattern}$"},
    "catalogue": {"anyOf": [{**_TEXT, "minLength": 1}, ref("CatalogueSettings"), {"type": "null"}]},
    **{f"{kind}.{key}": schema for kind in ("events", "users", "fragments") for key, schema in _RULE.items()},
}
"""By dotted key, what stands in place of what the models say: their types are wider there than what is taken."""

BESIDE: Mapping[str, Schema] = {
    "": {"anyOf": [{"required": ["events"]}, {"required": ["users"]}, {"required": ["transform"]}]},
    "kafka": {"oneOf": [{"required": ["topics"]}, {"required": ["topic_pattern"]}]},
    "report": {"oneOf": [{"required": ["region"]}, {"required": ["endpoint"]}]},
}
"""By dotted key of a section, what its keys have to do with each other."""


def _with_use(rule: Schema) -> Schema:
    """Let fragments stand for what a rule must have."""
    return {
        **{name: value for name, value in rule.items() if name != "required"},
        "properties": {"use": ref("use"), **rule["properties"]},
        "anyOf": [{"required": ["use"]}, {"required": rule["required"]}],
    }


ADJUSTED: Mapping[str, Callable[[Schema], Schema]] = {
    "SecretSource": lambda schema: {**schema, "oneOf": [{"required": ["env"]}, {"required": ["file"]}]},
    "EventRule": _with_use,
    "UserRule": _with_use,
}
"""By the name of a model, what its schema becomes."""


def quantity(kind: str) -> tuple[list[Schema], Callable[[Any], str]]:
    """Return how a quantity may be written, and what writes one."""
    match kind:
        case "duration":
            return [
                {"type": "string", "pattern": r"^(\d{1,12}(ms|s|m|h|d|w))+$", "examples": ["1s", "7d"]},
                {"const": 0},
            ], format_duration
        case "bytes":
            pattern = r"^\d{1,18}(\.\d{1,6})?\s?([kKmMgGtT]?[iI]?[bB])?$"
            return [
                {"type": "string", "pattern": pattern, "examples": ["64KiB", "1MiB"]},
                {"type": "integer", "minimum": 0},
            ], format_bytes
    return [
        {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?\s?%$", "examples": ["5%"]},
        {"type": "number", "minimum": 0, "maximum": 1},
    ], format_share
