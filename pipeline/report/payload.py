"""The form body of one call. A batch is encoded once, for the body and for the signature.

The body has the strict RFC 3986 encoding, which every form decoder decodes to the same text. So the text that V2 signs is computed from the encoded
content: the second encoding only replaces `%` by `%25` (reference, section 2.2, steps 3 to 5).
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
"""The operation that lists workspaces: a GET that changes nothing and proves credentials and endpoint (reference, section 1.5). Its parameter for the
organisation is `TenantId`."""

VERSION = "2020-05-15"

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_OF_EACH_JSON = b'"{}[]:,'
_RARER = _KEPT + _OF_EACH_JSON  # without these, few bytes of a JSON text are left to look at
_REPLACEMENTS = {byte: (bytes((byte,)), b"%%%02X" % byte) for byte in range(256) if byte not in _KEPT}
_PERCENT, _BACKSLASH, _LAST_OF_ASCII = ord("%"), ord("\\"), 0x7F

_MOST_REPLACEMENTS = 30
"""Up to this number of different bytes beyond ASCII, one pass for each byte is faster than the pass that encodes all of them (measured)."""


def json_array(messages: Sequence[bytes]) -> bytes:
    """Return a JSON array of JSON objects."""
    return b"[" + b",".join(messages) + b"]"


def encode_bytes(content: bytes) -> bytes:
    """Return the same encoding as `signing.percent_encode`, faster: few different ASCII bytes of a JSON text need encoding."""
    needed = set(content.translate(None, _RARER))
    if _PERCENT in needed:  # first, so that the `%` of a code is not encoded again
        needed.remove(_PERCENT)
        content = content.replace(b"%", b"%25")
    beyond = [byte for byte in needed if byte > _LAST_OF_ASCII]
    if len(beyond) > _MOST_REPLACEMENTS:
        needed.difference_update(beyond, (_BACKSLASH,))
        content = _encode_beyond_ascii(content.replace(b"\\", b"%5C"))
    for byte in (*needed, *_OF_EACH_JSON):  # the frequent ones last, since each makes the text longer
        plain, code = _REPLACEMENTS[byte]
        content = content.replace(plain, code)
    return content


def _encode_beyond_ascii(content: bytes) -> bytes:
    r"""Return a text without backslashes with all bytes beyond ASCII encoded, in a few passes of the interpreter's own C code.

    Python escapes a byte beyond ASCII as `\xe7`, with lower-case hex digits. Swapping the case of the whole text before and after leaves the text
    as it was and makes the escapes `\XE7`.
    """
    escaped = content.swapcase().decode("latin-1").encode("ascii", "backslashreplace")
    return escaped.swapcase().replace(rb"\X", b"%")


def form_body(kind: Kind, encoded_list: bytes) -> bytes:
    """Return the body of a call: one field, its value encoded by `encode_bytes`."""
    return LIST_FIELDS[kind].encode() + b"=" + encoded_list


def string_to_sign(kind: Kind, encoded_list: bytes, encoded_query: Mapping[str, str]) -> bytes:
    """Return the text that V2 signs for a POST of this body with this query: `string_to_sign_v2` in ASCII, faster.

    The values of the query are already percent-encoded once. No name in it may be the field of the list.
    """
    twice = {name: value.replace("%", "%25").encode() for name, value in encoded_query.items()}
    twice[LIST_FIELDS[kind]] = encoded_list.replace(b"%", b"%25")
    return b"POST&%2F&" + b"%26".join([b"%b%%3D%b" % (name.encode(), twice[name]) for name in sorted(twice)])
