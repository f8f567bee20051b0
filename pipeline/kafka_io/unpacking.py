"""Compressed batches as streams, unpacked piece by piece: a batch of some KiB may come to many GiB."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from kafka import codec, errors

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
"""The numbers of the codecs in Kafka's format of a batch."""

MOST_WINDOW_BYTES = 8 << 20
"""The largest window of zstd that each decoder must have (RFC 8878, section 3.1.1.1.2). What unpacks with it is unpacked piece by piece."""

_XERIAL_HEADER_BYTES = 16
_XERIAL_LENGTH = struct.Struct("!i")

_PACKED_BYTES = 64 << 10
"""How much of a batch lz4 gets at a time."""

_SIZE_BYTES = 5
_GOES_ON = 0x80
"""A block of snappy begins with its size, in at most five bytes of seven bits; the eighth says that another one follows."""

_DAMAGED = (zlib.error, OSError, EOFError, ValueError, RuntimeError, struct.error)
"""The exceptions of the decoders, of which those of lz4 are RuntimeErrors."""


class UnpackedTooLarge(errors.KafkaError):  # type: ignore[misc]  # kafka-python ships no types
    """A batch can only be unpacked as a whole, and comes to more bytes than allowed."""


class ByteStream(Protocol):
    """The unpacked bytes of a batch."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, at most `count`; an empty text at the end.

        Raises:
            UnpackedTooLarge: what is left comes to too many bytes.
            CorruptRecordError: the bytes are damaged.
        """
        ...


def open_stream(codec_number: int, packed: memoryview, most_bytes: int) -> ByteStream:
    """Return the stream of a batch.

    Of gzip and lz4 some KiB are held at a time, of zstd the window of its frame, and of snappy one block. A zstd frame with a larger window than
    usual, and a block of snappy, come to at most `most_bytes`.

    Raises:
        CorruptRecordError: the bytes are damaged.
        UnsupportedCodecError: nobody knows this codec.
        UnpackedTooLarge: see above.
    """
    if codec_number == ZSTD:
        return _Guarded(_zstd(packed, most_bytes))
    if codec_number == GZIP:
        return _Guarded(gzip.GzipFile(fileobj=io.BytesIO(packed), mode="rb"))
    if codec_number == LZ4:
        return _Guarded(_Lz4(packed))
    if codec_number == SNAPPY:
        return _Guarded(_Snappy(packed, most_bytes))
    raise errors.UnsupportedCodecError(f"a batch is compressed with an unknown codec ({codec_number})")


class _Guarded:
    """A stream whose damage is a `CorruptRecordError`."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, count: int, /) -> bytes:
        try:
            return self._stream.read(count)
        except UnpackedTooLarge:
            raise
        except (*_DAMAGED, codec.zstd.ZstdError, codec.snappy.UncompressError) as error:
            raise errors.CorruptRecordError(f"a batch cannot be unpacked ({type(error).__name__})") from None


def _zstd(packed: memoryview, most_bytes: int) -> ByteStream:
    try:
        frame = codec.zstd.get_frame_parameters(packed)
    except codec.zstd.ZstdError as error:
        raise errors.CorruptRecordError(f"a batch cannot be unpacked ({type(error).__name__})") from None
    is_large = frame.window_size > MOST_WINDOW_BYTES
    # Of a frame with one segment the window is the whole content.
    if is_large and frame.content_size != codec.zstd.CONTENTSIZE_UNKNOWN and frame.content_size > most_bytes:
        raise UnpackedTooLarge
    decoder = codec.zstd.ZstdDecompressor(max_window_size=0 if is_large else MOST_WINDOW_BYTES)
    stream = decoder.stream_reader(io.BytesIO(packed), read_across_frames=True)
    return _AtMost(stream, most_bytes) if is_large else stream


class _AtMost:
    """A stream of at most so many bytes: its decoder keeps all of them."""

    def __init__(self, stream: ByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    def read(self, count: int, /) -> bytes:
        if self._left <= 0 and count and self._stream.read(1):
            raise UnpackedTooLarge
        piece = self._stream.read(min(count, self._left))
        self._left -= len(piece)
        return piece


class _Lz4:
    """One frame of lz4. The stream of the package unpacks 8 KiB at a time, which takes five times as long."""

    def __init__(self, packed: memoryview) -> None:
        self._packed = packed
        self._decoder = codec.lz4.LZ4FrameDecompressor()

    def read(self, count: int, /) -> bytes:
        while not self._decoder.eof:
            following: bytes | memoryview = b""
            if self._decoder.needs_input:
                following, self._packed = self._packed[:_PACKED_BYTES], self._packed[_PACKED_BYTES:]
                if not following:
                    raise EOFError
            if piece := self._decoder.decompress(following, max_length=count):
                return bytes(piece)
        return b""


class _Snappy:
    """Snappy has no stream of its own. The Java client writes blocks of 32 KiB (xerial), librdkafka one block a batch."""

    def __init__(self, packed: memoryview, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._blocks = self._each(packed)
        self._block, self._position = b"", 0

    def read(self, count: int, /) -> bytes:
        while self._position >= len(self._block):
            self._block, self._position = b"", 0
            if (block := next(self._blocks, None)) is None:
                return b""
            self._block = self._unpack(block)
        piece = self._block[self._position : self._position + count]
        self._position += len(piece)
        return piece

    def _each(self, packed: memoryview) -> Iterator[memoryview]:
        if not codec._detect_xerial_stream(packed[:32]):  # noqa: SLF001 - the header of such blocks has no other reader
            yield packed
            return
        position = _XERIAL_HEADER_BYTES
        while position < len(packed):
            (length,) = _XERIAL_LENGTH.unpack_from(packed, position)
            position += _XERIAL_LENGTH.size
            if not 0 < length <= len(packed) - position:
                raise ValueError(length)
            yield packed[position : position + length]
            position += length

    def _unpack(self, block: memoryview) -> bytes:
        """Return the content of a block. The size of the content stands before it, and the decoder believes it."""
        size = 0
        for place, byte in enumerate(block[:_SIZE_BYTES]):
            size |= (byte & ~_GOES_ON) << (7 * place)
            if not byte & _GOES_ON:
                break
        if size > self._most_bytes:
            raise UnpackedTooLarge
        content: Any = codec.snappy.decompress(bytes(block))
        return bytes(content)
