"""Why no broker answers: each server that the file names is tried by plain sockets, and what answered is said."""

from __future__ import annotations

import socket
import ssl
import struct
import threading

from pipeline.kafka_io.settings import KafkaSettings, SecuritySettings

LIMIT_S = 1.5
"""The time for all servers together, name server included. One that has not answered by then does not answer."""

MOST_SERVERS = 5

_API_VERSIONS, _CORRELATION = 18, 0x6C326D71
_ASK = struct.pack(">hhih6s", _API_VERSIONS, 0, _CORRELATION, 6, b"log2mq")
"""An ApiVersions request of version 0 (https://kafka.apache.org/protocol#The_Messages_ApiVersions): every broker answers it, before any login."""

_ANSWER = struct.Struct(">ii")  # size and correlation ID
_TLS_ALERT, _TLS_HANDSHAKE = 0x15, 0x16


def diagnose(settings: KafkaSettings, limit_s: float = LIMIT_S) -> str:
    """Return what each server answered, such as `kafka-1:9092 refuses the connection`. It takes at most `limit_s`."""
    servers = list(settings.bootstrap_servers)[:MOST_SERVERS]
    found = dict.fromkeys(servers, f"does not answer within {limit_s:g} s")

    def ask(server: str) -> None:
        found[server] = _answer(server, settings.security, limit_s)

    threads = [threading.Thread(target=ask, args=(server,), name="diagnosis", daemon=True) for server in servers]
    for each in threads:
        each.start()
    for each in threads:
        each.join(limit_s / len(threads))
    left = len(settings.bootstrap_servers) - len(servers)
    more = [f"and {left} more servers"] if left > 0 else []
    return "; ".join([*(f"{server} {what}" for server, what in dict(found).items()), *more])


def _answer(server: str, security: SecuritySettings, limit_s: float) -> str:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        connection = socket.create_connection((host, int(port)), timeout=limit_s)
    except socket.gaierror:
        return "is not known: the name server has no such name"
    except ConnectionRefusedError:
        return "refuses the connection: nothing listens there"
    except TimeoutError:
        return "does not answer: a firewall may drop what is sent"
    except OSError as error:
        return f"cannot be reached ({error.strerror or type(error).__name__})"
    with connection:
        if not security.protocol.endswith("SSL"):
            return _spoken(connection, security)
        context = ssl.create_default_context(cafile=security.ca_file)
        context.check_hostname = security.check_hostname
        try:
            with context.wrap_socket(connection, server_hostname=host) as encrypted:
                return _spoken(encrypted, security)
        except ssl.SSLCertVerificationError as error:
            return f"has a certificate that is not trusted ({error.verify_message}); see kafka.security.ca_file"
        except (ssl.SSLError, OSError) as error:
            return f"does not speak TLS, or refuses it ({_reason(error)}); see kafka.security.protocol"


def _spoken(connection: socket.socket, security: SecuritySettings) -> str:
    """Ask for the versions of the broker, and return what the answer says."""
    try:
        connection.sendall(struct.pack(">i", len(_ASK)) + _ASK)
        answer = _received(connection, _ANSWER.size)
    except TimeoutError:
        return "accepts the connection, and answers nothing: it is not Kafka, or it stands still"
    except OSError as error:
        return f"breaks the connection ({_reason(error)}): it is not Kafka, or it expects TLS"
    if len(answer) < _ANSWER.size:
        is_tls = answer[:1] in {bytes([_TLS_ALERT]), bytes([_TLS_HANDSHAKE])}
        return (
            "expects TLS; see kafka.security.protocol"
            if is_tls
            else "closes the connection: it is not Kafka, or it expects TLS"
        )
    _, correlation = _ANSWER.unpack(answer)
    if correlation != _CORRELATION:
        return "is not Kafka: something else answers"
    login = "the login may be refused, or " if security.mechanism is not None else ""
    return f"is a Kafka broker, and answers: {login}a broker that it names may not be reachable (advertised.listeners)"


def _received(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := connection.recv(size - len(received))):
        received += part
    return received


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", "") or error.strerror or type(error).__name__)
