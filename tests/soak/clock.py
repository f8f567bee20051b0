"""The clock of the job under test: the machine's, and an offset in a file that the soak changes while the job runs."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

VARIABLE = "LOG2MQ_SOAK_CLOCK"
_OFFSET = struct.Struct("q")


class ClockOffset:
    """The offset, in the file that every process of the job has mapped."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(_OFFSET.pack(0))
        self.path = path
        self._stream = path.open("r+b")
        self._memory = mmap.mmap(self._stream.fileno(), _OFFSET.size)

    def set_seconds(self, seconds: int) -> None:
        """Set the job's wall clock so far from the machine's. Its monotonic clock stays."""
        _OFFSET.pack_into(self._memory, 0, seconds * 1_000_000_000)

    def close(self) -> None:
        """Close the file."""
        self._memory.close()
        self._stream.close()


def follow_offset(path: Path) -> None:
    """Make this process read the wall clock with the offset of the file: what another machine's clock would show it.

    This replaces the functions of the standard library, as a library preloaded for the process would, and no part of the job.
    """
    with path.open("rb") as stream:
        memory = mmap.mmap(stream.fileno(), _OFFSET.size, prot=mmap.PROT_READ)
    machine_ns = time.time_ns

    def time_ns() -> int:
        return machine_ns() + int(_OFFSET.unpack_from(memory)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1_000_000_000
