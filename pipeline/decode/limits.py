"""What a record's content may cost: how deep it nests and how long its numbers are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class DecodeLimits(BaseModel):
    """Limits every decoder keeps. The size of a record is checked by the job before a decoder sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: Annotated[int, Field(ge=1, le=256)] = 64
    """Most levels of objects and arrays, the outermost counted as one."""

    digits: Annotated[int, Field(ge=20, le=4300)] = 1000
    """Most digits of one number, as written or as it would be written without its exponent.

    Numbers that fit 64 bits or a double exactly are never refused. 4300 is the most that Python's own `int` converts.
    """
