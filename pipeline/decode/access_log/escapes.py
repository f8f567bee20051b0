r"""The escapes that web servers write in values, turned back into text.

nginx's default writes the quote, the backslash and bytes below 32 or above 126 as \xHH. Its escape=json follows JSON.
Apache writes \xHH, and C's short escapes for quote, backslash and white space. So Chinese text is written as
\xE6\x98\xA5 and is read as UTF-8 text.
"""

from __future__ import annotations

import re

import orjson

_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_SHORT = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"v": b"\v", b"f": b"\f"}


def unescape_default(text: str) -> str:
    r"""Return the text without \xHH and C's short escapes. Bytes that are not UTF-8 stay as \xhh, so different values stay different."""
    return _ESCAPE.sub(_byte, text.encode()).decode(errors="backslashreplace")


def unescape_json(text: str) -> str:
    """Return the text without the escapes of nginx's escape=json. A text that is not valid JSON stays as it is."""
    try:
        plain: str = orjson.loads(f'"{text}"')
    except orjson.JSONDecodeError:
        return text
    return plain


def _byte(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return _SHORT.get(found[2], found[0])
