"""The answers of the API: a business result (reference, section 1.4) or a gateway error (section 4.1). Both readers are tolerant."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import unescape
from typing import Any, NamedTuple

MOST_FIELD_CHARACTERS = 4096
"""No field of an answer is kept beyond this."""

_FIELDS = ("Code", "Message", "RequestId", "HostId")

_XML_FIELD = re.compile(r"<(Code|Message|RequestId|HostId)>([^<]{0,65536})</\1>", re.IGNORECASE)
"""It reads the gateway's flat `<Error>`. It is no XML parser, so no entity can expand."""


class ReportResult(NamedTuple):
    """The six fields of a business answer; `success` is None where the answer has no such field."""

    success: bool | None
    error_code: str = ""
    error_desc: str = ""
    request_id: str = ""
    trace_id: str = ""
    content: str = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> ReportResult:
        """Read PascalCase or camelCase keys, and `Success` as a boolean or a string."""

        def text(name: str) -> str:
            return _text(document, name)

        return cls(
            success=_truth(_value(document, "Success")),
            error_code=text("ErrorCode"),
            error_desc=text("ErrorDesc"),
            request_id=text("RequestId"),
            trace_id=text("TraceId"),
            content=text("Data"),
        )


class GatewayError(NamedTuple):
    """The gateway's own refusal; every field may be empty, since a proxy may have answered instead."""

    code: str = ""
    message: str = ""
    request_id: str = ""
    host_id: str = ""

    @classmethod
    def parse(cls, body: bytes) -> GatewayError:
        """Read JSON in either spelling, or XML. Never raises."""
        text = body.decode("utf-8-sig", "replace").lstrip()
        if text.startswith("<"):
            fields = {name.lower(): unescape(value).strip() for name, value in _XML_FIELD.findall(text)}
            return cls(*(fields.get(name.lower(), "")[:MOST_FIELD_CHARACTERS] for name in _FIELDS))
        document = parse_object(body)
        if document is None:
            return cls()
        return cls(*(_text(document, name) for name in _FIELDS))


def workspaces_of(body: bytes) -> dict[str, str]:
    """Read the workspaces of an answer to `ListWorkspace`, name by ID (reference, section 1.5). Never raises.

    The vendor's SDKs disagree on the depth of the list within `Data`, so the list is searched for.
    """
    found: dict[str, str] = {}
    waiting: list[tuple[Any, int]] = [(_value(parse_object(body) or {}, "Data"), 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            if identifier := _text(value, "WorkspaceId"):
                found[identifier] = _text(value, "WorkspaceName")
            value = list(value.values())
        if isinstance(value, list) and depth < _MOST_WORKSPACE_DEPTH:
            waiting += [(each, depth + 1) for each in reversed(value)]
    return found


_MOST_WORKSPACE_DEPTH = 4


def parse_object(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object in a body; None where the body is no JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _value(document: Mapping[str, Any], name: str) -> Any:
    """Return a field, in PascalCase or camelCase; null counts as absent."""
    value = document.get(name)
    return document.get(name[0].lower() + name[1:]) if value is None else value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = _value(document, name)
    if value is None:
        return ""
    text = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:MOST_FIELD_CHARACTERS]
    return text.encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair, which no log or header can


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    return None
