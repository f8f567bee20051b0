"""The HTTP server of the stand-ins: its port belongs to it, and takes callers, from the moment its URL is known."""

from __future__ import annotations

import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pipeline.emulator.loopback import LoopbackServer
from pipeline.errors import UsageError


def server(port=0):
    return LoopbackServer(Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))]), "127.0.0.1", port)


def test_a_caller_who_is_early_waits_and_is_answered():
    waiting = server()
    with socket.create_connection(("127.0.0.1", httpx.URL(waiting.url).port)) as early:
        early.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with waiting:
            answer = early.makefile("rb").read()
    assert answer.endswith(b"here")


def test_a_port_that_another_server_has_is_named():
    first = server()
    port = httpx.URL(first.url).port
    with first, pytest.raises(UsageError, match=f"--port: {port} cannot be used"):
        server(port)


def test_a_port_is_taken_before_its_server_runs():
    first = server()
    with pytest.raises(UsageError, match="try another"):
        server(httpx.URL(first.url).port)
    with first:
        pass
