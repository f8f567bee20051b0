"""The keys of a step that apply before its decoder: compression, character set, split into lines. Each wraps a decoder."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import zstandard

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.entries import gathered
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.settings import DecodeStep
from schemas.refusal import ReasonCode, Refusal, Stage

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW = 31  # 15 bits, and a gzip header is expected
_MOST_WINDOW_BYTES = 32 << 20  # larger windows, as `zstd --long` makes them, are refused: the window costs memory

_PIECE = 512  # 4 bytes of zstd may unpack to 128 KiB, and the library has no limit: so one piece gives 16 MiB at most
_MOST_FRAMES = 1_000

Unpack = Callable[[bytes], bytes]
"""Takes packed bytes and returns the unpacked bytes. Raises `TooLargeError`, or `ValueError` where the bytes do not have its format."""


class TooLargeError(Exception):
    """The unpacked bytes are more than the limit. The decoder refuses the record."""


def unpacked(decoder: Decoder, step: DecodeStep, limits: DecodeLimits) -> Decoder:
    """Return the decoder, wrapped by the functions that the step's keys ask for. Without these keys it is the decoder itself."""
    if step.split == "lines":
        decoder = _line_by_line(decoder, limits)
    if step.charset != "utf-8" or step.invalid_characters == "replace":
        decoder = _unpack_first(
            _transcoder(step.charset, step.invalid_characters), decoder, limits, _wrong_charset(step.charset)
        )
    if step.compression != "none":
        decoder = _unpack_first(_decompressor(step.compression, limits.unpacked), decoder, limits, _NOT_COMPRESSED)
    return decoder


def _wrong_charset(charset: str) -> Refusal:
    return Refusal(Stage.DECODE, ReasonCode.CHARSET_INVALID, f"the value is not {charset} text, as decode.charset says")


_NOT_COMPRESSED = Refusal(
    Stage.DECODE, ReasonCode.COMPRESSION_INVALID, "the value is not packed as decode.compression says, or is cut off"
)


def _unpack_first(unpack: Unpack, decoder: Decoder, limits: DecodeLimits, otherwise: Refusal) -> Decoder:
    too_large, most = limits.too_large, limits.unpacked

    def decode(value: bytes) -> Decoded:
        try:
            text = unpack(value)
        except TooLargeError:
            return too_large
        except ValueError:
            return otherwise
        return decoder(text) if len(text) <= most else too_large

    return decode


def _transcoder(charset: str, invalid: str) -> Unpack:
    """Return the function that turns text of a character set into UTF-8. GBK is read as GB18030, which contains it and which writers use today."""
    name = "gb18030" if charset == "gbk" else charset
    errors = "replace" if invalid == "replace" else "strict"
    return lambda value: value.decode(name, errors).encode("utf-8", errors)


def _line_by_line(decoder: Decoder, limits: DecodeLimits) -> Decoder:
    """Return a decoder that decodes each line which is not blank: one or several entries a line. Lines end with LF or CR LF."""
    most, too_many = limits.entries, limits.too_many_entries

    def decode(value: bytes) -> Decoded:
        if value.count(b"\n") > 2 * most:  # checked before the split takes memory; every second line may be blank
            return too_many
        lines = (line.removesuffix(b"\r") for line in value.split(b"\n") if line and not line.isspace())
        entries = gathered(map(decoder, lines), limits)
        return entries[0] if isinstance(entries, list) and len(entries) == 1 else entries

    return decode


def unpack_zstd(value: bytes, most: int) -> bytes:
    """Return the content of zstd frames. Raises `TooLargeError`, or `ValueError` where the bytes are not whole zstd frames."""
    zstd = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
    return _frame_by_frame(zstd.decompressobj, zstandard.ZstdError, most)(value)


def _decompressor(compression: str, most: int) -> Unpack:
    gunzip = _frame_by_frame(lambda: zlib.decompressobj(_GZIP_WINDOW), zlib.error, most)

    def unzstd(value: bytes) -> bytes:
        return unpack_zstd(value, most)

    def by_its_first_bytes(value: bytes) -> bytes:
        if value.startswith(_GZIP):
            return gunzip(value)
        return unzstd(value) if value.startswith(_ZSTD) else value

    return {"gzip": gunzip, "zstd": unzstd, "auto": by_its_first_bytes}[compression]


def _frame_by_frame(begin: Callable[[], Any], damaged: type[Exception], most: int) -> Unpack:
    """Return the function that unpacks frames. Consecutive frames are one content (gzip: RFC 1952, section 2.2; zstd: RFC 8878, section 3.1)."""

    def unpack(value: bytes) -> bytes:
        parts, size, frames, frame = [], 0, 1, begin()
        for begun in range(0, len(value), _PIECE):
            piece = value[begun : begun + _PIECE]
            while piece:
                if frame.eof:
                    frames, frame = frames + 1, begin()
                try:
                    parts.append(frame.decompress(piece))
                except damaged:
                    raise ValueError from None
                size += len(parts[-1])
                if size > most or frames > _MOST_FRAMES:
                    raise TooLargeError
                piece = frame.unused_data
        if not frame.eof:
            raise ValueError
        return b"".join(parts)

    return unpack
