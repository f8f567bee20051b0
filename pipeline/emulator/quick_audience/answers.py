"""The stand-in's answers, in the shape of the real ones (reference, sections 1.4 and 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import orjson
from starlette.responses import Response

HOST_ID = "stand-in.log2mq.invalid"
MARK = {"x-log2mq": "stand-in"}
"""A header of every answer, so that nobody takes the stand-in for the real service."""


def business(request_id: str, *, code: str = "", description: str = "", as_json: bool = True) -> Response:
    """Return a business result with its six keys. Without a code it is a success. It is XML if the client did not ask for JSON."""
    return _result(request_id, None if code else "true", code, description, as_json=as_json)


def workspaces(request_id: str, names: Mapping[str, str], *, as_json: bool = True) -> Response:
    """Return the list of workspaces, in the shape that the vendor's Go SDK reads. `names` has each name by its ID."""
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
    """Return a refusal of the gateway. It is XML if the client did not ask for JSON."""
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
    """Write an XML element. The values of an object become inner elements; each item of a list becomes an element with the list's name."""
    if isinstance(value, Mapping):
        inner = "".join(_element(key, each) for key, each in value.items() if each is not None)
    elif isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}>{inner}</{name}>"
