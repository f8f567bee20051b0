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

LIST_WORKSPACES = "ListWorkspace"
"""Reads, and changes nothing: a GET that proves credentials and endpoint (reference, section 1.5). It calls the organisation `TenantId`."""

VERSION = "2020-05-15"

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_REPLACEMENTS = {byte: (bytes((byte,)), b"%%%02X" % byte) for byte in range(256) if byte not in _KEPT}
_PERCENT, _BACKSLASH, _LAST_OF_ASCII = ord("%"), ord("\\"), 0x7F

_MOST_REPLACEMENTS = 30
"""With more different bytes beyond ASCII than this, the pass that does them all at once is faster than one for each (measured)."""


def json_array(messages: Sequence[bytes]) -> bytes:
    """Join JSON objects to one JSON array."""
    return b"[" + b",".join(messages) + b"]"


def encode_bytes(content: bytes) -> bytes:
    """Percent-encode as `signing.percent_encode` does, but fast: a JSON text has few different bytes of ASCII that need it."""
    needed = set(content.translate(None, _KEPT))
    if _PERCENT in needed:  # first, so that no code is encoded again
        needed.remove(_PERCENT)
        content = content.replace(b"%", b"%25")
    beyond = [byte for byte in needed if byte > _LAST_OF_ASCII]
    if len(beyond) > _MOST_REPLACEMENTS:
        needed.difference_update(beyond, (_BACKSLASH,))
        content = _encode_beyond_ascii(content.replace(b"\\", b"%5C"))
    for byte in needed:
        plain, code = _REPLACEMENTS[byte]
        content = content.replace(plain, code)
    return content


def _encode_beyond_ascii(content: bytes) -> bytes:
    r"""Encode all bytes beyond ASCII of a text without backslashes, in a few passes of the interpreter's own C.

    Python escapes what is not ASCII as `\xe7`: two hex digits, but small ones. With the case of the whole text turned around before
    and after, the text is as it was and the escapes are `\XE7`.
    """
    escaped = content.swapcase().decode("latin-1").encode("ascii", "backslashreplace")
    return escaped.swapcase().replace(rb"\X", b"%")


def form_body(kind: Kind, encoded_list: bytes) -> bytes:
    """Return the body of a call: one field, its value encoded by `encode_bytes`."""
    return LIST_FIELDS[kind].encode() + b"=" + encoded_list


def string_to_sign(kind: Kind, encoded_list: bytes, encoded_query: Mapping[str, str]) -> bytes:
    """Return what V2 signs for a POST of this body under this query: `string_to_sign_v2` of both in ASCII, only faster.

    The values of the query are percent-encoded once already. None of its names may be the list's field.
    """
    twice = {name: value.replace("%", "%25").encode() for name, value in encoded_query.items()}
    twice[LIST_FIELDS[kind]] = encoded_list.replace(b"%", b"%25")
    return b"POST&%2F&" + b"%26".join([b"%b%%3D%b" % (name.encode(), twice[name]) for name in sorted(twice)])
