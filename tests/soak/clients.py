"""Which process a connection on loopback belongs to, as the kernel tells it (proc_pid_net(5), proc_pid_fd(5))."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


class Clients:
    """Finds the process at the other end of a connection. It looks at the processes first that it found before."""

    def __init__(self) -> None:
        self._found: list[int] = []

    def process_of(self, port: int, to_port: int) -> int | None:
        """Return the ID of the process that connected from `port` to `to_port` of loopback; None if there is none any more."""
        if (inode := _inode(port, to_port)) is None:
            return None
        known = [pid for pid in self._found if (_PROC / str(pid)).exists()]
        others = [int(each.name) for each in _PROC.iterdir() if each.name.isdecimal() and int(each.name) not in known]
        pid = next((pid for pid in [*known, *sorted(others, reverse=True)] if _has(pid, f"socket:[{inode}]")), None)
        self._found = [*known, pid] if pid is not None and pid not in known else known
        return pid


def _inode(port: int, to_port: int) -> str | None:
    ends = f"0100007F:{port:04X}", f"0100007F:{to_port:04X}"
    for row in (_PROC / "net" / "tcp").read_text().splitlines()[1:]:
        columns = row.split()
        if (columns[1], columns[2]) == ends:
            return columns[9]
    return None


def _has(pid: int, socket: str) -> bool:
    try:
        descriptors = list((_PROC / str(pid) / "fd").iterdir())
    except OSError:  # it has ended, or belongs to another user
        return False
    return any(_target(each) == socket for each in descriptors)


def _target(descriptor: Path) -> str:
    with suppress(OSError):  # it is closed
        return str(descriptor.readlink())
    return ""
