"""The stand-in's answers, in the shape of the real ones (reference, sections 1.4 and 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import orjson
from starlette.responses import Response

HOST_ID = "stand-in.log2mq.invalid"
MARK = {"x-log2mq": "stand-in"}
"""On every answer, so that nobody takes it for the real service."""


def business(request_id: str, *, code: str = "", description: str = "") -> Response:
    """Answer with the six keys of a business result; without a code it is a yes."""
    return _result(request_id, None if code else "true", code, description)


def workspaces(request_id: str, names: Mapping[str, str]) -> Response:
    """Answer with workspaces, name by ID, in the shape that the vendor's Go SDK reads."""
    return _result(request_id, [{"WorkspaceId": each, "WorkspaceName": name} for each, name in names.items()])


def _result(request_id: str, content: Any, code: str = "", description: str = "") -> Response:
    document: dict[str, Any] = {
        "RequestId": request_id,
        "Success": not code,
        "ErrorCode": code or None,
        "ErrorDesc": description or None,
        "TraceId": f"trace-{request_id}",
        "Data": content,
    }
    return Response(orjson.dumps(document), headers=MARK, media_type="application/json;charset=utf-8")


def gateway(
    status: int, code: str, message: str, request_id: str, *, as_json: bool, headers: dict[str, str] | None = None
) -> Response:
    """Answer as the gateway does when it refuses: JSON, or XML to who did not ask for JSON."""
    fields = {
        "Code": code,
        "Message": message,
        "RequestId": request_id,
        "HostId": HOST_ID,
        "Recommend": f"https://stand-in.log2mq.invalid/diagnosis?code={code}",
    }
    if as_json:
        return Response(orjson.dumps(fields), status, {**MARK, **(headers or {})}, "application/json;charset=utf-8")
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    xml = f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>"
    return Response(xml, status, {**MARK, **(headers or {})}, "text/xml;charset=utf-8")
