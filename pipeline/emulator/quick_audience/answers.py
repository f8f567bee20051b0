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


def business(request_id: str, *, code: str = "", description: str = "", as_json: bool = True) -> Response:
    """Answer with the six keys of a business result; without a code it is a yes. XML to who did not ask for JSON."""
    return _result(request_id, None if code else "true", code, description, as_json=as_json)


def workspaces(request_id: str, names: Mapping[str, str], *, as_json: bool = True) -> Response:
    """Answer with workspaces, name by ID, in the shape that the vendor's Go SDK reads."""
    listed = [{"WorkspaceId": each, "WorkspaceName": name} for each, name in names.items()]
    return _result(request_id, listed, as_json=as_json)


def _result(request_id: str, content: Any, code: str = "", description: str = "", *, as_json: bool) -> Response:
    fields: dict[str, Any] = {
        "RequestId": request_id,
        "Success": not code,
        "ErrorCode": code or None,
        "ErrorDesc": description or None,
        "TraceId": f"trace-{request_id}",
        "Data": content,
    }
    return _response("ActionResponse", fields, 200, MARK, as_json=as_json)


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
    return _response("Error", fields, status, {**MARK, **(headers or {})}, as_json=as_json)


def _response(root: str, fields: dict[str, Any], status: int, headers: dict[str, str], *, as_json: bool) -> Response:
    if as_json:
        return Response(orjson.dumps(fields), status, headers, "application/json;charset=utf-8")
    xml = f"<?xml version='1.0' encoding='UTF-8'?>{_element(root, fields)}"
    return Response(xml, status, headers, "text/xml;charset=utf-8")


def _element(name: str, value: Any) -> str:
    """Write an element; of an object its values are elements, of a list each element is one of the list's own name."""
    if isinstance(value, Mapping):
        inner = "".join(_element(key, each) for key, each in value.items() if each is not None)
    elif isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}>{inner}</{name}>"
