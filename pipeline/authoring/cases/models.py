"""A file of test cases as validated models. `docs/testing.md` has every key; a test keeps the two the same."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.customer import IdMapping
from schemas.refusal import ReasonCode

_STRICT = ConfigDict(frozen=True, extra="forbid")

VALUES = ("text", "json", "base64", "hex", "file", "without_value")
"""The keys of which each record has one: its value."""

EXPECTATIONS = ("events", "users", "filtered", "duplicate", "refused", "reason", "body")
"""The keys that say what is expected of a record."""


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("expected a text, a number, true, false or null")
    return value


def bytes_of_base64(text: str) -> bytes:
    """Read Base64, white space between left out. Raises ValueError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("expected bytes in base64") from None


def bytes_of_hex(text: str) -> bytes:
    """Read hexadecimal digits. Raises ValueError."""
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
    """Read what a key or a header is: a text, or its bytes as `{base64: ...}` or `{hex: ...}`."""
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


TextOrBytes = Annotated[Any, BeforeValidator(_text_or_bytes)]
"""Bytes, or None."""

Scalar = Annotated[Any, BeforeValidator(_scalar)]
Time = Annotated[Any, BeforeValidator(_time)]
"""Unix ms, or a time in ISO 8601."""


class ExpectedEvent(BaseModel):
    """An event in the words of the source file. What is not named is not compared; null means that it is not there."""

    model_config = _STRICT

    event_code: Scalar = None
    event_source_code: Scalar = None
    event_time: Annotated[Any, BeforeValidator(_time_or_null)] = None
    customer_id: Scalar = None
    identities: dict[IdMapping, Any] | None = None
    out_biz_id: Scalar = None
    attributes: dict[str, Any] | None = None


class ExpectedUser(BaseModel):
    """A user's identities, likewise."""

    model_config = _STRICT

    customer_id: Scalar = None
    identities: dict[IdMapping, Any] | None = None


class ExpectedBody(BaseModel):
    """The calls that would be made: each a list of the messages as they go over the wire, or the form body to the letter."""

    model_config = _STRICT

    events: Annotated[Any, Field(description="the call that reports events")] = None
    users: Annotated[Any, Field(description="the call that reports identities of users")] = None

    @model_validator(mode="after")
    def _texts_or_lists(self) -> Self:
        if not all(each is None or isinstance(each, str | list) for each in (self.events, self.users)):
            raise ValueError("expected a list of messages, or the form body as a text")
        return self


class TestRecord(BaseModel):
    """One record, and what is expected of it."""

    model_config = _STRICT
    __test__ = False  # no test of pytest's

    text: str | None = None
    json_value: Any = Field(default=None, alias="json")
    base64: Annotated[str | None, AfterValidator(_readable("base64"))] = None
    hex: Annotated[str | None, AfterValidator(_readable("hex"))] = None
    file: Annotated[str | None, Field(min_length=1)] = None
    line: Annotated[int | None, Field(ge=1, description="which line of the file is the record, from 1")] = None
    without_value: Literal[True] | None = None
    key: TextOrBytes = None
    headers: dict[str, TextOrBytes] = Field(default_factory=dict)
    topic: str | None = None
    partition: Annotated[int, Field(ge=0)] = 0
    offset: Annotated[int | None, Field(ge=0)] = None
    timestamp: Time = -1

    events: list[ExpectedEvent] | None = None
    users: list[ExpectedUser] | None = None
    filtered: Literal[True] | None = None
    duplicate: Literal[True] | None = None
    refused: Annotated[ReasonCode | None, BeforeValidator(ReasonCode.read)] = None
    reason: str | None = None
    body: ExpectedBody | None = None

    @property
    def values(self) -> list[str]:
        """Return which of `VALUES` are there."""
        return [
            _alias(name) for name in type(self).model_fields if name in self.model_fields_set and _alias(name) in VALUES
        ]

    @property
    def expectations(self) -> list[str]:
        """Return which of `EXPECTATIONS` are there."""
        return [name for name in EXPECTATIONS if name in self.model_fields_set and getattr(self, name) is not None]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.line is not None and self.file is None:
            raise ValueError("line without file; expected the file whose line it is")
        if self.reason is not None and self.refused is None:
            raise ValueError("reason without refused; expected the reason code too")
        fate = [name for name in ("filtered", "duplicate", "refused") if name in self.expectations]
        if len(fate) > 1 or (fate and fate[0] != "refused" and len(self.expectations) > 1):
            raise ValueError(f"{' and '.join(self.expectations)}; expected one of them: a record ends in one way")
        self._has_its_values()
        return self

    def _has_its_values(self) -> None:
        if len(self.values) != 1:
            raise ValueError(f"{' and '.join(self.values) or 'no value'}; expected exactly one of {', '.join(VALUES)}")


def _alias(name: str) -> str:
    return "json" if name == "json_value" else name


class TestCase(TestRecord):
    """One case: a record and what is expected of it, or several records one after the other."""

    name: Annotated[str, Field(min_length=1, max_length=300, description="what the case shows; each name once")]
    whole: Annotated[
        bool | None, Field(description="nothing else is there: no further field, attribute or message")
    ] = None
    records: Annotated[
        list[TestRecord] | None,
        Field(min_length=1, description="several records, one after the other, each with what is expected of it"),
    ] = None

    def _has_its_values(self) -> None:
        if self.records is None:
            super()._has_its_values()
            return
        beside = sorted(self.model_fields_set - {"name", "whole", "records"})
        if beside:
            raise ValueError(f"{', '.join(map(_alias, beside))} beside records; expected it in each of the records")


class TestCases(BaseModel):
    """The whole file."""

    model_config = _STRICT
    __test__ = False

    environment: dict[str, str] = Field(default_factory=dict)
    keys: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    schemas: dict[int, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    whole: bool = False
    cases: Annotated[list[TestCase], Field(min_length=1)]
