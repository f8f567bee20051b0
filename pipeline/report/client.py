"""The HTTP client of one sender thread: it reports a batch with one signed call. Of this room only this file imports httpx."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from pipeline.contracts.interfaces import never_late
from pipeline.contracts.values import Delivered, Halt, Outcome, Refused, Retry, Unsent
from pipeline.http_transport.deadline import DeadlineTransport, LateCall
from pipeline.http_transport.transport import read_within, trusted
from pipeline.report.credentials import Credentials, CredentialsSource
from pipeline.report.error_codes import Verdict, verdict_of
from pipeline.report.request import RequestSigner, SignedRequest, new_nonce
from pipeline.report.settings import ReportSettings
from pipeline.report.verdict import judge
from schemas.result import workspaces_of
from transforms.base import Kind

MOST_ANSWER_BYTES = 1 << 20
"""The most bytes that are read of an answer, in addition to twice the request. An answer has a few hundred bytes.

The answer to a wrong signature repeats the request, encoded once more.
"""

KEEP_ALIVE_S = 10.0
"""The time after which the client closes an idle connection, before the server does. So few calls find that the server just closed the connection."""

_OF_THE_CREDENTIALS = frozenset({Verdict.TOKEN_EXPIRED, Verdict.CREDENTIALS, Verdict.PERMISSION})
"""Classes of answers that other credentials may change."""


class ReporterClient:
    """A `Reporter` over HTTP/1.1: no redirect, no cookie, neither proxy nor certificates from the environment."""

    def __init__(
        self,
        settings: ReportSettings,
        credentials: CredentialsSource,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = new_nonce,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a client with one kept-alive connection.

        `clock` gives Unix seconds, `monotonic` seconds that never go back.

        Raises:
            UsageError: the endpoint is not allowed, or `report.ca_file` cannot be read as certificates.
        """
        self._credentials = credentials
        self._clock = clock
        self._signer = RequestSigner(settings, clock, nonce)
        connect_s, read_s = settings.connect_timeout / 1000, settings.read_timeout / 1000
        self._url = httpx.URL(f"{settings.url}/") if settings.proxy is None else None
        self._extensions = {"timeout": {"connect": connect_s, "read": read_s, "write": read_s, "pool": connect_s}}
        context = _tls_context(settings)
        self._transport = DeadlineTransport(
            monotonic=monotonic,
            verify=context,
            trust_env=False,
            http2=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S),
            proxy=None if settings.proxy is None else _proxy(settings.proxy, context),
        )

    def report(
        self, kind: Kind, messages: Sequence[bytes], is_late: Callable[[], bool] = never_late
    ) -> Outcome | Unsent:
        """Report the messages with one call, and return its outcome."""
        credentials = self._credentials.current()
        request = self._signer(kind, messages, credentials)
        try:
            answer = self._exchange(request, is_late)
        except LateCall:
            return Unsent()
        except httpx.HTTPError as error:
            return _failure(error)
        return self._judge(answer, request, credentials)

    def workspaces(self) -> Mapping[str, str] | Retry | Refused | Halt:
        """Return the names of the organisation's workspaces by ID, or the outcome of a call that failed. The call changes nothing."""
        credentials = self._credentials.current()
        request = self._signer.workspaces(credentials)
        try:
            answer = self._exchange(request, never_late)
        except httpx.HTTPError as error:
            return _failure(error)
        outcome = self._judge(answer, request, credentials)
        return workspaces_of(answer[2]) if isinstance(outcome, Delivered) else outcome

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _judge(
        self, answer: tuple[int, Mapping[str, str], bytes], request: SignedRequest, credentials: Credentials
    ) -> Outcome:
        """Return the outcome of an answer. A refusal of credentials that were replaced since the request was signed is a `Retry`."""
        outcome = judge(*answer, request.signed, now_s=self._clock())
        if isinstance(outcome, Delivered) or verdict_of(0, outcome.code) not in _OF_THE_CREDENTIALS:
            return outcome
        if self._credentials.refresh() != credentials and isinstance(outcome, Halt):
            reason = "the credentials were replaced during the call; the new ones are tried"
            return Retry(outcome.code, reason, outage=False, request_id=outcome.request_id, trace_id=outcome.trace_id)
        return outcome

    def _exchange(self, request: SignedRequest, is_late: Callable[[], bool]) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request, and return the status, the headers with lower-case names, and the body."""
        url, extensions = self._address(request)
        extensions["is_late"] = is_late
        # With `content` httpx would look through all headers again.
        headers = {**request.headers, "content-length": str(len(request.body))} if request.body else request.headers
        stream = httpx.ByteStream(request.body)
        sent = httpx.Request(request.method, url, headers=headers, stream=stream, extensions=extensions)
        response = self._transport.handle_request(sent)
        try:
            body = read_within(response, MOST_ANSWER_BYTES + 2 * len(request.body))
        finally:
            response.close()
        return response.status_code, {name.lower(): value for name, value in response.headers.items()}, body

    def _address(self, request: SignedRequest) -> tuple[httpx.URL | str, dict[str, Any]]:
        """Return the URL and the extensions of a request. A proxy needs the whole URL.

        Without a proxy the target is passed as it was signed: parsing it in httpx would take longer than to sign it.
        """
        if self._url is None:
            return request.url, {**self._extensions}
        return self._url, {**self._extensions, "target": request.target.encode("ascii")}


def _failure(error: httpx.HTTPError) -> Retry | Halt:
    """Return the outcome of a call without an answer: whether to try again, and whether the request may have arrived."""
    name = type(error).__name__
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return Retry("ConnectTimeout", "no connection within report.connect_timeout")
        case httpx.ConnectError():
            return _connect_failure(error)
        case httpx.ProxyError():
            return Retry(name, "the proxy refuses the call; see report.proxy")
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Halt(name, "the request is not valid HTTP; see report.endpoint and the credentials")
        case httpx.TimeoutException():
            return Retry(name, "no answer within report.read_timeout", in_doubt=True)
        case _:
            return Retry(name, "the connection broke before the answer was complete", in_doubt=True)


def _connect_failure(error: BaseException) -> Retry:
    """Return the outcome of a failed connection, by its cause. No request was sent."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                # It may be the sign-in page of a network, for a moment. If it lasts, a person must check.
                return Retry(
                    "BadCertificate", "the endpoint's certificate cannot be verified; see report.ca_file", limit=3
                )
            case ssl.SSLError():
                return Retry("TlsFailed", "the TLS handshake with the endpoint failed; see report.endpoint")
            case socket.gaierror():
                return Retry(
                    "UnknownHost",
                    "the name of the endpoint is not known; see report.endpoint, or the DNS does not answer",
                )
            case _:
                cause = cause.__cause__ or cause.__context__
    return Retry("ConnectError", "the endpoint cannot be reached")


def _proxy(url: str, context: ssl.SSLContext) -> httpx.Proxy:
    return httpx.Proxy(url, ssl_context=context if url.startswith("https:") else None)


def _tls_context(settings: ReportSettings) -> ssl.SSLContext:
    """Return the TLS context of the connections. Reading the certificates of the machine takes 15 ms a sender, so plain HTTP does without them."""
    if (
        all(url is None or url.startswith("http:") for url in (settings.url, settings.proxy))
        and settings.ca_file is None
    ):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts no certificate
    return trusted(settings.ca_file, "report.ca_file")
