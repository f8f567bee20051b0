"""The Parsing Canonical Form of a schema: what is left of it once all that changes no data is gone. Fingerprints are taken of it.

Decision: it is written here, and not by `fastavro.schema.to_parsing_canonical_form`, although both agree wherever both give an answer. That
function parses the schema again by rules of its own, and raises an error for schemas that this job reads: a type within a type, a
logical type or a default that is wrong and that the specification says to ignore, a name of the null namespace within another. A source file
with such a schema would pass for `plain` and fail for `single_object`. It takes JSON, so each schema would also be read twice.
`test_avro_peers.py` has these schemas, and fails when fastavro takes them all: then this module can go.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.decode.avro.schema import AvroSchema


def canonical_form(schema: AvroSchema) -> str:
    """Write the Parsing Canonical Form of a schema (specification, "Transforming into Parsing Canonical Form")."""
    return orjson.dumps(_canonical(schema, set())).decode()


def _canonical(schema: AvroSchema, declared: set[AvroSchema]) -> Any:
    if schema in declared:
        return schema.name
    if schema.name:
        declared.add(schema)
    match schema.kind:
        case "union":
            return [_canonical(each, declared) for each in schema.branches]
        case "array":
            return {"type": "array", "items": _canonical(schema.branches[0], declared)}
        case "map":
            return {"type": "map", "values": _canonical(schema.branches[0], declared)}
        case "record":
            fields = [{"name": each.name, "type": _canonical(each.schema, declared)} for each in schema.fields]
            return {"name": schema.name, "type": "record", "fields": fields}
        case "enum":
            return {"name": schema.name, "type": "enum", "symbols": list(schema.symbols)}
        case "fixed":
            return {"name": schema.name, "type": "fixed", "size": schema.size}
        case kind:
            return kind
