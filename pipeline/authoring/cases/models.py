"""A file of test cases as validated models. The tables of `docs/testing.md` describe their keys."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from pipeline.authoring.cases.expected import ExpectedBody, ExpectedEvent, ExpectedUser
from pipeline.authoring.cases.written_values import (
    AnyJson,
    Base64,
    Hex,
    OnlyTrue,
    TextOrBytes,
    Time,
)
from schemas.refusal import ReasonCode

_STRICT = ConfigDict(frozen=True, extra="forbid")

VALUES = ("text", "json", "base64", "hex", "file", "without_value")
"""The keys for a record's value. Each record has exactly one of them."""

EXPECTATIONS = ("events", "users", "filtered", "duplicate", "refused", "reason", "body")
"""The keys for a record's expected result."""

_SCHEMA_FILES: JsonDict = {
    "type": "object",
    "propertyNames": {"pattern": r"^\d+$"},
    "additionalProperties": {"type": "string", "minLength": 1},
}


def _keys_of_a_record(*values: str) -> JsonDict:
    """Return JSON Schema rules for a record that has one of the keys `values`: which keys may stand beside which."""

    def alone(result: str) -> JsonDict:
        return {"not": {"anyOf": [{"required": [name]} for name in EXPECTATIONS if name != result]}}

    return {
        "oneOf": [{"required": [name]} for name in values],
        "dependentRequired": {"line": ["file"], "reason": ["refused"]},
        "dependentSchemas": {result: alone(result) for result in ("filtered", "duplicate")},
    }


class TestRecord(BaseModel):
    """One record and its expected result."""

    model_config = ConfigDict(**_STRICT, json_schema_extra=_keys_of_a_record(*VALUES))
    __test__ = False  # pytest would collect the class by its name

    json_value: Annotated[AnyJson, Field(alias="json", description="The value of this key, written as JSON.")] = None
    text: Annotated[str | None, Field(description="This text.")] = None
    base64: Annotated[Base64, Field(description="These bytes in Base64.")] = None
    hex: Annotated[Hex, Field(description="These bytes in hexadecimal digits.")] = None
    file: Annotated[
        str | None,
        Field(min_length=1, description="The content of this file, relative to the folder of the cases."),
    ] = None
    line: Annotated[
        int | None, Field(ge=1, description="With `file`: the number of the line that is the record, from 1.")
    ] = None
    without_value: Annotated[OnlyTrue, Field(description="`true`: the record has no value (a tombstone).")] = None
    key: Annotated[
        TextOrBytes,
        Field(description="The record's key: a text, or its bytes as `{hex: 00 ff}` or `{base64: AP8=}`."),
    ] = None
    headers: Annotated[
        dict[str, TextOrBytes], Field(description="The record's headers, by name: each a text or bytes, like a key.")
    ] = Field(default_factory=dict)
    topic: Annotated[
        str | None,
        Field(
            description="The record's topic.", json_schema_extra={"default_text": "the first topic of the source file"}
        ),
    ] = None
    partition: Annotated[int, Field(ge=0, description="The record's partition.")] = 0
    offset: Annotated[
        int | None,
        Field(
            ge=0,
            description="The record's offset.",
            json_schema_extra={"default_text": "0, in a case of several records the record's place"},
        ),
    ] = None
    timestamp: Annotated[
        Time,
        Field(
            description="Kafka's time of the record: Unix milliseconds or a time, as for `event_time`.",
            json_schema_extra={"default_text": "none"},
        ),
    ] = -1

    events: Annotated[
        list[ExpectedEvent] | None,
        Field(description="The events that are reported, in their order. An empty list means that there are none."),
    ] = None
    users: Annotated[
        list[ExpectedUser] | None, Field(description="The users' identities that are reported, in their order.")
    ] = None
    filtered: Annotated[OnlyTrue, Field(description="`true`: the record is filtered.")] = None
    refused: Annotated[
        ReasonCode | None,
        BeforeValidator(ReasonCode.read, json_schema_input_type=ReasonCode),
        Field(
            description="The record goes to the dead letters for this [reason code](reason-codes.md). "
            "It may stand beside `events` if only some entries of the record are refused."
        ),
    ] = None
    reason: Annotated[
        str | None,
        Field(description="With `refused`: a part of the reason, such as the name of the rule."),
    ] = None
    duplicate: Annotated[
        OnlyTrue,
        Field(description="`true`: all messages of the record were reported before, by an earlier record of the case."),
    ] = None
    body: Annotated[ExpectedBody | None, Field(description="The [call itself](testing.md#the-call-itself).")] = None

    @property
    def values(self) -> list[str]:
        """The keys of `VALUES` that the record has."""
        return [
            _alias(name) for name in type(self).model_fields if name in self.model_fields_set and _alias(name) in VALUES
        ]

    @property
    def expectations(self) -> list[str]:
        """The keys of `EXPECTATIONS` that the record has."""
        return [name for name in EXPECTATIONS if name in self.model_fields_set and getattr(self, name) is not None]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.line is not None and self.file is None:
            raise ValueError("line without file; expected the file whose line it is")
        if self.reason is not None and self.refused is None:
            raise ValueError("reason without refused; expected the reason code too")
        outcomes = [name for name in ("filtered", "duplicate", "refused") if name in self.expectations]
        if len(outcomes) > 1 or (outcomes and outcomes[0] != "refused" and len(self.expectations) > 1):
            raise ValueError(f"{' and '.join(self.expectations)}; expected one of them: a record ends in one way")
        self._has_its_values()
        return self

    def _has_its_values(self) -> None:
        if len(self.values) != 1:
            raise ValueError(f"{' and '.join(self.values) or 'no value'}; expected exactly one of {', '.join(VALUES)}")


def _alias(name: str) -> str:
    return "json" if name == "json_value" else name


class TestCase(TestRecord):
    """One case: a record and its expected result, or several records in order."""

    model_config = ConfigDict(**_STRICT, json_schema_extra=_keys_of_a_record(*VALUES, "records"))

    name: Annotated[str, Field(min_length=1, max_length=300, description="The name of the case, unique in the file.")]
    whole: Annotated[
        bool | None,
        Field(
            description="`true`: the results must have no other field, attribute or message.",
            json_schema_extra={"default_text": "`whole` of the file"},
        ),
    ] = None
    records: Annotated[
        list[TestRecord] | None,
        Field(min_length=1, description="Several records in order, each with its expected result."),
    ] = None

    def _has_its_values(self) -> None:
        if self.records is None:
            super()._has_its_values()
            return
        beside = sorted(self.model_fields_set - {"name", "whole", "records"})
        if beside:
            raise ValueError(f"{', '.join(map(_alias, beside))} beside records; expected it in each of the records")


class TestCases(BaseModel):
    """The content of a file of test cases."""

    model_config = _STRICT
    __test__ = False

    environment: dict[str, str] = Field(
        default_factory=dict, description="The variables of the source file, name to text."
    )
    keys: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description="The secrets of the function `hmac`, by name."
    )
    schemas: Annotated[dict[int, Annotated[str, Field(min_length=1)]], WithJsonSchema(_SCHEMA_FILES)] = Field(
        default_factory=dict,
        description="Avro schemas by their ID, in place of the registry: `{7: clicks.avsc}`. Paths are relative to the folder of the cases.",
    )
    whole: Annotated[bool, Field(description="The default of `whole` for all cases.")] = False
    cases: Annotated[list[TestCase], Field(min_length=1, description="The cases.")]
