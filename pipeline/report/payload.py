"""A batch as the form body of one call, encoded once for both the wire and the signature.

The body is form-encoded with the strict RFC 3986 encoding, which every form decoder reads back the same. So the text
that V2 signs needs no second look at the content: its second encoding is `%` to `%25`, and nothing else (reference,
section 2.2, steps 3 to 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from transforms.base import Kind

ACTIONS: Mapping[Kind, str] = MappingProxyType({Kind.EVENT: "RecieveEventMessage", Kind.USER: "RecieveUserMessage"})
"""The two operations, in the vendor's spelling (reference, section 1)."""

LIST_FIELDS: Mapping[Kind, str] = MappingProxyType(
    {Kind.EVENT: "EventMessageModelListStr", Kind.USER: "CustomerMessageModelListStr"}
)
"""The form field that holds the JSON array, by operation."""

VERSION = "2020-05-15"

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_CODES = {byte: f"%{byte:02X}" for byte in range(256) if byte not in _KEPT}
_REPLACEMENTS = {byte: (bytes((byte,)), code.encode()) for byte, code in _CODES.items()}
_PERCENT = ord("%")

_MOST_REPLACEMENTS = 64
"""With more different bytes to encode than this, one pass with a table is faster than one for each (measured)."""


def json_array(messages: Sequence[bytes]) -> bytes:
    """Join JSON objects to one JSON array."""
    return b"[" + b",".join(messages) + b"]"


def encode_bytes(content: bytes) -> bytes:
    """Percent-encode as `signing.percent_encode` does, but fast: a JSON text has few different bytes that need it."""
    needed = set(content.translate(None, _KEPT))
    if len(needed) > _MOST_REPLACEMENTS:
        # Latin-1 gives each byte a character of its own.
        return content.decode("latin-1").translate(_CODES).encode("ascii")
    if _PERCENT in needed:  # first, so that no code is encoded again
        needed.remove(_PERCENT)
        content = content.replace(b"%", b"%25")
    for byte in needed:
        plain, code = _REPLACEMENTS[byte]
        content = content.replace(plain, code)
    return content


def form_body(kind: Kind, encoded_list: bytes) -> bytes:
    """Return the body of a call: one field, its value encoded by `encode_bytes`."""
    return LIST_FIELDS[kind].encode() + b"=" + encoded_list


def string_to_sign(kind: Kind, encoded_list: bytes, encoded_query: Mapping[str, str]) -> str:
    """Return what V2 signs for a POST of this body under this query: `string_to_sign_v2` of both, only faster.

    The values of the query are percent-encoded once already. None of its names may be the list's field.
    """
    twice = {name: value.replace("%", "%25") for name, value in encoded_query.items()}
    twice[LIST_FIELDS[kind]] = encoded_list.replace(b"%", b"%25").decode("ascii")
    return "POST&%2F&" + "%26".join([f"{name}%3D{twice[name]}" for name in sorted(twice)])
