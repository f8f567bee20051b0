"""The decoding steps in the JSON Schema of a source file. Each decoder has its own options."""

from __future__ import annotations

from pydantic import BaseModel

from pipeline.decode import DECODERS, DecodeStep
from transforms.mapping.rule_schema import Schema, ref


def decoder_steps() -> dict[str, Schema]:
    """Return the definitions of decoding steps: for each decoder a first step and a further step, with the options of that decoder."""
    step = DecodeStep.model_json_schema(by_alias=True)["properties"]
    alone: Schema = {"anyOf": [ref("decoder_name"), ref("decode_first")]}
    several: Schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": 10,
        "prefixItems": [alone],
        "items": ref("decode_further"),
    }
    definitions: dict[str, Schema] = {
        "decoder_name": {"description": "The name of a decoder.", "enum": list(DECODERS)},
        "decoder_steps": {"anyOf": [*alone["anyOf"], several]},
    }
    for place, left_out, required in (
        ("first", {"from", "into", "required"}, ["format"]),
        ("further", set(), ["format", "from"]),
    ):
        keys = {name: schema for name, schema in step.items() if name not in left_out}
        if place == "further":
            keys["from"] = {
                "type": "string",
                "minLength": 1,
                "maxLength": 500,
                "description": step["from"]["description"],
            }
        for name, kind in DECODERS.items():
            options, wanted, inner = _options(kind.options)
            definitions |= inner
            definitions[f"decode_{place}_{name}"] = {
                "description": kind.description,
                "type": "object",
                "properties": {**keys, "format": {"const": name, "description": kind.description}, **options},
                "required": [*required, *wanted],
                "additionalProperties": False,
            }
        definitions[f"decode_{place}"] = {
            "type": "object",
            "properties": {"format": ref("decoder_name")},
            "required": required,
            "allOf": [
                {
                    "if": {"properties": {"format": {"const": name}}, "required": ["format"]},
                    "then": ref(f"decode_{place}_{name}"),
                }
                for name in DECODERS
            ],
        }
    return definitions


def _options(model: type[BaseModel]) -> tuple[dict[str, Schema], list[str], dict[str, Schema]]:
    """Return the options of a decoder, the names of the required ones, and the models that the options refer to, by name."""
    schema = model.model_json_schema(by_alias=True)
    return schema.get("properties", {}), schema.get("required", []), schema.get("$defs", {})
