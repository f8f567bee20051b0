"""Reads a file that a setting names. Only a regular file is read: a pipe may never end or never begin, and reading a device may do something."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Return a file's first `most_bytes` bytes. It never waits: not for the writer of a pipe, and not for a device.

    Raises:
        OSError: the file cannot be read, or it is no regular file. `strerror` says why.
        ValueError: the path holds a NUL.
    """
    _require_regular(path.stat())  # before it is opened: to open a device may do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require_regular(os.fstat(descriptor))  # what was opened may be another file than the one looked at
        content = bytearray()
        while len(content) < most_bytes and (part := os.read(descriptor, most_bytes - len(content))):
            content += part
        return bytes(content)
    finally:
        os.close(descriptor)


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
