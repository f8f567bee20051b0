"""What a record's content may cost: how large it is unpacked, how many entries it holds, how deep it nests, how long its numbers are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.refusal import ReasonCode, Refusal, Stage


class DecodeLimits(BaseModel):
    """Limits every decoder keeps. The size of a record as it was read is checked by the job before a decoder sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: Annotated[int, Field(ge=1, le=500)] = 64
    """Most levels of objects and arrays, the outermost counted as one."""

    digits: Annotated[int, Field(ge=20, le=4300)] = 1000
    """Most digits of one number, as written or as it would be written without its exponent.

    Numbers that fit 64 bits or a double exactly are never refused. 4300 is the most that Python's own `int` converts.
    """

    unpacked: Annotated[int, Field(ge=1)] = 1 << 20
    """Most bytes of a value once it is decompressed or in UTF-8."""

    entries: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Most entries of one record."""

    @property
    def too_many_entries(self) -> Refusal:
        """Return the refusal of a record that holds more."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.TOO_MANY_ENTRIES,
            f"the record holds more than the {self.entries} entries that limits.entries allows",
        )

    @property
    def too_large(self) -> Refusal:
        """Return the refusal of a value that is larger unpacked."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.RECORD_TOO_LARGE,
            f"the value is more than the {self.unpacked} bytes unpacked that limits.record allows",
        )

    def too_deep(self, what: str) -> Refusal:
        """Return the refusal of what is nested deeper."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.TOO_DEEP,
            f"{what} is nested deeper than the {self.depth} levels that limits.depth allows",
        )

    def too_long(self, what: str) -> Refusal:
        """Return the refusal of a number with more digits."""
        return Refusal(
            Stage.DECODE,
            ReasonCode.NUMBER_TOO_LONG,
            f"{what} has more than the {self.digits} digits that limits.digits allows",
        )
