"""An embedded Apache Kafka: one real broker on loopback, without Docker, Maven or an installed Java.

The broker runs in KRaft mode in one process, which is killed when its parent dies. `artifacts` finds its files, `properties` makes its configuration.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.emulator.kafka_broker.artifacts import class_path, find_java
from pipeline.emulator.kafka_broker.properties import TlsFiles, further_protocols, server_properties
from pipeline.errors import ComponentMissing

START_LIMIT_S = 90.0
STOP_LIMIT_S = 20.0
READY = "Kafka Server started"
JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
"""What makes Java start fast."""
CLUSTER_ID = "bG9nMm1xLWVtYmVkZGVkLQ"  # 16 bytes in URL-safe Base64

# Runs the command in its arguments. The kernel kills the command when the parent process dies in any way (prctl(2), PR_SET_PDEATHSIG = 1).
_DIES_WITH_PARENT = (
    "import ctypes, os, signal, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


def default_cache() -> Path:
    """Return the folder that fetched artifacts are kept in."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "log2mq"


class EmbeddedBroker:
    """A real broker with a new data folder or a given one. Use it as a context manager, or with `start` and `stop`."""

    def __init__(
        self,
        *,
        port: int = 0,
        data: Path | None = None,
        cache: Path | None = None,
        heap_megabytes: int = 512,
        settings: Mapping[str, str] | None = None,
        sasl_users: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        """`settings` override the broker's properties. `sasl_users` (name to password) and `tls` open further listeners, see `address`.

        `java_options` are further options of the broker's Java.
        """
        self._cache = cache or default_cache()
        self._given = data
        self._data: Path | None = None
        self._port = port
        self._ports: dict[str, int] = {}
        self._heap = heap_megabytes
        self._settings = dict(settings or {})
        self._sasl_users = dict(sasl_users or {})
        self._tls = tls
        self._java_options = java_options
        self._protocols = further_protocols(self._sasl_users, tls)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """Return the address of the plaintext listener."""
        return f"127.0.0.1:{self._port}"

    def address(self, protocol: str) -> str:
        """Return the address of the listener for `SASL_PLAINTEXT`, `SSL` or `SASL_SSL`. The host of the last two is `localhost`, the name in the certificate."""
        return f"{'localhost' if protocol.endswith('SSL') else '127.0.0.1'}:{self._ports[protocol]}"

    @property
    def pid(self) -> int | None:
        """Return the ID of the broker's process; None while it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def log_file(self) -> Path:
        """Return the path of the broker's log."""
        return self._folder / "broker.log"

    @property
    def _folder(self) -> Path:
        if self._data is None:
            self._data = self._given or Path(tempfile.mkdtemp(prefix="log2mq-kafka-"))
        return self._data

    def start(self) -> Self:
        """Start the broker, and return when it serves.

        Raises:
            ComponentMissing: Java or the artifacts are missing, or the broker does not start; the message ends with its log's last lines.
        """
        java, jars = find_java(), class_path(self._cache)
        self._port = self._port or _free_port()
        for protocol in self._protocols:
            self._ports.setdefault(protocol, _free_port())
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._write_properties(_free_port())
        options = [
            *JAVA_OPTIONS,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-cp",
            jars,
        ]
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(java, options, properties)
        command = [str(java), f"-Xmx{self._heap}m", *self._java_options, *options, "kafka.Kafka", str(properties)]
        with self.log_file.open("ab") as log:
            log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - the script above, and the Java that was found
                [sys.executable, "-c", _DIES_WITH_PARENT, str(os.getpid()), *command],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal must not reach the broker: it stops after the job
            )
        self._wait_until_ready(log_start)
        return self

    def stop(self) -> None:
        """Stop the broker, and remove the data folder unless it was given."""
        self.stop_process()
        if self._given is None and self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def stop_process(self, *, at_once: bool = False) -> None:
        """Stop the process and keep the data. `at_once` sends SIGKILL instead of SIGTERM."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, *, at_once: bool = False) -> None:
        """Stop and start again with the same data and port."""
        self.stop_process(at_once=at_once)
        self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process without waiting for its end. Safe in a signal handler."""
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> int:
        """Wait until the broker's process ends. Return its exit code."""
        return self._process.wait() if self._process is not None else 0

    def _format(self, java: Path, options: Sequence[str], properties: Path) -> None:
        users = [
            f"{mechanism}=[name={name},password={password}]"
            for name, password in self._sasl_users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        scram = [word for user in users for word in ("--add-scram", user)]
        command = [
            str(java),
            *options,
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            CLUSTER_ID,
            "--config",
            str(properties),
            *scram,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the Java that was found
        if result.returncode:
            raise ComponentMissing(
                f"the embedded Kafka's data folder cannot be created:\n{(result.stdout + result.stderr)[-2000:]}"
            )

    def _write_properties(self, controller_port: int) -> Path:
        listeners = {"PLAINTEXT": self.bootstrap_servers} | {name: self.address(name) for name in self._protocols}
        properties = (
            server_properties(self._folder / "data", listeners, controller_port, self._sasl_users, self._tls)
            | self._settings
        )
        path = self._folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        return path

    def _wait_until_ready(self, log_start: int) -> None:
        until_s = time.monotonic() + START_LIMIT_S
        process = self._process
        while process is not None and process.poll() is None and time.monotonic() < until_s:
            with self.log_file.open("rb") as log:
                log.seek(log_start)
                if READY.encode() in log.read():
                    return
            time.sleep(0.1)
        tail = self.log_file.read_text(errors="replace")[-2000:]
        self.stop_process(at_once=True)
        raise ComponentMissing("the embedded Kafka did not start:", *tail.splitlines())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
