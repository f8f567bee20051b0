"""The stand-in for Quick Audience: an HTTP server on loopback that answers its operations as the reference says, and keeps a ledger of what it took."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.emulator.desk import Desk
from pipeline.emulator.faults import FaultScript
from pipeline.emulator.ledger import Ledger
from pipeline.emulator.pages import Pages, not_here
from pipeline.emulator.settings import StandInSettings
from pipeline.errors import UsageError
from pipeline.report.settings import is_loopback

START_LIMIT_S = 10.0


def application(desk: Desk) -> Starlette:
    """Return the web application."""
    pages = Pages(desk)

    async def front(request: Request) -> Response:
        """A browser asks for a page, a client for an operation."""
        is_call = request.method == "POST" or "Action" in request.query_params or "x-acs-action" in request.headers
        return await (desk.answer if is_call else pages.page)(request)

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
        exception_handlers={HTTPException: not_here},
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

    def stop(self) -> None:
        """Make `serve` return soon. Safe in a signal handler."""
        self._server.should_exit = True

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
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops on these, and raises them again once it has: this command then leaves in good order.
        signal.signal(number, lambda _number, _frame: stand_in.stop())
    print(f"stand-in for Quick Audience at {stand_in.url} (not the real service); Ctrl-C stops it", flush=True)  # noqa: T201 - the command's output
    stand_in.serve()
