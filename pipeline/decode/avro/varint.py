"""Numbers of seven bits a byte, the lowest first, the highest bit of each byte saying whether another follows."""

from __future__ import annotations

MOST_BYTES = 10
"""64 bits take so many."""


def unsigned_at(content: bytes, position: int) -> tuple[int, int]:
    """Return the number that begins at a position, and where it ends.

    Raises:
        ValueError: there is none.
    """
    number = shift = 0
    for byte in content[position : position + MOST_BYTES]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return number, position + shift // 7
    raise ValueError("no number, or one of more than 64 bits")


def long_at(content: bytes, position: int) -> tuple[int, int]:
    """Return an Avro int or long: zig-zag, so that small negative numbers are short too (specification, "Binary Encoding"). Raises ValueError."""
    number, position = unsigned_at(content, position)
    return (number >> 1) ^ -(number & 1), position
