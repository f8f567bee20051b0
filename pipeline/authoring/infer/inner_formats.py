"""Fields whose text has a format of its own: JSON within JSON, a line that a log shipper wrapped, a message of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.authoring.infer.embedded_pairs import steps_within
from pipeline.authoring.infer.guess import ENOUGH, NO_CONTEXT, Guess, WrittenStep, decoded
from pipeline.authoring.infer.key_value import LEAST_PAIRS, key_value_step
from pipeline.contracts.interfaces import Fields
from pipeline.decode import DecodeContext

_WRAPPED_IN = ("message", "msg", "log", "line", "payload", "content", "body", "event", "value", "text")
_OTHER_SEPARATORS = (",", ";", "|")


def with_inner(
    values: Sequence[bytes], outer: Guess, formats: Sequence[WrittenStep], context: DecodeContext = NO_CONTEXT
) -> Guess:
    """Return the guess with a step for the first field whose text has one of the formats, tried in order.

    In a field that a log shipper wraps lines in, pairs of key and value are tried last.
    """
    lenient = outer.continued > 0
    for name in sorted({name for entry in outer.entries for name in entry}):
        texts = [text for entry in outer.entries if isinstance(text := entry.get(name), str) and text]
        if len(texts) * 2 < len(outer.entries) or not name.isidentifier():
            continue
        is_wrapped = name.lower() in _WRAPPED_IN
        steps = [step for step in formats if is_wrapped or step["format"] in {"json", "xml"}]
        for step in steps:
            inner = decoded([text.encode() for text in texts], (step,))
            if inner.share >= ENOUGH and texts[0].lstrip()[:1] not in {"[", ""}:
                next_step = {**step, "from": name, "into": name, "required": False}
                return decoded(values, (*outer.steps, next_step), lenient=lenient, context=context)
        if is_wrapped and (pairs := pairs_step(texts)) is not None:
            next_step = {**pairs, "from": name, "into": name, "required": False}
            return decoded(values, (*outer.steps, next_step), lenient=lenient, context=context)
    return outer


def with_message(values: Sequence[bytes], outer: Guess) -> Guess:
    """Return the guess with steps for a message that is JSON or pairs, or contains pairs."""
    texts = [text for entry in outer.entries if isinstance(text := entry.get("message"), str) and text]
    if len(texts) * 2 < len(outer.entries):
        return outer
    is_json = decoded([text.encode() for text in texts], ({"format": "json"},)).share >= ENOUGH
    step = {"format": "json"} if is_json else pairs_step(texts)
    inner = {"from": "message", "into": "message", "required": False}
    next_step = list(steps_within(texts, "message")) if step is None else [{**step, **inner}]
    return decoded(values, (*outer.steps, *next_step), lenient=outer.continued > 0) if next_step else outer


def pairs_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Return the step for texts that are pairs of key and value; None if they are not."""
    return {"format": "logfmt"} if _are_logfmt(texts) else key_value_step(texts)


def _are_logfmt(texts: Sequence[str]) -> bool:
    found = decoded([text.encode() for text in texts], ({"format": "logfmt"},))
    whole = [entry for entry in found.entries if _is_whole_logfmt(entry)]
    return len(whole) >= ENOUGH * len(texts) and bool(texts)


def _is_whole_logfmt(entry: Fields) -> bool:
    """Whether most of the line is pairs. A sentence with one `a=b` is not, and `a=1, b=2` has other separators than logfmt."""
    values = [value for value in entry.values() if isinstance(value, str)]
    cut = sum(value.endswith(_OTHER_SEPARATORS) for value in values)
    return len(values) >= LEAST_PAIRS and len(values) * 2 > len(entry) and cut * 2 < len(values)
