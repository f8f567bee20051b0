"""What both HTTP clients need: an answer read within its bounds, and the certificates that a connection trusts."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx

from pipeline.errors import UsageError


def read_within(response: httpx.Response, most_bytes: int, until_s: float, monotonic: Callable[[], float]) -> bytes:
    """Read an answer as it is sent, all of it by a time of the clock; one that is too long is empty, and judged by its status alone.

    Raises:
        httpx.HTTPError: the connection broke, or the answer came too slowly.
    """
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most_bytes:
            return b""
        if monotonic() > until_s:
            raise httpx.ReadTimeout("the answer came too slowly")
    return bytes(body)


def trusted(ca_file: str | None, key: str) -> ssl.SSLContext:
    """Trust the well-known authorities, or those of `ca_file` alone, which the setting `key` names.

    Raises:
        UsageError: it cannot be read as certificates.
    """
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{key}: {ca_file} cannot be read as certificates ({type(error).__name__}); expected PEM"
        ) from None
