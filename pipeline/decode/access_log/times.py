"""The times that web servers write, as Unix milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def time_local_ms(text: str) -> int:
    """Return the Unix milliseconds of `01/May/2024:10:00:00 +0800` ($time_local, Apache's %t). Raises ValueError for an impossible time."""
    month = _MONTHS.get(text[3:6])
    if month is None:
        raise ValueError("no month's name")
    parts = (int(text[7:11]), month, int(text[0:2]), int(text[12:14]), int(text[15:17]), int(text[18:20]))
    offset_ms = (int(text[22:24]) * 60 + int(text[24:26])) * 60_000
    at_ms = (datetime(*parts, tzinfo=UTC) - _EPOCH) // _MILLISECOND
    return at_ms - (
        offset_ms if text[21] == "+" else -offset_ms
    )  # in UTC the year may be 0 or 10000, which `datetime` does not have


def iso8601_ms(text: str) -> int:
    """Return the Unix milliseconds of `2024-05-01T10:00:00+08:00` (nginx's $time_iso8601). Raises ValueError for an impossible time."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
