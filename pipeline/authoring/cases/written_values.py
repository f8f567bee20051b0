"""The types of the values that a person writes in test cases: scalars, times, bytes. Each has its JSON Schema."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic.config import JsonDict

from schemas.customer import IdMapping

_SCALAR: JsonDict = {"type": ["string", "number", "boolean", "null"]}
_TIME: list[JsonDict] = [
    {"type": "string", "pattern": r"^\d{4}-?(\d\d-?\d\d|W\d\d)", "examples": ["2026-11-11T00:00:00+08:00"]},
    {"type": "integer"},
]
_BASE64: JsonDict = {"type": "string", "pattern": r"^[A-Za-z0-9+/=\s]*$"}
_HEX: JsonDict = {"type": "string", "pattern": r"^\s*([0-9A-Fa-f]{2}\s*)*$"}
_BYTES: JsonDict = {
    "base64": {"description": "The bytes in Base64.", **_BASE64},
    "hex": {"description": "The bytes in hexadecimal digits.", **_HEX},
}
_TEXT_OR_BYTES: JsonDict = {
    "anyOf": [
        {"type": ["string", "null"]},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": _BYTES,
        },
    ]
}
_IDENTITIES: JsonDict = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {kind.value: {"description": f"The user's {kind.value}.", **_SCALAR} for kind in IdMapping},
}


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("expected a text, a number, true, false or null")
    return value


def bytes_of_base64(text: str) -> bytes:
    """Return the bytes of a Base64 text. White space is ignored.

    Raises:
        ValueError: the text is not Base64.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("expected bytes in base64") from None


def bytes_of_hex(text: str) -> bytes:
    """Return the bytes of a text of hexadecimal digits. White space between bytes is ignored.

    Raises:
        ValueError: the text is not hexadecimal.
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("expected bytes in hexadecimal digits, such as 0a ff") from None


BYTES: Mapping[str, Callable[[str], bytes]] = {"base64": bytes_of_base64, "hex": bytes_of_hex}
"""The ways to write bytes."""


def _readable(form: str) -> Callable[[str | None], str | None]:
    def check(text: str | None) -> str | None:
        if text is not None:
            BYTES[form](text)
        return text

    return check


def _text_or_bytes(value: Any) -> bytes | None:
    """Return the bytes of a key or a header: a text, or bytes as `{base64: ...}` or `{hex: ...}`."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and len(value) == 1:
        ((form, text),) = value.items()
        if form in BYTES and isinstance(text, str):
            return BYTES[form](text)
    raise ValueError("expected a text (in quotes if it looks like a number), or bytes: {hex: 0a ff} or {base64: Cv8=}")


def _time(value: Any) -> Any:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError("expected a time such as 2026-11-11T00:00:00+08:00, or Unix milliseconds")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _time_or_null(value: Any) -> Any:
    return value if value is None else _time(value)


TextOrBytes = Annotated[Any, BeforeValidator(_text_or_bytes), WithJsonSchema(_TEXT_OR_BYTES)]
"""Bytes, or None."""

Base64 = Annotated[str | None, AfterValidator(_readable("base64")), WithJsonSchema(_BASE64)]
Hex = Annotated[str | None, AfterValidator(_readable("hex")), WithJsonSchema(_HEX)]
AnyJson = Annotated[Any, WithJsonSchema({"type": ["object", "array", "string", "number", "boolean", "null"]})]

OnlyTrue = Annotated[Literal[True] | None, WithJsonSchema({"const": True})]
"""A key that is `true` or left out."""

Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema(_SCALAR)]
Time = Annotated[Any, BeforeValidator(_time), WithJsonSchema({"anyOf": [*_TIME]})]
"""Unix ms, or a time in ISO 8601."""

TimeOrNull = Annotated[Any, BeforeValidator(_time_or_null), WithJsonSchema({"anyOf": [*_TIME, {"type": "null"}]})]

ExpectedIdentities = Annotated[dict[IdMapping, Any] | None, WithJsonSchema(_IDENTITIES)]
ExpectedAttributes = Annotated[
    dict[str, Any] | None, WithJsonSchema({"type": ["object", "null"], "additionalProperties": _SCALAR})
]
ExpectedCall = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]})
]
