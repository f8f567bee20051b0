"""The common part of text decoders: the bytes must be UTF-8, and line ends at the end do not belong to the text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Self

from pipeline.contracts.interfaces import Decoded, Decoder
from schemas.refusal import ReasonCode, Refusal, Stage

NOT_UTF8 = Refusal(Stage.DECODE, ReasonCode.NOT_UTF8, "the text is not UTF-8")


class Base64Text(str):
    """The Base64 text of bytes that are not text. A mapping sees the text; a further decoding step reads the bytes."""

    __slots__ = ("content",)

    content: bytes

    def __new__(cls, content: bytes) -> Self:
        """Encode the bytes in Base64 (RFC 4648, section 4)."""
        text = super().__new__(cls, b64encode(content).decode())
        text.content = content
        return text


def text_decoder(read: Callable[[str], Decoded]) -> Decoder:
    """Return the decoder that reads the value as text, without line ends at its end. It refuses a value that is not UTF-8."""

    def decode(value: bytes) -> Decoded:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
        return read(text.rstrip("\r\n"))

    return decode


def no_match(reason: str) -> Refusal:
    """Return the refusal of a text that does not match its format."""
    return Refusal(Stage.DECODE, ReasonCode.NO_MATCH, reason)
