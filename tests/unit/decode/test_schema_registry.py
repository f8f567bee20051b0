"""The Schema Registry: the requests, the result of each answer, and that an outage makes no dead letters."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from random import Random

import fastavro
import httpx
import pytest

from pipeline.authoring.wait import wait_for_answer
from pipeline.cli.online import ask_registries
from pipeline.config.load import load_source
from pipeline.contracts.values import Pending
from pipeline.decode import DecodeContext, DecodeLimits, build_decoder
from pipeline.decode.schema_registry.client import AccessDenied, Registered, RegistryClient, Unavailable, Unknown
from pipeline.decode.schema_registry.schemas import RegistrySchemas
from pipeline.decode.schema_registry.settings import RegistrySettings
from pipeline.emulator.schema_registry.schemas import Reference, Registry, registry_of
from pipeline.emulator.schema_registry.server import StandInRegistry
from pipeline.errors import RegistryUnavailable, UsageError
from schemas.refusal import ReasonCode, Refusal
from tests.support.good_files import GOOD_SOURCE

PAID = json.dumps({"type": "record", "name": "Paid", "fields": [{"name": "no", "type": "string"}]})
MONEY = json.dumps({"type": "record", "name": "shop.Money", "fields": [{"name": "fen", "type": "long"}]})
ORDER = json.dumps({"type": "record", "name": "shop.Order", "fields": [{"name": "sum", "type": "Money"}]})
CART = json.dumps(
    {
        "type": "record",
        "name": "shop.Cart",
        "fields": [{"name": "order", "type": "shop.Order"}, {"name": "rest", "type": "Money"}],
    }
)
LIMITS = DecodeLimits()


@pytest.fixture
def serving():
    with StandInRegistry() as registry:
        yield registry


def client(url, environment=None, **more):
    return RegistryClient(RegistrySettings.model_validate({"url": url, **more}), environment or {})


def confluent(number, schema, value, names=None):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(schema), names or {}), value)
    return b"\x00" + number.to_bytes(4) + stream.getvalue()


# --- one look-up -----------------------------------------------------------------------------------------------------------------


def test_a_schema_is_found_by_its_id(serving):
    number = serving.registry.register("paid-value", PAID)
    assert client(serving.url).look_up(number) == Registered("AVRO", (PAID,))


def test_what_a_schema_refers_to_comes_before_it_each_once(serving):
    registry = serving.registry
    registry.register("money", MONEY)
    to_money = Reference("shop.Money", "money", 1)
    registry.register("order value?", ORDER, (to_money,))
    number = registry.register("cart", CART, (to_money, Reference("shop.Order", "order value?", 1)))
    assert client(serving.url).look_up(number) == Registered("AVRO", (MONEY, ORDER, CART))


def test_an_id_that_the_registry_does_not_know(serving):
    assert client(serving.url).look_up(77) == Unknown("the registry does not know the schema ID 77")


def test_a_registry_that_is_not_there_is_away():
    with StandInRegistry() as gone:
        url = gone.url
    assert isinstance(client(url).look_up(1), Unavailable)


def test_where_one_node_is_away_the_next_is_asked_and_asked_first_from_then_on(serving):
    number = serving.registry.register("paid", PAID)
    with StandInRegistry() as gone:
        away = gone.url
    asked = client([away, f"{serving.url}/elsewhere", serving.url])
    assert asked.look_up(number) == Registered("AVRO", (PAID,))
    assert asked._first == 2
    assert asked.look_up(77) == Unknown("the registry does not know the schema ID 77")
    serving.__exit__(None, None, None)
    found = asked.look_up(number)
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("none of the 3 nodes of registry.url answers; the last: the registry at http")


def test_what_is_no_registry_is_away_and_no_unknown_schema(serving):
    found = client(f"{serving.url}/elsewhere").look_up(1)
    assert isinstance(found, Unavailable)
    assert "registry.url" in found.reason


def test_only_the_right_login_is_let_in(tmp_path):
    (tmp_path / "password").write_text("geheim\n")
    with StandInRegistry(username="log2mq", password="geheim") as serving:
        number = serving.registry.register("paid", PAID)
        right = client(serving.url, username="log2mq", password={"file": str(tmp_path / "password")})
        assert isinstance(right.look_up(number), Registered)
        wrong = client(serving.url, {"PASSWORD": "other"}, username="log2mq", password={"env": "PASSWORD"}).look_up(1)
        assert isinstance(wrong, AccessDenied)
        assert "other" not in wrong.reason
        assert isinstance(client(serving.url).look_up(number), AccessDenied)
    with pytest.raises(UsageError, match="PASSWORD"):
        client("https://registry.example", username="log2mq", password={"env": "PASSWORD"})


# --- what the owner sees ---------------------------------------------------------------------------------------------------------


class Scripted:
    """A registry whose answers and whose clock the test sets."""

    def __init__(self, **settings):
        self.now_s = 1000.0
        self.answers = {}
        self.asked = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.schemas = RegistrySchemas(
            RegistrySettings.model_validate({"url": "https://registry.example", **settings}),
            self.look_up,
            lambda found: found.texts[-1],
            monotonic=lambda: self.now_s,
            random=Random(1).random,
        )

    def look_up(self, number):
        self.may_answer.wait(10)
        self.asked.append(number)
        return self.answers.get(number, Unavailable("no answer"))

    def find(self, number):
        """Ask until the answer of a look-up that this call began has been read."""
        before = len(self.asked)
        found = self.schemas.find(number)
        for _ in range(2000):
            if not isinstance(found, Pending) or found.after_ms != 20 or found.is_lost:
                return found
            if len(self.asked) > before:
                time.sleep(0.001)
                return self.schemas.find(number)
            time.sleep(0.001)
        raise AssertionError("no answer")


def test_a_schema_is_asked_for_once():
    registry = Scripted()
    registry.answers[7] = Registered("AVRO", ("seven",))
    assert registry.find(7) == "seven"
    assert [registry.schemas.find(7) for _ in range(5)] == ["seven"] * 5
    assert registry.asked == [7]


def test_nothing_blocks_while_an_answer_is_awaited_and_what_is_known_goes_on():
    registry = Scripted()
    registry.answers |= {7: Registered("AVRO", ("seven",)), 8: Registered("AVRO", ("eight",))}
    assert registry.find(7) == "seven"
    registry.may_answer.clear()
    assert all(isinstance(registry.schemas.find(8), Pending) for _ in range(100))
    assert registry.schemas.find(7) == "seven"
    registry.may_answer.set()
    assert wait_for_answer(lambda: registry.schemas.find(8)) == "eight"
    assert registry.asked == [7, 8]


def test_an_outage_is_waited_out_with_back_off():
    registry = Scripted()
    waits = []
    for _ in range(8):
        found = registry.find(7)
        assert isinstance(found, Pending)
        assert not found.is_lost
        waits.append(found.after_ms)
        registry.now_s += found.after_ms / 1000
    assert waits[0] <= 200
    assert 5_000 <= waits[-1] <= 10_000
    registry.answers[7] = Registered("AVRO", ("seven",))
    assert registry.find(7) == "seven"


def test_an_outage_that_lasts_too_long_stops_the_job():
    registry = Scripted(give_up_after="1m")
    assert not registry.find(7).is_lost
    registry.now_s += 61
    found = registry.schemas.find(7)
    assert found.is_lost
    assert found.may_pass
    assert "61 s" in found.reason


def test_a_login_refused_stops_the_job_at_once():
    registry = Scripted()
    registry.answers[7] = AccessDenied("denied")
    assert registry.find(7) == Pending("denied", 10_000, is_lost=True)


def test_an_unknown_id_is_asked_for_again_for_a_while_then_refused_and_later_asked_for_anew():
    registry = Scripted(unknown_after="3s", ask_again_after="1m")
    registry.answers[7] = Unknown("no such ID")
    begun_s = registry.now_s
    while isinstance(found := registry.find(7), Pending):
        registry.now_s += found.after_ms / 1000
    assert found == Refusal(found.stage, ReasonCode.SCHEMA_UNKNOWN, "no such ID")
    assert 3 <= registry.now_s - begun_s <= 3.3
    asked = len(registry.asked)
    assert asked > 2
    assert all(registry.schemas.find(7) == found for _ in range(100))
    assert len(registry.asked) == asked
    registry.now_s += 61
    registry.answers[7] = Registered("AVRO", ("seven",))
    assert registry.find(7) == "seven"


def test_an_id_that_was_only_late_is_found():
    registry = Scripted(unknown_after="3s")
    registry.answers[7] = Unknown("no such ID")
    found = registry.find(7)
    assert isinstance(found, Pending)
    registry.now_s += found.after_ms / 1000
    registry.answers[7] = Registered("AVRO", ("seven",))
    assert registry.find(7) == "seven"


def test_an_outage_between_makes_no_refusal():
    registry = Scripted(unknown_after="3s")
    registry.answers[7] = Unknown("no such ID")
    registry.find(7)
    registry.now_s += 60
    del registry.answers[7]
    assert isinstance(registry.find(7), Pending)


def test_only_so_many_schemas_and_unknown_ids_are_remembered():
    registry = Scripted(cache=3, unknown_after="0s")
    for number in range(1, 6):
        registry.answers[number] = Registered("AVRO", (str(number),))
        assert registry.find(number) == str(number)
    assert registry.find(5) == "5"
    assert registry.find(1) == "1"
    assert registry.asked == [1, 2, 3, 4, 5, 1]
    for number in range(11, 20):
        registry.answers[number] = Unknown("no")
        assert registry.find(number).code is ReasonCode.SCHEMA_UNKNOWN
    assert len(registry.schemas._unknown) <= 3


# --- the decoder -----------------------------------------------------------------------------------------------------------------


def decoder(serving, **more):
    return build_decoder(
        "avro", {"registry": {"url": serving.url, "unknown_after": "0s", **more}}, LIMITS, DecodeContext(environment={})
    )


def test_records_are_read_by_the_schema_that_they_name(serving):
    number = serving.registry.register("paid", PAID)
    serving.registry.register("money", MONEY)
    order = serving.registry.register("order", ORDER, (Reference("shop.Money", "money", 1),))
    decode = decoder(serving)
    names = {}
    fastavro.parse_schema(json.loads(MONEY), names)
    assert wait_for_answer(lambda: decode(confluent(number, PAID, {"no": "n1"}))) == {"no": "n1"}
    assert wait_for_answer(lambda: decode(confluent(order, ORDER, {"sum": {"fen": 5}}, names))) == {"sum": {"fen": 5}}
    assert decode(confluent(number, PAID, {"no": "n2"})) == {"no": "n2"}


def test_what_names_no_schema_that_can_be_used_is_refused(serving):
    number = serving.registry.register("text", "{}", kind="JSON")
    decode = decoder(serving)
    assert wait_for_answer(lambda: decode(b"\x00" + number.to_bytes(4))).code is ReasonCode.SCHEMA_UNUSABLE
    assert wait_for_answer(lambda: decode(b"\x00\x00\x00\x00\x4d")).code is ReasonCode.SCHEMA_UNKNOWN
    assert decode(b"\x00\x00\x00").code is ReasonCode.NOT_AVRO
    assert decode(b"{}    ").code is ReasonCode.NOT_AVRO


@pytest.mark.slow
def test_a_person_waits_only_so_long(serving):
    decode = decoder(serving)
    serving.__exit__(None, None, None)
    slept = []
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        wait_for_answer(
            lambda: decode(b"\x00\x00\x00\x00\x01\x00"),
            lambda seconds: (slept.append(seconds), time.sleep(min(seconds, 0.01))),
            5_000,
        )
    assert sum(slept) == pytest.approx(5)


SOURCE = """
source: clicks
kafka: {bootstrap_servers: "localhost:9092", topics: [clicks]}
decode:
  format: avro
  registry: {url: "https://registry.example:8081", username: log2mq, password: {env: REGISTRY_PASSWORD}}
  reader_schema_file: clicks.avsc
events:
  - {event_code: click, event_time: $.ts, customer_id: $.user, out_biz_id: $.id}
report: {region: cn-shanghai, organization_id: o, access_id: a}
"""


def test_where_a_person_waits_an_outage_is_waited_out_only_so_long_and_no_longer_is_said(caplog):
    seconds = itertools.count()
    context = DecodeContext(environment={}, give_up_after_ms=2_000, monotonic=lambda: float(next(seconds)))
    decode = build_decoder("avro", {"registry": "http://127.0.0.1:9"}, LIMITS, context)
    with pytest.raises(RegistryUnavailable, match=r"does not answer \(ConnectError\), for \d s now"):
        wait_for_answer(lambda: decode(confluent(1, PAID, {"no": "n1"})))
    assert "trying for 2 s" in caplog.text


def test_check_online_asks_a_registry_whether_it_lets_the_file_in(tmp_path, monkeypatch, capsys):
    path = tmp_path / "source.yaml"
    registry = "{url: URL, username: reader, password: {env: REGISTRY_PASSWORD}}"
    with StandInRegistry(username="reader", password="open sesame") as serving:
        url = serving.url
        path.write_text(
            GOOD_SOURCE.replace("decode: json", f"decode: {{format: avro, registry: {registry}}}").replace(
                "URL", f'"{url}"'
            )
        )
        source = load_source(path, {})
        monkeypatch.setenv("REGISTRY_PASSWORD", "open sesame")
        ask_registries(source)
        assert capsys.readouterr().out == f"Schema Registry at {url}: answers\n"
        monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
        with pytest.raises(RegistryUnavailable, match="denies access"):
            ask_registries(source)
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        ask_registries(source)


def test_check_says_a_schema_file_that_is_missing_or_none_with_file_line_and_key(tmp_path):
    path = tmp_path / "clicks.yaml"
    path.write_text(SOURCE)
    with pytest.raises(
        UsageError,
        match=r"clicks\.yaml:7: decode\.reader_schema_file: found a file that cannot be read .*clicks\.avsc; expected",
    ):
        load_source(path, {})
    (tmp_path / "clicks.avsc").write_text('{"type": "record", "name": "R"}')
    with pytest.raises(
        UsageError, match=r"clicks\.yaml:7: decode\.reader_schema_file: found a file that is no Avro schema"
    ):
        load_source(path, {})
    (tmp_path / "clicks.avsc").write_text(PAID)
    load_source(path, {})  # neither the password nor the registry is asked for
    path.write_text(SOURCE.replace("username: log2mq, ", "").replace("registry.example", "registry.example/?x"))
    with pytest.raises(UsageError, match=r"clicks\.yaml:6: decode\.registry"):
        load_source(path, {})
    path.write_text(SOURCE.replace('"https://registry.example:8081"', "[https://a.example, http://b.example]"))
    with pytest.raises(
        UsageError,
        match=r"clicks\.yaml:6: decode\.registry\.url\[1\]: found 'http://b.example'; expected a URL such as",
    ):
        load_source(path, {})


# --- the stand-in ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_confluents_own_client_gets_along_with_the_stand_in(serving):
    from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    theirs = SchemaRegistryClient({"url": serving.url})
    money = theirs.register_schema("money", Schema(MONEY, "AVRO"))
    order = theirs.register_schema("order", Schema(ORDER, "AVRO", [SchemaReference("shop.Money", "money", 1)]))
    assert theirs.get_schema(money).schema_str == MONEY
    assert theirs.get_latest_version("order").schema_id == order
    assert sorted(theirs.get_subjects()) == ["money", "order"]
    assert theirs.get_subjects_by_schema_id(order) == ["order"]
    assert [(each.subject, each.version) for each in theirs.get_schema_versions(money)] == [("money", 1)]
    assert (theirs.get_compatibility(), theirs.get_global_mode()) == ("NONE", "READWRITE")
    assert httpx.get(f"{serving.url}/subjects/money/versions/1/schema").json() == json.loads(MONEY)
    with pytest.raises(SchemaRegistryError) as error:
        theirs.get_schema(99)
    assert error.value.error_code == 40403
    with pytest.raises(SchemaRegistryError):
        theirs.register_schema("broken", Schema('"nothing"', "AVRO"))
    serializer = AvroSerializer(theirs, PAID)
    value = serializer({"no": "n1"}, SerializationContext("paid", MessageField.VALUE))
    decode = decoder(serving)
    assert wait_for_answer(lambda: decode(value)) == {"no": "n1"}


def test_a_folder_of_schemas_is_registered_by_their_names(tmp_path):
    with pytest.raises(UsageError, match=r"no \.avsc file"):
        registry_of(tmp_path)
    (tmp_path / "b-value.avsc").write_text(PAID)
    (tmp_path / "a-value.avsc").write_text(MONEY)
    assert registry_of(tmp_path).subjects == {"a-value": [1], "b-value": [2]}
    (tmp_path / "c.avsc").write_text("{")
    with pytest.raises(UsageError, match=r"c\.avsc is no Avro schema"):
        registry_of(tmp_path)


def test_one_schema_has_one_id_wherever_it_is_registered():
    registry = Registry()
    assert registry.register("a", PAID) == registry.register("b", PAID) == registry.register("a", PAID)
    assert registry.register("a", MONEY) != registry.register("a", PAID)
    assert len(registry.subjects["a"]) == 2
