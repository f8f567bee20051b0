"""Grok: expressions of named patterns, `%{IP:client} %{WORD:action}`. They are compiled to RE2, which takes linear time for every line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.grok.expression import GrokExpression
from pipeline.decode.grok.well_known import well_known_patterns
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder

_NO_MATCH = no_match("the text matches no expression of decode.pattern")

_Expression = Annotated[str, Field(min_length=1, max_length=10_000)]


class GrokOptions(BaseModel):
    """Options of `format: grok`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    definitions: Annotated[
        Mapping[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], _Expression], Field(max_length=1_000)
    ] = Field(
        default_factory=dict,
        description="Patterns of your own by name, such as `{ORDER: 'P\\d{10}'}`. A pattern with a well-known name replaces the well-known one.",
    )
    match: Literal["search", "full"] = Field(
        default="search",
        description="`search`: an expression may match any part of the text, the first one found. `full`: it describes all of the text.",
    )
    pattern: _Expression | Annotated[list[_Expression], Field(min_length=1, max_length=100)] = Field(
        description="An expression such as `%{IP:client} %{WORD:action} %{NUMBER:ms:int}`, or a list of expressions, of which the first that matches counts."
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | list[str], validated: ValidationInfo) -> str | list[str]:
        if "definitions" in validated.data:  # otherwise the definitions are wrong, and pydantic reports them
            _compiled(pattern, validated.data["definitions"], whole=False)
        return pattern


def _compiled(pattern: str | list[str], definitions: Mapping[str, str], *, whole: bool) -> list[GrokExpression]:
    known = {**well_known_patterns(), **definitions}
    return [GrokExpression(each, known, whole=whole) for each in ([pattern] if isinstance(pattern, str) else pattern)]


def build_grok(options: GrokOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder. Fields are text, or have the type that the expression names. A group that took no part in the match gives no field."""
    expressions = _compiled(options.pattern, options.definitions, whole=options.match == "full")

    def read(text: str) -> Decoded:
        content = text.encode()
        for expression in expressions:
            if (fields := expression.fields(content)) is not None:
                return fields
        return _NO_MATCH

    return text_decoder(read)
