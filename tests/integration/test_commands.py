"""The commands as a user types them: what they print, what they hide, and how they leave."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress

import psutil
import pytest
from kafka import KafkaAdminClient, TopicPartition

from pipeline.contracts.values import Partition
from tests.support.jobs import wait_for

ENVIRONMENT = {**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}
PHONE, MAIL = "13812345678", "zhang@example.com"


def log2mq(*arguments, stdin=b"", code=0):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    assert "Traceback" not in text
    return text


class Serving:
    """A command that serves until it is stopped, its output in a file."""

    def __init__(self, log, *arguments, terminal=False):
        self.log = log
        with log.open("wb") as output:
            ours, output_handle = pty.openpty() if terminal else (-1, output.fileno())
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", *map(str, arguments)],
                stdout=output_handle,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "300"},
                start_new_session=True,
            )
        self._copying = threading.Thread(target=self._copy, args=(ours,), daemon=True)
        if terminal:
            os.close(output_handle)
            self._copying.start()

    def _copy(self, terminal):
        with (
            self.log.open("ab", buffering=0) as log,
            suppress(OSError),
        ):  # raised where the far end of a terminal closes
            while drawn := os.read(terminal, 4_096):
                log.write(drawn)
        os.close(terminal)

    def text(self):
        return self.log.read_text()

    def drawn(self):
        """What a terminal was sent, without its control sequences: each redrawing on a line of its own."""
        return re.sub(r"\x1b\[2K|\r", "\n", re.sub(r"\x1b\[(?!2K)[0-9;?]*[a-zA-Z]", "", self.text()))

    def says(self, pattern, limit_s=180):
        """Wait until it says something, and return the match."""
        until = time.monotonic() + limit_s
        while not (found := re.search(pattern, self.text())):
            assert time.monotonic() < until, f"no {pattern!r} in {self.text()}"
            assert self.process.poll() is None, self.text()
            time.sleep(0.1)
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if self._copying.is_alive():
            self._copying.join(10)
        return code


@pytest.fixture
def serve(tmp_path):
    begun = []

    def serve(*arguments, **more):
        begun.append(Serving(tmp_path / f"serving-{len(begun)}.log", *arguments, **more))
        return begun[-1]

    yield serve
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def paid(number, **more):
    return json.dumps(
        {"type": "paid", "ts": 1_700_000_000_000, "user": f"member-{number}", "no": f"n{number}", **more}
    ).encode()


# --- run ---------------------------------------------------------------------------------------------------------------------------


def test_run_prints_its_books_and_json_lines_and_no_identifier(source, kafka, serve):
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number, note=PHONE) for number in range(20)] + [b"{broken " + MAIL.encode(), b"{}"])
    made.save()
    job = serve("run", made.path, "--no-progress", "--log-format", "json", "--log-level", "debug")
    wait_for(lambda: made.is_committed({Partition(made.topic, 0): 22}), "the commit")
    job.says(r'"books"')
    assert job.stop() == 0
    lines = [json.loads(line) for line in job.text().splitlines()]  # and nothing else
    events = {line["event"]: line for line in lines if "event" in line}
    assert next(iter(events)) == "start"
    assert (events["start"]["group"], events["start"]["topics"]) == (made.group, [made.topic])
    assert events["partitions_gained"]["partitions"] == {f"{made.topic}:0": 0}
    assert events["progress"]["books"]["read"] == 22
    stop = events["stop"]
    expected = {"read": 22, "reported": 20, "filtered": 1, "dead_lettered": 1, "in_flight": 0}
    for books in (stop["books"], stop["partitions"][f"{made.topic}:0"], stop["lifetime"]):
        assert {name: books[name] for name in expected} == expected
    assert stop["dead_letters"] == {"NOT_JSON": 1}
    for line in lines:
        assert {"time", "level", "host", "pid", "version", "logger", "message"} <= line.keys()
    assert all(line["source"] == made.name for line in lines)
    for hidden in (PHONE, MAIL, "member-", "testsecret"):
        assert hidden not in job.text()
    headers = str([record.headers for record in kafka.read(made.dead)])
    assert "NOT_JSON" in headers
    assert MAIL not in headers


WAITS_WHILE_IT_LOADS = """
import signal, sys

class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            print("loading", flush=True)
            signal.pause()

sys.meta_path.insert(0, Waits())
"""


def test_ctrl_c_while_the_command_still_loads_gets_a_sentence(source, tmp_path):
    made = source()
    (tmp_path / "sitecustomize.py").write_text(WAITS_WHILE_IT_LOADS)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "explain", str(made.save())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)},
        text=True,
    )
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1].splitlines() == ["log2mq: interrupted"]
    assert process.returncode == 130


def test_a_halt_and_workers_are_told_in_json_and_nothing_else(source, kafka, serve):
    made = source(report={"access_id": "somebody-elses"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1)])
    made.save()
    job = serve("run", made.path, "--no-progress", "--workers", "1", "--log-format", "json", "--listen", "127.0.0.1:0")
    assert job.process.wait(timeout=120) == 4
    events = {line["event"]: line for line in map(json.loads, job.text().splitlines()) if "event" in line}
    assert (events["worker_started"]["worker"], events["worker_started"]["worker_pid"] > 0) == (0, True)
    assert events["listening"]["url"].startswith("http://127.0.0.1:")
    halt, fatal = events["halt"], events["fatal"]
    assert (halt["worker"], halt["kind"], halt["level"]) == (0, "event", "error")
    assert halt["request_id"] in fatal["message"]
    assert (fatal["exit_code"], halt["code"] in fatal["message"]) == (4, True)
    assert list(events)[-2:] == ["stop", "fatal"]


def test_a_wrong_file_is_told_in_json_too(source):
    made = source(limits={"unfinished": 5})
    said = log2mq("run", made.save(), "--log-format", "json", code=2)
    (line,) = map(json.loads, said.splitlines())
    assert (line["event"], line["exit_code"], line["error"]) == ("fatal", 2, "UsageError")
    assert "limits.unfinished: found 5" in line["message"]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_before_the_job_has_begun_is_obeyed(source, signal_number, serve):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:9"})
    made.save()
    job = serve("run", made.path, "--no-progress")
    job.says("begins: configuration")
    job.process.send_signal(signal_number)
    assert job.process.wait(timeout=120) == 130
    assert "log2mq: interrupted" in job.text()


def test_ctrl_c_while_workers_still_load_stops_them_in_good_order(source, kafka, serve):
    made = source()
    kafka.topic(name=made.dead)
    made.save()
    job = serve("run", made.path, "--no-progress", "--workers", "2")
    job.says("worker 1 runs as process")
    os.killpg(job.process.pid, signal.SIGINT)  # a terminal tells the whole group
    assert job.process.wait(timeout=120) == 0
    assert "Traceback" not in job.text()
    assert "the books of this run" in job.text()


def test_a_halt_prints_the_books_before_its_reason(source, kafka, serve):
    made = source(report={"access_id": "somebody-elses"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(1), b"{}"])
    made.save()
    for workers in ([], ["--workers", "1"]):
        job = serve("run", made.path, "--no-progress", *workers)
        assert job.process.wait(timeout=120) == 4
        text = job.text()
        rows = [line.split() for line in text.splitlines()]
        assert [f"{made.topic}:0", "2", "0", "0", "1", "0", "0", "1"] in rows, text
        assert text.index("the books of this run") < text.index("log2mq: Quick Audience"), text


@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_a_terminal_shows_one_live_line_with_log_lines_above_it(source, kafka, serve, workers):
    made = source(topic="none", kafka={"topics": "null", "topic_pattern": "^there-is-no-such-topic$"})
    kafka.topic(name=made.dead)
    made.save()
    job = serve("run", made.path, *workers, terminal=True)
    job.says("waiting for one")
    job.says(r"read 0 \(0/s\) · reported 0 · duplicate 0 · filtered 0 · dead 0 · in flight 0 · lag 0")
    assert job.stop() == 0
    (line,) = [each for each in job.drawn().splitlines() if "waiting for one" in each]
    assert re.fullmatch(
        r"\S+Z WARNING log2mq\.kafka: (worker 0: )?no topic matches kafka\.topic_pattern yet; waiting for one", line
    )
    assert "the books of this run" in job.drawn()


def test_the_lag_counts_what_arrives_while_everything_is_held(source, kafka, stand_in):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(20_000)])
    stand_in.set_faults({"name": "away", "do": "unavailable"})
    seen = []

    def grown():
        return bool(seen) and seen[-1] > 25_000

    with made.job(on_status=lambda status: seen.append(sum(status.lag.values()) + status.total.in_flight)) as job:
        kafka.write(made.topic, [paid(number) for number in range(20_000, 30_000)])
        begun = time.monotonic()
        while not grown() and time.monotonic() < begun + 180:
            job.runner.turn()
    assert seen[-1] == 30_000


# --- check -------------------------------------------------------------------------------------------------------------------------


def test_check_online_warns_of_what_a_file_cannot_tell(source, kafka):
    made = source(topic=kafka.topic(retention_ms=30 * 86_400_000), dedup={"keep": "7d"})
    made.save()
    assert "not asked: Kafka" in log2mq("check", made.path)
    said = log2mq("check", made.path, "--online")
    assert f"{made.topic} keeps records 30d, dedup.keep is 7d: a replay of older records reports them again" in said
    assert f"the dead-letter topic {made.dead} does not exist" in said
    kafka.topic(name=made.dead)
    short = source(topic=kafka.topic(retention_ms=86_400_000), dedup={"keep": "7d"}, dead_letters={"topic": made.dead})
    short.save()
    assert "warning" not in log2mq("check", short.path, "--online")
    short.topic = "no-such-topic"
    short.save()
    assert "no such topic" in log2mq("check", short.path, "--online", code=3)


@pytest.mark.parametrize("signature", ["v2", "acs3"])
def test_check_online_proves_broker_topics_credentials_and_endpoint(source, kafka, stand_in, signature, tmp_path):
    key = tmp_path / "key"
    key.write_text("access_key_id=testid\naccess_key_secret=wrong\n")
    key.chmod(0o600)
    made = source(report={"signature": signature, "workspace_id": "ws-0001"}, partitions=2)
    kafka.topic(name=made.dead)
    made.save()
    said = log2mq("check", made.path, "--online")
    assert f"Kafka: 1 topic with 2 partitions: {made.topic}" in said
    assert (
        f"Quick Audience at {stand_in.url}: takes the AccessKey, organisation and instance; workspaces: ws-0001 (stand-in)"
        in said
    )
    assert "not asked" not in said
    assert made.events() == {}
    made.sections["report"]["workspace_id"] = "ws-0002"
    refused = log2mq("check", made.save(), "--online", code=2)
    assert re.search(r"yaml:\d+: report\.workspace_id: found 'ws-0002'; expected one of ws-0001", refused)
    made.sections["report"] |= {"workspace_id": "ws-0001", "credentials": f"{{file: {key}}}"}
    refused = log2mq("check", made.save(), "--online", code=4)
    assert f"log2mq: Quick Audience at {stand_in.url}: SignatureDoesNotMatch: the AccessKey secret is wrong" in refused
    del made.sections["report"]["credentials"]
    made.url = "http://127.0.0.1:9"
    refused = log2mq("check", made.save(), "--online", code=4)
    assert "log2mq: Quick Audience at http://127.0.0.1:9: ConnectError: the endpoint cannot be reached" in refused


def test_check_online_warns_where_the_key_may_only_report(source, kafka, serve):
    standing = serve("emulator", "--port", 0, "--permit", "RecieveEventMessage", "--permit", "RecieveUserMessage")
    made = source()
    made.url = standing.says(r"http://127\.0\.0\.1:\d+")[0]
    kafka.topic(name=made.dead)
    said = log2mq("check", made.save(), "--online")
    assert (
        f"warning: Quick Audience at {made.url} answers, but the operation that lists workspaces is refused: Forbidden.RAM"
        in said
    )
    assert "ok: source" in said


def test_check_tries_a_file_over_the_latest_records_of_a_topic_and_leaves_no_trace(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [paid(number) for number in range(30)], partition=0)
    kafka.write(made.topic, [paid(1), b"{broken of " + PHONE.encode(), b'{"type": "x"}'], partition=1)
    made.save()
    said = log2mq("check", made.path, "--sample", made.topic)
    assert f"{made.topic}: what would become of 33 records" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["would", "be", "reported", "30", "90.9%", f"{made.topic}:0:0"] in rows
    assert ["dead", "letter:", "NOT_JSON", "1", "3.0%", f"{made.topic}:1:1"] in rows
    assert ["event", "pay_order", "30", "1"] in rows
    assert PHONE not in said
    assert "users[0]: no record of the sample matches the rule" in said
    latest = log2mq("check", made.path, "--sample", made.topic, "--records", "4")
    assert "of 4 records" in latest
    assert f"{made.topic}:0:28" in latest
    assert kafka.committed(made.group) == {}
    assert made.events() == {}
    assert not (made.folder / "dedup").exists()
    missing = log2mq("check", made.path, "--sample", "not-there", code=3)
    assert "--sample: there is no file not-there, so it was taken for a topic: no such topic" in missing


# --- explain -----------------------------------------------------------------------------------------------------------------------

RULES = """
events:
  - when: {type: paid}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {note: $.note}
users:
  - when: {type: register}
    customer_id: $.user
    identities: {open_id: $.wx | trim}
"""


@pytest.fixture
def explained(source, kafka, tmp_path):
    """A source with three records in its topic, in a file, and as bytes."""
    made = source(rules=RULES)
    records = [
        b"{broken",
        paid(1, wx=" o6_bmjrPTlm6_2sgVt7hMZOPfL2M ", note=f"ring {PHONE} for member-1"),
        b'{"type": "x"}',
    ]
    kafka.write(made.topic, records, partition=0)
    made.save()
    path = tmp_path / "lines.log"
    path.write_bytes(b"\r\n".join(records) + b"\n")
    return made, path, b"\n".join(records)


def test_explain_shows_every_step_from_wherever_the_record_is(explained):
    made, path, stdin = explained
    from_topic = log2mq("explain", made.path, "--record", f"{made.topic}:0:1")
    from_file = log2mq("explain", made.path, "--record", path, "--line", 2)
    from_stdin = log2mq("explain", made.path, "--line", 2, stdin=stdin)
    for said in (from_topic, from_file, from_stdin):
        for step in (
            "decoded (json)",
            "rules",
            "event message",
            "dedup key ",
            "signed request",
            "EventMessageModelListStr",
        ):
            assert step in said
        assert "yes  events[0] pay_order" in said
        assert 'no   users[0] identities: wanted type = "register", found "paid"' in said
        assert '"outBizId": "n1"' in said
    keys = {re.search("dedup key ([0-9a-f]{32})", said)[1] for said in (from_topic, from_file, from_stdin)}
    assert len(keys) == 1


def test_explain_masks_secrets_and_identifiers(explained):
    made, path, _ = explained
    said = log2mq("explain", made.path, "--record", path, "--line", 2)
    for hidden in ("member-1", PHONE, "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "testid", "testsecret"):
        assert hidden not in said
    shown = log2mq("explain", made.path, "--record", path, "--line", 2, "--show-identifiers")
    assert "member-1" in shown
    assert "testid" not in shown
    assert "testsecret" not in shown


def test_explain_says_why_there_is_nothing_to_report(explained):
    made, path, _ = explained
    assert "dead letter: NOT_JSON at decode" in log2mq("explain", made.path, "--record", path, "--line", 1)
    assert "filtered: no rule matched" in log2mq("explain", made.path, "--record", path, "--line", 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--record", "no-such-file"), "--record: found 'no-such-file', which cannot be read"),
        (("--line", "9"), "--record: - has no line 9"),
        (("--record", "{topic}:0:7"), "{topic}:0 has offsets 0 to 2, not 7"),
        (("--record", "{topic}:9:0"), "{topic} has partitions 0 to 0; expected one of these, found 9"),
        (("--record", "no-{topic}:0:0"), "found no topic no-{topic}; expected a topic of the brokers"),
        (("--line", "none"), "'none' is not a valid integer"),
    ],
)
def test_explain_says_what_is_wrong(explained, arguments, says):
    made, _, stdin = explained
    asked = [each.format(topic=made.topic) for each in arguments]
    assert says.format(topic=made.topic) in log2mq("explain", made.path, *asked, stdin=stdin, code=2)


# --- replay ------------------------------------------------------------------------------------------------------------------------


def test_replay_says_what_retention_has_removed(source, kafka):
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number) for number in range(30)])
    asking = KafkaAdminClient(bootstrap_servers=kafka.servers)
    asking.delete_records({TopicPartition(made.topic, 0): 10})
    asking.close()
    made.save()
    said = log2mq("replay", made.path, "--from", "0", "--to", "now")
    assert f"{made.topic}:0 has no offsets 0 to 9 any more (retention)" in said
    assert "replaying 20 offsets" in said
    assert len(made.events()) == 20
    assert "has no offsets" not in log2mq("replay", made.path, "--from", "earliest", "--to", "now")


def row_of(text, name):
    """The figures of a row of the books: read, reported, duplicate, filtered, dead-lettered, in flight, returned."""
    (row,) = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
    return [int(figure.replace(",", "")) for figure in row[1:]]


def test_replay_says_what_another_version_of_the_file_would_do(source, kafka):
    made = source(partitions=2)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(30)])
    made.save()
    other = made.path.with_name("other.yaml")
    text = made.path.read_text()
    other.write_text(text)
    asked = ("replay", made.path, "--from", "earliest", "--to", "now", "--diff", other)
    assert re.search(r"events\[0\] pay_order +pay_order +same +30", log2mq(*asked))
    other.write_text(text.replace("event_code: pay_order", "event_code: order_paid"))
    said = log2mq(*asked, "--json", code=1)
    changes = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert {(each["event_code"], each["change"], each["messages"]) for each in changes} == {
        ("order_paid", "new", 30),
        ("pay_order", "gone", 30),
    }
    assert "make different messages of 30 records: 30 new, 30 gone" in said
    assert "member-" not in said
    assert kafka.committed(made.group) == {}
    assert made.events() == {}


def test_replay_of_some_partitions_says_what_it_would_send_then_sends_it_once(source, kafka):
    made = source(partitions=3)
    kafka.topic(name=made.dead)
    for partition in range(3):
        kafka.write(made.topic, [paid(10 * partition + number) for number in range(10)], partition=partition)
    kafka.write(made.topic, [b"{broken"], partition=0)
    made.save()
    replay = ("replay", made.path, "--from", "2", "--to", "now", "--partitions", f"0,{made.topic}:2", "--no-progress")
    said = log2mq(*replay, "--dry-run")
    assert f"replaying 17 offsets ({made.topic}:0 2 to 10, {made.topic}:2 2 to 9)" in said
    assert row_of(said, "all") == [17, 16, 0, 0, 1, 0, 0]
    assert "events would be reported 16" in said
    assert made.events() == {}
    assert kafka.read(made.dead) == []
    assert row_of(log2mq(*replay), "all") == [17, 16, 0, 0, 1, 0, 0]
    assert row_of(log2mq(*replay), "all") == [17, 0, 16, 0, 1, 0, 0]
    assert made.events() == {("pay_order", f"n{10 * part + number}"): 1 for part in (0, 2) for number in range(2, 10)}
    for wrong in ("7", "x:0", ""):
        assert f"--partitions: found {wrong!r}; expected some of {made.topic}:0, " in log2mq(
            *replay[:-2], wrong, code=2
        )


def test_a_replay_that_is_interrupted_goes_on_where_it_was(source, kafka, serve, stand_in):
    made = source(
        report={"batch": "{events: 10, age: 10ms}", "senders": 1},
        kafka={"max_poll_records": 20},
        limits={"unfinished": 100},
    )
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number) for number in range(400)])
    made.save()
    stand_in.set_faults({"name": "slow", "do": "delay", "latency": "100ms"})
    replay = ("replay", made.path, "--from", "earliest", "--to", "now", "--progress")
    begun = serve(*replay)
    begun.says(r"to go [\d,]+ \(about \d+ s\)")
    assert begun.stop() == 11
    done = row_of(begun.text(), f"{made.topic}:0")
    assert f"interrupted: {done[1]} of 400 offsets are finished; the same command goes on from there" in begun.text()
    assert 0 < done[1] < 400
    stand_in.set_faults()
    said = log2mq(*replay)
    assert f"going on with {400 - done[1]} offsets" in said
    assert row_of(said, f"{made.topic}:0")[1] == 400 - done[1]
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(400)}
    assert kafka.committed(made.group) == {}


# --- the parts of the demo by themselves ---------------------------------------------------------------------------------------------


def test_sample_writes_the_same_lines_for_the_same_seed_and_says_what_to_expect(kafka, tmp_path):
    once, again = (log2mq("sample", "shop-app", "--count", 200, "--seed", 7) for _ in range(2))
    assert once == again
    assert once != log2mq("sample", "shop-app", "--count", 200, "--seed", 8)
    assert "shop-app: read 200, of which reported" in once
    topic = kafka.topic(4)
    log2mq("sample", "crm-lines", "--count", 50, "--to", topic, "--bootstrap-servers", kafka.servers)
    assert sum(kafka.ends(topic).values()) == 50
    assert "no broker answers" in log2mq(
        "sample", "crm-lines", "--to", "x", "--bootstrap-servers", "127.0.0.1:9", code=3
    )


def test_the_emulator_says_what_it_is_and_keeps_its_ledger(serve, source, kafka, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    standing = serve("emulator", "--port", 0, "--ledger", ledger)
    url = standing.says(r"http://127\.0\.0\.1:\d+")[0]
    standing.says("organization_id: org-0001, access_id: retailadvqa-cn-test")
    standing.says("export SCA_AK_ENV=testid SCA_SK_ENV=testsecret")
    with urllib.request.urlopen(url) as answer:
        assert b"stand-in" in answer.read()
        assert answer.headers["x-log2mq"] == "stand-in"
    made = source()
    made.url = url
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number) for number in range(5)])
    made.save()
    log2mq("replay", made.path, "--from", "earliest", "--to", "now")
    with urllib.request.urlopen(f"{url}/_stand-in/ledger") as answer:
        assert json.load(answer)["events"] == 5
    assert standing.stop() == 0
    assert ledger.exists()
    again = serve("emulator", "--port", 0, "--ledger", ledger)
    url = again.says(r"http://127\.0\.0\.1:\d+")[0]
    with urllib.request.urlopen(f"{url}/_stand-in/ledger") as answer:
        assert json.load(answer)["events"] == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "loopback"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--faults", "no-such-file.yaml"), "no-such-file.yaml"),
        (("--ledger", "/no/such/folder/ledger"), "/no/such/folder/ledger"),
    ],
)
def test_the_emulator_says_what_is_wrong(arguments, says):
    assert says in log2mq("emulator", *arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("broker", "--topic", "a:x"), "--topic: found 'a:x'; expected a topic's name, or name:partitions"),
        (("broker", "--topic", "bad name"), "--topic: found 'bad name'; expected a topic's name"),
        (("broker", "--folder", "/proc/none"), "--folder: found '/proc/none', in which no file can be written"),
        (("demo", "--folder", "/proc/none"), "--folder: found '/proc/none', in which no file can be written"),
        (("sample", "shop-app", "--to", "no such"), "--to: found 'no such'; expected names of letters"),
        (("sample", "shop-app", "--to", "a", "--bootstrap-servers", "x"), "--bootstrap-servers: found 'x'; expected"),
        (("replay", "{source}", "--from", "yesterday", "--to", "now"), "--from: found 'yesterday'; expected an offset"),
        (("replay", "{source}", "--from", "0", "--to", "earliest"), "--to: found 'earliest'; expected an offset"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_with_its_name(source, arguments, says):
    path = source().save()
    assert says in log2mq(*(each.format(source=path) for each in arguments), code=2)


def test_the_broker_serves_topics_and_stops_with_sigterm(serve, kafka, tmp_path):
    standing = serve("broker", "--port", 0, "--folder", tmp_path / "kafka", "--topic", "a:3", "--topic", "b")
    servers = standing.says(r"Kafka at (127\.0\.0\.1:\d+)", 120)[1]
    other = type(kafka)(servers)
    assert len(other.ends("a")) == 3
    assert len(other.ends("b")) == 1
    assert standing.stop() == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{servers}")


def test_the_broker_listens_on_loopback_only_and_dies_with_its_parent(serve, tmp_path):
    standing = serve("broker", "--port", 0, "--folder", tmp_path / "kafka")
    standing.says(r"Kafka at 127\.0\.0\.1:\d+", 120)
    (broker,) = psutil.Process(standing.process.pid).children()
    listening = {each.laddr.ip for each in broker.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    assert {each.removeprefix("::ffff:") for each in listening} == {"127.0.0.1"}
    standing.process.kill()
    standing.process.wait()
    psutil.wait_procs([broker], timeout=120)
    assert not broker.is_running()


def test_the_version_and_unknown_commands(tmp_path):
    assert re.fullmatch(r"log2mq, version \d+\.\d+\.\d+\n", log2mq("--version"))
    assert "No such command 'rum'" in log2mq("rum", code=2)


# --- init --------------------------------------------------------------------------------------------------------------------------


def test_init_proposes_a_source_file_from_a_topics_latest_records(source, kafka, tmp_path):
    made = source(rules=RULES)
    kafka.write(made.topic, [paid(number) for number in range(40)], partition=0)
    kafka.write(made.topic, [b"{broken"], partition=0)
    made.save()
    path = tmp_path / "proposed.yaml"
    said = log2mq("init", path, "--topic", made.topic, "--like", made.path, "--records", 30)
    assert "30 records, json, 97% of them read, 1 event rules proposed" in said
    assert f"{path}: ok: source proposed, json, 1 event" in log2mq("check", path, "--sample", made.topic)
    assert "no such topic" in log2mq("init", tmp_path / "b.yaml", "--topic", "not-there", "--like", made.path, code=3)
