"""What stands around the text of a sample's records: compression, and a character set."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.decode import DecodeLimits, DecodeStep
from pipeline.decode.unpack import unpacked

ENOUGH = 0.8
"""Share of the sample that must be text in a character set."""

_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


def around_text(values: Sequence[bytes]) -> dict[str, str]:
    """Return the keys of a step that say it; none for plain UTF-8."""
    before: dict[str, str] = {}
    if sum(value.startswith(_MAGIC) for value in values) > len(values) / 2:
        before["compression"] = "auto"
    plain = unpacked(
        lambda value: {"value": value}, DecodeStep.model_validate({"format": "json", **before}), DecodeLimits()
    )
    texts = [answer["value"] for value in values if isinstance(answer := plain(value), dict)]
    if (
        sum(map(_is_utf8, texts)) < len(texts) * ENOUGH
        and sum(_is(text, "gb18030") for text in texts) >= len(texts) * ENOUGH
    ):
        before["charset"] = "gb18030"
    return before


def _is_utf8(text: bytes) -> bool:
    return _is(text, "utf-8")


def _is(text: bytes, charset: str) -> bool:
    try:
        text.decode(charset)
    except UnicodeDecodeError:
        return False
    return True
