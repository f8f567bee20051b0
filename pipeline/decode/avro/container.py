"""An object container file in one record: a header with the writer's schema, then blocks of data, packed or not.

This module reads the header and the blocks, and not fastavro, which unpacks a block to any size. The data in a block is read like all other
Avro data. Source of the layout: Avro specification 1.12, "Object Container Files".
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import snappy

from pipeline.decode.avro.data_reader import NOT_AVRO, DataReader
from pipeline.decode.avro.varint import long_at, unsigned_at
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.unpack import TooLargeError, unpack_zstd
from schemas.refusal import Refusal

MAGIC = b"Obj\x01"
MOST_META = 1_000
SYNC_BYTES = 16
_CHECKSUM_BYTES = 4
_MOST_XZ_BYTES = 40 << 20
"""Most memory for one xz block, in bytes. Files packed with `xz -9` need more and are refused."""

_NOT_A_CONTAINER = NOT_AVRO._replace(reason="the value is no Avro object container file, or is cut off")

Codec = Callable[[bytes, int], bytes]
"""Takes a packed block and the most bytes that it may have unpacked, and returns the unpacked block.

Raises `TooLargeError`, or `ValueError` where the block is not in the codec's format.
"""


class ContainerReader:
    """Reads every datum of a container file."""

    def __init__(self, reader_of: Callable[[bytes], DataReader | Refusal], limits: DecodeLimits) -> None:
        """`reader_of` takes the text of a schema and returns the reader of its data, or a refusal."""
        self._reader_of = reader_of
        self._limits = limits

    def __call__(self, value: bytes) -> list[Any] | Refusal:
        """Return all data in order, or a refusal. One wrong datum refuses the whole file: nobody knows where the next datum begins."""
        try:
            blocks = _Blocks(value)
            codec = CODECS.get(blocks.codec)
            if codec is None:
                return NOT_AVRO._replace(reason=f"the container's codec is none of {', '.join(CODECS)}")
            reader = self._reader_of(blocks.schema)
            return reader if isinstance(reader, Refusal) else self._read(blocks, codec, reader)
        except TooLargeError:
            return self._limits.too_large
        except ValueError:
            return _NOT_A_CONTAINER

    def _read(self, blocks: _Blocks, codec: Codec, reader: DataReader) -> list[Any] | Refusal:
        data: list[Any] = []
        left = self._limits.unpacked
        reader.begin()
        for count, packed in blocks:
            if len(data) + count > self._limits.entries:
                return self._limits.too_many_entries
            block = codec(packed, left)
            left -= len(block)
            stream = reader.stream_of(block)
            for _ in range(count):
                value = reader.next_of(stream)
                if isinstance(value, Refusal):
                    return value
                data.append(value)
            if stream.tell() != len(block):
                return _NOT_A_CONTAINER
        return data


class _Blocks:
    """The header and the blocks of a container file. Raises ValueError where the bytes are not a container file."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC):
            raise ValueError
        self._content = content
        self._position = len(MAGIC)
        meta: dict[bytes, bytes] = {}
        while count := self._long():
            if count < 0:
                count = -count
                self._long()  # the block's size
            if len(meta) + count > MOST_META:
                raise ValueError
            for _ in range(count):
                key = self._bytes(self._long())
                meta[key] = self._bytes(self._long())
        if b"avro.schema" not in meta:
            raise ValueError
        self.schema = meta[b"avro.schema"]
        self.codec = meta.get(b"avro.codec", b"null").decode()
        self._sync = self._bytes(SYNC_BYTES)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield each block: the number of data in it, and its packed bytes."""
        while self._position < len(self._content):
            count, packed = self._long(), self._bytes(self._long())
            if self._bytes(SYNC_BYTES) != self._sync or count < 0:
                raise ValueError
            yield count, packed

    def _long(self) -> int:
        number, self._position = long_at(self._content, self._position)
        return number

    def _bytes(self, size: int) -> bytes:
        begun, self._position = self._position, self._position + size
        if size < 0 or self._position > len(self._content):
            raise ValueError
        return self._content[begun : self._position]


def _plain(block: bytes, most: int) -> bytes:
    if len(block) > most:
        raise TooLargeError
    return block


def _bounded(begin: Callable[[], Any], damaged: type[Exception]) -> Codec:
    """Return the codec of a decompressor that can be limited to a number of bytes."""

    def unpack(block: bytes, most: int) -> bytes:
        packed = begin()
        try:
            content: bytes = packed.decompress(block, most + 1)
        except damaged:
            raise ValueError from None
        if len(content) > most:
            raise TooLargeError
        if not packed.eof:  # bytes after the end are valid: some writers of deflate add a part of a checksum
            raise ValueError
        return content

    return unpack


def _unpack_snappy(block: bytes, most: int) -> bytes:
    """Unpack a snappy block. It begins with its unpacked size, and ends with the CRC-32 of the unpacked bytes, the highest byte first."""
    packed, checksum = block[:-_CHECKSUM_BYTES], block[-_CHECKSUM_BYTES:]
    size, _ = unsigned_at(packed, 0)
    if size > most:
        raise TooLargeError
    try:
        content: bytes = snappy.decompress(packed)
    except snappy.UncompressError:
        raise ValueError from None
    if zlib.crc32(content).to_bytes(_CHECKSUM_BYTES) != checksum:
        raise ValueError
    return content


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "null": _plain,
        "deflate": _bounded(
            lambda: zlib.decompressobj(-zlib.MAX_WBITS), zlib.error
        ),  # raw, without a header (RFC 1951)
        "snappy": _unpack_snappy,
        "zstandard": unpack_zstd,
        "bzip2": _bounded(bz2.BZ2Decompressor, OSError),
        "xz": _bounded(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_BYTES), lzma.LZMAError),
    }
)
"""The codecs of container files, by name: the required and the optional codecs of the specification."""
