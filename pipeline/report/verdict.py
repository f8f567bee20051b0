"""The outcome of an answer, by its code first and its status second. A 200 may hold an error (reference, sections 1.4, 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from pipeline.contracts.values import Delivered, Halt, Outcome, Retry
from pipeline.report.error_codes import OUTCOMES, STATUSES_IN_DOUBT, Verdict, verdict_of
from pipeline.report.signing import string_to_sign_v3
from schemas.result import GatewayError, ReportResult, parse_object

MOST_AFTER_MS = 86_400_000
"""The longest wait that is taken from the server: one day. The caller may wait less."""

_SIGNED_BY_SERVER = "server string to sign is:"
_QUOTA = re.compile(r"(Remain|TimeLeft)\s{0,2}:\s{0,2}(-?[0-9]{1,12})")
_DIGITS = re.compile(r"[0-9]{1,12}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,79}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\-]{1,80}")
_XML_FIELD = re.compile(rb"<(Success|Code|ErrorCode|RequestId|TraceId)>([^<]{0,256})</\1>")
"""The fields of a flat XML answer, which the gateway sends when the request for JSON was lost on the way.

This is not an XML parser, so no entity can expand.
"""


def judge(status: int, headers: Mapping[str, str], body: bytes, signed: bytes = b"", *, now_s: float = 0.0) -> Outcome:
    """Return the outcome of an answer. It never raises, for any answer.

    `headers` have lower-case names. `signed` is the string to sign of the request, to compare with that of the service. `now_s` is the
    time in Unix seconds, for a `Retry-After` that is a date.
    """
    document = _fields(body)
    result = ReportResult.parse(document)
    request_id, trace_id = _identifier(result.request_id), _identifier(result.trace_id)
    is_ok = 200 <= status < 300  # noqa: PLR2004 - success (RFC 9110, section 15.3)
    if is_ok and result.success:
        return Delivered(request_id, trace_id)
    error = GatewayError.parse(body)
    code = _code(result.error_code) or _code(error.code)
    if is_ok and result.success is None and not code:
        verdict, shown = Verdict.NOT_AN_ANSWER, "NotAnAnswer"
    else:
        verdict = verdict_of(status, code)
        shown = code or ("NoErrorCode" if is_ok else f"HTTP{status}")
    outcome = OUTCOMES[verdict]._replace(code=shown, request_id=request_id, trace_id=trace_id)
    if isinstance(outcome, Retry):
        in_doubt = outcome.in_doubt or (not code and status in STATUSES_IN_DOUBT)
        return outcome._replace(after_ms=after_ms(headers, now_s), in_doubt=in_doubt)
    if isinstance(outcome, Halt) and code == "SignatureDoesNotMatch" and signed:
        return outcome._replace(reason=_signature_reason(_message(document, error), signed.decode(), outcome.reason))
    return outcome


def after_ms(headers: Mapping[str, str], now_s: float) -> int | None:
    """Return the wait in ms that the server asks for, or None (reference, section 4.4).

    In this order: x-acs-retry-after, Retry-After, X-RateLimit-User-API, X-RateLimit-User.
    """
    if (hint := headers.get("x-acs-retry-after", "").strip()) and _DIGITS.fullmatch(hint):
        return min(int(hint), MOST_AFTER_MS)
    if hint := headers.get("retry-after", "").strip():
        if _DIGITS.fullmatch(hint):
            return min(int(hint) * 1000, MOST_AFTER_MS)
        if (until_s := _date_s(hint)) is not None:
            asked_s = _date_s(
                headers.get("date", "")
            )  # of the clock that the server counts by; this machine's may be wrong
            wait_s = until_s - (now_s if asked_s is None else asked_s)
            return min(max(0, math.ceil(wait_s * 1000)), MOST_AFTER_MS)
    for name in ("x-ratelimit-user-api", "x-ratelimit-user"):
        quota = {key: int(value) for key, value in _QUOTA.findall(headers.get(name, "")[:1000])}
        if quota.get("Remain", 1) == 0 and quota.get("TimeLeft", -1) >= 0:
            return min(quota["TimeLeft"] + 100, MOST_AFTER_MS)
    return None


def _date_s(text: str) -> float | None:
    """Return the Unix seconds of an HTTP date (RFC 9110, section 5.6.7), or None for any other text."""
    try:
        return parsedate_to_datetime(text[:64]).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _fields(body: bytes) -> Mapping[str, object]:
    if (document := parse_object(body)) is not None:
        return document
    if body.lstrip().startswith(b"<"):
        return {name.decode(): value.decode("utf-8", "replace") for name, value in _XML_FIELD.findall(body)}
    return {}


def _message(document: Mapping[str, object], error: GatewayError) -> str:
    """Return the whole message: the string to sign in it is as long as the batch."""
    whole = document.get("Message", document.get("message"))
    return whole if isinstance(whole, str) else error.message


def _signature_reason(message: str, signed: str, otherwise: str) -> str:
    """Return the reason from the service's string to sign: the same text means a wrong secret, another text another encoding (section 4.1)."""
    _, found, theirs = message.partition(_SIGNED_BY_SERVER)
    if not found:
        return otherwise
    theirs = theirs.strip()
    if theirs != signed and signed.startswith(theirs):
        return otherwise  # the text was truncated, so it proves nothing
    # Under ACS3 the service may show the string to sign or the canonical request, whose hash is in it.
    if signed in {theirs, string_to_sign_v3(theirs)}:
        return "the AccessKey secret is wrong (the service signed the same text)"
    return "the service signed another text: a proxy changes the request, or the encoding of the service differs from that of log2mq"


def _code(text: str) -> str:
    """Return a text that looks like a code, or else "": it could repeat the content of the request."""
    return text if _CODE.fullmatch(text) else ""


def _identifier(text: str) -> str:
    return text if _IDENTIFIER.fullmatch(text) else ""
