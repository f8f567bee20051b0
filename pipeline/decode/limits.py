"""Limits of a record's content: its size once unpacked, the number of its entries, the depth of its nesting, the length of its numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.refusal import ReasonCode, Refusal, Stage


class DecodeLimits(BaseModel):
    """Limits that every decoder keeps. The job checks the size of the record itself before it calls a decoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: Annotated[int, Field(ge=1, le=500)] = 64
    """Most levels of objects and arrays. The outermost is level one."""

    digits: Annotated[int, Field(ge=20, le=4300)] = 1000
    """Most digits of one number, as it is written and as it would be written without its exponent.

    Numbers that fit 64 bits or a double exactly are never refused. Python's own `int` converts 4300 digits at most.
    """

    unpacked: Annotated[int, Field(ge=1)] = 1 << 20
    """Most bytes of a value once it is decompressed or in UTF-8."""

    entries: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Most entries of one record."""

    @property
    def too_many_entries(self) -> Refusal:
        """Return the refusal of a record with more entries."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.TOO_MANY_ENTRIES,
            f"the record holds more than the {self.entries} entries that limits.entries allows",
        )

    @property
    def too_large(self) -> Refusal:
        """Return the refusal of a value that is larger once unpacked."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.RECORD_TOO_LARGE,
            f"the value is more than the {self.unpacked} bytes unpacked that limits.record allows",
        )

    def too_deep(self, what: str) -> Refusal:
        """Return the refusal of content that is nested deeper. `what` names it in the reason."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.TOO_DEEP,
            f"{what} is nested deeper than the {self.depth} levels that limits.depth allows",
        )

    def too_long(self, what: str) -> Refusal:
        """Return the refusal of a number with more digits. `what` names it in the reason."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.NUMBER_TOO_LONG,
            f"{what} has more than the {self.digits} digits that limits.digits allows",
        )
