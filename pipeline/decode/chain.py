"""Steps of decoding one after the other: the first reads the record's value, each further one a field that is there by then."""

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
"""Reads what an earlier step has decoded."""


def chained(first: Decoder, further: Sequence[FieldStep], limits: DecodeLimits) -> Decoder:
    """Return a decoder that takes all the steps; each entry of a step goes on by itself."""
    decoder = first
    for step in further:
        decoder = _then(decoder, step, limits)
    return decoder


def _then(before: Decoder, step: FieldStep, limits: DecodeLimits) -> Decoder:
    def decode(value: bytes) -> Decoded:
        decoded = before(value)
        if isinstance(decoded, (Skipped, Refusal, Pending)):  # a tuple: a union would be built anew for each record
            return decoded
        if not isinstance(decoded, list):
            return step(decoded)
        return gathered((each if isinstance(each, Refusal) else step(each) for each in decoded), limits)

    return decode


def field_step(
    decoder: Decoder, source: str, into: str | None, *, required: bool, read_object: FieldStep | None = None
) -> FieldStep:
    """Return the step that decodes the text in the field `source` and puts what it finds under the name `into`, or among the entry's own fields.

    With `required=False` an entry without the field, or with one that the decoder cannot read, goes on as it is. `read_object` reads an object that
    stands there already.

    Raises:
        BadExpression: `source` is no path.
    """
    read = _reader(source)
    missing = Refusal(Stage.DECODE, ReasonCode.FIELD_MISSING, f"{source} has no value to decode")
    no_text = Refusal(Stage.DECODE, ReasonCode.FIELD_TYPE, f"{source} is no text that could be decoded")

    def found_in(fields: Fields) -> Decoded:
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

    def joined(fields: Fields, found: Fields | Refusal) -> Fields | Refusal:
        if isinstance(found, Refusal):
            return found._replace(reason=f"{source}: {found.reason}") if required else fields
        return {**fields, into: found} if into else {**fields, **found}

    def step(fields: Fields) -> Decoded:
        found = found_in(fields)
        if isinstance(found, (Skipped, Pending)):
            return found
        if isinstance(found, list):
            return [joined(fields, each) for each in found]
        return joined(fields, found)

    return step


def _reader(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return what reads a field: a name, or a path as the mapping has them."""
    steps = parse_steps(path if path.startswith("$") else f"$.{path}")
    if EVERY in steps:
        raise BadExpression(f"{path!r}, which is every element of a list", "one field")
    return lambda fields: walk(fields, steps)
