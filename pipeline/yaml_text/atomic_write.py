"""Atomic writes: a file is replaced whole or not at all, and only if nobody changed it since it was read."""

from __future__ import annotations

import fcntl
import os
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import UsageError


def replace_file(path: Path, text: str, original: str | None) -> None:
    """Write the text to a temporary file and rename that to the file's name. Permissions, a link, a byte order mark and line ends stay as they are.

    `original` is the text of the file as it was read; None if there was no file.

    Raises:
        UsageError: the file has another content now, or it cannot be written.
    """
    target = path.resolve()
    try:
        with _locked(target.parent):
            current = target.read_bytes() if target.exists() else None
            if (None if current is None else current.removeprefix(BOM_UTF8)) != (
                None if original is None else original.encode()
            ):
                raise UsageError(
                    f"{path}: found it changed by somebody else since it was read; expected the same command again, which starts from the new content"
                )
            if text != original:
                mark = BOM_UTF8 if current is not None and current.startswith(BOM_UTF8) else b""
                _replace(target, mark + text.encode())
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other commands from writing in a folder meanwhile, if the file system supports locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes) -> None:
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - the descriptor that mkstemp opened
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
