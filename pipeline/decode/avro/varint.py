"""Variable-length numbers: seven bits a byte, the lowest bits first. The highest bit of a byte says whether another byte follows."""

from __future__ import annotations

MOST_BYTES = 10
"""Most bytes of a number of 64 bits."""


def unsigned_at(content: bytes, position: int) -> tuple[int, int]:
    """Return the number that begins at a position, and the position after it.

    Raises:
        ValueError: the bytes end within the number, or it has more than 64 bits.
    """
    number = shift = 0
    for byte in content[position : position + MOST_BYTES]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return number, position + shift // 7
    raise ValueError("no number, or one of more than 64 bits")


def long_at(content: bytes, position: int) -> tuple[int, int]:
    """Return an Avro int or long, and the position after it. The encoding is zig-zag (specification, "Binary Encoding"). Raises ValueError."""
    number, position = unsigned_at(content, position)
    return (number >> 1) ^ -(number & 1), position
