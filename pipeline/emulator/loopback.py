"""An HTTP server on loopback, for callers of this machine. It runs in a thread of its own, or in the calling thread until a signal."""

from __future__ import annotations

import signal
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from pipeline.emulator.callers import LocalCallers
from pipeline.errors import UsageError
from pipeline.setting_types.endpoint import is_loopback

START_LIMIT_S = 10.0
BACKLOG = 2048
"""Connections that wait to be accepted: uvicorn's own figure."""


class LoopbackServer:
    """Serves one application. As a context manager it serves in a thread of its own."""

    def __init__(self, application: ASGIApp, host: str, port: int, **more: Any) -> None:
        """Bind the port, and let callers connect; 0 binds a free one. `more` are further settings of uvicorn.

        Raises:
            UsageError: the host is not loopback, or the port is taken.
        """
        if not is_loopback(host):
            raise UsageError(f"--host: found {host}; expected a loopback address: the stand-in speaks plain HTTP")
        self._host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # The protocol is given because asyncio switches Nagle's algorithm off only for sockets with IPPROTO_TCP.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)  # before anybody knows `url`: an early caller waits, and is not refused
        except OSError as error:
            self._socket.close()
            raise UsageError(f"--port: {port} cannot be used ({error.strerror}); try another, or 0 for any") from None
        config = uvicorn.Config(
            LocalCallers(application),
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            timeout_keep_alive=60,
            **more,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="stand-in", daemon=True
        )

    @property
    def url(self) -> str:
        """Return the base URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}"

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

    def serve(self) -> None:
        """Serve in this thread until a signal."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn stops on these signals and raises them again afterwards. This handler then lets the command end in order.
            signal.signal(number, lambda _number, _frame: self.stop())
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Make `serve` return soon. Safe in a signal handler."""
        self._server.should_exit = True
