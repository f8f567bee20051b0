"""The URL of a service that the job calls: HTTPS, except to loopback; scheme, host and port, and nothing more."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?=.*[a-z]){_LABEL}(?:\.{_LABEL})*")
"""A host name with at least one letter. Digits and dots alone are an IP address, and `_address` reads that."""

_DEFAULT_PORTS = {"https": 443, "http": 80}
_ENDPOINT_EXPECTED = (
    "expected a URL of scheme, host and port only, such as https://quicka-public.cn-shanghai.aliyuncs.com"
)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is the loopback of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_endpoint(endpoint: str) -> str:
    """Return the endpoint in its normal form: lower case, no default port, no trailing slash.

    Raises:
        ValueError: the text is not a URL of scheme, host and port only, or is plain HTTP to another machine: the messages hold personal data.
    """
    origin = origin_of(endpoint)
    if origin.startswith("http:") and not is_loopback(host_of(origin)):
        raise ValueError("expected https: plain http is for loopback only, the messages hold personal data")
    return origin


def host_of(url: str) -> str:
    """Return the host of a URL, or "" where it has none."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL. They are joined again from checked parts, so that two parsers cannot find two different hosts.

    Raises:
        ValueError: the URL holds anything else, or one of these is wrong.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_ENDPOINT_EXPECTED) from None
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or "@" in parts.netloc)
    netloc = host if _HOST_NAME.fullmatch(host) else _address(host)
    if parts.scheme not in _DEFAULT_PORTS or not is_bare or not netloc or port == 0:
        raise ValueError(_ENDPOINT_EXPECTED)
    return f"{parts.scheme}://{netloc}" + (f":{port}" if port not in {None, _DEFAULT_PORTS[parts.scheme]} else "")


def _address(host: str) -> str:
    """Return an IP address as it is written in a URL, or "" where the host is no IP address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6 (RFC 3986, section 3.2.2)
