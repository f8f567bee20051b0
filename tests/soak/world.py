"""Everything that a soak starts, and ends again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.soak import clock, keeper
from tests.soak.cluster import Cluster
from tests.soak.hosts import Host
from tests.soak.processes import Command
from tests.soak.record import Record
from tests.soak.settings import SoakSettings, source_text
from tests.soak.stand_in import SoakStandIn
from tests.soak.writer import Writer
from tests.support.dedup_stores import RedisServer

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


class World:
    """Kafka, the stand-in, the hosts and, with `on_redis`, the server. As a context manager it leaves nothing behind."""

    def __init__(self, settings: SoakSettings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.record = Record(say)
        self.folder = settings.out / "work"
        self.replays: list[Command] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            shutil.rmtree(self.settings.out / "logs", ignore_errors=True)  # of another soak
            (self.settings.out / "logs").mkdir()
            mark = secrets.token_hex(8)
            stack.callback(keeper.Keeper(mark, self.folder).close)
            os.environ[keeper.VARIABLE] = mark  # what is started from here on carries it
            stack.callback(os.environ.pop, keeper.VARIABLE)
            self.clock = clock.ClockOffset(self.folder / "clock")
            stack.callback(self.clock.close)
            self.cluster = Cluster(self.folder / "kafka", self.settings.partitions)
            stack.callback(self.cluster.close)
            self.cluster.start()
            self.stand_in = SoakStandIn(self.settings.out, os.environ)
            stack.callback(self.stand_in.close)
            self.stand_in.start()
            self.redis: RedisServer | None = None
            if self.settings.on_redis:
                self.redis = RedisServer("--save", "", "--appendonly", "yes", "--appendfsync", "always")
                stack.callback(self.redis.remove)
            self.hosts = [self._host("host-a", 2), self._host("host-b", None)]
            self.writer = Writer(self.cluster, self.settings.seed, self.settings.rate)
            stack.callback(self.writer.stop)
            stack.callback(self._kill_commands)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _host(self, name: str, workers: int | None) -> Host:
        """Return a host. On Redis each has a state folder of its own; otherwise both commands run on one machine, and share the store."""
        folder = self.folder / (name if self.settings.on_redis else "host")
        folder.mkdir(exist_ok=True)
        source = folder / "soak.yaml"
        redis_url = self.redis.url if self.redis is not None else None
        source.write_text(source_text(self.cluster.servers, self.stand_in.url, redis_url))
        environment = {
            **os.environ,
            **KEYS,
            "XDG_STATE_HOME": str(folder / "state"),
            clock.VARIABLE: str(self.clock.path),
        }
        return Host(name, workers, source, environment, self.settings.out / "logs", self.record)

    def _kill_commands(self) -> None:
        for host in self.hosts:
            if host.command is not None:
                host.command.kill_all()
        for replay in self.replays:
            replay.kill_all()

    def commands(self) -> list[Command]:
        """Return the commands that run."""
        running = [host.command for host in self.hosts if host.command is not None]
        return [*running, *(replay for replay in self.replays if replay.is_alive)]
