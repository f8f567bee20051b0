"""The HTTP server of the stand-in for a Schema Registry, with an optional login."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as NotBase64
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.emulator.loopback import LoopbackServer
from pipeline.emulator.schema_registry.rest_api import RestApi, json_response
from pipeline.emulator.schema_registry.schemas import Registry

_UNAUTHORIZED = json_response(
    {"error_code": 40101, "message": "Unauthorized"}, 401, {"www-authenticate": 'Basic realm="stand-in"'}
)


class _Login:
    """Accepts one username and password, by basic authentication (RFC 7617)."""

    def __init__(self, inner: ASGIApp, username: str, password: str) -> None:
        self._inner = inner
        self._expected = f"{username}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"").removeprefix(b"Basic ")
        try:
            login = b64decode(given)
        except NotBase64:
            login = b""
        if hmac.compare_digest(login, self._expected):
            await self._inner(scope, receive, send)
        else:
            await _UNAUTHORIZED(scope, receive, send)


class StandInRegistry:
    """Runs the stand-in in a thread of this process. A context manager."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str | None = None,
        password: str = "",
        registry: Registry | None = None,
    ) -> None:
        """Bind the port. With `username`, every request needs that username and the password.

        Raises:
            UsageError: the host is not loopback, or the port is taken.
        """
        self.registry = registry or Registry()
        application: Any = Starlette(routes=RestApi(self.registry).routes())
        self.server = LoopbackServer(
            application if username is None else _Login(application, username, password), host, port
        )

    @property
    def url(self) -> str:
        """Return the base URL."""
        return self.server.url

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)
