"""The signed request of a batch, to show to a person: complete, with keys and signature masked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pipeline.observe.redact import MASK
from pipeline.report.credentials import Credentials
from pipeline.report.payload import LIST_FIELDS
from pipeline.report.request import RequestSigner, new_nonce
from pipeline.report.settings import ReportSettings
from transforms.base import Kind

_MASKED_PARAMETERS = frozenset({"AccessKeyId", "SecurityToken", "Signature"})
# A body hash gives an identifier away: whoever knows the rest of the body can try all mobile numbers.
_MASKED_HEADERS = frozenset({"x-acs-security-token", "x-acs-content-sha256"})
_MASKED_IN_AUTHORIZATION = re.compile(r"\b(Credential|Signature)=[^,]{1,256}")


class ShownRequest(NamedTuple):
    """A POST to show, not to send: query and form field are decoded. The caller must mask the identifiers in the messages."""

    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    field: str
    messages: list[Any]


def explain_request(
    settings: ReportSettings,
    credentials: Credentials,
    kind: Kind,
    messages: Sequence[bytes],
    *,
    clock: Callable[[], float] = time.time,
    nonce: Callable[[], str] = new_nonce,
) -> ShownRequest:
    """Return the request that a call with these messages would send. Nothing is sent. `clock` gives Unix seconds."""
    request = RequestSigner(settings, clock, nonce)(kind, messages, credentials)
    query = {
        name: MASK if name in _MASKED_PARAMETERS else value
        for name, value in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    }
    headers = {name: _masked_header(name, value) for name, value in request.headers.items()}
    return ShownRequest(
        f"{request.origin}/", query, headers, LIST_FIELDS[kind], [json.loads(each) for each in messages]
    )


def _masked_header(name: str, value: str) -> str:
    if name in _MASKED_HEADERS:
        return MASK
    return _MASKED_IN_AUTHORIZATION.sub(rf"\1={MASK}", value) if name == "authorization" else value
