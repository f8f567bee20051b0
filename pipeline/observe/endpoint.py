"""The HTTP endpoint of a job, for Prometheus, for an orchestrator's probes and for people: `/metrics`, `/livez`, `/readyz` and `/status`."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from pipeline.errors import UsageError, fault_sentence
from pipeline.observe.exposition import exposition
from pipeline.observe.health import Reason, hung, not_ready
from pipeline.observe.job_view import JobView
from pipeline.observe.status_document import status_document
from pipeline.setting_types.listen import ListenAddress

REQUEST_LIMIT_S = 5.0
"""The longest wait for a request, and for a client that takes the answer."""

MOST_CONNECTIONS = 16
"""The most connections at the same time. Further ones are closed at once: a probe comes again."""

STOP_LOOK_S = 0.1

JSON = "application/json"

_log = logging.getLogger("log2mq.endpoint")

Views = Callable[[], Sequence[JobView]]


class HttpAnswer(NamedTuple):
    """An answer of the endpoint."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Endpoint:
    """A context manager: inside it, a thread answers requests. It reads the views that it is given, and changes nothing."""

    def __init__(self, address: ListenAddress, views: Views) -> None:
        """Take the address. `views` returns the jobs of this process, as of now; any thread may call it.

        Raises:
            UsageError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            self._server = _Server(family, (address.host, address.port), views)
        except OSError as error:
            raise UsageError(
                f"observe.listen: found {address}, which cannot be listened at ({error.strerror or error}); expected a free address of this machine"
            ) from None
        self.address = ListenAddress(address.host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_LOOK_S,), name="endpoint", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(path: str, accepted: str, views: Views) -> HttpAnswer:
    """Return the answer to a request for a path. `accepted` is its `Accept` header."""
    if path == "/metrics":
        body, content_type = exposition(views, accepted)
        return HttpAnswer(HTTPStatus.OK, content_type, body)
    if path == "/livez":
        return _health([reason for view in views() for reason in hung(view)])
    if path == "/readyz":
        return _health([reason for view in views() for reason in not_ready(view)])
    if path == "/status":
        return _json(HTTPStatus.OK, {"jobs": [status_document(view) for view in views()]})
    return _json(HTTPStatus.NOT_FOUND, {"paths": ["/metrics", "/livez", "/readyz", "/status"]})


def _health(reasons: Sequence[Reason]) -> HttpAnswer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    said = [{"reason": reason.code, "text": reason.text} for reason in reasons]
    return _json(status, {"ok": not reasons, "reasons": said})


def _json(status: HTTPStatus, document: Any) -> HttpAnswer:
    return HttpAnswer(status, JSON, orjson.dumps(document) + b"\n")


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], views: Views) -> None:
        self.address_family = family
        self.views = views
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind the address. HTTPServer also asks a name server for the name of the host."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, if not too many connections are open."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the arguments of socketserver
        """Log a fault in log2mq. Else the client has closed the connection, or takes too long."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            _log.error("the endpoint did not answer: %s", fault_sentence(error))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "log2mq"
    sys_version = ""
    timeout = REQUEST_LIMIT_S

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer a question without its body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        found = answer(self.path.partition("?")[0], self.headers.get("Accept", ""), self.server.views)
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(found.body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server
        """Log nothing: a probe asks every few seconds."""
