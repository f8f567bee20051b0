"""The packing of a sample's text: compression and character set."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.decode import DecodeLimits, DecodeStep
from pipeline.decode.unpack import unpacked

ENOUGH = 0.8
"""The share of the sample that must be text in a character set."""

_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


def packing_keys(values: Sequence[bytes]) -> dict[str, str]:
    """Return the keys `compression` and `charset` for a step; no key for plain UTF-8."""
    keys: dict[str, str] = {}
    if sum(value.startswith(_MAGIC) for value in values) > len(values) / 2:
        keys["compression"] = "auto"
    plain = unpacked(
        lambda value: {"value": value}, DecodeStep.model_validate({"format": "json", **keys}), DecodeLimits()
    )
    texts = [answer["value"] for value in values if isinstance(answer := plain(value), dict)]
    if (
        sum(map(_is_utf8, texts)) < len(texts) * ENOUGH
        and sum(_is_in(text, "gb18030") for text in texts) >= len(texts) * ENOUGH
    ):
        keys["charset"] = "gb18030"
    return keys


def _is_utf8(text: bytes) -> bool:
    return _is_in(text, "utf-8")


def _is_in(text: bytes, charset: str) -> bool:
    try:
        text.decode(charset)
    except UnicodeDecodeError:
        return False
    return True
