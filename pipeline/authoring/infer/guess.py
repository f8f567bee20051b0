"""What a sample becomes when it is read by certain steps, and how much of it they read."""

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
"""Share of the sample that a format must read."""

NOWHERE = DecodeContext()
"""Where a sample is from that no file is read for and no registry is asked about."""

_LIMITS = DecodeLimits()
_CONTINUING = re.compile(
    rb"\s|Caused by: |[A-Za-z_][\w$]*(?:\.[\w$]+)+(?:Exception|Error|Throwable)\b|Traceback |\}|\]"
)
"""How lines begin that belong to the one before: stack traces, and objects printed over several lines."""

WrittenStep = Mapping[str, Any]


class Guess(NamedTuple):
    """Steps as they are written under `decode:`, the entries they made, the share of the sample that they read, and the first refusal of the rest.

    `continued` is how many records are lines that only continue the one before; `unknown` whether no format was recognised.
    """

    steps: tuple[WrittenStep, ...]
    entries: tuple[Fields, ...]
    share: float
    refusal: Refusal | None = None
    continued: int = 0
    unknown: bool = False


def decoded(
    values: Sequence[bytes], steps: Sequence[WrittenStep], *, lenient: bool = False, context: DecodeContext = NOWHERE
) -> Guess:
    """Decode a sample. `lenient`: lines that continue another one, as stack traces do, are counted apart."""
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
