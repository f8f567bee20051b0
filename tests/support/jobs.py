"""A source file, its topics and its job; a command run as a process; waiting until something is so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.values import Partition
from pipeline.emulator.quick_audience.server import StandIn
from pipeline.job.runner import Runner
from pipeline.job.status import Status
from pipeline.runtime.build import Hooks, Job
from tests.support.kafka import TestKafka

PATIENCE_S = 180
"""How long to wait for what must come. Only a failure takes so long; a busy machine must not be one."""

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def command(
    *arguments: object, stdin: bytes = b"", environment: Mapping[str, str] | None = None, timeout: float = PATIENCE_S
) -> tuple[int, str]:
    """Run the command to its end; return its exit code and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **KEYS, **(environment or {})},
    )
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text, text
    return done.returncode, text


def wait_for(condition: Callable[[], object], what: str, limit_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; `what` is told where it does not."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, f"waited {limit_s} s for {what}"
        time.sleep(0.1)


RULES = """
events:
  - when: {type: paid}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {amount: $.amount, note: $.note}
users:
  - when: {type: register}
    customer_id: $.user
    identities: {mobile: $.phone}
"""


class Source:
    """A source file in a folder of its own, its topics, and its job."""

    def __init__(
        self,
        kafka: TestKafka,
        stand_in: StandIn,
        folder: Path,
        topic: str,
        rules: str,
        /,
        **sections: Mapping[str, Any],
    ) -> None:
        self.kafka, self.stand_in, self.folder, self.topic = kafka, stand_in, folder, topic
        self.name = f"s-{uuid.uuid4().hex[:8]}"
        self.dead = f"{self.name}-dead"
        self.url = stand_in.url
        self.sections: dict[str, dict[str, Any]] = {
            "kafka": {"session_timeout": "6s"},
            "dedup": {"path": str(folder / "dedup"), "lease": "3s"},
            "report": {"batch": "{events: 100, age: 50ms}", "backoff": "{first: 20ms, most: 200ms}"},
            "dead_letters": {"stop_above": "100%"},
            "commit": {"every": "100ms"},
        }
        for section, keys in sections.items():
            self.sections.setdefault(section, {}).update(keys)
        self.rules = rules
        self.path = folder / f"{self.name}.yaml"

    @property
    def group(self) -> str:
        return f"log2mq-{self.name}"

    def save(self) -> Path:
        fixed: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": self.kafka.servers, "topics": f"[{self.topic}]"},
            "report": {"endpoint": self.url, "organization_id": "org-0001", "access_id": "retailadvqa-cn-test"},
        }
        lines = [f"source: {self.name}"]
        if "decode" not in self.sections:
            lines.append("decode: json")
        for section in {**fixed, **self.sections}:
            lines.append(f"{section}:")
            lines += [
                f"  {key}: {value}"
                for key, value in {**fixed.get(section, {}), **self.sections.get(section, {})}.items()
            ]
        self.path.write_text("\n".join(lines) + "\n" + self.rules)
        return self.path

    def load(self) -> SourceFile:
        return load_source(self.save(), KEYS)

    @contextmanager
    def job(self, *, new_store: bool = False, **hooks: Any) -> Iterator[Job]:
        self.kafka.topic(name=self.dead)
        with Job(self.load(), KEYS, Hooks(**hooks), new_store=new_store) as job:
            yield job

    def run_until(
        self, condition: Callable[[], object], limit_s: float = PATIENCE_S, *, new_store: bool = False
    ) -> Status:
        """Run the job in this thread until a condition holds, then stop it in good order; return its last status."""
        with self.job(new_store=new_store) as job:
            watcher = threading.Thread(target=_stop_when, args=(job.runner, condition, limit_s), daemon=True)
            watcher.start()
            status = job.runner.run()
            watcher.join()
            assert condition(), f"not so within {limit_s} s; {status.total}"
            return status

    def run_to_end(self, limit_s: float = PATIENCE_S, *, new_store: bool = False) -> Status:
        """Run until everything in the topic is finished and committed."""
        ends = {each: end for each, end in self.kafka.ends(self.topic).items() if end}
        return self.run_until(lambda: self.is_committed(ends), limit_s, new_store=new_store)

    def is_committed(self, ends: Mapping[Partition, int]) -> bool:
        committed = self.kafka.committed(self.group)
        return all((commit := committed.get(each)) is not None and commit.offset >= end for each, end in ends.items())

    def committed(self) -> int:
        """The offsets that are committed, of all partitions together."""
        return sum(commit.offset for commit in self.kafka.committed(self.group).values())

    def events(self) -> dict[tuple[str, str], int]:
        """What the stand-in took: (event code, outBizId) to how often."""
        return {(code, biz): count for (_, code, biz), count in self.stand_in.ledger.events.items()}


def _stop_when(runner: Runner, condition: Callable[[], object], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    try:
        while time.monotonic() < until and not condition():
            time.sleep(0.1)
    finally:
        runner.stop()
