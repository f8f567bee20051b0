"""The client against a real server on loopback that behaves well, badly, or not at all."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import secrets
import socket
import socketserver
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline.contracts.values import Delivered, Exhausted, Halt, Retry, Unsent
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.emulator.quick_audience.settings import StandInSettings
from pipeline.errors import UsageError
from pipeline.report.client import MOST_ANSWER_BYTES, ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.settings import CredentialsSettings, ReportSettings
from pipeline.report.signing import (
    canonical_request_v3,
    signature_v2,
    signature_v3,
    string_to_sign_v2,
    string_to_sign_v3,
)
from transforms.base import Kind

ENVIRONMENT = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}
NOW = 1_704_164_645.9  # 2024-01-02T03:04:05.9Z
EVENT = (
    '{"organizationId":"org-0001","customerId":"customer001","eventCode":"pay_order","eventTime":1651114368518,'
    '"extendAttributes":{"outBizId":"biz-0001","title":"红色 T恤*~/&=%+"},"v":1}'
).encode()
USER = b'{"organizationId":"org-0001","customerId":"c1","customerIdList":[{"customerId":"13888888888","idMapping":"mobile"}],"v":1}'
YES = b'{"RequestId":"R-1","Success":true,"TraceId":"T-1"}'

# Of a server that exists only in these tests: self-signed for 127.0.0.1 and localhost, valid for a hundred years.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnzCCAUWgAwIBAgIUTCjN8ZDY8o4slfW2+VDUM94i7CgwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLbG9nMm1xIHRlc3QwIBcNMjYxMTIzMjMzMTU5WhgPMjEyNjEw
MzAyMzMxNTlaMBYxFDASBgNVBAMMC2xvZzJtcSB0ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAE/0vHTAdj2cjSgTjI/bCszpz6YIu6eWdPHwXZoKle7YhVFb+B
DwRI+QdJmklF6jE/VqHSHJ/NwSIFNqyB0XL4X6NvMG0wHQYDVR0OBBYEFMA1GKp/
Kxtnzytu8rSKUHMLNylFMB8GA1UdIwQYMBaAFMA1GKp/Kxtnzytu8rSKUHMLNylF
MA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAoG
CCqGSM49BAMCA0gAMEUCIQDIOPh9VBg4QL9YmCOtCux4xzUsiL+AWQxshZnY+hHB
4gIgJ5R3zxFAU7ON2ERLosvi5dNlkjIS+hf1cDygJPmmK8k=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqVLnmYMzRoSuZ+mV
MRiBYRUm2vPayP8puTo5bV5tnEyhRANCAAT/S8dMB2PZyNKBOMj9sKzOnPpgi7p5
Z08fBdmgqV7tiFUVv4EPBEj5B0maSUXqMT9WodIcn83BIgU2rIHRcvhf
-----END PRIVATE KEY-----
"""


class Seen(NamedTuple):
    """One request as the server received it."""

    connection: int
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True))

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


class Connection(socketserver.StreamRequestHandler):
    """Reads requests, and answers each by the behaviour of the server."""

    def handle(self):
        with self.server.lock:
            self.server.connections += 1
            number = self.server.connections
        while (start := self.rfile.readline()).strip():
            headers = {}
            while line := self.rfile.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # a server acts on no part of a request
            seen = Seen(number, start.decode("latin-1").split(" ")[1], headers, body)
            self.server.seen.append(seen)
            if self.server.behave(self, seen) == "close":
                return

    def answer(self, body=YES, status="200 OK", *headers):
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
        self.wfile.write(head.encode() + b"\r\n" + body)

    def finish(self):
        with suppress(OSError):
            super().finish()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, behave, context=None):
        self.behave = behave
        self.context = context
        self.seen = []
        self.connections = 0
        self.lock = threading.Lock()
        self.closed = threading.Event()
        super().__init__(("127.0.0.1", 0), Connection)

    def get_request(self):
        connection, address = super().get_request()
        return (self.context.wrap_socket(connection, server_side=True) if self.context else connection), address

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, _request, _address):
        """Ignore a client that closed its connection."""

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(behave, context=None):
    with Server(behave, context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def client(endpoint, environment=ENVIRONMENT, *, monotonic=None, **changes):
    settings = ReportSettings.model_validate(
        {"endpoint": endpoint, "organization_id": "org-0001", "access_id": "retailadvqa-cn-test"} | changes
    )
    extra = {"monotonic": monotonic} if monotonic else {}
    reporter = ReporterClient(settings, CredentialsSource(None, environment), clock=lambda: NOW, **extra)
    try:
        yield reporter
    finally:
        reporter.close()


def well(connection, _seen):
    connection.answer()


def call(behave, **changes):
    """Return the outcome of one call to a server with this behaviour."""
    with serving(behave) as server, client(server.url, **changes) as reporter:
        return reporter.report(Kind.EVENT, [EVENT])


# --- what is sent ---


@pytest.mark.parametrize(
    ("kind", "message", "action", "field"),
    [
        (Kind.EVENT, EVENT, "RecieveEventMessage", "EventMessageModelListStr"),
        (Kind.USER, USER, "RecieveUserMessage", "CustomerMessageModelListStr"),
    ],
)
def test_v2_puts_the_identifiers_in_the_query_the_list_in_the_body_and_signs_both(kind, message, action, field):
    with serving(well) as server, client(server.url) as reporter:
        assert reporter.report(kind, [message, message]) == Delivered("R-1", "T-1")
    (seen,) = server.seen
    assert seen.form == {field: f"[{message.decode()},{message.decode()}]"}
    query = seen.query
    signature = query.pop("Signature")
    assert signature == signature_v2(string_to_sign_v2("POST", query | seen.form), "testsecret")
    assert re.fullmatch("[0-9a-f]{32}", query.pop("SignatureNonce"))
    assert query == {
        "AccessId": "retailadvqa-cn-test",
        "AccessKeyId": "testid",
        "Action": action,
        "Format": "JSON",
        "OrganizationId": "org-0001",
        "RegionId": "cn-shanghai",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "Timestamp": "2024-01-02T03:04:05Z",
        "Version": "2020-05-15",
    }


def test_acs3_signs_the_headers_and_the_very_bytes_of_the_body():
    environment = ENVIRONMENT | {"SCA_STS_TOKEN": "sts+token/=="}
    with serving(well) as server, client(server.url, environment, signature="acs3") as reporter:
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
    (seen,) = server.seen
    assert seen.query == {"AccessId": "retailadvqa-cn-test", "OrganizationId": "org-0001"}
    assert seen.headers["x-acs-action"] == "RecieveEventMessage"
    assert seen.headers["x-acs-version"] == "2020-05-15"
    assert seen.headers["x-acs-date"] == "2024-01-02T03:04:05Z"
    assert seen.headers["x-acs-security-token"] == "sts+token/=="
    assert seen.headers["accept"] == "application/json"
    found = re.fullmatch(
        r"ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})",
        seen.headers["authorization"],
    )
    names, signature = found.groups()
    wanted = {name for name in seen.headers if name.startswith("x-acs-")} | {"host", "content-type"}
    assert names == ";".join(sorted(wanted))
    payload = hashlib.sha256(seen.body).hexdigest()
    assert seen.headers["x-acs-content-sha256"] == payload
    canonical = canonical_request_v3("POST", "/", seen.query, list(seen.headers.items()), names, payload)
    assert signature == signature_v3(string_to_sign_v3(canonical), "testsecret")


def test_every_attempt_is_signed_anew_on_one_connection_and_keeps_no_cookie():
    def with_cookie(connection, _seen):
        connection.answer(YES, "200 OK", "Set-Cookie: track=1")

    with serving(with_cookie) as server, client(server.url) as reporter:
        for _ in range(3):
            reporter.report(Kind.EVENT, [EVENT])
    assert len({seen.query["SignatureNonce"] for seen in server.seen}) == 3
    assert len({seen.query["Signature"] for seen in server.seen}) == 3
    assert {seen.connection for seen in server.seen} == {1}
    for seen in server.seen:
        assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
        assert seen.headers["user-agent"].startswith("log2mq/")
        assert seen.headers["accept-encoding"] == "identity"
        assert "cookie" not in seen.headers
        assert "testsecret" not in str(seen)


def test_a_security_token_is_sent_and_signed():
    with serving(well) as server, client(server.url, ENVIRONMENT | {"SCA_STS_TOKEN": "sts+token/=="}) as reporter:
        reporter.report(Kind.EVENT, [EVENT])
    query = server.seen[0].query
    signature = query.pop("Signature")
    assert query["SecurityToken"] == "sts+token/=="
    assert signature == signature_v2(string_to_sign_v2("POST", query | server.seen[0].form), "testsecret")


def test_after_an_expired_token_the_credentials_are_read_again():
    environment = ENVIRONMENT | {"SCA_STS_TOKEN": "old"}

    def expire(connection, seen):
        if seen.query["SecurityToken"] == "old":
            environment["SCA_STS_TOKEN"] = "new"
            connection.answer(b'{"Code":"InvalidSecurityToken.Expired"}', "400 Bad Request")
        else:
            connection.answer()

    with serving(expire) as server, client(server.url, environment) as reporter:
        first = reporter.report(Kind.EVENT, [EVENT])
        assert (first.code, first.limit, first.exhausted) == ("InvalidSecurityToken.Expired", 5, Exhausted.HALT)
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)


# --- answers ---


def test_an_answer_is_judged_with_its_headers():
    def throttle(connection, _seen):
        connection.answer(b'{"Code":"Throttling.User","RequestId":"R-2"}', "400 Bad Request", "X-Acs-Retry-After: 1500")

    outcome = call(throttle)
    assert (type(outcome), outcome.code, outcome.after_ms, outcome.request_id) == (
        Retry,
        "Throttling.User",
        1500,
        "R-2",
    )


def test_a_refused_signature_tells_a_wrong_secret_from_another_encoding():
    def refuse(change):
        def behave(connection, seen):
            query = seen.query
            del query["Signature"]
            text = change(string_to_sign_v2("POST", query | seen.form))
            message = f"Specified signature is not matched with our calculation. server string to sign is:{text}"
            connection.answer(
                json.dumps({"Code": "SignatureDoesNotMatch", "Message": message}).encode(), "400 Bad Request"
            )

        return behave

    assert "secret is wrong" in call(refuse(lambda text: text)).reason
    assert "another text" in call(refuse(lambda text: text.replace("%252A", "*"))).reason


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_a_redirect_halts_and_is_not_followed(status):
    with serving(well) as elsewhere:
        outcome = call(lambda connection, _: connection.answer(b"", status, f"Location: {elsewhere.url}/"))
        assert isinstance(outcome, Halt)
        assert not elsewhere.seen


def test_a_page_said_with_200_is_not_a_yes():
    outcome = call(lambda connection, _: connection.answer(b"<html>Please sign in. Success: true</html>"))
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "NotAnAnswer", True)


@pytest.mark.parametrize(("status", "code"), [("200 OK", "NotAnAnswer"), ("503 Away", "HTTP503")])
def test_a_huge_answer_is_not_read_to_its_end_and_judged_by_its_status(status, code):
    sent = []

    def pour(connection, _seen):
        connection.wfile.write(f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(OSError):
            while len(sent) < 1000:
                connection.wfile.write(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
                sent.append(1)
        return "close"

    outcome = call(pour)
    assert (type(outcome), outcome.code) == (Retry, code)
    assert len(sent) < 100 * MOST_ANSWER_BYTES >> 20


# --- no answer ---


def test_nobody_listening_is_an_outage_and_nothing_was_sent():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with client(f"http://127.0.0.1:{unused.getsockname()[1]}") as reporter:
            outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (type(outcome), outcome.code, outcome.in_doubt, outcome.outage) == (Retry, "ConnectError", False, True)


def test_an_unknown_host_is_an_outage(monkeypatch):
    def no_such_name(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with client("https://quicka.invalid") as reporter:
        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
        outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (type(outcome), outcome.code, outcome.in_doubt, outcome.limit) == (Retry, "UnknownHost", False, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x16\x03\x01 no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + YES,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n" + YES,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
    ids=["cut", "no http", "short", "two lengths", "bad chunk", "endless header", "bad status"],
)
def test_a_broken_answer_after_the_request_was_read_is_in_doubt(raw):
    def behave(connection, _seen):
        connection.wfile.write(raw)
        return "close"

    outcome = call(behave)
    assert (type(outcome), outcome.in_doubt, outcome.outage, outcome.limit) == (Retry, True, True, None)


def test_a_connection_cut_before_the_request_was_read_is_an_outage():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            connection, _ = listener.accept()
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with client(f"http://127.0.0.1:{listener.getsockname()[1]}") as reporter:
            outcome = reporter.report(Kind.EVENT, [EVENT] * 100)
        thread.join()
    assert (type(outcome), outcome.in_doubt, outcome.outage) == (Retry, True, True)


def test_no_answer_within_the_read_timeout_is_in_doubt():
    done = threading.Event()

    def hold(_connection, _seen):
        done.wait(30)
        return "close"

    with serving(hold) as server, client(server.url, read_timeout="100ms") as reporter:
        outcome = reporter.report(Kind.EVENT, [EVENT])
        done.set()
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "ReadTimeout", True)


@pytest.mark.parametrize("is_first", [True, False], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("writes", [0, 1, 2], ids=["nothing", "the headers", "a part of the body"])
def test_a_call_that_is_late_before_a_write_is_not_made(writes, is_first):
    """The process stood still since the call began: another one may hold its messages now, and has sent them."""
    looks = itertools.count()
    large = b'"' + b"a" * (1 << 20) + b'"'
    with serving(well) as server, client(server.url) as reporter:
        if not is_first:
            assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
        assert reporter.report(Kind.EVENT, [large], lambda: next(looks) >= writes) == Unsent()
        assert next(looks) == writes + 1
        assert isinstance(reporter.report(Kind.EVENT, [EVENT], lambda: False), Delivered)
        assert len(server.seen) == 1 + (not is_first)


class Ticks:
    """A clock that goes on by half a second with each reading. A call has 10 s, so it may read it about 20 times."""

    def __init__(self):
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return self.readings / 2


@pytest.mark.parametrize(
    "begin",
    [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"],
    ids=["status line", "headers", "body"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["new connection", "kept connection"])
def test_an_answer_that_drips_is_cut_off_at_the_deadline_of_the_call(begin, is_first):
    done, clock = threading.Event(), Ticks()

    def drip(connection, _seen):
        if len(connection.server.seen) == 1 and not is_first:
            return connection.answer()
        connection.wfile.write(begin)
        with suppress(OSError):
            while not done.wait(0.005):
                connection.wfile.write(b"H" if not begin else b" ")
        return "close"

    with serving(drip) as server, client(server.url, monotonic=clock) as reporter:
        if not is_first:
            assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
        before, threads = clock.readings, threading.active_count()
        outcome = reporter.report(Kind.EVENT, [EVENT])
        assert threading.active_count() <= threads + is_first  # the server has a thread for each connection
        done.set()
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "ReadTimeout", True)
    assert clock.readings - before < 40


def test_a_request_that_is_read_in_drips_is_cut_off_at_the_deadline_of_the_call():
    done, clock = threading.Event(), Ticks()

    def sip(listener):
        connection, _ = listener.accept()
        with connection:
            while not done.wait(0.001) and connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=sip, args=(listener,))
        thread.start()
        with client(f"http://127.0.0.1:{listener.getsockname()[1]}", monotonic=clock) as reporter:
            outcome = reporter.report(Kind.EVENT, [b'"' + b"a" * (16 << 20) + b'"'])
            done.set()
        thread.join()
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "WriteTimeout", True)
    assert clock.readings < 40


def test_all_addresses_of_a_host_have_one_time_limit(monkeypatch):
    clock = Ticks()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        port = closed.getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in range(1, 200)]
        resolve = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *more, **named: found if host == "localhost" else resolve(host, *more, **named),
        )
        with client(f"http://localhost:{port}", monotonic=clock) as reporter:
            outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (outcome.code, outcome.in_doubt) == ("ConnectTimeout", False)


def test_a_connection_that_the_server_closed_while_idle_is_not_used_again():
    def answer_and_close(connection, _seen):
        connection.answer()
        return "close"

    with serving(answer_and_close) as server, client(server.url) as reporter:
        for _ in range(3):
            server.closed.clear()
            assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
            assert server.closed.wait(10)
    assert [seen.connection for seen in server.seen] == [1, 2, 3]


def test_after_a_cut_the_client_goes_on_with_a_new_connection():
    def cut_first(connection, seen):
        if seen.connection == 1:
            return "close"
        return connection.answer()

    with serving(cut_first) as server, client(server.url) as reporter:
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Retry)
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)


# --- TLS, proxy, plain HTTP ---


@pytest.fixture
def tls(tmp_path):
    """The TLS context of a server, and the path of its certificate."""
    (tmp_path / "both.pem").write_text(KEY + CERTIFICATE)
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context, str(tmp_path / "certificate.pem")


def test_a_certificate_nobody_vouches_for_is_tried_three_times_and_nothing_is_sent(tls, monkeypatch):
    context, certificate = tls
    monkeypatch.setenv("SSL_CERT_FILE", certificate)  # the environment does not decide which certificates to trust
    with serving(well, context) as server, client(server.url) as reporter:
        outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (type(outcome), outcome.code, outcome.limit, outcome.exhausted) == (
        Retry,
        "BadCertificate",
        3,
        Exhausted.HALT,
    )
    assert not outcome.in_doubt
    assert not server.seen


def test_a_certificate_of_the_ca_file_is_trusted(tls):
    context, certificate = tls
    with serving(well, context) as server, client(server.url, ca_file=certificate) as reporter:
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)


def test_a_server_without_tls_is_an_outage():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_plainly():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=answer_plainly)
        thread.start()
        with client(f"https://127.0.0.1:{listener.getsockname()[1]}") as reporter:
            outcome = reporter.report(Kind.EVENT, [EVENT])
        thread.join()
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "TlsFailed", False)


def test_a_ca_file_that_is_none_is_a_usage_error(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=r"report\.ca_file"), client("https://127.0.0.1", ca_file=str(path)):
        pass


def test_the_proxy_of_the_settings_is_used():
    with serving(well) as proxy, client("http://127.0.0.1:9", proxy=proxy.url) as reporter:
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
    assert proxy.seen[0].target.startswith("http://127.0.0.1:9/?")


def test_a_proxy_that_lets_nothing_through_is_an_outage_and_sees_no_content():
    with (
        serving(lambda connection, _: connection.answer(b"", "403 Forbidden")) as proxy,
        client("https://quicka.example", proxy=proxy.url) as reporter,
    ):
        outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (type(outcome), outcome.code, outcome.in_doubt) == (Retry, "ProxyError", False)
    assert [(seen.target, seen.body) for seen in proxy.seen] == [("quicka.example:443", b"")]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with serving(well) as proxy, serving(well) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with client(server.url) as reporter:
            reporter.report(Kind.EVENT, [EVENT])
        assert not proxy.seen
        assert len(server.seen) == 1


def test_plain_http_to_another_machine_is_refused_however_it_came_into_the_settings():
    good = ReportSettings(region="cn-shanghai", organization_id="o", access_id="a")
    bypassed = good.model_copy(update={"region": None, "endpoint": "http://192.0.2.1"})
    with pytest.raises(UsageError, match="https"):
        ReporterClient(bypassed, CredentialsSource(None, ENVIRONMENT))


# --- with the stand-in ---


@pytest.mark.parametrize("signature", ["v2", "acs3"])
@pytest.mark.parametrize("token", [None, "sts+token/=="])
def test_the_stand_in_takes_both_signatures_with_and_without_a_token(signature, token):
    environment = ENVIRONMENT | ({"SCA_STS_TOKEN": token} if token else {})
    with (
        StandIn(StandInSettings(security_token=token), clock=lambda: NOW) as stand_in,
        client(stand_in.url, environment, signature=signature) as reporter,
    ):
        assert isinstance(reporter.report(Kind.EVENT, [EVENT] * 100), Delivered)
        assert isinstance(reporter.report(Kind.USER, [USER]), Delivered)
        assert isinstance(reporter.report(Kind.EVENT, [EVENT] * 101), Retry)


@pytest.mark.parametrize("signature", ["v2", "acs3"])
@pytest.mark.parametrize(
    ("environment", "changes", "code"),
    [
        (ENVIRONMENT | {"SCA_AK_ENV": "nobody"}, {}, "InvalidAccessKeyId.NotFound"),
        (ENVIRONMENT | {"SCA_SK_ENV": "wrong"}, {}, "SignatureDoesNotMatch"),
        (ENVIRONMENT, {"organization_id": "another"}, "ES0110000002"),
        (ENVIRONMENT, {"access_id": "another"}, "ES0110000002"),
    ],
)
def test_the_stand_in_halts_what_a_person_must_mend(signature, environment, changes, code):
    with (
        StandIn(StandInSettings(), clock=lambda: NOW) as stand_in,
        client(stand_in.url, environment, signature=signature, **changes) as reporter,
    ):
        outcome = reporter.report(Kind.EVENT, [EVENT])
    assert (type(outcome), outcome.code) == (Halt, code)
    assert outcome.request_id
    if code == "SignatureDoesNotMatch":
        assert "secret is wrong" in outcome.reason


@pytest.mark.parametrize(
    ("fault", "code", "in_doubt"),
    [
        ({"name": "now", "do": "throttle", "retry_after": "1500ms"}, "Throttling.User", False),
        ({"name": "now", "do": "unavailable"}, "ServiceUnavailable", False),
        ({"name": "now", "do": "internal_error"}, "InternalError", False),
        ({"name": "now", "do": "garbage"}, "NotAnAnswer", True),
        ({"name": "now", "do": "cut_before"}, "RemoteProtocolError", True),
        ({"name": "now", "do": "cut_after"}, "RemoteProtocolError", True),
    ],
)
def test_the_stand_ins_faults_are_told_apart(fault, code, in_doubt):
    with StandIn(StandInSettings(), clock=lambda: NOW) as stand_in, client(stand_in.url) as reporter:
        stand_in.set_faults(fault)
        outcome = reporter.report(Kind.EVENT, [EVENT])
        assert (type(outcome), outcome.in_doubt) == (Retry, in_doubt)
        # The kernel shows an aborted connection as closed or as reset.
        assert outcome.code == code or (fault["do"].startswith("cut") and outcome.code == "ReadError")
        stand_in.set_faults()
        assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)


def test_a_body_the_stand_in_finds_too_large_is_refused():
    with StandIn(StandInSettings(), clock=lambda: NOW) as stand_in, client(stand_in.url) as reporter:
        stand_in.set_faults({"name": "now", "do": "too_large"})
        assert reporter.report(Kind.EVENT, [EVENT]).exhausted is Exhausted.HALVE_OR_HALT


OLD = {"access_key_id": "oldid", "access_key_secret": "oldsecret", "security_token": "oldtoken"}
NEW = {"access_key_id": "testid", "access_key_secret": "testsecret", "security_token": "testtoken"}


@pytest.mark.parametrize("signature", ["v2", "acs3"])
@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("access_key_id", "InvalidAccessKeyId.NotFound"),
        ("access_key_secret", "SignatureDoesNotMatch"),
        ("security_token", "InvalidSecurityToken"),
    ],
)
@pytest.mark.parametrize("rotates", [True, False], ids=["rotated", "wrong"])
def test_a_key_that_is_rotated_while_a_call_is_under_way_halts_nothing(tmp_path, signature, part, code, rotates):
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(NEW | {part: OLD[part]}))

    def nonce():  # the request has its credentials by now, and is not sent yet
        if rotates:
            path.write_text(json.dumps(NEW))
        return secrets.token_hex(16)

    with StandIn(StandInSettings(security_token=NEW["security_token"]), clock=lambda: NOW) as stand_in:
        settings = ReportSettings(
            endpoint=stand_in.url, organization_id="org-0001", access_id="retailadvqa-cn-test", signature=signature
        )
        source = CredentialsSource(CredentialsSettings(file=str(path)), {})
        reporter = ReporterClient(settings, source, clock=lambda: NOW, nonce=nonce)
        outcome = reporter.report(Kind.EVENT, [EVENT])
        assert outcome.code.startswith(code)
        if rotates:
            assert (type(outcome), outcome.outage, outcome.limit) == (Retry, False, None)
            assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Delivered)
        else:
            assert isinstance(outcome, Halt)
            assert isinstance(reporter.report(Kind.EVENT, [EVENT]), Halt)
        reporter.close()
