"""XML: one element, whose children are the fields. WeChat's callbacks have this form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict
from pydantic import BaseModel, ConfigDict, Field

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.nesting import is_deeper
from pipeline.decode.text import text_decoder
from schemas.refusal import ReasonCode, Refusal, Stage

_NOT_XML = Refusal(Stage.DECODE, ReasonCode.NOT_XML, "the text is no XML, or declares entities, which are not read")


class XmlOptions(BaseModel):
    """Options of `format: xml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_root: bool = Field(
        default=False, description="`true`: the outermost element is a field. `false`: its content gives the fields."
    )


def build_xml(options: XmlOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder. An element with children is an object; a repeated element is a list; an attribute is `@name`; text beside either is `#text`."""
    too_deep = limits.too_deep("the text")

    def read(text: str) -> Decoded:
        try:
            # The text is UTF-8 here, whatever its XML declaration says. Entities are refused: they can expand to any size.
            found: dict[str, Any] = xmltodict.parse(text.encode(), encoding="utf-8", disable_entities=True)
        except (ExpatError, ValueError):
            return _NOT_XML
        if is_deeper(found, limits.depth):
            return too_deep
        if options.keep_root:
            return found
        inner = next(iter(found.values()))
        if isinstance(inner, Mapping):
            return inner
        return {} if inner is None else {"#text": inner}

    return text_decoder(read)
