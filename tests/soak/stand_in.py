"""The stand-in for Quick Audience as a process of its own, behind a proxy: its faults and its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.soak.evidence import AcceptedBatch
from tests.soak.proxy import Proxy
from tests.soak.workload import POISON
from tests.support.dedup_stores import free_port
from tests.support.paths import ROOT

START_S = 30.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never asked for by way of a proxy, whatever the environment says."""

_POISON = {"name": "poison", "do": "refuse", "refuse": {"containing": POISON}}


class SoakStandIn:
    """Runs `log2mq emulator`. The job reaches it at `url`, through the proxy; the soak itself directly."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._ledger = folder / "ledger.jsonl"
        self._log = folder / "stand-in.log"
        self._environment = environment
        self._port = free_port()
        self._faults: dict[str, list[dict[str, Any]]] = {}
        self.proxy = Proxy(self._port, knows_clients=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL for the job."""
        return f"http://127.0.0.1:{self.proxy.port}"

    def start(self) -> None:
        """Start the stand-in and its proxy."""
        self._ledger.unlink(missing_ok=True)  # of another soak: the stand-in would go on with it
        self.proxy.start()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pipeline",
                    "emulator",
                    "--port",
                    str(self._port),
                    "--ledger",
                    str(self._ledger),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._environment),
                cwd=ROOT,
            )
        until_s = time.monotonic() + START_S
        while not self._log.stat().st_size:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until_s, "the stand-in did not start"
            time.sleep(0.05)
        self._put_faults()

    def close(self) -> None:
        """End both."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self.proxy.close()

    def set_faults(self, name: str, *faults: dict[str, Any]) -> None:
        """Let these faults happen under a name; without any, end the faults of that name. Poison is always refused."""
        self._faults[name] = list(faults)
        self._put_faults()

    def set_clock(self, seconds: int) -> None:
        """Set the stand-in's clock so far from the machine's."""
        self._ask("POST", f"clock/{seconds}")

    def ledger(self) -> list[AcceptedBatch]:
        """Read the ledger's file, with the times at which the proxy passed the answers on."""
        passed = self.proxy.passed_ms
        with self._ledger.open("rb") as stream:
            return [
                AcceptedBatch(
                    entry["kind"],
                    tuple(tuple(key) for key in entry["keys"]),
                    entry["request_id"],
                    entry["received_ms"],
                    entry["accepted_ms"],
                    passed.get(entry["request_id"]),
                    tuple(entry.get("identities", ())),
                    self.proxy.client_pids.get(entry["request_id"]),
                )
                for entry in map(json.loads, stream)
            ]

    def _put_faults(self) -> None:
        script = [fault for faults in self._faults.values() for fault in faults]
        self._ask("PUT", "faults", {"faults": [*script, _POISON]})

    def _ask(self, method: str, path: str, content: Any = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/_stand-in/{path}",
            data=None if content is None else json.dumps(content).encode(),
            method=method,
        )
        _DIRECT.open(request, timeout=30).close()
