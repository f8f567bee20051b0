"""The demo: the real job on a real broker against the stand-in, with things going wrong on purpose, and the books compared at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from pipeline.emulator.demo_logs import COUNTS, DemoLogs
from pipeline.emulator.demo_result import DemoResult, SourceResult
from pipeline.emulator.kafka_broker.broker import default_cache
from pipeline.emulator.kafka_broker.demo_kafka import DemoKafka, demo_kafka
from pipeline.emulator.quick_audience.control import StandInControl
from pipeline.emulator.samples.generate import POISON, ExpectedBooks, SampleKind
from pipeline.errors import Log2mqError
from pipeline.job.books import Books, decode_books
from pipeline.kafka_io.admin import KafkaAdmin

OUTAGE_S = 5.0
STANDSTILL_S = 80.0
"""How long the demo waits where nothing moves: longer than the brokers wait for the killed worker, and than `HOLD`."""

HOLD = "30s"
"""The `report.unknown_hold` of the demo's jobs. The default, 15 minutes, is too long for a demo."""

GOES_ON_S = 10
"""How long the logs go on after Quick Audience is back."""

KILLED = SampleKind.SHOP_APP
"""The source that runs with workers under a supervisor, one of which is killed."""


class DemoFailed(Log2mqError):
    """A part of the demo did not come up or did not finish."""


class Demo:
    """Runs the whole thing in a folder of its own. `say` is told what happens, a sentence at a time."""

    def __init__(self, folder: Path, examples: Path, say: Callable[[str], None], *, cache: Path | None = None) -> None:
        """`cache` is where the fetched broker is kept."""
        self._folder = folder
        self._cache = cache or default_cache()
        self._examples = examples
        self._say = say
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self) -> DemoResult:
        """Run to the end.

        Raises:
            Log2mqError: a part did not come up, or did not finish in time.
        """
        begun_s = time.monotonic()
        try:
            with demo_kafka(self._folder / "kafka", self._cache, self._say) as kafka:
                result = self._on(kafka)
        finally:
            for child in self._children:
                if child.poll() is None:
                    child.kill()
                    child.wait()
        result.seconds = time.monotonic() - begun_s
        return result

    def _on(self, kafka: DemoKafka) -> DemoResult:
        url = self._start_stand_in()
        stand_in = StandInControl(url)
        logs = DemoLogs(kafka)
        self._say(f"{logs.begin():,} raw records are written: repeated, late, broken and Chinese ones among them")
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP": kafka.bootstrap_servers,
            "QA_ENDPOINT": url,
            "SCA_AK_ENV": "testid",
            "SCA_SK_ENV": "testsecret",
            "XDG_STATE_HOME": str(self._folder / "state"),
        }
        jobs = {kind: self._start_job(kind, kafka, environment) for kind in COUNTS}
        self._say(f"three jobs run, one a source (shop-app with {kafka.workers} worker processes under a supervisor)")
        result = DemoResult()
        self._stage_faults(stand_in, jobs[KILLED], result)
        self._say(f"meanwhile the logs go on: {logs.go_on(GOES_ON_S):,} more records are written")
        self._wait_until_done(kafka, jobs)
        self._stop(jobs)
        for kind in COUNTS:
            result.sources[kind] = self._account(kind, kafka, stand_in, logs.expected(kind))
        return result

    # --- the parts ---------------------------------------------------------------------------------------------------------------

    def _start_stand_in(self) -> str:
        faults = self._folder / "faults.yaml"
        faults.write_text(
            "faults:\n"
            "  - {name: outage, do: unavailable, on: false}\n"
            f"  - {{name: poison, do: refuse, refuse: {{containing: {POISON}}}}}\n"
        )
        child = self._start(
            "stand-in",
            ["emulator", "--port", "0", "--faults", str(faults), "--ledger", str(self._folder / "ledger.jsonl")],
            {},
        )
        line = self._first_line(child, "stand-in")
        url = next(word for word in line.split() if word.startswith("http://"))
        self._say(f"the stand-in for Quick Audience is up at {url}; it will refuse one poison event a source")
        return url

    def _start_job(self, kind: SampleKind, kafka: DemoKafka, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        workers = ["--workers", str(kafka.workers)] if kind is KILLED else []
        source = kafka.adapt(self._examples / f"{kind}.yaml", self._folder, HOLD)
        return self._start(kind.value, ["run", str(source), *workers, "--no-progress"], environment)

    def _stage_faults(self, stand_in: StandInControl, job: subprocess.Popen[bytes], result: DemoResult) -> None:
        """Let something be reported first, then take the API away, kill a worker meanwhile, and give it back."""
        enough = 2_000  # to be under way
        self._wait(
            lambda: stand_in.counts()["events"] >= enough and bool(self._workers()), "the first events", stand_in.counts
        )
        stand_in.switch("outage", on=True)
        before = stand_in.counts()["events"]
        self._say(f"Quick Audience goes away for {OUTAGE_S:.0f} seconds (503), with {before:,} events taken")
        time.sleep(OUTAGE_S / 2)
        result.killed_pid = self._kill_a_worker(job)
        time.sleep(OUTAGE_S / 2)
        stand_in.switch("outage", on=False)
        self._say("Quick Audience is back; nothing was dead-lettered for that, and nothing is lost")

    def _kill_a_worker(self, job: subprocess.Popen[bytes]) -> int:
        pids = self._workers()
        self._is_up(KILLED, job)
        os.kill(pids[0], signal.SIGKILL)
        self._say(f"a worker of shop-app (process {pids[0]}) is killed with SIGKILL; its supervisor starts it again")
        return pids[0]

    def _workers(self) -> list[int]:
        """Return the process IDs of the workers that were started so far."""
        lines = (self._folder / f"{KILLED}.log").read_text().splitlines()
        return [int(line.rsplit(" ", 1)[1]) for line in lines if "runs as process" in line]

    def _wait_until_done(self, kafka: DemoKafka, jobs: Mapping[SampleKind, subprocess.Popen[bytes]]) -> None:
        with ExitStack() as stack:
            asked = {
                kind: stack.enter_context(KafkaAdmin(kafka.settings(f"{kind}-log"), os.environ)) for kind in COUNTS
            }
            ends = {kind: topics.end_offsets(topics.partitions()) for kind, topics in asked.items()}

            def left() -> int:
                committed = {
                    partition: commit.offset
                    for kind, topics in asked.items()
                    for partition, commit in topics.committed(f"log2mq-{kind}", list(ends[kind])).items()
                }
                return sum(end - committed.get(each, 0) for part in ends.values() for each, end in part.items())

            def done() -> bool:
                for kind, job in jobs.items():
                    self._is_up(kind, job)
                return not left()

            self._wait(done, "the end of the topics", left)
        self._say("every record of every topic is finished and committed")

    def _is_up(self, kind: SampleKind, job: subprocess.Popen[bytes]) -> None:
        if job.poll() is not None:
            raise DemoFailed(
                f"the job of {kind} left with exit code {job.returncode}; see {self._folder / kind.value}.log"
            )

    def _stop(self, jobs: Mapping[SampleKind, subprocess.Popen[bytes]]) -> None:
        for job in jobs.values():
            job.terminate()
        self._wait(lambda: all(job.poll() is not None for job in jobs.values()), "the end of the jobs")
        for kind, job in jobs.items():
            if job.returncode:
                raise DemoFailed(
                    f"the job of {kind} left with exit code {job.returncode}; see {self._folder / kind.value}.log"
                )
        self._say("the jobs are stopped with SIGTERM and have left with exit code 0")

    # --- the accounts --------------------------------------------------------------------------------------------------------------

    def _account(
        self, kind: SampleKind, kafka: DemoKafka, stand_in: StandInControl, expected: ExpectedBooks
    ) -> SourceResult:
        """Put a source's three accounts together: the generator's, the job's own out of its commits, the stand-in's ledger."""
        with KafkaAdmin(kafka.settings(f"{kind}-log"), os.environ) as topics:
            committed = topics.committed(f"log2mq-{kind}", topics.partitions())
        books = Books.total(Books.of(decode_books(commit.metadata)[0]) for commit in committed.values())
        codes = {code for code, _ in expected.events}
        accepted = {(code, biz): count for _, code, biz, count in stand_in.events() if code in codes}
        with KafkaAdmin(kafka.settings(f"{kind}-dead"), os.environ) as letters:
            reasons = letters.count_by_header("log2mq-reason")
        return SourceResult(expected, books, accepted, reasons)

    # --- small things ----------------------------------------------------------------------------------------------------------------

    def _start(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "pipeline", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment) or None,
            )
        self._children.append(child)
        return child

    def _first_line(self, child: subprocess.Popen[bytes], name: str) -> str:
        log = self._folder / f"{name}.log"
        self._wait(lambda: "\n" in log.read_text() or child.poll() is not None, f"the {name}")
        if child.poll() is not None:
            raise DemoFailed(f"the {name} did not start:", *log.read_text().splitlines())
        return log.read_text().splitlines()[0]

    def _wait(self, condition: Callable[[], bool], what: str, progress: Callable[[], object] = lambda: None) -> None:
        """Wait for a condition as long as `progress` changes: a busy machine takes its time."""
        seen, until_s = progress(), time.monotonic() + STANDSTILL_S
        while not condition():
            if (now := progress()) != seen:
                seen, until_s = now, time.monotonic() + STANDSTILL_S
            elif time.monotonic() > until_s:
                raise DemoFailed(f"waited {STANDSTILL_S:.0f} s for {what}; see the logs in {self._folder}")
            time.sleep(0.2)
