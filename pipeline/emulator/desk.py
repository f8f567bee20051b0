"""What the stand-in does with a report: plays the faults, asks the gateway, checks what only the service itself can, and enters the batch."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeline.emulator.answers import MARK, business, gateway, workspaces
from pipeline.emulator.faults import Fault, FaultPlayer, FaultScript, read_faults
from pipeline.emulator.form import read_form
from pipeline.emulator.gateway import Account, Call, Gateway, GatewayRefusal
from pipeline.emulator.ledger import Ledger
from pipeline.emulator.settings import StandInSettings
from pipeline.report.payload import ACTIONS, LIST_FIELDS, LIST_WORKSPACES
from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from transforms.base import Kind

MOST_MESSAGES = 100

_KINDS = {action: kind for kind, action in ACTIONS.items()}

INVALID_MESSAGE = "ES0110000400"
"""The stand-in's own invention: the real code for a message that breaks the model is not published."""


class Desk:
    """The state behind the routes. Everything happens on the server's one event loop."""

    def __init__(self, settings: StandInSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.clock_offset_s = 0.0
        self.gateway = Gateway(
            Account(
                settings.access_key_id,
                settings.access_key_secret,
                settings.security_token,
                settings.organization_id,
                settings.access_id,
                frozenset(settings.permitted),
            )
        )
        self.ledger = Ledger(settings.ledger)
        self.faults = FaultPlayer(read_faults(settings.faults) if settings.faults else FaultScript(), clock())
        self._models: dict[Kind, TypeAdapter[Any]] = {
            Kind.EVENT: TypeAdapter(list[EventMessage]),
            Kind.USER: TypeAdapter(list[CustomerMessage]),
        }

    def now_s(self) -> float:
        """Return the stand-in's time, which can be set apart from the machine's."""
        return self.clock() + self.clock_offset_s

    async def answer(self, request: Request) -> Response:
        """Answer one call to an operation of the API."""
        request_id = str(uuid.uuid4()).upper()
        body = await self._body(request)
        as_json = "x-acs-action" in request.headers
        try:
            query = read_form(request.url.query.encode())
        except ValueError:
            return _unreadable("query", request_id, as_json=as_json)
        as_json = as_json or query.get("Format", "").upper() == "JSON"
        if body is None:
            return gateway(413, "RequestEntityTooLarge", "The request body is too large.", request_id, as_json=as_json)
        faults = self.faults.meets(self.clock())
        if (answer := await self._fault_before(faults, request, request_id, as_json=as_json)) is not None:
            return answer
        try:
            form = read_form(body)
        except ValueError:
            return _unreadable("form", request_id, as_json=as_json)
        try:
            headers = [(name.lower(), value) for name, value in request.headers.items()]
            call = Call(request.method, request.url.path, query, form, dict(headers), headers, body)
            action = self.gateway.admit(call, self.now_s())
            if action == LIST_WORKSPACES:
                return self._workspaces(call, request_id)
        except GatewayRefusal as refused:
            return gateway(refused.status, refused.code, refused.message, request_id, as_json=as_json)
        kind = _KINDS[action]
        if not call.parameter(LIST_FIELDS[kind]):
            return gateway(
                400,
                f"Missing{LIST_FIELDS[kind]}",
                f"{LIST_FIELDS[kind]} is mandatory for this action.",
                request_id,
                as_json=as_json,
            )
        answer = self._take(kind, call, faults, request_id)
        if any(fault.do == "cut_after" for fault in faults):
            _cut(request)
        return answer

    def _workspaces(self, call: Call, request_id: str) -> Response:
        """List the one workspace (reference, section 1.5)."""
        settings = self.settings
        for name, known in (("TenantId", settings.organization_id), ("AccessId", settings.access_id)):
            found = call.parameter(name)
            if not found:
                raise GatewayRefusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
            if found != known:
                raise GatewayRefusal(404, f"Invalid{name}.NotFound", f"The specified {name} is not found.")
        return workspaces(request_id, {settings.workspace_id: settings.workspace_name})

    async def _body(self, request: Request) -> bytes | None:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.settings.most_body_bytes:
                return None
        return bytes(body)

    async def _fault_before(
        self, faults: list[Fault], request: Request, request_id: str, *, as_json: bool
    ) -> Response | None:
        for fault in faults:
            hint = {"x-acs-retry-after": str(fault.retry_after)} if fault.retry_after else None
            match fault.do:
                case "delay":
                    await asyncio.sleep(fault.latency / 1000)
                case "throttle":
                    return gateway(
                        400,
                        "Throttling.User",
                        "Request was denied due to user flow control.",
                        request_id,
                        as_json=as_json,
                        headers=hint,
                    )
                case "unavailable":
                    return gateway(
                        503,
                        "ServiceUnavailable",
                        "The request has failed due to a temporary failure of the server.",
                        request_id,
                        as_json=as_json,
                        headers=hint,
                    )
                case "internal_error":
                    return gateway(
                        500,
                        "InternalError",
                        "The request processing has failed due to some unknown error.",
                        request_id,
                        as_json=as_json,
                    )
                case "too_large":
                    return gateway(
                        413, "RequestEntityTooLarge", "The request body is too large.", request_id, as_json=as_json
                    )
                case "garbage":
                    return HTMLResponse("<html><body>A proxy's own page, said with 200.</body></html>", headers=MARK)
                case "cut_before":
                    _cut(request)
                    return Response()
        return None

    def _take(self, kind: Kind, call: Call, faults: list[Fault], request_id: str) -> Response:
        """Check what only the service itself can check, and enter the batch."""
        settings = self.settings
        if (
            call.parameter("OrganizationId") != settings.organization_id
            or call.parameter("AccessId") != settings.access_id
        ):
            return business(request_id, code="ES0110000002", description="Authentication failed!")
        text = call.parameter(LIST_FIELDS[kind])
        try:
            messages = orjson.loads(text)
            if not isinstance(messages, list) or not 1 <= len(messages) <= MOST_MESSAGES:
                return business(request_id, code=INVALID_MESSAGE, description=f"expected 1 to {MOST_MESSAGES} messages")
            if settings.check_messages:
                self._models[kind].validate_json(text)
                if any(
                    each.get("organizationId", settings.organization_id) != settings.organization_id
                    for each in messages
                ):
                    return business(
                        request_id, code=INVALID_MESSAGE, description="organizationId differs from OrganizationId"
                    )
        except (ValidationError, ValueError) as error:
            found = error.errors()[0]["type"] if isinstance(error, ValidationError) else "not JSON"
            return business(request_id, code=INVALID_MESSAGE, description=f"a message breaks the model: {found}")
        for fault in faults:
            if fault.refuse is not None and fault.refuse.applies(messages):
                return business(request_id, code=fault.refuse.error_code, description=fault.refuse.error_description)
        try:
            self.ledger.accept(kind.value, settings.organization_id, messages)
        except ValueError as error:
            return business(request_id, code=INVALID_MESSAGE, description=str(error))
        except OSError as error:
            message = f"The stand-in's ledger cannot be written ({error.strerror})."
            return gateway(500, "InternalError", message, request_id, as_json=True)
        return business(request_id)


def _unreadable(what: str, request_id: str, *, as_json: bool) -> Response:
    return gateway(400, "InvalidParameter", f"The {what} cannot be read.", request_id, as_json=as_json)


def _cut(request: Request) -> None:
    """Close the connection under the answer: nothing of it arrives."""
    request.scope["state"]["transport"].abort()
