"""The dedup stores of the tests: each kind opened for several owners, and a Redis server of the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.contracts.message_order import at_position, order_of
from pipeline.contracts.values import Claim, StoreIdentity
from pipeline.dedup.clocks import Clocks
from pipeline.dedup.lmdb_store import mover as round_mover
from pipeline.dedup.lmdb_store.store import LmdbStore
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.dedup.redis_store.store import RedisStore
from pipeline.setting_types.secret import Secret

NOW = 1_700_000_000_000
UNIT = 60_000
"""A time, in ms, that no test takes: a store whose clock is a server's goes on while a test runs."""

KEEP = 100 * UNIT
LEASE = 15 * UNIT


class Machine:
    """The clocks of a machine of the tests, which a test moves."""

    def __init__(self, wall_ms: int = NOW, boot_ms: int = 5_000) -> None:
        self.wall_ms = wall_ms
        self.boot_ms = boot_ms
        self.clocks = Clocks(lambda: self.wall_ms, lambda: self.boot_ms)

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.wall_ms += ms
        self.boot_ms += ms

    def start_again(self, wall_ms: int) -> None:
        """Start the machine again. The wall clock then says `wall_ms`."""
        self.wall_ms, self.boot_ms = wall_ms, 1_000


def claim(number: int, digest: int = 0, origin: int = 0, order: bytes = b"") -> Claim:
    return Claim(number.to_bytes(16), digest.to_bytes(8), origin.to_bytes(8), order)


def told(offset: int, place: int = 1, time_ms: int = NOW, position: int = 0) -> bytes:
    """Return the order of a message."""
    return at_position(order_of(place, offset, time_ms), position)


def open_lmdb(folder: Path, owner: str = "a", machine: Machine | None = None, **more: Any) -> LmdbStore:
    settings: dict[str, Any] = {"keep_ms": KEEP, "lease_ms": LEASE, "max_bytes": 1 << 26}
    return LmdbStore(folder, owner, clocks=(machine or Machine()).clocks, **settings | more)


def sweep_for(store: LmdbStore, machine: Machine, seconds: int) -> None:
    """Sweep every second."""
    for _ in range(seconds):
        machine.wait(1_000)
        store.sweep()


def serve_lmdb(pipe: Connection) -> None:
    """A process with one LMDB store. LMDB allows a process to open a store once, so every other owner has a process of its own."""
    round_mover.SLICE = 2  # so that a few keys are moved in many steps
    store: LmdbStore | None = None
    machine = Machine()
    while (request := pipe.recv()) is not None:
        verb, arguments, options, machine.wall_ms, machine.boot_ms = request
        if verb == "open":
            folder, owner = arguments
            store = open_lmdb(Path(folder), owner, machine)
            pipe.send(None)
        else:
            asked = getattr(store, verb)
            pipe.send(asked(*arguments, **options) if callable(asked) else asked)


class RemoteStore:
    """A store in another process."""

    def __init__(self, pipe: Connection, folder: Path, owner: str, machine: Machine) -> None:
        self._pipe, self._machine = pipe, machine
        self._ask("open", str(folder), owner)

    def _ask(self, verb: str, *arguments: object, **options: object) -> Any:
        self._pipe.send((verb, arguments, options, self._machine.wall_ms, self._machine.boot_ms))
        assert self._pipe.poll(60), f"no answer to {verb}"
        return self._pipe.recv()

    @property
    def identity(self) -> StoreIdentity:
        found: StoreIdentity = self._ask("identity")
        return found

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self._ask(verb, *arguments, **options)


class MemoryStores:
    """Two owners of one table in memory."""

    margin_ms = 1
    """How exactly a test may say when something ends."""

    def fresh(self) -> None:
        self._table, self._machine = MemoryTable(), Machine()

    def open(self, owner: str) -> MemoryStore:
        return MemoryStore(self._table, owner, KEEP, LEASE, self._machine.clocks.boot)

    def wait(self, ms: int) -> None:
        """Let the store's time pass."""
        self._machine.wait(ms)

    def set_wall_clock(self, by_ms: int) -> None:
        """Set the wall clock of the host back or forward."""
        self._machine.wall_ms += by_ms


class LmdbStores:
    """One folder. Owner "a" is in this process, every other owner in a process of its own."""

    def __init__(self, folder: Path, pipe: Connection) -> None:
        self._base, self._pipe, self._turn = folder, pipe, 0

    margin_ms = 1

    def fresh(self) -> None:
        shutil.rmtree(self._base / str(self._turn), ignore_errors=True)
        self._turn += 1
        self.machine = Machine()

    def open(self, owner: str) -> LmdbStore | RemoteStore:
        folder = self._base / str(self._turn)
        if not owner.startswith("a"):
            return RemoteStore(self._pipe, folder, owner, self.machine)
        return open_lmdb(folder, owner, self.machine)

    def wait(self, ms: int) -> None:
        """Let time pass on the machine."""
        self.machine.wait(ms)

    def set_wall_clock(self, by_ms: int) -> None:
        """Set the wall clock of the machine back or forward."""
        self.machine.wall_ms += by_ms


_LET_TIME_PASS = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then
    if left <= tonumber(ARGV[1]) then redis.call('DEL', key) else redis.call('PEXPIRE', key, left - ARGV[1]) end
  end
end
"""


class RedisStores:
    """One server. Its clock cannot be moved, so time passes by bringing the end of each key nearer."""

    margin_ms = UNIT

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: redis.Redis = redis.Redis.from_url(url)

    def fresh(self) -> None:
        self.client.flushdb()

    def open(self, owner: str) -> RedisStore:
        return RedisStore(Secret(self.url), owner, keep_ms=KEEP, lease_ms=LEASE)

    def set_wall_clock(self, _by_ms: int) -> None:
        """Do nothing: the store reads no clock of a host."""

    def wait(self, ms: int) -> None:
        """Let the server's time pass."""
        self.client.eval(_LET_TIME_PASS, 0, ms)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class RedisServer:
    """A redis-server or valkey-server of the tests, on loopback, in a temporary folder."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            reason = "no redis-server or valkey-server on PATH, and LOG2MQ_TEST_REDIS is not set"
            assert not os.environ.get("CI"), reason
            pytest.skip(reason)
        self._folder = tempfile.mkdtemp(prefix="log2mq-redis-")
        for _ in range(
            5
        ):  # another program may take a port between the moment it was found free and the server's start
            self.port = free_port()
            self.url = f"redis://127.0.0.1:{self.port}/0"
            self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder, *options]
            if self._has_started():
                return
        raise AssertionError("the server ended at once, five times")

    def start(self) -> None:
        """Start the server again, on the same port."""
        assert self._has_started(), "the server ended at once"

    def _has_started(self) -> bool:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while self._process.poll() is None:
            if self._answers():
                return True
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)
        return False

    def _answers(self) -> bool:
        """Whether this server answers on the port, and no other one."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5) as asking:
                return int(asking.info("server")["process_id"]) == self._process.pid
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
