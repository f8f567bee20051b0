"""The folder of an LMDB store: its files, who opens it, and the files that a crash of the machine leaves.

<folder>/opening.lock   held while a process opens the store
<folder>/write.lock     held while a process writes (see `write_lock`)
<folder>/confirmed/     the durable table of confirmed entries
<folder>/boot-<id>-3/   claims, leases, recent confirmations and journals of one boot of the machine
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.dedup.lmdb_store.bounded_wait import HolderWait
from pipeline.dedup.lmdb_store.ownership import why_refused
from pipeline.errors import StoreUnavailable

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT = "unknown"

LAYOUT = 3
"""The version of the tables of one boot. Tables of an older version count as those of a former boot: this version reads the journals of all."""

OPEN_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
"""How the store's own files are opened: never through a symbolic link, which could lead to another file of this user."""

_open_here: set[Path] = set()
"""The folders that are open in this process. LMDB's locks belong to the process: opening a folder twice would break them."""


class StoreFolder:
    """The folder of one store, created if it is missing. A process may have it open once, until `close`."""

    def __init__(self, path: Path) -> None:
        """Create the folder, if it is missing, and the folders above it. Only this user may enter what is created.

        Raises:
            StoreUnavailable: another user may change the folder, or it is open in this process already.
            OSError: the folder cannot be created.
        """
        for each in reversed([path, *path.parents]):
            each.mkdir(mode=0o700, exist_ok=True)
        _require_own(path)
        self.path = path.resolve()
        if self.path in _open_here:
            raise StoreUnavailable(
                f"the dedup store in {path} is open in this process already; close it first, or share the open one"
            )
        _open_here.add(self.path)
        boot = _boot_id()
        self.survives_only_this_boot = boot != _UNKNOWN_BOOT
        """Whether `recent` belongs to this boot only. If the boot is unknown, `recent` must be flushed to the disk."""
        self.confirmed = self.path / "confirmed"
        self.recent = self.path / f"boot-{boot}-{LAYOUT}"

    @contextmanager
    def opening(self, wait: HolderWait) -> Iterator[None]:
        """Lock the store against other processes that open it. The lock also ends with the process.

        `wait` waits for another process that opens it. After a crash of the machine the first one reads the journals.

        Raises:
            StoreUnavailable: another process has opened the store for longer than this one waits. It may pass.
        """
        lock = os.open(self.path / "opening.lock", OPEN_FLAGS, 0o600)
        try:
            wait.until(lambda: _is_locked(lock), lambda: self._reason(lock))
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            for each in (self.confirmed, self.recent):
                each.mkdir(mode=0o700, exist_ok=True)
                _require_own(each)
            yield
        finally:
            os.close(lock)

    def _reason(self, lock: int) -> str:
        return (
            f"{_opener(lock)} opens the dedup store in {self.path}, and has not done so yet: it is stopped, or its disk does not "
            "answer; let it go on (kill -CONT, or thaw its container), or kill it: the store stays intact"
        )

    def require_room(self, size: int) -> None:
        """Check that the disk has `size` bytes left: the kernel kills a process that writes to a mapped file without room.

        Raises:
            OSError: the disk has less room.
        """
        probe = self.path / "room.probe"
        try:
            allocate(probe, size)
        finally:
            probe.unlink(missing_ok=True)

    def former_boots(self) -> list[Path]:
        """Return the folders of former boots of the machine, and of other versions of the tables."""
        return sorted(
            path for path in self.path.glob("boot-*") if path != self.recent and path.is_dir() and not path.is_symlink()
        )

    def close(self) -> None:
        """Allow this process to open the folder again."""
        _open_here.discard(self.path)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opener(lock: int) -> str:
    process = os.pread(lock, 20, 0).decode("ascii", "replace")
    return f"process {process}" if process.isdigit() else "another process"


def _require_own(folder: Path) -> None:
    if why := why_refused(folder, os.geteuid()):
        raise StoreUnavailable(
            f"the dedup store in {folder} is not used: {why}; expected a folder of this user (ID {os.geteuid()}) that no other user may write: "
            "correct it with chown and chmod 700, or set dedup.path to another folder, which log2mq creates so"
        )


def allocate(path: Path, size: int) -> None:
    """Allocate `size` bytes on the disk for a file, where the system can. A missing file is created; the content of an existing one stays.

    Raises:
        OSError: the disk is full.
    """
    file = os.open(path, OPEN_FLAGS, 0o600)
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
