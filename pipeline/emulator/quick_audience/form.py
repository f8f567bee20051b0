"""Reads an `application/x-www-form-urlencoded` body. A batch has about ten thousand percent codes, so the usual case is fast."""

from __future__ import annotations

from urllib.parse import unquote

import orjson

MOST_FIELDS = 100


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form or of a query. It reads as `urllib.parse.parse_qsl` does, and is several times as fast on a batch.

    Raises:
        ValueError: the body is not UTF-8, or it has more than `MOST_FIELDS` fields.
    """
    fields = {}
    parts = body.split(b"&")
    if len(parts) > MOST_FIELDS:
        raise ValueError(f"more than {MOST_FIELDS} fields")
    for part in parts:
        if part:
            name, _, value = part.partition(b"=")
            fields[_decoded(name)] = _decoded(value)
    return fields


def _decoded(text: bytes) -> str:
    """Decode `+` and percent codes. `%41` becomes the JSON escape of the same byte, so that the JSON parser decodes all codes in one pass."""
    text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text.decode()
    if text.isascii() and b"\\" not in text and b'"' not in text:
        try:
            return str(orjson.loads(b'"%b"' % text.replace(b"%", b"\\u00"))).encode("latin-1").decode()
        except ValueError:
            pass  # a lone %, a control character, or codes that are no UTF-8: the standard library decodes these
    return unquote(text.decode())
