"""The locks that a process takes before it writes to a store. Every wait for one ends, and signals are served meanwhile.

LMDB has a lock of its own, for which a process waits without end and without serving a signal. A process that was stopped (SIGSTOP, a debugger, a
frozen container) while it wrote would hold every other process of the host for as long as it stands still. So a process takes one of these locks
before it begins a transaction that writes, and then never waits for LMDB's.

A lock is one byte of a file, locked as POSIX record locks are: it ends with its process, and the kernel tells which process holds it. It costs two
system calls, about 2 microseconds a transaction.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from pipeline.dedup.lmdb_store.bounded_wait import HolderWait
from pipeline.dedup.lmdb_store.folder import OPEN_FLAGS

_RECORD_LOCK = struct.Struct("hhqqi")  # `struct flock`: type, whence, start, length, process


class Guarded(IntEnum):
    """The environment that a lock guards. The value is the lock's byte in the file."""

    RECENT = 0
    DURABLE = 1


class WriteLocks:
    """The locks of one store. A process must have their file open once only: closing it ends the locks."""

    def __init__(self, store: Path, wait: HolderWait) -> None:
        """Open the file of the locks in the folder of the store, or create it. `wait` waits for a lock that another process holds.

        Raises:
            OSError: the file cannot be opened.
        """
        self._store = store
        self._wait = wait
        self._file = os.open(store / "write.lock", OPEN_FLAGS, 0o600)

    @contextmanager
    def held(self, guarded: Guarded) -> Iterator[None]:
        """Hold a lock.

        Raises:
            StoreUnavailable: another process has held the lock for longer than this one waits. It may pass.
        """
        if not self._is_taken(guarded):
            self._wait.until(lambda: self._is_taken(guarded), lambda: self._reason(guarded))
        self._wait.has_given_up = False
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, guarded)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _is_taken(self, guarded: Guarded) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, guarded)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def _reason(self, guarded: Guarded) -> str:
        return (
            f"{self._holder(guarded)} keeps the dedup store in {self._store} locked, and does not go on: it is stopped, "
            "or its disk does not answer; let it go on (kill -CONT, or thaw its container), or kill it: the store stays intact"
        )

    def _holder(self, guarded: Guarded) -> str:
        asked = _RECORD_LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, guarded, 1, 0)
        process = _RECORD_LOCK.unpack(fcntl.fcntl(self._file, fcntl.F_GETLK, asked))[-1]
        return f"process {process}" if process > 0 else "a process of another container"
