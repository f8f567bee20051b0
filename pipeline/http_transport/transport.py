"""The part that both HTTP clients share: a response read within limits of size and time, and the certificates that a connection trusts."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx

from pipeline.errors import UsageError


def read_within(response: httpx.Response, most_bytes: int, until_s: float, monotonic: Callable[[], float]) -> bytes:
    """Return the body of a response as it was sent, without decompression; or nothing, where it is longer than `most_bytes`.

    The caller then judges the response by its status alone. `monotonic` gives seconds, and the whole body must arrive by `until_s` of that clock.

    Raises:
        httpx.HTTPError: the connection broke, or the body was not complete by `until_s`.
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
    """Return a TLS context that trusts the well-known authorities, or only those of `ca_file`. `key` is the setting that names this file.

    Raises:
        UsageError: `ca_file` cannot be read as certificates.
    """
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{key}: {ca_file} cannot be read as certificates ({type(error).__name__}); expected PEM"
        ) from None
