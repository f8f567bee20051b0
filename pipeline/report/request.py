"""The signed request of one batch, with a new nonce, timestamp and signature each time (reference, sections 2 and 3)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.report.credentials import Credentials
from pipeline.report.payload import (
    ACTIONS,
    LIST_WORKSPACES,
    VERSION,
    encode_bytes,
    form_body,
    json_array,
    string_to_sign,
)
from pipeline.report.settings import ReportSettings
from pipeline.report.signing import (
    ALGORITHM_V3,
    canonical_query,
    canonical_request_v3,
    percent_encode,
    signature_v2,
    signature_v3,
    string_to_sign_v2,
    string_to_sign_v3,
)
from pipeline.setting_types.endpoint import checked_endpoint
from transforms.base import Kind

FORM = "application/x-www-form-urlencoded"


class SignedRequest(NamedTuple):
    """One signed call. `signed` is its string to sign in ASCII, to compare with that of the service."""

    origin: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    signed: bytes
    method: str = "POST"

    @property
    def url(self) -> str:
        """The whole URL."""
        return self.origin + self.target


def new_nonce() -> str:
    """Return 128 random bits in hex, a value that is never returned twice (reference, section 4.5)."""
    return secrets.token_hex(16)


def user_agent() -> str:
    """Return `log2mq/<version>`."""
    try:
        return f"log2mq/{version('log2mq')}"
    except PackageNotFoundError:
        return "log2mq/source"  # run from a source tree that is not installed


class RequestSigner:
    """Creates signed requests. Only this class reveals the secret and the token."""

    def __init__(self, settings: ReportSettings, clock: Callable[[], float], nonce: Callable[[], str]) -> None:
        """Prepare the constant parts. `clock` gives Unix seconds, `nonce` a text that it never gives twice.

        Raises:
            UsageError: the endpoint is plain HTTP to another machine.
        """
        try:
            self._url = checked_endpoint(settings.url)
        except ValueError as error:
            raise UsageError(f"report.endpoint: {error}") from None
        self._settings = settings
        self._host = urlsplit(self._url).netloc
        self._clock = clock
        self._nonce = nonce
        self._sign = self._sign_v2 if settings.signature == "v2" else self._sign_v3
        self._constant = {  # in every call under V2
            "AccessId": settings.access_id,
            "Format": "JSON",
            "RegionId": settings.region_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "Version": VERSION,
        }
        whole = self._constant | {"OrganizationId": settings.organization_id}
        self._query = {name: percent_encode(value) for name, value in whole.items()}
        self._common = {
            "host": self._host,
            "user-agent": user_agent(),
            "accept": "application/json",
            "accept-encoding": "identity",
        }
        self._headers = self._common | {"content-type": FORM}

    def __call__(self, kind: Kind, messages: Sequence[bytes], credentials: Credentials) -> SignedRequest:
        """Return the signed request of a batch under these credentials."""
        return self._sign(kind, encode_bytes(json_array(messages)), credentials)

    def workspaces(self, credentials: Credentials) -> SignedRequest:
        """Return the signed request that lists the organisation's workspaces: a GET, which changes nothing."""
        settings = self._settings
        query = {"AccessId": settings.access_id, "TenantId": settings.organization_id}
        if settings.signature != "v2":
            return self._authorized("GET", LIST_WORKSPACES, query, b"", credentials)
        query |= self._constant | {
            "AccessKeyId": credentials.access_key_id,
            "Action": LIST_WORKSPACES,
            "SignatureNonce": self._nonce(),
            "Timestamp": self._timestamp(),
        }
        if credentials.security_token is not None:
            query["SecurityToken"] = credentials.security_token.reveal()
        signed = string_to_sign_v2("GET", query)
        query["Signature"] = signature_v2(signed, credentials.secret.reveal())
        return SignedRequest(self._url, f"/?{canonical_query(query)}", self._common, b"", signed.encode(), "GET")

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _sign_v2(self, kind: Kind, encoded: bytes, credentials: Credentials) -> SignedRequest:
        query = self._query | {
            "AccessKeyId": percent_encode(credentials.access_key_id),
            "Action": ACTIONS[kind],
            "SignatureNonce": percent_encode(self._nonce()),
            "Timestamp": percent_encode(self._timestamp()),
        }
        if credentials.security_token is not None:
            query["SecurityToken"] = percent_encode(credentials.security_token.reveal())
        signed = string_to_sign(kind, encoded, query)
        query["Signature"] = percent_encode(signature_v2(signed, credentials.secret.reveal()))
        target = "&".join([f"{name}={value}" for name, value in query.items()])
        return SignedRequest(self._url, f"/?{target}", self._headers, form_body(kind, encoded), signed)

    def _sign_v3(self, kind: Kind, encoded: bytes, credentials: Credentials) -> SignedRequest:
        query = {"AccessId": self._settings.access_id, "OrganizationId": self._settings.organization_id}
        return self._authorized("POST", ACTIONS[kind], query, form_body(kind, encoded), credentials)

    def _authorized(
        self, method: str, action: str, query: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> SignedRequest:
        payload = hashlib.sha256(body).hexdigest()
        signed_headers = {
            **({"content-type": FORM} if body else {}),
            "host": self._host,
            "x-acs-action": action,
            "x-acs-content-sha256": payload,
            "x-acs-date": self._timestamp(),
            "x-acs-signature-nonce": self._nonce(),
            "x-acs-version": VERSION,
        }
        if credentials.security_token is not None:
            signed_headers["x-acs-security-token"] = credentials.security_token.reveal()
        names = ";".join(sorted(signed_headers))
        signed = string_to_sign_v3(
            canonical_request_v3(method, "/", query, list(signed_headers.items()), names, payload)
        )
        signature = signature_v3(signed, credentials.secret.reveal())
        authorization = (
            f"{ALGORITHM_V3} Credential={credentials.access_key_id},SignedHeaders={names},Signature={signature}"
        )
        headers = self._common | signed_headers | {"authorization": authorization}
        return SignedRequest(self._url, f"/?{canonical_query(query)}", headers, body, signed.encode(), method)
