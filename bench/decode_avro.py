"""The cost of decoding Avro compared with the bare library: a record of 20 fields, in one run, the best of several rounds.

python bench/decode_avro.py [--count 20000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

import fastavro

from pipeline.decode import DecodeContext, DecodeLimits, build_decoder

PLAIN = [(f"text_{number}", "string") for number in range(8)]
PLAIN += [(f"number_{number}", "long") for number in range(5)]
PLAIN += [(f"maybe_{number}", ["null", "string"]) for number in range(4)]
PLAIN += [("flag", "boolean"), ("ratio", "double"), ("kind", {"type": "enum", "name": "Kind", "symbols": ["A", "B"]})]
LOGICAL = [
    *PLAIN[:15],
    ("time", {"type": "long", "logicalType": "timestamp-millis"}),
    ("day", {"type": "int", "logicalType": "date"}),
    ("amount", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
    ("weight", "float"),
    ("hash", {"type": "fixed", "name": "Hash", "size": 16}),
]
VALUES = {
    "flag": True,
    "ratio": 0.25,
    "kind": "B",
    "time": 1_714_528_800_123,
    "day": 19_000,
    "amount": Decimal("129.90"),
    "weight": 1.5,
    "hash": bytes(16),
}


def value(name):
    """Return a value for a field by its name; a record has 400 bytes in all."""
    kind = name.partition("_")[0]
    return VALUES.get(
        name, {"text": "Spring sale, 3 for 2, Shanghai", "number": 1 << 40}.get(kind, "mobile app, ios 17")
    )


def best(read, content, count, rounds):
    """Return the microseconds that a record takes."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(count):
            read(content)
        taken.append((time.perf_counter() - begun) / count * 1e6)
    return min(taken)


def compare(title, fields, timed):
    """Time one schema with the bare library and with log2mq, each also resolved to a reader's schema."""
    schema = {"type": "record", "name": "Click", "fields": [{"name": name, "type": kind} for name, kind in fields]}
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, {name: value(name) for name, _ in fields})
    content = stream.getvalue()
    parsed = fastavro.parse_schema(schema)
    more = {"name": "added", "type": ["null", "string"], "default": None}
    later = {**schema, "fields": [*schema["fields"], more]}
    later_parsed = fastavro.parse_schema(later)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.avsc").write_text(json.dumps(schema))
        (Path(folder) / "b.avsc").write_text(json.dumps(later))
        context = DecodeContext(Path(folder))
        ours = build_decoder("avro", {"schema_file": "a.avsc"}, DecodeLimits(), context)
        resolved = build_decoder(
            "avro", {"schema_file": "a.avsc", "reader_schema_file": "b.avsc"}, DecodeLimits(), context
        )
    print(
        f"{title}, {len(content)} bytes, {len(fields)} fields: "
        f"fastavro {timed(lambda each: fastavro.schemaless_reader(io.BytesIO(each), parsed, None), content):.1f} us, "
        f"log2mq {timed(ours, content):.1f} us; resolved to a reader's schema: "
        f"fastavro {timed(lambda each: fastavro.schemaless_reader(io.BytesIO(each), parsed, later_parsed), content):.1f} us, "
        f"log2mq {timed(resolved, content):.1f} us"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    timed = partial(best, **vars(parser.parse_args()))
    compare("plain types", PLAIN, timed)
    compare("with logical types", LOGICAL, timed)
