"""The part that both HTTP clients share: a response read within a limit of size, and the certificates that a connection trusts."""

from __future__ import annotations

import ssl

import httpx

from pipeline.errors import UsageError


def read_within(response: httpx.Response, most_bytes: int) -> bytes:
    """Return the body of a response as it was sent, without decompression; or nothing, where it is longer than `most_bytes`.

    The caller then judges the response by its status alone. The transport (`DeadlineTransport`) limits the time.

    Raises:
        httpx.HTTPError: the connection broke, or the body was not complete by the deadline of the call.
    """
    body = bytearray()
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - for the types
    for chunk in response.stream:  # `iter_raw` gives the same chunks at a higher cost
        body += chunk
        if len(body) > most_bytes:
            return b""
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
