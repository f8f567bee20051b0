"""The proxy passes on, resets, swallows and slows, and is a witness of the answers that arrived."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from tests.soak.proxy import FREE, Proxy, Traffic

ANSWER = b'HTTP/1.1 200 OK\r\n\r\n{"RequestId":"8F4A2C1E-0000-0000-0000-00000000000%d","Success":true}'


class Echo:
    """Answers whatever it is sent, and remembers it."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.received = []
        self.ended = threading.Event()
        self.answer = lambda text: text
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                while text := connection.recv(1 << 16):
                    self.received.append(text)
                    connection.sendall(self.answer(text))
            except OSError:
                pass
            self.ended.set()


@pytest.fixture
def echo():
    serving = Echo()
    yield serving
    serving.listening.shutdown(socket.SHUT_RDWR)
    serving.listening.close()


@pytest.fixture
def proxy(echo):
    between = Proxy(echo.port)
    between.start()
    yield between
    between.close()


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def test_bytes_go_both_ways_and_an_end_is_passed_on(proxy, echo):
    with connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
    assert echo.ended.wait(10)


def test_a_reset_ends_every_open_connection_and_new_ones_work(proxy, echo):
    with connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with connect(proxy) as client:
        client.sendall(b"again")
        assert client.recv(100) == b"again"


def test_what_is_swallowed_reaches_nobody_and_is_not_delivered_later(proxy, echo):
    with connect(proxy) as client:
        client.sendall(b"before")
        assert client.recv(100) == b"before"
        proxy.set_traffic(Traffic(swallows=True))
        client.sendall(b"lost")
        with connect(proxy) as late:  # connects, and hears nothing
            late.settimeout(0.3)
            late.sendall(b"lost too")
            with pytest.raises(TimeoutError):
                late.recv(100)
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(100)
            proxy.set_traffic(FREE)
            client.settimeout(10)
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    with connect(proxy) as client:
        client.sendall(b"after")
        assert client.recv(100) == b"after"
    assert b"".join(echo.received) == b"beforeafter"


def test_a_client_that_gives_up_while_its_request_is_slow_never_completes_it(proxy, echo):
    proxy.set_traffic(Traffic(requests_per_s=200))
    with connect(proxy) as client:
        client.sendall(b"x" * 10_000)
    assert echo.ended.wait(20)
    assert sum(map(len, echo.received)) < 10_000


def test_slow_answers_arrive_whole(proxy, echo):
    proxy.set_traffic(Traffic(answers_per_s=2_000))
    with connect(proxy) as client:
        client.sendall(b"y" * 400)
        proxy.set_traffic(FREE)  # from here on at full speed
        found = b""
        while len(found) < 400:
            found += client.recv(1_000)
    assert found == b"y" * 400


def test_an_answer_that_was_passed_on_is_noted_and_one_that_was_swallowed_is_not(proxy, echo):
    numbers = iter(range(9))
    echo.answer = lambda _: ANSWER % next(numbers)
    with connect(proxy) as client:
        client.sendall(b"POST")
        assert b"000000000000" in client.recv(200)
        proxy.set_traffic(Traffic(swallows=True))
        client.sendall(b"POST")
        proxy.set_traffic(FREE)
    proxy.close()
    assert set(proxy.passed_ms) == {"8F4A2C1E-0000-0000-0000-000000000000"}


def test_an_id_that_two_chunks_share_is_noted(proxy, echo):
    parts = iter([ANSWER[:40] % (), (ANSWER % 5)[40:]])
    echo.answer = lambda _: next(parts)
    with connect(proxy) as client:
        client.sendall(b"first")
        first = client.recv(200)
        client.sendall(b"second")
        assert first + client.recv(200) == ANSWER % 5
    proxy.close()
    assert set(proxy.passed_ms) == {"8F4A2C1E-0000-0000-0000-000000000005"}


def test_a_target_that_is_away_ends_the_connection(echo):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        proxy = Proxy(bound.getsockname()[1])
        proxy.start()
        try:
            with connect(proxy) as client:
                assert client.recv(100) == b""
        finally:
            proxy.close()


ASKS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as client:
    client.sendall(b"POST")
    client.recv(200)
"""


def test_the_process_that_got_an_answer_is_known(echo):
    between = Proxy(echo.port, knows_clients=True)
    between.start()
    try:
        echo.answer = lambda _: ANSWER % 1
        with connect(between) as client:
            client.sendall(b"POST")
            client.recv(200)
        echo.answer = lambda _: ANSWER % 2
        with subprocess.Popen([sys.executable, "-c", ASKS, str(between.port)]) as other:
            assert other.wait(30) == 0
    finally:
        between.close()
    assert list(between.client_pids.values()) == [os.getpid(), other.pid]
