"""A TCP proxy on loopback that passes on, resets, swallows or slows what goes through it. It runs in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.soak.clients import Clients

CHUNK_BYTES = 64 << 10
SLOW_PIECES_PER_S = 20
_REQUEST_ID = re.compile(rb'"RequestId":"([0-9A-F-]{36})"')
_LINGER_RESETS = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the proxy does with bytes. `swallows`: nothing gets through any more, and nobody is told. The other two limit bytes a second."""

    swallows: bool = False
    requests_per_s: int | None = None
    answers_per_s: int | None = None


FREE = Traffic()


@dataclass(slots=True, eq=False)
class _Link:
    """A client's connection and the connection to the target."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter
    is_swallowed: bool = False  # bytes of it were lost, so it can never go on
    client_pid: int | None = None
    tail: bytes = b""  # the end of what the client got last, for an ID that two chunks share

    def reset(self) -> None:
        """End both connections with a reset."""
        for writer in (self.client, self.target):
            connection: socket.socket | None = writer.get_extra_info("socket")
            with suppress(OSError):
                if connection is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESETS)
            writer.transport.abort()


@dataclass(slots=True)
class Proxy:
    """Leads to `target_port`. Clients connect to `port`; 0 takes a free one.

    `passed_ms` has the Unix ms at which an answer with this RequestId was handed to the client's connection whole: an independent witness of which
    answers arrived. `client_pids` has the process that got it, if `knows_clients`.
    """

    target_port: int
    port: int = 0
    knows_clients: bool = False
    passed_ms: dict[str, int] = field(default_factory=dict)
    client_pids: dict[str, int | None] = field(default_factory=dict)
    _clients: Clients = field(default_factory=Clients)
    _traffic: Traffic = FREE
    _links: set[_Link] = field(default_factory=set)
    _lets_through: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _server: asyncio.Server | None = None

    def start(self) -> None:
        """Bind the port and serve."""
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Reset all connections and end."""
        if self._thread is None:
            return
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._thread = None
        self._loop.run_until_complete(_end_tasks())
        self._loop.close()

    def set_traffic(self, traffic: Traffic) -> None:
        """Treat bytes like this from now on. Connections that lost bytes are reset when nothing is swallowed any more."""
        self._call(lambda: self._set_traffic(traffic))

    def reset(self) -> None:
        """Reset all connections that are open now."""
        self._call(self._reset)

    def _call(self, function: object) -> None:
        done = threading.Event()

        def run() -> None:
            assert callable(function)
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(10)

    def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._reset()

    def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    def _set_traffic(self, traffic: Traffic) -> None:
        self._traffic = traffic
        (self._lets_through.clear if traffic.swallows else self._lets_through.set)()
        for link in list(self._links):
            if traffic.swallows:
                link.is_swallowed = True
            elif link.is_swallowed:
                link.reset()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        client_pid = None
        if self.knows_clients:  # before a byte is passed on: the client waits, and so is there
            port = to_client.get_extra_info("peername")[1]
            client_pid = await self._loop.run_in_executor(None, self._clients.process_of, port, self.port)
        try:
            from_target, to_target = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            to_client.transport.abort()
            return
        link = _Link(to_client, to_target, is_swallowed=self._traffic.swallows, client_pid=client_pid)
        self._links.add(link)
        try:
            ends = (self._pass(link, from_client, to_target), self._pass(link, from_target, to_client))
            tasks = [asyncio.ensure_future(end) for end in ends]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if link.is_swallowed:  # an end that was swallowed reaches nobody
                await self._lets_through.wait()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        finally:
            self._links.discard(link)
            for writer in (to_client, to_target):
                writer.close()

    async def _pass(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on to its end. While it is slow, a client that gives up is noticed at once, and what it sent last is dropped."""
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if link.is_swallowed:
                    continue
                if (rate := self._rate(link, writer)) is not None:
                    await self._pass_slowly(link, reader, writer, chunk, rate)
                else:
                    writer.write(chunk)
                await writer.drain()
                if writer is link.client and not writer.transport.is_closing() and not link.is_swallowed:
                    self._note_answers(link, chunk)

    async def _pass_slowly(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunk: bytes, rate: int
    ) -> None:
        size = max(1, rate // SLOW_PIECES_PER_S)
        for start in range(0, len(chunk), size):
            if self._rate(link, writer) is not None:
                await asyncio.sleep(size / rate)
            if reader.at_eof() or link.is_swallowed or writer.transport.is_closing():
                link.reset()
                raise ConnectionResetError
            writer.write(chunk[start : start + size])

    def _rate(self, link: _Link, writer: asyncio.StreamWriter) -> int | None:
        return self._traffic.answers_per_s if writer is link.client else self._traffic.requests_per_s

    def _note_answers(self, link: _Link, chunk: bytes) -> None:
        text = link.tail + chunk
        for found in _REQUEST_ID.finditer(text):
            request_id = found[1].decode()
            self.passed_ms.setdefault(request_id, time.time_ns() // 1_000_000)
            self.client_pids.setdefault(request_id, link.client_pid)
        link.tail = text[-64:]


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
