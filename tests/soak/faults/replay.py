"""A replay beside the live job: it reads again what the job has read, and must report nothing a second time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

from tests.soak.evidence import CommandExit, CommandStart
from tests.soak.processes import now_ms
from tests.soak.schedule import PlannedFault
from tests.soak.world import World

RECORDS = 1_500
"""How many offsets of each partition are read again."""

LIMIT_S = 120.0


def replay(world: World, fault: PlannedFault) -> Iterator[float]:
    """Replay the latest records on the first host, to the end."""
    offsets = world.record.snapshots[-1].offsets if world.record.snapshots else {}
    start = max(0, min(offsets.values(), default=0) - RECORDS)
    name = f"replay-{len(world.replays) + 1}"
    command = world.hosts[0].launch(name, "replay", "--from", str(start), "--to", "now")
    world.record.starts.append(CommandStart(now_ms(), name))
    world.replays.append(command)
    world.record.tell(f"{name} begins at offset {start}")
    began_s = time.monotonic()
    while command.is_alive and time.monotonic() - began_s < LIMIT_S:
        yield 0.2
    waited_s = time.monotonic() - began_s
    if is_late := command.is_alive:
        world.record.tell(f"{name} has not ended after {LIMIT_S:.0f} s; SIGKILL")
        world.record.interrupt(command.pid, signal.SIGKILL, name)
    command.finish()
    world.record.printed += command.printed
    world.record.warnings += command.warnings
    world.record.note_exit(
        CommandExit(
            command.ended_ms,
            name,
            command.process.returncode,
            was_asked=is_late,
            waited_s=waited_s,
            last_line=command.last_line,
        )
    )
