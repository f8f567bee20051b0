"""Why a record could not become a reported event: the closed set of reason codes, and the value that carries one."""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """The step of a record's way at which it was refused; written to dead-letter headers and shown by `explain`."""

    READ = "read"
    DECODE = "decode"
    TRANSFORM = "transform"
    CHECK = "check"
    REPORT = "report"


class ReasonCode(StrEnum):
    """Every reason a record can be dead-lettered for. `docs/reason-codes.md` explains each; a test checks that the page is complete."""

    NO_VALUE = "NO_VALUE"
    RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
    COMPRESSION_INVALID = "COMPRESSION_INVALID"
    CHARSET_INVALID = "CHARSET_INVALID"
    TOO_MANY_ENTRIES = "TOO_MANY_ENTRIES"
    NOT_UTF8 = "NOT_UTF8"
    NOT_JSON = "NOT_JSON"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    TOO_DEEP = "TOO_DEEP"
    NUMBER_TOO_LONG = "NUMBER_TOO_LONG"
    NOT_XML = "NOT_XML"
    NOT_AVRO = "NOT_AVRO"
    SCHEMA_UNKNOWN = "SCHEMA_UNKNOWN"
    SCHEMA_UNUSABLE = "SCHEMA_UNUSABLE"
    NO_MATCH = "NO_MATCH"
    NO_RULE_MATCHED = "NO_RULE_MATCHED"
    FIELD_MISSING = "FIELD_MISSING"
    FIELD_TYPE = "FIELD_TYPE"
    TIME_INVALID = "TIME_INVALID"
    IDENTITY_INVALID = "IDENTITY_INVALID"
    OUT_BIZ_ID_MISSING = "OUT_BIZ_ID_MISSING"
    TOO_MANY_ELEMENTS = "TOO_MANY_ELEMENTS"
    FUNCTION_FAILED = "FUNCTION_FAILED"
    PLUGIN_RAISED = "PLUGIN_RAISED"
    PLUGIN_OUTPUT = "PLUGIN_OUTPUT"
    PLUGIN_TOO_SLOW = "PLUGIN_TOO_SLOW"
    MESSAGE_INVALID = "MESSAGE_INVALID"
    EVENT_UNKNOWN = "EVENT_UNKNOWN"
    EVENT_REPORTED_ELSEWHERE = "EVENT_REPORTED_ELSEWHERE"
    CHANNEL_UNKNOWN = "CHANNEL_UNKNOWN"
    PROPERTY_UNKNOWN = "PROPERTY_UNKNOWN"
    PROPERTY_MISSING = "PROPERTY_MISSING"
    PROPERTY_NOT_NUMERIC = "PROPERTY_NOT_NUMERIC"
    EVENT_TOO_LARGE = "EVENT_TOO_LARGE"
    API_REFUSED = "API_REFUSED"

    @classmethod
    def read(cls, text: object) -> ReasonCode:
        """Return the code that a person has written.

        Raises:
            ValueError: no code has that name; the message names the nearest one.
        """
        codes = [code.value for code in cls]
        if isinstance(text, str) and text.upper() in codes:
            return cls(text.upper())
        near = difflib.get_close_matches(str(text).upper(), codes, n=1)
        raise ValueError(f"expected a reason code, such as {near[0] if near else cls.FIELD_MISSING.value}")


class Refusal(NamedTuple):
    """One record's refusal. `reason` is a sentence for a person and never holds a value taken from the record.

    `api_code` is the API's own error code where the API refused; `request_id` and `trace_id` come from its answer.
    """

    stage: Stage
    code: ReasonCode
    reason: str
    api_code: str = ""
    request_id: str = ""
    trace_id: str = ""
