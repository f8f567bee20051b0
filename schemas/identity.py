"""Identity values by type: how each is normalised, and which values are impossible.

A rule that has a source names it. The other rules only refuse values that cannot be an identifier of any kind. Nothing is hashed:
version 1.0 has no field that would say so (reference, section 7).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

from schemas.customer import IdMapping

MOST_CHARACTERS = 256
"""No known identifier is longer. A longer value is a mistake in the mapping."""

# All patterns are linear: no nested repetition, and the length is limited first.
# The characters that people write between digits, and the invisible marks that address books put around a number (Unicode, UAX 9).
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015.()\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_OR_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})", re.ASCII)
_EMAIL_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x1f]{1,64}")
_EMAIL_DOMAIN = re.compile(r"(?=.{3,253}$)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_][\w-]{0,61}[^\W_]")
_HEX12 = re.compile(r"[0-9a-f]{12}")
_IDFA = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
_IMEI = re.compile(r"\d{14,16}|[0-9A-F]{14}", re.ASCII)


def _mobile(value: str) -> str | None:
    """Return 11 digits, without 86, +86, 0086, spaces or dashes (reference, section 7). Every mainland mobile number begins with 13 to 19."""
    found = _MOBILE.fullmatch(_SEPARATORS.sub("", unicodedata.normalize("NFKC", value)))
    return found[1] if found else None


def _email(value: str) -> str | None:
    """Return an address with one @. The domain is case-insensitive and is lower-cased; the local part is not (RFC 5321, sections 2.3.11 and 4.5.3.1)."""
    local, at, domain = value.rpartition("@")
    domain = domain.lower()
    if not at or ".." in value or local.startswith(".") or local.endswith("."):
        return None
    return f"{local}@{domain}" if _EMAIL_LOCAL.fullmatch(local) and _EMAIL_DOMAIN.fullmatch(domain) else None


def _imei(value: str) -> str | None:
    """Return 15 digits, 14 without the check digit, 16 with the software version (3GPP TS 23.003, section 6.2); or a MEID of 14 hex digits.

    A value of zeros only is no device.
    """
    plain = _SEPARATORS.sub("", value).upper()
    return plain if _IMEI.fullmatch(plain) and plain.strip("0") else None


def _idfa(value: str) -> str | None:
    """Return an upper-case UUID. iOS gives a UUID of zeros where tracking is not permitted (Apple, ASIdentifierManager)."""
    plain = value.upper()
    return plain if _IDFA.fullmatch(plain) and plain.strip("0-") else None


def _mac(value: str) -> str | None:
    """Return six lower-case octets between colons (IEEE 802, EUI-48). Android and iOS give 02:00:00:00:00:00 in place of the real address."""
    plain = value.lower().replace(":", "").replace("-", "").replace(".", "")
    if not _HEX12.fullmatch(plain) or plain in {"0" * 12, "f" * 12, "020000000000"}:
        return None
    return ":".join(plain[place : place + 2] for place in range(0, 12, 2))


def _opaque(value: str) -> str | None:
    """Return an identifier that only its issuer can check: any text without white space or control characters inside."""
    return None if _CONTROL_OR_SPACE.search(value) else value


def _nickname(value: str) -> str | None:
    """Return a nickname, which may hold spaces but no control characters."""
    return None if _CONTROL.search(value) else value


RULES: Mapping[IdMapping, Callable[[str], str | None]] = MappingProxyType(
    {
        IdMapping.ONEID: _opaque,
        IdMapping.EMAIL: _email,
        IdMapping.MOBILE: _mobile,
        IdMapping.TAOBAO_ID: _opaque,
        IdMapping.TAOBAO_NICK: _nickname,
        IdMapping.IMEI: _imei,
        IdMapping.IDFA: _idfa,
        IdMapping.MAC_ORG: _mac,
        IdMapping.WEIBO_ID_ORG: _opaque,
        IdMapping.ALIPAY_ID: _opaque,
        IdMapping.OPEN_ID: _opaque,
        IdMapping.UNION_ID: _opaque,
    }
)
"""One rule a type."""


def normalise(kind: IdMapping, value: str) -> str | None:
    """Return the value as it is reported, or None where it cannot be an identity of that type. A second call changes nothing."""
    value = value.strip()
    if not value or len(value) > MOST_CHARACTERS:
        return None
    return RULES[kind](value)
