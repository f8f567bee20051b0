"""The signed request of a batch as a person may see it: whole, but with keys, signature and identifiers masked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pipeline.observe.redact import redact
from pipeline.report.credentials import Credentials
from pipeline.report.payload import LIST_FIELDS
from pipeline.report.request import RequestSigner, new_nonce
from pipeline.report.settings import ReportSettings
from transforms.base import Kind

MASK = "***"

_MASKED_PARAMETERS = frozenset({"AccessKeyId", "SecurityToken", "Signature"})
# The hash of a body of which all but a mobile number is shown would give the number away.
_MASKED_HEADERS = frozenset({"x-acs-security-token", "x-acs-content-sha256"})
_MASKED_IN_AUTHORIZATION = re.compile(r"\b(Credential|Signature)=[^,]{1,256}")
_IDENTIFYING_KEYS = frozenset({"customerId"})


class MaskedRequest(NamedTuple):
    """`url` holds the query, decoded, and `body` the form field, decoded: both to be read, not to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str


def explain_request(
    settings: ReportSettings,
    credentials: Credentials,
    kind: Kind,
    messages: Sequence[bytes],
    *,
    clock: Callable[[], float] = time.time,
    nonce: Callable[[], str] = new_nonce,
) -> MaskedRequest:
    """Sign the messages as a call would, send nothing, and show the request."""
    request = RequestSigner(settings, clock, nonce)(kind, messages, credentials)
    base, _, _ = request.url.partition("?")
    query = "&".join(
        f"{name}={MASK if name in _MASKED_PARAMETERS else value}"
        for name, value in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    )
    listed = [_masked(json.loads(message)) for message in messages]
    body = f"{LIST_FIELDS[kind]}={json.dumps(listed, ensure_ascii=False, separators=(',', ':'))}"
    headers = {name: _masked_header(name, value) for name, value in request.headers.items()}
    return MaskedRequest("POST", f"{base}?{query}", headers, body)


def _masked_header(name: str, value: str) -> str:
    if name in _MASKED_HEADERS:
        return MASK
    return _MASKED_IN_AUTHORIZATION.sub(rf"\1={MASK}", value) if name == "authorization" else value


def _masked(value: Any) -> Any:
    """Mask every customer identifier, and what looks like one in other values."""
    if isinstance(value, dict):
        return {key: MASK if key in _IDENTIFYING_KEYS else _masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return redact(value) if isinstance(value, str) else value
