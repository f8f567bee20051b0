"""The last resort against identifiers and keys in log text: nothing should put them there, and this masks what did."""

from __future__ import annotations

import re

MOST_CHARACTERS = 10_000
"""A longer log line is cut: no line of log2mq's own is that long."""

MASK = "***"

# Each alternative is bounded, so the whole is linear in the text.
_IDENTIFIERS = re.compile(
    r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,253}\.[A-Za-z]{2,24}"  # e-mail
    r"|(?<![\d.])(?:\+?86|0086)?1[3-9]\d{9}(?!\d)"  # mobile
    r"|(?<![\w-])o[A-Za-z0-9_-]{27,28}(?![\w-])"  # WeChat OpenID and UnionID
    r"|\bLTAI[A-Za-z0-9]{12,30}\b"  # AccessKey ID
)

_HEXADECIMAL = re.compile(r"(?<![^\W_])(?=\d*[A-Fa-f])[0-9A-Fa-f]{12,}(?![^\W_])")

_TELLING = re.compile(r"[\w-]*\d[\w-]*")
_LEAST_TELLING = 5


def mask_tokens(text: str) -> str:
    """Mask what `redact` masks, and every word of at least 5 characters with a digit in it: for a text of which nobody knows where in it a person's ID stands."""
    return _TELLING.sub(lambda found: MASK if len(found[0]) >= _LEAST_TELLING else found[0], redact(text))


def redact(text: str) -> str:
    """Mask mobile numbers, e-mail addresses, OpenIDs and AccessKey IDs."""
    return _IDENTIFIERS.sub(MASK, text[:MOST_CHARACTERS])


def holds_identifier(text: str) -> bool:
    """Whether `redact` finds something in a text that is no chance: of random hexadecimal IDs one in a thousand has the digits of a mobile number within."""
    plain = _HEXADECIMAL.sub(lambda found: "x" * len(found[0]), text[:MOST_CHARACTERS])
    return _IDENTIFIERS.search(plain) is not None
