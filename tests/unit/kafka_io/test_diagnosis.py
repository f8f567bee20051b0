"""What is said of servers that do not answer as brokers: real sockets on loopback, each with another fault."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
import trustme

from pipeline.kafka_io.diagnosis import diagnose
from pipeline.kafka_io.settings import KafkaSettings, SecuritySettings


@pytest.fixture
def serve():
    """Start a server that handles one connection with a function; return its address."""
    listeners = []

    def serve(handle):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run():
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        handle(connection)
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for each in listeners:
        each.close()


def told(*servers, limit_s=1.5, **security):
    settings = KafkaSettings(
        bootstrap_servers=servers,
        topics=("log",),
        security=SecuritySettings(**security) if security else SecuritySettings(),
    )
    return diagnose(settings, limit_s)


def as_kafka(connection):
    size = int.from_bytes(connection.recv(4))
    request = connection.recv(size)
    connection.sendall((6).to_bytes(4) + request[4:8] + bytes(2))


def test_a_port_where_nothing_listens():
    assert told("127.0.0.1:1") == "127.0.0.1:1 refuses the connection: nothing listens there"


def test_a_name_that_nobody_knows():
    assert "kafka.invalid:9092 " in told("kafka.invalid:9092")


def test_a_broker(serve):
    server = serve(as_kafka)
    assert told(server).startswith(
        f"{server} is a Kafka broker, and answers: a broker that it names may not be reachable"
    )


def test_another_service(serve):
    server = serve(lambda connection: (connection.recv(100), connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    assert told(server) == f"{server} is not Kafka: something else answers"


@pytest.mark.slow
def test_a_service_that_says_nothing(serve):
    server = serve(lambda _: time.sleep(2))
    assert told(server, limit_s=0.3).startswith(f"{server} ")
    assert "answer" in told(server, limit_s=0.3)


def test_a_broker_that_closes_at_once(serve):
    server = serve(lambda connection: connection.recv(4))
    said = told(server)
    assert "it is not Kafka, or it expects TLS" in said


@pytest.fixture
def tls():
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return authority, context


def secure(context):
    def handle(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                as_kafka(encrypted)
        except ssl.SSLError:
            return

    return handle


def test_a_broker_that_expects_tls(serve, tls):
    server = serve(secure(tls[1]))
    assert "TLS" in told(server)


def test_a_certificate_that_is_not_trusted_and_one_that_is(serve, tls, tmp_path):
    server = serve(secure(tls[1]))
    assert "has a certificate that is not trusted" in told(server, protocol="SSL")
    trusted = tmp_path / "ca.pem"
    tls[0].cert_pem.write_to_path(trusted)
    assert "is a Kafka broker" in told(server, protocol="SSL", ca_file=str(trusted))


def test_a_broker_that_speaks_no_tls(serve):
    server = serve(as_kafka)
    assert "does not speak TLS, or refuses it" in told(server, protocol="SSL")


@pytest.mark.slow
def test_several_servers_in_one_line_and_in_time(serve):
    begun = time.monotonic()
    said = told("127.0.0.1:1", serve(lambda _: time.sleep(3)), serve(as_kafka), limit_s=0.6)
    assert time.monotonic() - begun < 5
    assert said.count("; ") == 2
