"""The setting that names a file with certificates or keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from transforms.regular_file import read_regular

MOST_BYTES = 4 << 20
"""The most bytes that are read of a file. A bundle of all well-known authorities has a quarter of a MiB."""


def _is_pem(path: str) -> str:
    try:
        content = read_regular(Path(path), MOST_BYTES)
    except OSError as error:
        raise ValueError(f"a file that cannot be read ({error.strerror}): {path}; expected a PEM file") from None
    if b"-----BEGIN " not in content:
        raise ValueError(f"a file that is no PEM: {path}; expected one with -----BEGIN ...")
    return path


PemFile = Annotated[str, AfterValidator(_is_pem)]
"""The path of a readable file that holds PEM. Only the marker is checked here; the certificates are read when a connection needs them."""
