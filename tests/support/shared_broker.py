"""One real broker for all processes of a test run, started when the first test wants it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import ComponentMissing
from tests.support.paths import ROOT

BROKER_SETTINGS = {"log.retention.check.interval.ms": "500", "log.cleaner.backoff.ms": "500"}


class SharedBroker:
    """Belongs to the process that runs the tests, or that controls the workers of pytest-xdist.

    Its thread starts the broker at the first question and tells every questioner the address. Beside it, the cache of `aot_cache` is written. A process dies with the thread that
    started it (see `EmbeddedBroker`), so the broker ends with this process, however that ends.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="log2mq-tests-")
        self.address = str(Path(self._folder.name) / "broker")
        self._listener = Listener(self.address, "AF_UNIX")
        self._broker: EmbeddedBroker | None = None
        self._cache_writer: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._answer, name="shared-broker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the broker, if it was started."""
        with Client(self.address, "AF_UNIX") as asking:
            asking.send("stop")
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _answer(self) -> None:
        while True:
            with self._listener.accept() as asked:
                if asked.recv() == "stop":
                    break
                asked.send(self._started())
        if self._broker is not None:
            self._broker.stop()
        if self._cache_writer is not None:
            self._cache_writer.wait()

    def _started(self) -> tuple[str, str]:
        """Return the bootstrap servers, or why there are none."""
        if self._broker is None:
            try:
                self._broker = EmbeddedBroker(settings=BROKER_SETTINGS).start()
                self._cache_writer = subprocess.Popen([sys.executable, "-m", "tests.support.aot_cache"], cwd=ROOT)
            except ComponentMissing as missing:
                return "", str(missing)
        return self._broker.bootstrap_servers, ""


def shared_broker(address: str) -> str:
    """Return the bootstrap servers of the `SharedBroker` that answers at `address`.

    Raises:
        ComponentMissing: there is no broker to be had.
    """
    with Client(address, "AF_UNIX") as asking:
        asking.send("start")
        servers, missing = asking.recv()
    if missing:
        raise ComponentMissing(missing)
    return str(servers)
