"""A wrong AccessKey is noticed when the job begins, on a topic without records, too."""

from __future__ import annotations

import pytest

from tests.support.jobs import command, wait_for
from tests.support.run_command import commands

CHECKED = {"check_at_start": "true"}


@pytest.fixture
def run():
    with commands() as start:
        yield start


def test_a_wrong_access_key_on_an_idle_topic_ends_the_job_at_its_start(source):
    made = source(report=CHECKED)
    code, text = command("run", made.save(), environment={"SCA_SK_ENV": "no-such-key"})
    assert code == 4
    assert f"log2mq: Quick Audience at {made.url}: SignatureDoesNotMatch" in text
    assert "no-such-key" not in text


def test_right_settings_are_said_and_an_outage_keeps_no_job_from_beginning(source, kafka, run):
    made = source(report=CHECKED)
    kafka.topic(name=made.dead)
    running = run(made)
    wait_for(lambda: "takes the AccessKey, the organisation and the instance" in running.text, "the answer")
    wait_for(lambda: "reads " in running.text, "the partition")
    assert running.stop() == 0
    made.stand_in.set_faults({"name": "away", "do": "unavailable"})
    running = run(made)
    wait_for(lambda: "is not available now" in running.text, "the doubt")
    wait_for(lambda: "reads " in running.text, "the partition")
    assert running.stop() == 0
