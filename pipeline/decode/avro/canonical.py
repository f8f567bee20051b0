"""The Parsing Canonical Form of a schema: the schema without the parts that do not change its data. Fingerprints are computed from it.

Decision: this module writes it, and not `fastavro.schema.to_parsing_canonical_form`, although both agree wherever both give a result. That
function parses the schema again by rules of its own, and raises an error for schemas that this job reads: a type within a type; a wrong
logical type or default, which the specification says to ignore; a name of the null namespace within another namespace. A source file with
such a schema would be valid for `plain` and fail for `single_object`. The function takes JSON, so each schema would also be read twice.
`test_avro_peers.py` has these schemas, and fails as soon as fastavro accepts them all: then this module can be deleted.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.decode.avro.schema import AvroSchema


def canonical_form(schema: AvroSchema) -> str:
    """Return the Parsing Canonical Form of a schema (specification, "Transforming into Parsing Canonical Form")."""
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
