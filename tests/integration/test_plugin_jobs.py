"""A plug-in in a file beside the source file, in a real job: in its own process, in spawned workers, and in a replay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

ENVIRONMENT = {**os.environ, "SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}

CODE = '''
from pydantic import BaseModel

from schemas.event import EventMessage


class Options(BaseModel):
    code: str


def orders(options: Options):
    """Orders as events."""

    def convert(entry):
        match entry.fields["do"]:
            case "loop":
                while True:
                    pass
            case "raise":
                raise ValueError
            case "wrong":
                return [1]
        return [EventMessage(customer_id="c", event_code=options.code, event_time=1_700_000_000_000, extend_attributes={"outBizId": entry.fields["no"]})]

    return convert
'''
RULES = """
transform:
  plugin: orders
  file: orders.py
  options: {code: bought}
  timeout: 300ms
"""
BAD = {"loop": "PLUGIN_TOO_SLOW", "raise": "PLUGIN_RAISED", "wrong": "PLUGIN_OUTPUT"}


def write(made, count):
    (made.folder / "orders.py").write_text(CODE)
    lines = [{"do": "buy", "no": f"n{number}"} for number in range(count)]
    for place, do in enumerate(BAD):
        lines.insert(10 * place + 5, {"do": do})
    made.kafka.write(made.topic, [(str(n).encode(), json.dumps(line).encode()) for n, line in enumerate(lines)])
    return {("bought", f"n{number}"): 1 for number in range(count)}


def reasons(made):
    return sorted(dict(record.headers)["log2mq-reason"].decode() for record in made.kafka.read(made.dead))


def test_each_bad_record_is_a_dead_letter_and_the_job_goes_on(source):
    made = source(rules=RULES)
    expected = write(made, 200)
    status = made.run_to_end()
    assert made.events() == expected
    assert (status.total.reported, status.total.dead_lettered) == (200, 3)
    assert reasons(made) == sorted(BAD.values())


def test_spawned_workers_and_a_replay_run_it_too(source, kafka):
    made = source(partitions=2, rules=RULES)
    kafka.topic(name=made.dead)
    expected = write(made, 200)
    made.save()
    log = made.folder / "run.log"
    with log.open("wb") as output:
        # A relative path, from the folder itself.
        command = [sys.executable, "-m", "pipeline", "run", made.path.name, "--workers", "2", "--no-progress"]
        process = subprocess.Popen(command, cwd=made.folder, env=ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT)
    try:
        ends = kafka.ends(made.topic)
        until = time.monotonic() + 180
        while not made.is_committed(ends):
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        process.terminate()
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()
    assert made.events() == expected
    # The second worker's coming may have a record read again before its dead letter is acknowledged.
    assert sorted(set(reasons(made))) == sorted(BAD.values())
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "replay",
        str(made.path),
        "--from",
        "earliest",
        "--to",
        "now",
        "--dry-run",
    ]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + log.read_text()
