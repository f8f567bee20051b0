"""Recognises Avro by the bytes before the data. They also tell where the writer's schema is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.decode.avro.decoder import CONFLUENT_HEADER_BYTES

CONTAINER_MARK = b"Obj\x01"
"""The first bytes of an object container file (Avro specification, "Object Container Files")."""

NEARLY_ALL = 0.9

MOST_ID = 1 << 24
"""Registries count their schemas from 1, Confluent's cloud from 100,001. A zero byte before a larger number is another format, such as UTF-16."""


def is_container(values: Sequence[bytes]) -> bool:
    """Whether nearly all records are object container files, which contain their schema."""
    return _nearly_all([value.startswith(CONTAINER_MARK) for value in values])


def is_confluent(values: Sequence[bytes]) -> bool:
    """Whether nearly all records begin with a zero byte and a schema ID in four bytes, big-endian (Confluent, "Wire format")."""
    return _nearly_all(
        [
            len(value) > CONFLUENT_HEADER_BYTES
            and not value[0]
            and 0 < int.from_bytes(value[1:CONFLUENT_HEADER_BYTES]) < MOST_ID
            for value in values
        ]
    )


def avro_step(values: Sequence[bytes], registry: Any) -> Mapping[str, Any] | None:
    """Return the step that decodes a sample of Avro; None if it is not Avro, or if its schemas are in an unknown registry."""
    if is_container(values):
        return {"format": "avro", "encoding": "container"}
    return {"format": "avro", "registry": registry} if registry and is_confluent(values) else None


def _nearly_all(are: Sequence[bool]) -> bool:
    return bool(are) and sum(are) >= NEARLY_ALL * len(are)
