"""Decodes a sample with given steps, and measures the share that they read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pipeline.authoring.wait import wait_for_answer
from pipeline.contracts.interfaces import Fields
from pipeline.decode import DecodeContext, DecodeLimits, DecodeStep, build_chain
from schemas.refusal import Refusal
from transforms.base import Skipped

ENOUGH = 0.8
"""The share of the sample that a format must read."""

NO_CONTEXT = DecodeContext()
"""The context of a sample that needs no file and no registry."""

_LIMITS = DecodeLimits()
_CONTINUING = re.compile(
    rb"\s|Caused by: |[A-Za-z_][\w$]*(?:\.[\w$]+)+(?:Exception|Error|Throwable)\b|Traceback |\}|\]"
)
"""The beginning of a line that continues an earlier line: of a stack trace, or of an object printed over several lines."""

WrittenStep = Mapping[str, Any]


class Guess(NamedTuple):
    """Steps as written under `decode:`, their entries, the share of the sample that they read, and the first refusal.

    `continued` is the number of records that are lines which continue the line before. `unknown`: no format was recognised.
    """

    steps: tuple[WrittenStep, ...]
    entries: tuple[Fields, ...]
    share: float
    refusal: Refusal | None = None
    continued: int = 0
    unknown: bool = False


def decoded(
    values: Sequence[bytes], steps: Sequence[WrittenStep], *, lenient: bool = False, context: DecodeContext = NO_CONTEXT
) -> Guess:
    """Return the result of decoding a sample with these steps.

    `lenient`: lines that continue the line before, as those of stack traces, count as `continued` and not as refused.
    """
    decode = build_chain([DecodeStep.model_validate(step) for step in steps], _LIMITS, context)
    entries: list[Fields] = []
    refused: list[Refusal] = []
    continued = 0
    for value in values:
        answer = wait_for_answer(partial(decode, value))
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Refusal):
                if lenient and entries and _CONTINUING.match(value):
                    continued += 1
                else:
                    refused.append(each)
            elif not isinstance(each, Skipped):
                entries.append(each)
    share = len(entries) / max(len(entries) + len(refused), 1)
    return Guess(tuple(steps), tuple(entries), share, refused[0] if refused else None, continued)
