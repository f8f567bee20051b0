"""The calls of a Kafka client end, also while its IO thread stands still, as it does while a name server does not answer."""

from __future__ import annotations

import threading
import time

import pytest
from kafka import errors

from pipeline.contracts.deadline import Deadline, EndStep
from pipeline.errors import StoreUnavailable
from pipeline.kafka_io import bounded_network
from pipeline.kafka_io.bounded_network import BoundedNetwork


@pytest.fixture
def gate():
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def network():
    def begin(deadline=None):
        made = BoundedNetwork(deadline or Deadline(), client_id="test")
        made.start()
        return made

    return begin


def test_a_call_returns_its_result_or_raises_its_error(network):
    def fail():
        raise errors.NodeNotReadyError("no")

    made = network()
    assert made.run(lambda: 3) == 3
    with pytest.raises(errors.NodeNotReadyError):
        made.run(fail)
    made.close()


def test_a_call_ends_at_the_deadline_while_the_io_thread_stands_still(network, gate):
    deadline = Deadline()
    made = network(deadline)
    threading.Timer(0.05, lambda: deadline.begin(0, EndStep.ANSWERS)).start()  # a signal, while the call waits
    with pytest.raises(errors.KafkaTimeoutError):
        made.run(gate.wait)
    made.close()  # does not wait either
    assert not gate.is_set()


def test_a_call_that_waits_lets_the_job_keep_its_lease_in_its_own_thread(network, gate):
    deadline, looks = Deadline(), []

    def look():
        looks.append(threading.current_thread())
        if len(looks) == 3:
            gate.set()

    deadline.while_waiting = look
    made = network(deadline)
    made.run(gate.wait)
    made.close()
    assert looks == [threading.current_thread()] * 3


def test_a_call_that_ended_while_the_lease_was_renewed_is_not_late(network, gate, monkeypatch):
    """Before the mend a commit that the brokers had taken counted as refused."""
    monkeypatch.setattr(bounded_network, "CALL_LIMIT_MS", 300)
    began_s = time.monotonic()

    def renew_slowly():
        gate.set()
        time.sleep(max(0.0, began_s + 0.4 - time.monotonic()))

    deadline = Deadline()
    deadline.while_waiting = renew_slowly
    made = network(deadline)
    assert made.run(gate.wait) is True
    made.close()


def test_a_call_that_waits_raises_what_the_keeping_of_the_lease_raises(network, gate):
    def fail():
        raise StoreUnavailable("no room")

    deadline = Deadline()
    deadline.while_waiting = fail
    made = network(deadline)
    with pytest.raises(StoreUnavailable):
        made.run(gate.wait)
    gate.set()
    made.close()


def test_a_call_has_a_limit_without_a_deadline(network, gate, monkeypatch):
    monkeypatch.setattr(bounded_network, "CALL_LIMIT_MS", 1)
    made = network()
    with pytest.raises(errors.KafkaTimeoutError):
        made.run(gate.wait)
    gate.set()
    made.close()


def test_the_end_of_the_loop_ends_calls(network, gate):
    made = network()
    waiting = threading.Timer(0.05, made.stop)
    waiting.start()

    async def wait_for_ever():
        await made.sleep(3_600)

    with pytest.raises(errors.KafkaConnectionError):
        made.run(wait_for_ever)
    waiting.join()
    made.close()
