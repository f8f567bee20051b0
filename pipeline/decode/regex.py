"""Lines of text and a pattern with named groups: each group becomes a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.contracts.interfaces import Decoder
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import NOT_UTF8, no_match
from schemas.refusal import Refusal
from transforms.values.pattern import Pattern, PatternError

_NO_MATCH = no_match("the line does not match decode.pattern")


class RegexOptions(BaseModel):
    """Options of `format: regex`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(
        description="A regular expression in RE2's syntax with at least one named group, `(?P<name>...)`. Each named group is a field."
    )
    match: Literal["full", "search"] = Field(
        default="full",
        description="`full`: the pattern describes the whole line. `search`: it describes any part of the line, the first one found.",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if not Pattern(pattern).names:
            raise PatternError("the pattern has no named group, so it would give no field; write (?P<name>...)")
        return pattern


def build_regex(options: RegexOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder. All fields are text; a group that took no part in the match gives no field."""
    fields_of = Pattern(options.pattern, whole=options.match == "full").named

    def decode(value: bytes) -> Mapping[str, Any] | Refusal:
        try:
            value.decode()  # RE2 would match beside bytes that are not UTF-8
        except UnicodeDecodeError:
            return NOT_UTF8
        fields = fields_of(value.rstrip(b"\r\n"))
        return _NO_MATCH if fields is None else fields

    return decode
