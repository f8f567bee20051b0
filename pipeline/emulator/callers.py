"""Which callers a stand-in serves: programs of this machine that name it by a loopback address. A web page in a browser of this machine is none.

A page of any site can make the browser send requests to loopback. It cannot hide where it comes from (`Origin`, `Sec-Fetch-Site`), and a page whose own
name was made to lead to loopback (DNS rebinding) still sends that name as `Host`.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.setting_types.endpoint import is_loopback

_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9.-]+))(?::[0-9]+)?")
"""A host, and perhaps its port (RFC 9110, section 7.2)."""

_NOT_LOOPBACK = (421, "found a Host that is no loopback address; expected the stand-in's own URL")
_ANOTHER_SITE = (
    403,
    "found a request that a page of another site made; expected a program, or the stand-in's own page",
)


class LocalCallers:
    """Refuses all other callers, and passes the rest on to an application."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = _refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._inner(scope, receive, send)
            return
        status, sentence = refusal
        await JSONResponse({"stand_in": True, "error": sentence}, status)(scope, receive, send)


def _refusal(method: str, headers: Headers) -> tuple[int, str] | None:
    host = headers.get("host", "")
    if (named := _HOST.fullmatch(host)) is None or not is_loopback(named[1] or named[2]):
        return _NOT_LOOPBACK
    if any(each != f"http://{host}" for each in headers.getlist("origin")):
        return _ANOTHER_SITE
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"  # a link on a page of notes
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not is_link:
        return _ANOTHER_SITE
    return None
