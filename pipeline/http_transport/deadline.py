"""An HTTP transport whose calls have one deadline each, whatever the server does. Only this file imports httpcore.

httpx has time limits for one read or write of the socket. A server that sends a byte now and then would hold a call for hours.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

WRITE_BYTES = 64 << 10
"""The most bytes that are written under one time limit of the socket."""


class LateCall(Exception):
    """The caller said before a write that it is too late: the server does not have the whole request."""


class DeadlineTransport(httpx.HTTPTransport):
    """A call takes the request's `connect` timeout for its connection, if it needs a new one, and then the `read` timeout for all the rest.

    The rest is the request, the headers and the body. Only the look-up of the host's name has no limit here. Several threads may call it at
    once; each call is made and read by one thread.

    A request may have an extension `is_late`, a function that is asked before each write.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, **options: Any) -> None:
        """`monotonic` gives seconds that never go back; `options` are those of `httpx.HTTPTransport`."""
        super().__init__(**options)
        self._network = _DeadlineNetwork(monotonic, self._pool._network_backend)  # noqa: SLF001 - httpx has no parameter for it
        self._pool._network_backend = self._network  # noqa: SLF001

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response when its headers have arrived. Its body must arrive by the same deadline.

        Raises:
            LateCall: the request's `is_late` said so before a write.
            httpx.HTTPError: the call failed.
        """
        timeouts = request.extensions["timeout"]
        self._network.begin(timeouts["connect"], timeouts["read"], request.extensions.get("is_late", _never))
        return super().handle_request(request)


class _Call(threading.local):
    """The deadlines of the call that this thread makes, in seconds of the clock."""

    connect_by_s = 0.0
    end_by_s = 0.0
    last_s = 0.0  # the latest `end_by_s` that new connections may lead to
    read_s = 0.0
    is_late: Callable[[], bool]


class _DeadlineNetwork(httpcore.NetworkBackend):
    """Opens connections whose reads and writes end at the deadline of the call."""

    def __init__(self, monotonic: Callable[[], float], inner: httpcore.NetworkBackend) -> None:
        self._monotonic = monotonic
        self._inner = inner
        self._call = _Call()

    def begin(self, connect_s: float, read_s: float, is_late: Callable[[], bool]) -> None:
        """Begin a call of this thread."""
        now_s, call = self._monotonic(), self._call
        call.connect_by_s = now_s + connect_s
        call.end_by_s = now_s + read_s
        call.last_s = now_s + connect_s + read_s
        call.read_s = read_s
        call.is_late = is_late

    def connected(self) -> None:
        """Note that a connection is open: what was left of the time for it is not added to the rest of the call."""
        self._call.end_by_s = min(self._call.last_s, self._monotonic() + self._call.read_s)

    def connect_left_s(self) -> float:
        """Return the time that is left for the connection.

        Raises:
            httpcore.ConnectTimeout: none.
        """
        return self._left(self._call.connect_by_s, httpcore.ConnectTimeout)

    def left_s(self, none_left: type[httpcore.TimeoutException]) -> float:
        """Return the time that is left for the call.

        Raises:
            httpcore.TimeoutException: none; an error of the type `none_left`.
        """
        return self._left(self._call.end_by_s, none_left)

    def require_in_time(self) -> None:
        """Raise `LateCall` if the caller of this thread's call says that it is too late."""
        if self._call.is_late():
            raise LateCall

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is the limit
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers. All addresses together have one time limit."""
        error: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("the host has no address")
        for address in _addresses(host, port):
            try:
                stream = self._inner.connect_tcp(address, port, self.connect_left_s(), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
                continue
            self.connected()
            return _DeadlineStream(stream, self)
        raise error

    def _left(self, by_s: float, none_left: type[httpcore.TimeoutException]) -> float:
        left_s = by_s - self._monotonic()
        if left_s <= 0:
            raise none_left("the deadline of the call is over")
        return left_s


class _DeadlineStream(httpcore.NetworkStream):
    """A connection of which each read and write ends at the deadline of the call."""

    def __init__(self, inner: httpcore.NetworkStream, network: _DeadlineNetwork) -> None:
        self._inner = inner
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline is the limit
        """Read what has arrived."""
        return self._inner.read(max_bytes, self._network.left_s(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline is the limit
        """Write all bytes."""
        for begin in range(0, len(buffer), WRITE_BYTES):
            part = buffer if len(buffer) <= WRITE_BYTES else buffer[begin : begin + WRITE_BYTES]
            self._network.require_in_time()
            self._inner.write(part, self._network.left_s(httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is the limit
    ) -> httpcore.NetworkStream:
        """Encrypt the connection. The handshake is part of opening the connection."""
        stream = self._inner.start_tls(ssl_context, server_hostname, self._network.connect_left_s())
        self._network.connected()
        return _DeadlineStream(stream, self._network)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for, such as whether the connection has something to read."""
        return self._inner.get_extra_info(info)


def _never() -> bool:
    return False


def _addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which to try them.

    Raises:
        httpcore.ConnectError: the name is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
