"""Masks identifiers and keys in log text. No code should log them; this is the last protection against a mistake."""

from __future__ import annotations

import re

MOST_CHARACTERS = 10_000
"""A longer text is cut. No log line of log2mq is that long."""

MASK = "***"

# Each alternative is bounded, so the search takes linear time.
_IDENTIFIERS = re.compile(
    r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,253}\.[A-Za-z]{2,24}"  # e-mail
    r"|(?<![\d.])(?:\+?86|0086)?1[3-9]\d{9}(?!\d)"  # mobile
    r"|(?<![\w-])o[A-Za-z0-9_-]{27,28}(?![\w-])"  # WeChat OpenID and UnionID
    r"|\bLTAI[A-Za-z0-9]{12,30}\b"  # AccessKey ID
)

_HEXADECIMAL = re.compile(r"(?<![^\W_])(?=\d*[A-Fa-f])[0-9A-Fa-f]{12,}(?![^\W_])")

_WORD_WITH_DIGIT = re.compile(r"[\w-]*\d[\w-]*")
_LEAST_WORD = 5


def mask_tokens(text: str) -> str:
    """Mask the same as `redact`, and every word of at least 5 characters that has a digit. It is for a text whose fields are not known."""
    return _WORD_WITH_DIGIT.sub(lambda found: MASK if len(found[0]) >= _LEAST_WORD else found[0], redact(text))


def redact(text: str) -> str:
    """Mask mobile numbers, e-mail addresses, OpenIDs and AccessKey IDs."""
    return _IDENTIFIERS.sub(MASK, text[:MOST_CHARACTERS])


def holds_identifier(text: str) -> bool:
    """Return whether `redact` finds an identifier outside hexadecimal IDs. One in a thousand random IDs has the digits of a mobile number by chance."""
    plain = _HEXADECIMAL.sub(lambda found: "x" * len(found[0]), text[:MOST_CHARACTERS])
    return _IDENTIFIERS.search(plain) is not None
