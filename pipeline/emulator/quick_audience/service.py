"""Answers the calls of the two APIs: plays the faults, checks the call at the gateway, checks the messages, and counts the batch in the ledger."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeline.emulator.quick_audience.answers import MARK, business, gateway, workspaces
from pipeline.emulator.quick_audience.faults import FaultPlayer, FaultScript, ScriptedFault, read_faults
from pipeline.emulator.quick_audience.form import read_form
from pipeline.emulator.quick_audience.gateway import Account, Call, Gateway, GatewayRefusal
from pipeline.emulator.quick_audience.ledger import AcceptedCall, Ledger
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.report.payload import ACTIONS, LIST_FIELDS, LIST_WORKSPACES
from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from transforms.base import Kind

MOST_MESSAGES = 100

_KINDS = {action: kind for kind, action in ACTIONS.items()}

INVALID_MESSAGE = "ES0110000400"
"""A code of the stand-in's own: the real code for a message that breaks the model is not published."""

SCRIPTED = "A fault script asks for this answer."


class Service:
    """The state of the stand-in. The server's event loop alone answers calls; other threads may read the ledger's totals and replace the fault script."""

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
        """Return the stand-in's time in Unix seconds. It may differ from the machine's."""
        return self.clock() + self.clock_offset_s

    async def answer(self, request: Request) -> Response:
        """Answer one call of an operation of the API."""
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
        received_ms = self._clock_ms()
        try:
            form = read_form(body)
        except ValueError:
            form = None
        action = query.get("Action") or (form or {}).get("Action") or request.headers.get("x-acs-action", "")
        faults = self.faults.next_call(self.clock(), action)
        if (answer := await self._fault_before(faults, request, request_id, as_json=as_json)) is not None:
            return answer
        if form is None:
            return _unreadable("form", request_id, as_json=as_json)
        try:
            headers = [(name.lower(), value) for name, value in request.headers.items()]
            call = Call(request.method, request.url.path, query, form, dict(headers), headers, body)
            action = self.gateway.admit(call, self.now_s())
            if action == LIST_WORKSPACES:
                return self._workspaces(call, request_id, as_json=as_json)
            accepted = AcceptedCall(request_id, received_ms, self._clock_ms())
            code, description = self._accept(_KINDS[action], call, faults, accepted)
        except GatewayRefusal as refused:
            return gateway(refused.status, refused.code, refused.message, request_id, as_json=as_json)
        if any(fault.do == "cut_after" for fault in faults):
            _cut(request)
        if any(fault.do == "hang_after" for fault in faults):
            await _hang(request)
        return business(request_id, code=code, description=description, as_json=as_json)

    def _workspaces(self, call: Call, request_id: str, *, as_json: bool) -> Response:
        """List the one workspace (reference, section 1.5)."""
        settings = self.settings
        for name, known in (("TenantId", settings.organization_id), ("AccessId", settings.access_id)):
            found = call.parameter(name)
            if not found:
                raise GatewayRefusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
            if found != known:
                raise GatewayRefusal(404, f"Invalid{name}.NotFound", f"The specified {name} is not found.")
        return workspaces(request_id, {settings.workspace_id: settings.workspace_name}, as_json=as_json)

    async def _body(self, request: Request) -> bytes | None:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.settings.most_body_bytes:
                return None
        return bytes(body)

    async def _fault_before(
        self, faults: list[ScriptedFault], request: Request, request_id: str, *, as_json: bool
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
                    return HTMLResponse("<html><body>A proxy's own page, sent with 200.</body></html>", headers=MARK)
                case "business_error":
                    return business(request_id, code=fault.error_code or "", description=SCRIPTED, as_json=as_json)
                case "hang_before":
                    await _hang(request)
                    return Response()
                case "cut_before":
                    _cut(request)
                    return Response()
        return None

    def _clock_ms(self) -> int:
        return int(self.clock() * 1000)

    def _accept(self, kind: Kind, call: Call, faults: list[ScriptedFault], accepted: AcceptedCall) -> tuple[str, str]:
        """Check the messages of a call and count the batch in the ledger. Return code and description of a refusal; both are empty for a success.

        Raises:
            GatewayRefusal: the call has no list of messages, or the ledger cannot be written.
        """
        settings, field = self.settings, LIST_FIELDS[kind]
        text = call.parameter(field)
        if not text:
            raise GatewayRefusal(400, f"Missing{field}", f"{field} is mandatory for this action.")
        found_account = call.parameter("OrganizationId"), call.parameter("AccessId")
        if found_account != (settings.organization_id, settings.access_id):
            return "ES0110000002", "Authentication failed!"
        try:
            messages = orjson.loads(text)
        except ValueError:
            return INVALID_MESSAGE, f"{field} is not JSON"
        if not isinstance(messages, list) or not 1 <= len(messages) <= MOST_MESSAGES:
            return INVALID_MESSAGE, f"expected a list of 1 to {MOST_MESSAGES} messages"
        if settings.check_messages and (breach := self._breach(kind, text, messages)):
            return INVALID_MESSAGE, breach
        for fault in faults:
            if fault.refuse is not None and fault.refuse.applies(messages):
                return fault.refuse.error_code, fault.refuse.error_description
        try:
            self.ledger.accept(kind.value, settings.organization_id, messages, accepted)
        except ValueError as error:
            return INVALID_MESSAGE, str(error)
        except OSError as error:
            message = f"The stand-in's ledger cannot be written ({error.strerror})."
            raise GatewayRefusal(500, "InternalError", message) from None
        return "", ""

    def _breach(self, kind: Kind, text: str, messages: list[Any]) -> str:
        """Return which message breaks the model, where and how; "" if none does."""
        try:
            self._models[kind].validate_json(text)
        except ValidationError as error:
            found = error.errors()[0]
            place, *within = found["loc"] or (0,)
            return f"message {place} of {len(messages)}, counted from 0: {'.'.join(map(str, within))}: {found['msg']}"
        for place, each in enumerate(messages):
            if each.get("organizationId", self.settings.organization_id) != self.settings.organization_id:
                return f"message {place} of {len(messages)}, counted from 0: organizationId differs from OrganizationId"
        return ""


def _unreadable(part: str, request_id: str, *, as_json: bool) -> Response:
    return gateway(400, "InvalidParameter", f"The {part} cannot be read.", request_id, as_json=as_json)


async def _hang(request: Request) -> None:
    """Wait until the client gives up: the body is read, so the next message of the connection is its end."""
    await request.receive()


def _cut(request: Request) -> None:
    """Close the connection, so that no byte of an answer arrives."""
    request.scope["state"]["transport"].abort()
