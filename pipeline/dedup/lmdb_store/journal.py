"""The journal of confirmations. It makes them durable with one sequential write.

Each process appends to a file of its own. A file belongs to one round (see `recent_tables`). It is removed once all entries of the round are in
the durable table. It is read only after a crash of the machine. A file is a sequence of frames, each with a checksum, so that a last frame that
did not reach the disk is recognised. The entries of a frame have one size, which its first bytes tell.

Room for the frames is allocated before a message is claimed: on a disk that has become full, everything that was claimed can still be confirmed.
Behind the last frame a file has zeros. A spare file has the room that a confirmation needs if the next round begins meanwhile.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.dedup.entry import KEY_BYTES, NEVER, ORDERED_BYTES, PLAIN_BYTES, is_newer
from pipeline.dedup.lmdb_store.folder import OPEN_FLAGS, allocate, allocate_open

_MAGIC = {PLAIN_BYTES: b"L2MJ", ORDERED_BYTES: b"L2MO"}  # by the size of an entry's value
_VALUE_BYTES = {magic: size for size, magic in _MAGIC.items()}
_HEADER = struct.Struct(">4sII")  # magic, entries, CRC-32 of the entries
_SUFFIX = ".journal"
_SPARE_SUFFIX = ".spare"

ROOM_BYTES = 1 << 20
"""Room is allocated in steps of this size."""

MOST_FRAME_BYTES = _HEADER.size + KEY_BYTES + ORDERED_BYTES
"""The most bytes that one confirmation needs: it may have a frame of its own."""
_flush = getattr(os, "fdatasync", os.fsync)  # not every POSIX system has fdatasync


class Journal:
    """The journal of one process. The first append opens it."""

    def __init__(self, folder: Path, owner: bytes) -> None:
        self._folder = folder
        self._owner = owner.hex()
        self._round = -1
        self._file = -1
        self._end = 0
        self._allocated = 0
        self._spare_bytes = 0
        self._unsynced = False

    def require_room(self, confirmations: int) -> None:
        """Make sure that so many confirmations can be appended, also if the disk becomes full and a round begins meanwhile.

        Raises:
            OSError: the disk has no room for them.
        """
        needed = confirmations * MOST_FRAME_BYTES
        if self._spare_bytes < needed:
            size = _rounded(needed)
            allocate(self._spare, size)
            self._spare_bytes = size
        if self._file >= 0 and self._allocated - self._end < needed:
            size = _rounded(self._end + needed)
            allocate_open(self._file, size)
            self._allocated = size

    def append(self, round_number: int, blocks: Mapping[int, bytes]) -> None:
        """Write blocks of entries (see `recent_tables.blocks`) to the file of a round. They are durable after the next `sync`.

        Raises:
            OSError: the disk is full or broken; the file then ends before these entries.
        """
        if round_number != self._round:
            self._begin(round_number)
        frames = memoryview(
            b"".join(
                _HEADER.pack(_MAGIC[size], len(block) // (KEY_BYTES + size), zlib.crc32(block)) + block
                for size, block in blocks.items()
            )
        )
        self._unsynced = True
        try:
            written = 0
            while written < len(frames):
                written += os.pwrite(self._file, frames[written:], self._end + written)
        except OSError:
            os.ftruncate(self._file, max(self._end, self._allocated))
            raise
        self._end += len(frames)
        self._allocated = max(self._allocated, self._end)

    def sync(self) -> None:
        """Flush the appended entries to the disk: they then survive a crash of the machine."""
        if self._unsynced:
            _flush(self._file)
            self._unsynced = False

    def close(self) -> None:
        """Flush the appended entries, give the room that is left back, and close. Safe to call twice."""
        self._close_file()
        if self._spare_bytes:
            self._spare.unlink(missing_ok=True)
            self._spare_bytes = 0

    @property
    def _spare(self) -> Path:
        return self._folder / f"{self._owner}{_SPARE_SUFFIX}"

    def _begin(self, round_number: int) -> None:
        self._close_file()
        path = self._folder / f"{round_number:012d}-{self._owner}{_SUFFIX}"
        if self._spare_bytes and not path.exists():
            self._spare_bytes = 0
            with suppress(FileNotFoundError):  # this process stood still, and another one took it for dead
                self._spare.rename(path)
        self._file = os.open(path, OPEN_FLAGS, 0o600)
        self._round = round_number
        self._allocated = os.fstat(self._file).st_size
        self._end = _end_of_frames(path, self._allocated)
        folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # without it the name of the file might not survive a crash
        finally:
            os.close(folder)

    def _close_file(self) -> None:
        if self._file >= 0:
            try:
                os.ftruncate(self._file, self._end)
                self.sync()
            finally:
                os.close(self._file)
                self._file = self._round = -1


def forget_rounds(folder: Path, before: int) -> None:
    """Remove the files of all rounds before `before`."""
    for path in _files(folder):
        if _round_of(path) < before:
            path.unlink(missing_ok=True)


def forget_spares(folder: Path, living: Collection[bytes]) -> None:
    """Remove the spare files of all owners but those that live: a process that is killed leaves its own."""
    for path in folder.glob(f"*{_SPARE_SUFFIX}"):
        if path.stem not in {owner.hex() for owner in living}:
            path.unlink(missing_ok=True)


def read_journals(folder: Path, at_once: int, now_ms: int) -> Iterator[dict[bytes, bytes]]:
    """Yield the entries of all intact frames, in the order of rounds, about `at_once` at a time. Of equal keys the newest entry counts.

    Raises:
        OSError: a file cannot be read.
    """
    entries: dict[bytes, bytes] = {}
    for path in _files(folder):
        with path.open("rb") as stream:
            for body, size in _intact_frames(stream, path.stat().st_size):
                for at in range(0, len(body), KEY_BYTES + size):
                    key, value = body[at : at + KEY_BYTES], body[at + KEY_BYTES : at + KEY_BYTES + size]
                    # Another process may have confirmed the key later in the same round.
                    if is_newer(value, entries.get(key, NEVER), now_ms):
                        entries[key] = value
                if len(entries) >= at_once:
                    yield entries
                    entries = {}
    if entries:
        yield entries


def _intact_frames(stream: BinaryIO, left: int) -> Iterator[tuple[bytes, int]]:
    """Yield the entries of each frame, and the size of their values."""
    while len(header := stream.read(_HEADER.size)) == _HEADER.size:
        magic, count, checksum = _HEADER.unpack(header)
        size = _VALUE_BYTES.get(magic, 0)
        left -= _HEADER.size + count * (KEY_BYTES + size)
        if not size or left < 0:
            return
        body = stream.read(count * (KEY_BYTES + size))
        if zlib.crc32(body) != checksum:
            return
        yield body, size


def _end_of_frames(path: Path, size: int) -> int:
    """Return where the last intact frame of a file of `size` bytes ends."""
    end = 0
    with path.open("rb") as stream:
        for _ in _intact_frames(stream, size):
            end = stream.tell()
    return end


def _rounded(size: int) -> int:
    return -(-size // ROOM_BYTES) * ROOM_BYTES


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.name.split("-")[0].isdigit())


def _round_of(path: Path) -> int:
    return int(path.name.split("-")[0])
