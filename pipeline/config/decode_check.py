"""Checks `decode:` beyond its shape: formats and options that do not exist, and steps that do not fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.decode import DECODERS, DecodeContext, DecodeLimits, DecodeStep, build_decoder
from pipeline.decode.chain import field_step
from pipeline.yaml_text.diagnostics import Finding, errors_in, from_pydantic
from transforms.fault import BadExpression, KeyPath

STEP_KEYS = tuple(field.alias or name for name, field in DecodeStep.model_fields.items())


def decode_faults(written: Any, folder: Path = Path()) -> list[Finding]:
    """Return every fault of the steps with a valid shape; the models report a wrong shape.

    Paths are relative to `folder`. No connection is opened.
    """
    found: list[Finding] = []
    context = DecodeContext(folder)
    for place, one in enumerate(written if isinstance(written, list) else [written]):
        here: KeyPath = ("decode", place) if isinstance(written, list) else ("decode",)
        step = _as_far_as_valid({"format": one} if isinstance(one, str) else one)
        if step is not None:
            found += _place_faults(step, here, first=place == 0)
            found += _option_faults(step, here, (*here, "format") if isinstance(one, dict) else here, context)
    return found


def _as_far_as_valid(written: Any) -> DecodeStep | None:
    """Return a step without the keys whose values are wrong, so that the faults of its other keys are found; None if the format is wrong."""
    try:
        return DecodeStep.model_validate(written)
    except ValidationError as error:
        wrong = {each["loc"][0] for each in error.errors() if each["loc"]}
    if not isinstance(written, dict) or "format" in wrong:
        return None
    return DecodeStep.model_validate({key: value for key, value in written.items() if key not in wrong})


def _place_faults(step: DecodeStep, here: KeyPath, *, first: bool) -> list[Finding]:
    if first:
        return [
            ((*here, key), f"found {key} in the first step, which reads the record's value", "expected it in a later step, or not at all")
            for key, value in (("from", step.source), ("into", step.into))
            if value is not None
        ]  # fmt: skip
    if step.source is None:
        return [
            (here, "found no `from` in a further step", "expected the field that it decodes, such as from: message")
        ]
    try:
        field_step(lambda _: {}, step.source, None, required=True)
    except BadExpression as bad:
        return [((*here, "from"), f"found {bad.found}", f"expected {bad.expected}")]
    return []


def _option_faults(step: DecodeStep, here: KeyPath, named: KeyPath, context: DecodeContext) -> list[Finding]:
    try:
        build_decoder(step.format, step.options, DecodeLimits(), context)
    except ValidationError as error:
        model = DECODERS[step.format].options
        faults = [from_pydantic(each, model, step.options, STEP_KEYS) for each in errors_in(error)]
        return [((*here, *location), what, expected) for location, what, expected in faults]
    except ValueError as error:
        return [(named, f"found {error}", "")]
    return []
