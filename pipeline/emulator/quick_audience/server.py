"""The stand-in for Quick Audience: an HTTP server on loopback. It answers the operations as the reference says, and counts the accepted messages in a ledger."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.emulator.loopback import LoopbackServer
from pipeline.emulator.quick_audience.faults import FaultScript
from pipeline.emulator.quick_audience.ledger import Ledger
from pipeline.emulator.quick_audience.pages import Pages, not_found
from pipeline.emulator.quick_audience.service import Service
from pipeline.emulator.quick_audience.settings import StandInSettings


def application(service: Service) -> Starlette:
    """Return the web application."""
    pages = Pages(service)

    async def front(request: Request) -> Response:
        """Answer a client's call of an operation; show the page to a browser."""
        is_call = request.method == "POST" or "Action" in request.query_params or "x-acs-action" in request.headers
        return await (service.answer if is_call else pages.page)(request)

    return Starlette(
        routes=[
            Route("/", front, methods=["GET", "POST"]),
            Route("/_stand-in/ledger", pages.ledger_totals, methods=["GET"]),
            Route("/_stand-in/ledger/events", pages.ledger_events, methods=["GET"]),
            Route("/_stand-in/ledger/reset", pages.ledger_reset, methods=["POST"]),
            Route("/_stand-in/faults", pages.fault_list, methods=["GET"]),
            Route("/_stand-in/faults", pages.fault_replace, methods=["PUT"]),
            Route("/_stand-in/faults/{name}/{state:str}", pages.fault_switch, methods=["POST"]),
            Route("/_stand-in/clock/{seconds}", pages.set_clock, methods=["POST"]),
        ],
        exception_handlers={HTTPException: not_found},
    )


class _Protocol(H11Protocol):
    """HTTP/1.1. It passes the connection to the application, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class StandIn:
    """Runs the stand-in in a thread of this process. A context manager."""

    def __init__(self, settings: StandInSettings | None = None, clock: Callable[[], float] = time.time) -> None:
        """Bind the port, and read the fault script.

        Raises:
            UsageError: the host is not loopback, the port is taken, or the fault script is wrong.
        """
        self.settings = settings or StandInSettings()
        self.service = Service(self.settings, clock)
        self._server = LoopbackServer(application(self.service), self.settings.host, self.settings.port, http=_Protocol)

    @property
    def url(self) -> str:
        """Return the base URL."""
        return self._server.url

    def instructions(self) -> Iterator[str]:
        """Yield lines for a person: the address, the settings for a job, and the key to export."""
        settings = self.settings
        token = f" SCA_STS_TOKEN={shlex.quote(settings.security_token)}" if settings.security_token else ""
        yield f"stand-in for Quick Audience at {self.url} (not the real service); Ctrl-C stops it"
        yield f"it takes report: {{endpoint: {self.url}, organization_id: {settings.organization_id}, access_id: {settings.access_id}}}"
        yield f"with  export SCA_AK_ENV={shlex.quote(settings.access_key_id)} SCA_SK_ENV={shlex.quote(settings.access_key_secret)}{token}"

    @property
    def ledger(self) -> Ledger:
        """Return the ledger."""
        return self.service.ledger

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Start a script of these faults."""
        script = FaultScript.model_validate({"faults": list(faults)})
        self.service.faults.replace(script, self.service.clock())

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        self.service.ledger.close()

    def serve(self) -> None:
        """Serve in this thread until a signal."""
        try:
            self._server.serve()
        finally:
            self.service.ledger.close()
