"""A source file that is changed while its job runs: at SIGHUP a right one is taken, and a wrong one changes nothing. SIGUSR1 prints the status."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.integration.test_endpoint import LISTEN, Probe
from tests.support.jobs import wait_for
from tests.support.run_command import commands, paid


@pytest.fixture
def run():
    with commands() as start:
        yield start


def seen(number):
    return json.dumps({"type": "seen", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"s{number}"}).encode()


MORE = """  - when: {type: seen}
    event_code: view_page
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
"""


def change(made, old, new):
    """Change the source file, as an editor does."""
    text = made.path.read_text()
    assert old in text
    changed = made.path.with_suffix(".new")
    changed.write_text(text.replace(old, new))
    changed.replace(made.path)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_changed_file_is_checked_then_taken_and_nothing_is_lost(source, kafka, run, workers):
    made = source(partitions=2)
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(100)])
    running = run(made, *workers, *LISTEN)
    probe = Probe(running)
    wait_for(lambda: len(made.events()) == 100, "the first events")
    wait_for(lambda: probe.reasons() == [], "all workers")

    def config():
        (labels,) = [dict(key[1:]) for key in probe.metrics() if key[0] == "config_info"]
        return labels["hash"]

    first = config()
    change(made, "event_code: pay_order", "event_code: [broken")
    os.kill(running.process.pid, signal.SIGHUP)
    wait_for(lambda: "the changed source file is refused" in running.text, "the refusal")
    assert f"{made.path}:" in running.text
    wait_for(lambda: probe.metrics()["config_current",] == 0, "the metric")
    assert probe.metrics()["config_reloads_total", ("outcome", "refused")] == 1
    kafka.write(made.topic, [(str(number).encode(), paid(number)) for number in range(100, 200)])
    wait_for(lambda: len(made.events()) == 200, "the events of the job as before")
    assert config() == first

    change(made, "event_code: [broken", "event_code: pay_order")
    change(made, "users:\n", f"{MORE}users:\n")
    os.kill(running.process.pid, signal.SIGHUP)
    wait_for(lambda: config() != first, "the new configuration")
    assert f"runs with configuration {config()} now" in running.text
    assert probe.metrics()["config_current",] == 1
    kafka.write(made.topic, [(str(number).encode(), seen(number)) for number in range(50)])
    wait_for(lambda: ("view_page", "s49") in made.events(), "events of the new rule")
    ends = kafka.ends(made.topic)
    wait_for(lambda: made.is_committed(ends), "the end")
    assert running.stop() == 0
    events = made.events()
    assert {each: events[each] for each in events if each[0] == "pay_order"} == {
        ("pay_order", f"n{number}"): 1 for number in range(200)
    }
    assert all(("view_page", f"s{number}") in events for number in range(50))
    assert set(events.values()) == {1}
    (total,) = [line.split() for line in running.text.splitlines() if line.split()[:1] == ["all"]]
    assert total[1] == "250"  # the books go on over the change
    assert "Traceback" not in running.text


def test_the_same_file_again_changes_nothing(source, kafka, run):
    made = source()
    kafka.topic(name=made.dead)
    running = run(made)
    wait_for(lambda: "reads " in running.text, "the partition")
    os.kill(running.process.pid, signal.SIGHUP)
    wait_for(lambda: "the source file says the same as before" in running.text, "the answer")
    change(made, f"source: {made.name}", f"source: {made.name}-other")
    os.kill(running.process.pid, signal.SIGHUP)
    wait_for(lambda: "a job keeps its name" in running.text, "the refusal")
    assert running.stop() == 0


def test_sigusr1_prints_the_status(source, kafka, run):
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [paid(number) for number in range(20)])
    running = run(made)
    wait_for(lambda: len(made.events()) == 20, "the events")
    wait_for(
        lambda: os.kill(running.process.pid, signal.SIGUSR1) or f"{made.name}: 1 of 1 workers up" in running.text,
        "the status",
    )
    assert "slowest stage:" in running.text
    assert running.stop() == 0


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["alone", "workers"])
def test_a_stop_before_all_was_finished_has_its_own_exit_code(source, kafka, run, workers):
    made = source(stop={"grace": "2s"})
    kafka.topic(name=made.dead)
    made.stand_in.set_faults({"name": "away", "do": "unavailable"})
    kafka.write(made.topic, [paid(number) for number in range(20)])
    running = run(made, *workers)
    wait_for(lambda: made.stand_in.service.faults.calls > 0, "a first call")
    assert running.stop() == 11
    assert "20 records were not finished within stop.grace; they are read again" in running.text
    made.stand_in.set_faults()
    made.run_to_end()
    assert made.events() == {("pay_order", f"n{number}"): 1 for number in range(20)}
