"""The folder of an LMDB store: what lies where, who opens it, and what a crash of the machine leaves behind.

<folder>/opening.lock   held while a process opens the store
<folder>/confirmed/     the durable table of what was reported
<folder>/boot-<id>-2/   claims, leases, recent confirmations and journals of one boot of the machine
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreUnavailable

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT = "unknown"

LAYOUT = 2
"""Of the tables of a boot. What another version left is taken in as a former boot's: the journals of all are the same."""

_open_here: set[Path] = set()
"""Folders open in this process. LMDB's locks belong to the process, so opening one twice would break them."""


class StoreFolder:
    """One store's folder, made if it is missing. One at a time in a process, until `close`."""

    def __init__(self, path: Path) -> None:
        """Make the folder.

        Raises:
            StoreUnavailable: it is open in this process already.
            OSError: it cannot be made.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path.resolve()
        if self.path in _open_here:
            raise StoreUnavailable(
                f"the dedup store in {path} is open in this process already; close it first, or share the open one"
            )
        _open_here.add(self.path)
        boot = _boot_id()
        self.survives_only_this_boot = boot != _UNKNOWN_BOOT
        """Whether what lies in `recent` is told apart from what another boot left. If not, it must be written through to the disk."""
        self.confirmed = self.path / "confirmed"
        self.recent = self.path / f"boot-{boot}-{LAYOUT}"

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Keep other processes from opening the store meanwhile. Ends with the process, too."""
        lock = os.open(self.path / "opening.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.confirmed.mkdir(mode=0o700, exist_ok=True)
            self.recent.mkdir(mode=0o700, exist_ok=True)
            yield
        finally:
            os.close(lock)

    def demand_room(self, size: int) -> None:
        """Raise OSError unless the disk has `size` bytes left: a process that finds out by writing to a mapped file is killed."""
        probe = self.path / "room.probe"
        try:
            set_aside(probe, size)
        finally:
            probe.unlink(missing_ok=True)

    def former_boots(self) -> list[Path]:
        """Return the folders that former boots of the machine left. Nothing runs in them any more."""
        return sorted(path for path in self.path.glob("boot-*") if path != self.recent and path.is_dir())

    def close(self) -> None:
        """Let this process open the folder again."""
        _open_here.discard(self.path)


def set_aside(path: Path, size: int) -> None:
    """Give a file, made if it is missing, its `size` bytes on the disk, where the system can. What is in it stays.

    Raises:
        OSError: the disk is full.
    """
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_bytes().decode().strip() or _UNKNOWN_BOOT
    except OSError:
        return _UNKNOWN_BOOT
