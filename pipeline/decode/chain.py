"""Decoding in steps: the first step reads the record's value, and each further step reads a field that an earlier step has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.contracts.values import Pending
from pipeline.decode.entries import gathered
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import Base64Text
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Skipped
from transforms.fault import BadExpression
from transforms.fields import EVERY, parse_steps, walk

FieldStep = Callable[[Fields], Decoded]
"""A function that reads the fields which an earlier step has decoded."""


def chained(first: Decoder, further: Sequence[FieldStep], limits: DecodeLimits) -> Decoder:
    """Return a decoder that runs all steps in order. A further step decodes each entry alone."""
    decoder = first
    for step in further:
        decoder = _with_step(decoder, step, limits)
    return decoder


def _with_step(before: Decoder, step: FieldStep, limits: DecodeLimits) -> Decoder:
    def decode(value: bytes) -> Decoded:
        decoded = before(value)
        if isinstance(
            decoded, (Skipped, Refusal, Pending)
        ):  # a tuple: Python would build a union again for each record
            return decoded
        if not isinstance(decoded, list):
            return step(decoded)
        return gathered((each if isinstance(each, Refusal) else step(each) for each in decoded), limits)

    return decode


def field_step(
    decoder: Decoder, source: str, into: str | None, *, required: bool, read_object: FieldStep | None = None
) -> FieldStep:
    """Return the step that decodes the text in the field `source` and adds the decoded fields to the entry, under the name `into` where it is given.

    With `required=False`, an entry stays as it is where the field is missing or the decoder cannot read it. `read_object` reads a field that is an
    object already.

    Raises:
        BadExpression: `source` is not a path to one field.
    """
    read = _reader(source)
    missing = Refusal(Stage.DECODE, ReasonCode.FIELD_MISSING, f"{source} has no value to decode")
    no_text = Refusal(Stage.DECODE, ReasonCode.FIELD_TYPE, f"{source} is not a text, so it cannot be decoded")

    def decode_field(fields: Fields) -> Decoded:
        found = read(fields)
        if found is None or found == "":
            return missing
        if isinstance(found, Base64Text):
            return decoder(found.content)
        if isinstance(found, str):
            return decoder(found.encode("utf-8", "surrogatepass"))
        if isinstance(found, bytes):
            return decoder(found)
        return read_object(found) if read_object is not None and isinstance(found, dict) else no_text

    def with_fields(fields: Fields, found: Fields | Refusal) -> Fields | Refusal:
        if isinstance(found, Refusal):
            return found._replace(reason=f"{source}: {found.reason}") if required else fields
        return {**fields, into: found} if into else {**fields, **found}

    def step(fields: Fields) -> Decoded:
        found = decode_field(fields)
        if isinstance(found, (Skipped, Pending)):
            return found
        if isinstance(found, list):
            return [with_fields(fields, each) for each in found]
        return with_fields(fields, found)

    return step


def _reader(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return the function that reads a field by its name or its path, with the paths of the mapping."""
    steps = parse_steps(path if path.startswith("$") else f"$.{path}")
    if EVERY in steps:
        raise BadExpression(f"{path!r}, which is every element of a list", "one field")
    return lambda fields: walk(fields, steps)
