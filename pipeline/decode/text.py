"""What decoders of text share: the bytes are UTF-8, and line ends at the end are no part of the text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Self

from pipeline.contracts.interfaces import Decoded, Decoder
from schemas.refusal import ReasonCode, Refusal, Stage

NOT_UTF8 = Refusal(Stage.DECODE, ReasonCode.NOT_UTF8, "the text is not UTF-8")


class Base64Text(str):
    """Bytes that are no text, as a mapping sees them: in Base64. A further step of decoding reads the bytes themselves."""

    __slots__ = ("content",)

    content: bytes

    def __new__(cls, content: bytes) -> Self:
        """Write the bytes in Base64 (RFC 4648, section 4)."""
        text = super().__new__(cls, b64encode(content).decode())
        text.content = content
        return text


def text_decoder(read: Callable[[str], Decoded]) -> Decoder:
    """Return the decoder that reads the value as text, without line ends at its end, and refuses what is not UTF-8."""

    def decode(value: bytes) -> Decoded:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
        return read(text.rstrip("\r\n"))

    return decode


def no_match(reason: str) -> Refusal:
    """Return the refusal of a text that does not have its format's shape."""
    return Refusal(Stage.DECODE, ReasonCode.NO_MATCH, reason)
