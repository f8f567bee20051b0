"""The clocks of the machine. Each dedup store makes its own time of them, because several processes, and several runs, compare its times."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_NAMESPACE_OFFSETS = Path("/proc/self/timens_offsets")


class Clocks(NamedTuple):
    """Two clocks, which give ms."""

    wall: Callable[[], int]
    """Unix ms. A person, NTP or a hypervisor may set it at any time, back or forward."""

    boot: Callable[[], int]
    """Ms since the machine started, with the time in which it was suspended. It never goes back, and every process of the host reads the same time."""


def machine_clocks() -> Clocks:
    """Return the clocks of this machine.

    A container may have a time namespace, in which the time since the start has an offset. Two containers of one host may share a store, so the
    offset is taken away. Where a system has no clock that counts suspended time, the other monotonic clock is taken.
    """
    offset_ns = namespace_offset_ns(_namespace_offsets())
    read_ns, boot_clock = time.clock_gettime_ns, _BOOT_CLOCK  # looked up once: the loop asks at each record
    return Clocks(
        wall=lambda: time.time_ns() // 1_000_000,
        boot=lambda: (read_ns(boot_clock) - offset_ns) // 1_000_000,
    )


def namespace_offset_ns(offsets: str) -> int:
    """Return the offset of the time since the start, in ns, from the text of `/proc/self/timens_offsets` (man page time_namespaces(7))."""
    for line in offsets.splitlines():
        match line.split():
            case ["boottime", seconds, nanoseconds]:
                return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


def _namespace_offsets() -> str:
    try:
        return _NAMESPACE_OFFSETS.read_text("ascii")
    except OSError:  # a kernel without time namespaces
        return ""
