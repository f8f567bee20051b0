"""Writing a file at once or not at all, and never over what somebody else has written meanwhile."""

from __future__ import annotations

import fcntl
import os
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import UsageError


def replace_file(path: Path, text: str, was: str | None) -> None:
    """Write beside the file and put that in its place, with its permissions; a link stays a link, and a byte order mark and ends of lines stay what they are.

    `was` is the text that the new one was made from, as it was read; None where there was no file.

    Raises:
        UsageError: the file holds something else by now, or cannot be written.
    """
    target = path.resolve()
    try:
        with _alone_in(target.parent):
            there = target.read_bytes() if target.exists() else None
            if (None if there is None else there.removeprefix(BOM_UTF8)) != (None if was is None else was.encode()):
                raise UsageError(
                    f"{path}: found it changed by somebody else since it was read; expected the same command again, which starts from what is there now"
                )
            if text != was:
                mark = BOM_UTF8 if there is not None and there.startswith(BOM_UTF8) else b""
                _replace(target, mark + text.encode())
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other commands from writing in a folder meanwhile, where the file system knows locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes) -> None:
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
    descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - of what mkstemp has opened
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(beside).chmod(mode)
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
