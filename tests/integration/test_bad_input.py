"""What a user can get wrong, and what a record can hold: each a clear sentence or a dead letter with its reason, never a traceback."""

from __future__ import annotations

import json
import stat

import pytest

from pipeline.config.load import load_source
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import UsageError
from tests.support.jobs import command

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def test_a_topic_that_does_not_exist(source, kafka):
    made = source(topic=f"{kafka.topic()}")
    made.topic += "x"
    code, text = command("run", made.save())
    assert code == 3
    assert f"the topic {made.topic} does not exist" in text
    assert f"did you mean {made.topic[:-1]}" in text


def test_a_broker_that_does_not_answer(source):
    made = source(kafka={"bootstrap_servers": "127.0.0.1:1", "connect_timeout": "1s", "give_up_after": "6s"})
    code, text = command("run", made.save())
    assert code == 3
    assert (
        "Kafka at 127.0.0.1:1, connecting: no broker answers; see kafka.bootstrap_servers and kafka.security; trying for 6 s"
        in text
    )
    assert "Kafka at 127.0.0.1:1, connecting: no broker answers" in text


def test_a_missing_dead_letter_topic(source):
    made = source()
    code, text = command("run", made.save())
    assert code == 6
    assert f"the dead-letter topic {made.dead} does not exist yet; waiting for it for up to 30 s" in text
    assert f"the dead-letter topic {made.dead} does not exist" in text
    assert "no broker answers" not in text


def test_wrong_credentials(source, kafka):
    made = source()
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [json.dumps({"type": "paid", "ts": 1_700_000_000, "user": "u", "no": "n"}).encode()])
    code, text = command("run", made.save(), environment={"SCA_SK_ENV": "no-such-key"})
    assert code == 4
    assert "SignatureDoesNotMatch" in text
    assert "secret" in text
    assert "no-such-key" not in text


def test_no_credentials(source, kafka):
    made = source()
    kafka.topic(name=made.dead)
    code, text = command("run", made.save(), environment={"SCA_SK_ENV": ""})
    assert code == 2
    assert "SCA_SK_ENV" in text


def test_a_wrong_organisation(source, kafka):
    made = source(report={"organization_id": "org-9999"})
    kafka.topic(name=made.dead)
    kafka.write(made.topic, [json.dumps({"type": "paid", "ts": 1_700_000_000, "user": "u", "no": "n"}).encode()])
    code, text = command("run", made.save())
    assert code == 4
    assert "ES0110000002" in text


def test_an_unwritable_store(source, kafka, tmp_path):
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder")
    made = source(dedup={"path": str(blocked / "dedup")})
    kafka.topic(name=made.dead)
    code, text = command("run", made.save())
    assert code == 5
    assert str(blocked) in text


def test_a_fault_in_the_file_is_named_with_line_and_key(source):
    made = source(report={"batch": "{events: 500, age: 1s}"})
    made.rules = made.rules.replace("$.amount", "$.amount | truncat(3)").replace(
        "customer_id: $.user\n    out", "custmer_id: $.user\n    out"
    )
    code, text = command("check", made.save())
    assert code == 2
    lines = made.path.read_text().splitlines()
    for key, found in (
        ("report.batch.events", "found 500"),
        ("events[0].attributes.amount", "unknown function 'truncat'"),
        ("events[0].custmer_id", "did you mean 'customer_id'?"),
    ):
        (said,) = [each for each in text.splitlines() if f": {key}: " in each]
        assert found in said
        number = int(said.partition(".yaml:")[2].partition(":")[0])
        assert key.rsplit(".", 1)[1].split("[")[0] in lines[number - 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no mapping"),
        ("- a\n- b\n", "no mapping"),
        ("source: [", "YAML that cannot be read"),
        ("source: a\nsource: b\n", "the same key a second time"),
        ("\tsource: a", "YAML that cannot be read"),
        ("a: &a [1]\n---\nb: 2\n", "documents"),
    ],
)
def test_a_file_that_is_no_source_file(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load_source(path, {})


def test_an_access_key_that_is_not_here_is_no_fault_of_the_file(source):
    code, text = command("check", source().save(), environment={"SCA_SK_ENV": ""})
    assert code == 0
    assert "warning: `run` would not start: SCA_SK_ENV missing or empty" in text


def test_a_file_that_is_not_there(tmp_path):
    code, text = command("check", tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml" in text


HOSTILE = {
    "RECORD_TOO_LARGE": b'{"type": "paid", "note": "' + b"x" * (10 << 20) + b'"}',
    "NOT_UTF8": b'{"type": "\xff\xfe"}',
    "TOO_DEEP": b"[" * 100_000 + b"]" * 100_000,
    "NUMBER_TOO_LONG": b'{"type": "paid", "amount": ' + b"9" * 10_000 + b"}",
    "OUT_BIZ_ID_MISSING": b'{"type": "paid", "ts": 1700000000, "user": "u1"}',
    "FIELD_MISSING": b'{"type": "paid", "no": "n1", "user": "u1"}',
    "TIME_INVALID": b'{"type": "paid", "ts": "soon", "no": "n1", "user": "u1"}',
    "IDENTITY_INVALID": b'{"type": "register", "user": "u1", "phone": "12"}',
    "NOT_AN_OBJECT": b"[1, 2]",
}


def test_hostile_records_become_dead_letters_with_their_reason(source, kafka):
    topic = kafka.topic(max_message_bytes=16 << 20)
    made = source(topic=topic)
    kafka.write(topic, HOSTILE.values())
    status = made.run_to_end()
    assert status.total.dead_lettered == len(HOSTILE)
    letters = {dict(each.headers)["log2mq-reason"].decode(): each for each in kafka.read(made.dead)}
    assert set(letters) == set(HOSTILE)
    for reason, value in HOSTILE.items():
        headers = dict(letters[reason].headers)
        if "log2mq-value-cut" in headers:  # the dead-letter topic takes no more than the broker's limit
            assert int(headers["log2mq-value-cut"]) == len(value)
            assert value.startswith(letters[reason].value)
        else:
            assert letters[reason].value == value
        text = b" ".join(content for name, content in headers.items() if name.startswith("log2mq"))
        assert b"u1" not in text.replace(made.dead.encode(), b"").replace(made.name.encode(), b"").replace(
            topic.encode(), b""
        )


PLUG_IN = """
from schemas.event import EventMessage

def orders(options):
    def convert(entry):
        if entry.fields["no"] == "n1":
            raise KeyError(entry.fields["user"])
        return [EventMessage(customer_id="c", event_code="e", event_time=1_700_000_000_000, extend_attributes={"outBizId": entry.fields["no"]})]
    return convert
"""


def test_a_plug_in_that_raises_costs_its_record_and_not_the_job(source, kafka, tmp_path, monkeypatch):
    (tmp_path / "order_transforms.py").write_text(PLUG_IN)
    metadata = tmp_path / "order_transforms-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: order-transforms\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[log2mq.transforms]\norders = order_transforms:orders\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = source(rules="transform: {plugin: orders}\n")
    kafka.write(made.topic, [json.dumps({"user": "somebody", "no": f"n{number}"}).encode() for number in range(3)])
    total = made.run_to_end().total
    assert (total.reported, total.dead_lettered) == (2, 1)
    (letter,) = kafka.read(made.dead)
    headers = dict(letter.headers)
    assert (headers["log2mq-reason"], headers["log2mq-stage"]) == (b"PLUGIN_RAISED", b"transform")
    assert b"KeyError" in headers["log2mq-reason-text"]
    assert b"somebody" not in b"".join(headers.values())


@pytest.fixture(scope="module")
def login_broker():
    with EmbeddedBroker(sasl_users={"alice": "wonderland"}) as broker:
        yield broker


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_logins_work_and_wrong_passwords_are_said(login_broker, stand_in, tmp_path, mechanism):
    from tests.support.jobs import RULES, Source
    from tests.support.kafka import TestKafka

    kafka = TestKafka(login_broker.bootstrap_servers)
    topic = kafka.topic()
    kafka.write(topic, [json.dumps({"type": "paid", "ts": 1_700_000_000, "user": "u", "no": mechanism}).encode()])
    secret = tmp_path / "password"
    secret.write_text("wonderland\n")
    secret.chmod(stat.S_IRUSR)
    security = f"{{protocol: SASL_PLAINTEXT, mechanism: {mechanism}, username: alice, password: {{file: {secret}}}}}"
    made = Source(
        kafka,
        stand_in,
        tmp_path,
        topic,
        RULES,
        kafka={"bootstrap_servers": login_broker.address("SASL_PLAINTEXT"), "security": security},
    )
    assert made.run_to_end().total.reported == 1
    made.sections["kafka"] |= {
        "security": security.replace(f"{{file: {secret}}}", "{env: WRONG_PASSWORD}"),
        "connect_timeout": "2s",
        "give_up_after": "3s",
    }
    code, text = command("run", made.save(), environment={"WRONG_PASSWORD": "looking-glass"})
    assert code == 3
    assert (
        "no broker answers, or the login is refused; see kafka.bootstrap_servers and kafka.security; trying for 3 s"
        in text
    )
    assert "looking-glass" not in text
