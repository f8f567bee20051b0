"""A worker process whose code has a fault: the supervisor tells it as one sentence, and its exit code is the command's."""

from __future__ import annotations

import os

import pytest

from pipeline.config.load import load_source
from pipeline.errors import EXIT_FAULT, Log2mqError
from pipeline.runtime.restart_policy import RestartPolicy
from pipeline.runtime.supervisor import Supervisor
from pipeline.runtime.worker_process import WorkerMain

pytestmark = pytest.mark.slow  # each worker is a process

PERSON = "13812345678"

FAULT = f"""
import lmdb

def fail(*_, **__):
    raise KeyError("{PERSON}\\x1b[2J")

lmdb.open = fail
"""
"""Python runs this at the start of each process (the module `sitecustomize`): a package of somebody else raises what nobody expects."""

SOURCE = """
source: shop
kafka: {bootstrap_servers: "127.0.0.1:1", topics: [log]}
decode: json
report: {endpoint: "http://127.0.0.1:1", organization_id: org-0001, access_id: id}
events:
  - when: {type: paid}
    event_code: pay_order
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
"""


@pytest.fixture
def worker_main(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    (tmp_path / "shop.yaml").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SCA_AK_ENV", "testid")
    monkeypatch.setenv("SCA_SK_ENV", "testsecret")
    return WorkerMain(load_source(tmp_path / "shop.yaml", os.environ), "text", "info", "host")


def faults_of(worker_main, deaths):
    notes = []
    policy = RestartPolicy(first_s=0.01, most_s=0.02, most_deaths=deaths)
    supervisor = Supervisor(worker_main, 1, lambda _: None, notes.append, policy)
    with pytest.raises(Log2mqError) as raised:
        supervisor.run()
    return raised.value, [str(note) for note in notes if "runs as process" not in str(note)]


def test_a_fault_of_a_worker_is_a_sentence_without_the_text_of_the_error(worker_main, capfd):
    error, notes = faults_of(worker_main, deaths=1)
    assert error.exit_code == EXIT_FAULT
    assert str(error).startswith("a fault in log2mq itself (KeyError).")
    (note,) = notes
    assert note.startswith("worker 0 ended: a fault in log2mq itself (KeyError).")
    assert note.endswith("; starting it again in 0 s")
    written = "".join(capfd.readouterr())
    assert "Traceback" not in written
    assert PERSON not in written


def test_its_traceback_can_be_asked_for(worker_main, capfd, monkeypatch):
    monkeypatch.setenv("LOG2MQ_TRACEBACK", "1")
    error, _ = faults_of(worker_main, deaths=0)
    assert error.exit_code == EXIT_FAULT
    assert "sitecustomize.py" in capfd.readouterr().err
