"""The stand-in for Quick Audience: an HTTP server on loopback that answers the two reporting APIs as the reference says, and keeps a ledger of what it took."""

from __future__ import annotations

import asyncio
import html
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import orjson
import uvicorn
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.emulator.answers import MARK, business, gateway
from pipeline.emulator.faults import Fault, FaultPlayer, FaultScript, read_faults
from pipeline.emulator.gateway import Account, Call, Gateway, GatewayRefusal
from pipeline.emulator.ledger import Ledger
from pipeline.errors import UsageError
from pipeline.report.payload import LIST_FIELDS
from pipeline.report.settings import is_loopback
from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from transforms.base import Kind

MOST_MESSAGES = 100
MOST_FIELDS = 100

INVALID_MESSAGE = "ES0110000400"
"""The stand-in's own invention: the real code for a message that breaks the model is not published."""

START_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class StandInSettings:
    """The options of `log2mq emulator`. `check_messages` off leaves the models out, which a bench wants."""

    host: str = "127.0.0.1"
    port: int = 0
    access_key_id: str = "testid"
    access_key_secret: str = "testsecret"  # noqa: S105 - of a stand-in
    security_token: str | None = None
    organization_id: str = "org-0001"
    access_id: str = "retailadvqa-cn-test"
    faults: Path | None = None
    ledger: Path | None = None
    check_messages: bool = True
    most_body_bytes: int = 8 << 20


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

    async def report(self, request: Request) -> Response:
        """Answer one call to either API."""
        request_id = str(uuid.uuid4()).upper()
        body = await self._body(request)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=MOST_FIELDS))
        as_json = query.get("Format", "").upper() == "JSON" or "x-acs-action" in request.headers
        if body is None:
            return gateway(413, "RequestEntityTooLarge", "The request body is too large.", request_id, as_json=as_json)
        faults = self.faults.meets(self.clock())
        if (answer := await self._fault_before(faults, request, request_id, as_json=as_json)) is not None:
            return answer
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
            headers = [(name.lower(), value) for name, value in request.headers.items()]
            call = Call(request.method, request.url.path, query, form, dict(headers), headers, body)
            kind = self.gateway.admit(call, self.now_s())
        except GatewayRefusal as refused:
            return gateway(refused.status, refused.code, refused.message, request_id, as_json=as_json)
        except (ValueError, UnicodeDecodeError):
            return gateway(400, "InvalidParameter", "The form cannot be read.", request_id, as_json=as_json)
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
            if fault.refuse is not None and fault.refuse.containing in text:
                return business(request_id, code=fault.refuse.error_code, description=fault.refuse.error_description)
        self.ledger.accept(kind.value, settings.organization_id, messages)
        return business(request_id)

    # --- what a person or a test asks ------------------------------------------------------------------------------------------

    async def page(self, _request: Request) -> Response:
        """Say plainly what this is, and what it took."""
        rows = "".join(
            f"<tr><th>{html.escape(name.replace('_', ' '))}<td>{value:,}"
            for name, value in self.ledger.totals().items()
        )
        return HTMLResponse(
            "<!doctype html><meta charset=utf-8><title>log2mq stand-in</title><style>body{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem}"
            "th{text-align:left;padding-right:2rem;font-weight:400}td{text-align:right;font-variant-numeric:tabular-nums}"
            ".note{background:#fff3cd;padding:.6rem 1rem;border-radius:.4rem}</style>"
            "<h1>Stand-in for Quick Audience</h1><p class=note>This is <b>not</b> Quick Audience. It is log2mq's stand-in on this machine: "
            "what it accepts goes nowhere.</p>"
            f"<h2>Ledger</h2><table>{rows}</table>",
            headers=MARK,
        )

    async def ledger_totals(self, _request: Request) -> Response:
        """Return the ledger's sums."""
        return JSONResponse({"stand_in": True, **self.ledger.totals()}, headers=MARK)

    async def ledger_events(self, request: Request) -> Response:
        """Return how often each event arrived, optionally of one event code, or only those that arrived more than once."""
        code, least = request.query_params.get("event_code"), int(request.query_params.get("at_least", "1"))
        rows = [[*key, count] for key, count in self.ledger.events.items() if count >= least and code in {None, key[1]}]
        return Response(orjson.dumps({"stand_in": True, "events": rows}), headers=MARK, media_type="application/json")

    async def ledger_reset(self, _request: Request) -> Response:
        """Forget everything."""
        self.ledger.reset()
        return JSONResponse({"stand_in": True}, headers=MARK)

    async def fault_list(self, _request: Request) -> Response:
        """Return the faults as they stand."""
        return JSONResponse({"stand_in": True, "faults": self.faults.listed()}, headers=MARK)

    async def fault_replace(self, request: Request) -> Response:
        """Play another script, given as JSON in the shape of the YAML."""
        try:
            self.faults.replace(FaultScript.model_validate_json(await request.body()), self.clock())
        except ValidationError as error:
            return JSONResponse({"stand_in": True, "error": str(error)}, 400, headers=MARK)
        return await self.fault_list(request)

    async def fault_switch(self, request: Request) -> Response:
        """Switch a fault on or off by its name."""
        found = self.faults.switch(request.path_params["name"], on=request.path_params["state"] == "on")
        return JSONResponse({"stand_in": True, "found": found}, 200 if found else 404, headers=MARK)

    async def set_clock(self, request: Request) -> Response:
        """Set the clock apart from the machine's, by seconds."""
        self.clock_offset_s = float(request.path_params["seconds"])
        return JSONResponse({"stand_in": True, "offset_s": self.clock_offset_s}, headers=MARK)


def application(desk: Desk) -> Starlette:
    """Return the web application."""
    return Starlette(
        routes=[
            Route("/", desk.page, methods=["GET"]),
            Route("/", desk.report, methods=["POST"]),
            Route("/_stand-in/ledger", desk.ledger_totals, methods=["GET"]),
            Route("/_stand-in/ledger/events", desk.ledger_events, methods=["GET"]),
            Route("/_stand-in/ledger/reset", desk.ledger_reset, methods=["POST"]),
            Route("/_stand-in/faults", desk.fault_list, methods=["GET"]),
            Route("/_stand-in/faults", desk.fault_replace, methods=["PUT"]),
            Route("/_stand-in/faults/{name}/{state:str}", desk.fault_switch, methods=["POST"]),
            Route("/_stand-in/clock/{seconds}", desk.set_clock, methods=["POST"]),
        ]
    )


class _Protocol(H11Protocol):
    """HTTP/1.1, with the connection in reach of the application, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class StandIn:
    """The stand-in in a thread of this process; a context manager."""

    def __init__(self, settings: StandInSettings | None = None, clock: Callable[[], float] = time.time) -> None:
        """Prepare to serve.

        Raises:
            UsageError: the host is not loopback, the port is taken, or the fault script is wrong.
        """
        self.settings = settings or StandInSettings()
        if not is_loopback(self.settings.host):
            raise UsageError(
                f"--host: found {self.settings.host}; expected a loopback address: the stand-in speaks plain HTTP"
            )
        self.desk = Desk(self.settings, clock)
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        # Named as TCP, since asyncio switches Nagle's algorithm off only for what it knows to be TCP.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.settings.host, self.settings.port))
        except OSError as error:
            self._socket.close()
            raise UsageError(
                f"--port: {self.settings.port} cannot be used ({error.strerror}); try another, or 0 for any"
            ) from None
        config = uvicorn.Config(
            application(self.desk),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            timeout_keep_alive=60,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="stand-in", daemon=True
        )

    @property
    def url(self) -> str:
        """Return the address."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    @property
    def ledger(self) -> Ledger:
        """Return the ledger."""
        return self.desk.ledger

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Play these faults from now on."""
        script = FaultScript.model_validate({"faults": list(faults)})
        self.desk.faults.replace(script, self.desk.clock())

    def __enter__(self) -> Self:
        self._thread.start()
        until_s = time.monotonic() + START_LIMIT_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < until_s:
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        self.desk.ledger.close()

    def serve(self) -> None:
        """Serve in this thread until a signal."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self.desk.ledger.close()


def serve(settings: StandInSettings) -> None:
    """Serve until stopped.

    Raises:
        UsageError: the host is not loopback, the port is taken, or the fault script is wrong.
    """
    stand_in = StandIn(settings)
    print(f"stand-in for Quick Audience at {stand_in.url} (not the real service); Ctrl-C stops it", flush=True)  # noqa: T201 - the command's output
    stand_in.serve()


def _cut(request: Request) -> None:
    """Close the connection under the answer: nothing of it arrives."""
    request.scope["state"]["transport"].abort()
