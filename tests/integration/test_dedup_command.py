"""`log2mq dedup`: what the store of a source knows, while a job runs and while none does."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipeline.cli.dedup import dedup
from pipeline.errors import Log2mqError
from tests.support.run_command import paid


def ask(made, verb, *words, code=0):
    made.save()
    done = CliRunner().invoke(dedup, [verb, str(made.path), *words], standalone_mode=False)
    error = done.exception
    assert error is None or isinstance(error, Log2mqError), done.output
    text = done.output + (str(error) if error is not None else "")
    assert (error.exit_code if error is not None else 0) == code, text
    return text


def state(made, *words):
    return json.loads(ask(made, "lookup", *words, "--json"))["state"]


def test_an_event_that_was_reported_is_known(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(number) for number in range(20)])
    made.run_to_end()
    assert state(made, "pay_order", "n7") == "reported"
    assert "pay_order n7 was reported within dedup.keep (7d)" in ask(made, "lookup", "pay_order", "n7")
    assert state(made, "pay_order", "n70") == "unknown"
    assert state(made, "refund_order", "n7") == "unknown"
    assert "pay_order n70 is not known" in ask(made, "lookup", "pay_order", "n70")
    found = json.loads(ask(made, "stat", "--json"))
    assert found["keys"] >= 20
    shown = ask(made, "stat")
    assert f"identity {found['identity']}" in shown
    assert "keys are remembered for 7d" in shown


def test_the_key_follows_the_scope(source, kafka):
    made = source(dedup={"scope": "[organization, event_code, customer]"})
    kafka.write(made.topic, [paid(7)])
    made.run_to_end()
    assert state(made, "pay_order", "n7", "--customer", "u7") == "reported"
    assert state(made, "pay_order", "n7", "--customer", "u8") == "unknown"
    assert "--customer: found 'nothing'; expected a value: dedup.scope has it" in ask(
        made, "lookup", "pay_order", "n7", code=2
    )


def test_a_running_job_may_be_asked(source, kafka):
    made = source()
    kafka.write(made.topic, [paid(1)])
    made.run_until(lambda: made.events() and state_elsewhere(made) == "reported")


def state_elsewhere(made):
    """Ask in another process: this one has the store open already."""
    from tests.support.jobs import command

    code, text = command("dedup", "lookup", made.path, "pay_order", "n1", "--json")
    return json.loads(text)["state"] if code == 0 else text


@pytest.mark.parametrize("verb", [["stat"], ["lookup", "pay_order", "n1"]])
def test_a_store_that_is_not_there_is_not_made(source, verb):
    made = source()
    assert "found no dedup store in" in ask(made, *verb, code=2)
    assert not (made.folder / "dedup").exists()
    memory = source(dedup={"store": "memory"})
    assert "which ends with its process" in ask(memory, *verb, code=2)
