"""The gateway's two signatures, as pure functions: V2 (reference, section 2) and ACS3 (section 3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import quote

ALGORITHM_V3 = "ACS3-HMAC-SHA256"


def percent_encode(text: str) -> str:
    """Return the RFC 3986 encoding: every byte except letters, digits and `-_.~` becomes %XX (section 2.2, step 3)."""
    return quote(text, safe="~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Return the encoded parameters, sorted by name in code-point order and joined. An empty value keeps its `=` (section 2.2, steps 2 to 4)."""
    return "&".join(f"{percent_encode(name)}={percent_encode(parameters[name])}" for name in sorted(parameters))


def string_to_sign_v2(method: str, parameters: Mapping[str, str]) -> str:
    """Return the text that V2 signs, from all query and form parameters except `Signature` (section 2.2, step 5)."""
    return f"{method}&%2F&{percent_encode(canonical_query(parameters))}"


def hmac_sha1(text: str | bytes, key: str) -> str:
    """Return the Base64 HMAC-SHA1 of a text under an unchanged key."""
    content = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(hmac.digest(key.encode(), content, hashlib.sha1)).decode()


def signature_v2(string_to_sign: str | bytes, secret: str) -> str:
    """Return the Base64 HMAC-SHA1 under the secret with one `&` appended (section 2.2, step 6)."""
    return hmac_sha1(string_to_sign, f"{secret}&")


def canonical_request_v3(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Sequence[tuple[str, str]],
    signed_headers: str,
    payload_sha256: str,
) -> str:
    """Return the text of six parts that ACS3 signs. Several values of one header are joined by a comma (section 3)."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.strip())
    block = "".join(f"{name}:{','.join(values.get(name, []))}\n" for name in signed_headers.split(";"))
    return "\n".join((method, path, canonical_query(query), block, signed_headers, payload_sha256))


def string_to_sign_v3(canonical_request: str) -> str:
    """Return the text that ACS3 signs: the name of the algorithm and the hash of the canonical request."""
    return f"{ALGORITHM_V3}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"


def signature_v3(string_to_sign: str, secret: str) -> str:
    """Return the lower-case hex HMAC-SHA256, under the unchanged secret."""
    return hmac.digest(secret.encode(), string_to_sign.encode(), hashlib.sha256).hex()
