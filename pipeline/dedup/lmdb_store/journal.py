"""The journal of confirmations. It makes them durable with one sequential write.

Each process appends to a file of its own. A file belongs to one round (see `recent_tables`). It is removed once all entries of the round are in
the durable table. It is read only after a crash of the machine. A file is a sequence of frames, each with a checksum, so that a last frame that
did not reach the disk is recognised. The entries of a frame have one size, which its first bytes tell.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pipeline.dedup.entry import KEY_BYTES, NEVER, ORDERED_BYTES, PLAIN_BYTES, is_newer
from pipeline.dedup.lmdb_store.folder import OPEN_FLAGS

_MAGIC = {PLAIN_BYTES: b"L2MJ", ORDERED_BYTES: b"L2MO"}  # by the size of an entry's value
_VALUE_BYTES = {magic: size for size, magic in _MAGIC.items()}
_HEADER = struct.Struct(">4sII")  # magic, entries, CRC-32 of the entries
_SUFFIX = ".journal"
_flush = getattr(os, "fdatasync", os.fsync)  # not every POSIX system has fdatasync


class Journal:
    """The journal of one process. The first append opens it."""

    def __init__(self, folder: Path, owner: bytes) -> None:
        self._folder = folder
        self._owner = owner.hex()
        self._round = -1
        self._file = -1
        self._end = 0
        self._unsynced = False

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
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(frames)

    def sync(self) -> None:
        """Flush the appended entries to the disk: they then survive a crash of the machine."""
        if self._unsynced:
            _flush(self._file)
            self._unsynced = False

    def close(self) -> None:
        """Flush the appended entries, and close. Safe to call twice."""
        if self._file >= 0:
            try:
                self.sync()
            finally:
                os.close(self._file)
                self._file = self._round = -1

    def _begin(self, round_number: int) -> None:
        self.close()
        path = self._folder / f"{round_number:012d}-{self._owner}{_SUFFIX}"
        self._file = os.open(path, OPEN_FLAGS, 0o600)
        self._round = round_number
        self._end = os.fstat(self._file).st_size
        folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # without it the name of the file might not survive a crash
        finally:
            os.close(folder)


def forget_rounds(folder: Path, before: int) -> None:
    """Remove the files of all rounds before `before`."""
    for path in _files(folder):
        if _round_of(path) < before:
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


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.name.split("-")[0].isdigit())


def _round_of(path: Path) -> int:
    return int(path.name.split("-")[0])
