"""`log2mq init`: for every log it writes a source file that passes `check` and contains no identifier."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import fastavro
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.authoring.infer.avro import is_confluent
from pipeline.authoring.infer.format import guess_format
from pipeline.authoring.infer.roles import find_candidates
from pipeline.authoring.infer.rule_writer import Place
from pipeline.authoring.infer.source_writer import write_source
from pipeline.cli.check import check
from pipeline.cli.init import init
from pipeline.config.load import load_source
from pipeline.decode import DecodeContext
from pipeline.emulator.samples.generate import SampleKind, SampleSettings, generate
from pipeline.emulator.schema_registry.server import StandInRegistry
from pipeline.errors import RegistryUnavailable, UsageError
from tests.support.examples import examples

PLACE = Place("shop", "shop-log", {"bootstrap_servers": "localhost:9092"})
ENVIRONMENT = {}

SPRING = "2024-05-01T10:00:{second:02}.123+08:00  INFO 12345 --- [shop] [exec-1] c.e.shop.OrderService       : act=pay order_no=P{n:06} uid=u{user} amount={n}.50"
WECHAT = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o{user}</FromUserName><CreateTime>{time}</CreateTime><Event>subscribe</Event></xml>"
SYSLOG_KINDS = ["SALE", "RETURN", "PAPER"]
SYSLOG = '<134>1 2024-05-01T02:00:{second:02}Z pos-1 till {n} SALE [sale@1 no="S{n}" member="m{user}"] sold'


def lines(text, count=60):
    return [text.format(n=n, second=n % 60, user=n % 9, time=1714528800 + n).encode() for n in range(count)]


def shipped(n):
    log = {
        "event": "buy" if n % 3 else "view",
        "time": 1714528800 + n,
        "member_id": f"m{n % 9}",
        "mobile": f"138{n:08}",
        "trade_no": f"T{n}",
    }
    return json.dumps(
        {"@timestamp": "2024-05-01T02:00:00Z", "host": {"name": "web-1"}, "message": json.dumps(log)}
    ).encode()


def order(n):
    return {
        "order_no": f"P{n:06}",
        "user_id": f"u{n % 9}",
        "mobile": f"138{n:08}",
        "status": "paid",
        "created_at": 1714528800000 + n,
    }


def changed(n):
    now = order(n)
    then = {**now, "status": "new"} if n % 2 else None
    return json.dumps(
        {
            "op": "u" if then else "c",
            "before": then,
            "after": now,
            "source": {"table": "orders"},
            "ts_ms": 1714528800000 + n,
        }
    ).encode()


def of_connect(n):
    schema = {
        "type": "struct",
        "fields": [{"field": "created_at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"}],
    }
    return json.dumps({"schema": schema, "payload": order(n)}).encode()


SAMPLES = {
    "java": (lines(SPRING), [{"format": "java", "layout": "spring_boot"}, {"format": "logfmt", "from": "message", "into": "message", "required": False}],
             ["$.time_ms", "$.message.uid", "$.message.order_no"]),
    "wechat": (lines(WECHAT), [{"format": "xml"}], ["$.CreateTime", "$.FromUserName", "open_id: $.FromUserName"]),
    "syslog": (lines(SYSLOG), [{"format": "syslog"}], ["$.time_ms", "$.structured_data['sale@1'].member", "$.structured_data['sale@1'].no"]),
    "syslog kinds": ([line.replace(b"SALE", SYSLOG_KINDS[n % 3].encode()) for n, line in enumerate(lines(SYSLOG))], [{"format": "syslog"}], ["when: {msg_id: SALE}", "when: {msg_id: RETURN}"]),
    "shipper": ([shipped(n) for n in range(60)], [{"format": "json"}, {"format": "json", "from": "message", "into": "message", "required": False}],
                ["when: {message.event: buy}", "$.message.time", "$.message.member_id", "$.message.trade_no", "mobile: $.message.mobile"]),
    "debezium": ([changed(n) for n in range(60)], [{"format": "debezium", "operations": ["c", "u"]}],
                 ["when: {debezium.op: u}", "$.user_id", "out_biz_id: $.order_no", "mobile: $.mobile"]),
    "connect": ([of_connect(n) for n in range(60)], [{"format": "connect"}], ["event_time: $.created_at", "$.user_id", "out_biz_id: $.order_no"]),
    "csv": ([b"sale_no,store,member_no,amount,sold_at", *[f"S{n:05},上海静安店,m{n % 9},{n}.00,2024/05/01 10:00:00".encode("gb18030") for n in range(60)]],
            [{"format": "csv", "columns": ["sale_no", "store", "member_no", "amount", "sold_at"], "charset": "gb18030"}],
            ["$.sold_at | time('%Y/%m/%d %H:%M:%S')", "$.member_no", "$.sale_no"]),
    "export": ([f"{['JOIN', 'LEVEL'][n % 2]},m{n},{mobile},{mail}".encode() for n in range(60) for mobile, mail in [(f"138-0013-{n:04}", "\\N") if n % 3 else ("\\N", "no address")]],
               [{"format": "csv", "columns": ["column_1", "column_2", "column_3", "column_4"], "null_text": "\\N"}], ["mobile: $.column_3"]),
    "semicolons": ([f"{n};a;b{n};c".encode() for n in range(60)], [{"format": "csv", "columns": ["column_1", "column_2", "column_3", "column_4"], "delimiter": ";"}], []),
    "tsv": ([f"{n}\ta\tb{n}".encode() for n in range(60)], [{"format": "tsv", "columns": ["column_1", "column_2", "column_3"]}], []),
    "logfmt": (lines("time=2024-05-01T10:00:00+08:00 event=use coupon_no=C{n} user_id=u{user}"), [{"format": "logfmt"}], ["$.time", "$.user_id", "$.coupon_no"]),
    "gzip": ([gzip.compress(line) for line in lines("a=1 b={n} c=3")], [{"format": "logfmt", "compression": "auto"}], []),
    "words": (lines("just some words, {n} of them"), [{"format": "regex", "pattern": "(?P<line>.*)"}], ["'@timestamp'", "$.customer_id", "position: true"]),
}  # fmt: skip


def proposed(values, tmp_path):
    guess = guess_format(values)
    text = write_source(PLACE, guess, find_candidates(guess.entries), len(values))
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return guess, text, load_source(path, ENVIRONMENT)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_format_and_the_fields_are_found(name, tmp_path):
    values, steps, expressions = SAMPLES[name]
    guess, text, source = proposed(values, tmp_path)
    assert [dict(step) for step in guess.steps] == steps
    assert len(source.decode) == len(steps)
    for expression in expressions:
        assert expression.strip("'") in text


def test_the_row_before_a_change_brings_no_identifier_into_the_file(tmp_path):
    _, text, _ = proposed(SAMPLES["debezium"][0], tmp_path)
    assert "before" not in text.partition("events:")[0].partition("# Fields found")[2]
    assert not [n for n in range(60) if f"138{n:08}" in text or f" u{n % 9}" in text.replace("event_code: u", "")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SampleKind)
def test_the_sample_logs_give_files_that_check_takes_with_no_identifier_in_them(kind, tmp_path):
    values = [line.value for line in generate(kind, 1_000, 3, SampleSettings())]
    guess, text, source = proposed(values, tmp_path)
    assert guess.share > 0.95
    assert source.events
    for value in values:
        for word in value.decode(errors="replace").replace('"', " ").split():
            if len(word) == 11 and word.isdecimal() and word.startswith("1"):
                assert word not in text
            if "@" in word and "." in word:
                assert word not in text


def test_a_field_that_is_named_like_an_identity_is_never_shown(tmp_path):
    values = [
        json.dumps({"tel": f"0086 138-0013-{n:04}" if n % 4 == 0 else "none given", "list": [1]}).encode()
        for n in range(60)
    ]
    _, text, _ = proposed(values, tmp_path)
    assert "0013" not in text
    assert "for_each" in text


def test_of_the_shops_log_every_kind_of_event_is_a_rule(tmp_path):
    values = [line.value for line in generate(SampleKind.SHOP_APP, 1_000, 3, SampleSettings())]
    _, text, source = proposed(values, tmp_path)
    paid = next(rule for rule in source.events if rule.when == {"type": "order_paid"})
    assert (paid.event_code, paid.customer_id, paid.out_biz_id) == ("order_paid", "$.user.id", "$.order.no")
    assert {kind.value: path for kind, path in source.users[0].identities.items()} == {
        "mobile": "$.user.phone", "email": "$.user.mail", "open_id": "$.user.wx",
    }  # fmt: skip
    assert "# $" not in text.partition("events:")[2]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@examples(times=0.6)
@given(
    st.one_of(
        st.lists(st.dictionaries(st.text(max_size=6), ANY, max_size=4).map(lambda each: json.dumps(each, ensure_ascii=True).encode()), min_size=1, max_size=8),
        st.lists(st.binary(max_size=30), min_size=1, max_size=6),
        st.lists(st.text(st.sampled_from("ab=,;|<>\"' {}\n\t'$"), max_size=20).map(str.encode), min_size=1, max_size=6),
    )
)  # fmt: skip
def test_whatever_the_sample_what_is_written_is_right(tmp_path_factory, values):
    proposed(values, tmp_path_factory.mktemp("init"))


# --- Avro ------------------------------------------------------------------------------------------------------------------------

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "order_no", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "mobile", "type": "string"},
        {"name": "status", "type": "string"},
        {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
CHANGE = {
    "type": "record",
    "name": "Envelope",
    "fields": [
        {"name": "before", "type": ["null", ORDER]},
        {"name": "after", "type": ["null", "Order"]},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"]},
    ],
}


def change(n):
    return {**json.loads(changed(n)), "op": "u" if n % 2 else "c"}


def confluent(number, schema, values):
    framed = []
    for value in values:
        stream = io.BytesIO(b"\x00" + number.to_bytes(4))
        stream.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(stream, schema, value)
        framed.append(stream.getvalue())
    return framed


def container(values):
    stream = io.BytesIO()
    fastavro.writer(stream, ORDER, values)
    return stream.getvalue()


@pytest.fixture
def registry():
    with StandInRegistry() as serving:
        yield serving


def test_a_container_file_is_one_record_and_brings_its_schema(tmp_path):
    sample = tmp_path / "orders.avro"
    sample.write_bytes(container([order(n) for n in range(60)]))
    done = run(tmp_path / "shop.yaml", "--file", sample)
    assert done.exit_code == 0, done.output
    assert "1 records, avro, 100% of them read" in done.output
    assert f"check {tmp_path / 'shop.yaml'} --sample {sample} --whole" in done.output
    text = (tmp_path / "shop.yaml").read_text()
    assert "decode: {format: avro, encoding: container}" in text
    assert "out_biz_id: $.order_no" in text
    assert CliRunner().invoke(check, [str(tmp_path / "shop.yaml"), "--sample", str(sample), "--whole"]).exit_code == 0


@pytest.fixture
def initiated(tmp_path):
    """Run the command over a file that is one record."""

    def run_over(value, *options):
        (tmp_path / "orders.bin").write_bytes(value)
        return run(tmp_path / "shop.yaml", "--file", tmp_path / "orders.bin", *options)

    return run_over


def test_records_with_a_schema_id_say_that_a_registry_is_missing(tmp_path, initiated):
    done = initiated(confluent(7, ORDER, [order(10)])[0])  # the bytes contain byte 10, a line end
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == (
        f"{tmp_path / 'orders.bin'}: found what looks like Avro with a Schema Registry: a zero byte and a schema ID begin the records; "
        "expected --registry URL, the registry that knows the schemas"
    )
    assert not (tmp_path / "shop.yaml").exists()


UTF_16 = [f'{{"n":{n}}}'.encode("utf-16-be") for n in range(60)]
MIXED = confluent(7, ORDER, [order(n) for n in range(60)])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (MIXED[:54] + UTF_16[:6], True),
        (MIXED[:53] + UTF_16[:7], False),
        (UTF_16, False),
        ([b"\x00\x00\x00\x00\x07"], False),
        ([], False),
    ],
)
def test_nearly_all_records_begin_with_a_zero_byte_and_an_id_that_a_registry_gives(values, expected):
    assert is_confluent(values) is expected


def test_with_a_registry_its_records_are_decoded_and_the_file_names_it(tmp_path, initiated, registry):
    number = registry.registry.register("orders-value", json.dumps(ORDER))
    done = initiated(confluent(number, ORDER, [order(1)])[0], "--registry", registry.url + "/")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "shop.yaml").read_text()
    assert f'decode: {{format: avro, registry: "{registry.url}"}}' in text
    for expression in ("event_time: $.created_at", "$.user_id", "out_biz_id: $.order_no", "mobile: $.mobile"):
        assert expression in text


def test_a_registry_with_a_login_and_several_nodes_is_asked_and_written_into_the_file(tmp_path, initiated, monkeypatch):
    with StandInRegistry(username="log2mq", password="geheim") as registry:
        url = registry.url
        value = confluent(registry.registry.register("orders-value", json.dumps(ORDER)), ORDER, [order(1)])[0]
        nodes = ["--registry", "http://127.0.0.1:1", "--registry", url]
        refused = initiated(value, *nodes)
        assert isinstance(refused.exception, RegistryUnavailable)
        assert "denies access" in str(refused.exception)
        asked = [*nodes, "--registry-username", "log2mq", "--registry-password-env", "CLICKS"]
        monkeypatch.delenv("CLICKS", raising=False)
        assert "CLICKS" in str(initiated(value, *asked).exception)
        monkeypatch.setenv("CLICKS", "geheim")
        done = initiated(value, *asked)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "shop.yaml").read_text()
    assert (
        f'decode: {{format: avro, registry: {{url: ["http://127.0.0.1:1", "{url}"], username: log2mq, password: {{env: CLICKS}}}}}}'
        in text
    )
    assert "geheim" not in text


def test_a_login_without_a_registry_is_said(initiated):
    for options in (
        ["--registry-username", "u"],
        ["--registry", "http://127.0.0.1:1", "--registry-username", "u" * 501],
    ):
        assert "--registry-username: found no" in str(initiated(MIXED[0], *options).exception)


def test_debeziums_events_in_avro_take_two_steps_and_show_no_row_twice(registry):
    number = registry.registry.register("orders-value", json.dumps(CHANGE))
    values = confluent(number, CHANGE, [change(n) for n in range(60)])
    guess = guess_format(values, registry.url, DecodeContext(environment={}))
    assert guess.steps == (
        {"format": "avro", "registry": registry.url},
        {"format": "debezium", "operations": ["c", "u"], "from": "$"},
    )
    assert (len(guess.entries), guess.share) == (60, 1.0)
    assert guess.entries[1] == {**order(1), "debezium": {"op": "u", "ts_ms": 1714528800001}}
    text = write_source(PLACE, guess, find_candidates(guess.entries), len(values))
    assert '  - {format: debezium, operations: [c, u], from: "$"}' in text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(MIXED[0], "0% can be read; the registry does not know the schema ID 7", marks=pytest.mark.slow),
        (b"{}", "that do not begin with a zero byte and a schema ID; expected no --registry"),
        (UTF_16[0], "that do not begin with a zero byte and a schema ID; expected no --registry"),
    ],
    ids=["unknown ID", "JSON", "UTF-16"],
)
def test_a_registry_that_does_not_help_is_said(initiated, registry, value, says):
    done = initiated(value, "--registry", registry.url)
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)


@pytest.mark.parametrize("url", ["https://name:password@registry.example", "http://registry.example", "registry"])
def test_the_url_of_a_registry_is_checked_and_not_shown(initiated, url):
    done = initiated(MIXED[0], "--registry", url)
    assert isinstance(done.exception, UsageError)
    assert "--registry: found no URL that can be used; expected a URL such as" in str(done.exception)
    assert "password" not in str(done.exception)


def test_a_container_that_cannot_be_read_says_why(initiated):
    done = initiated(container([order(n) for n in range(9)])[:-20])
    assert isinstance(done.exception, UsageError)
    assert "found records of Avro of which 0% can be read; " in str(done.exception)


# --- the command -----------------------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(init, [str(each) for each in arguments])


def test_the_command_writes_the_file_and_says_what_comes_next(tmp_path):
    sample = tmp_path / "sample.log"
    sample.write_bytes(b"\n".join(SAMPLES["logfmt"][0]) + b"\n\n")
    done = run(tmp_path / "My Shop.yaml", "--file", sample)
    assert done.exit_code == 0, done.output
    assert "60 records, logfmt, 100% of them read, 1 event rules proposed" in done.output
    source = load_source(tmp_path / "My Shop.yaml", ENVIRONMENT)
    assert (source.source, source.kafka.topics) == ("my-shop", ("my-shop-log",))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["there.yaml", "--topic", "t"], "a file that is there already"),
        (["new.yaml"], "neither --file nor --topic"),
        (["new.yaml", "--file", "missing.log"], "cannot be read"),
        (["new.yaml", "--file", "empty.log"], "found no record"),
        (["new.yaml", "--topic", "a b"], "--topic: found 'a b'"),
        (["new.yaml", "--topic", "t", "--bootstrap-servers", "here"], "--bootstrap-servers: found 'here'"),
        (["new.yaml", "--topic", "t", "--like", "missing.yaml"], "missing.yaml: found a file that cannot be opened"),
        (["nowhere/new.yaml", "--file", "full.log"], "cannot be written"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").write_text("")
    Path("empty.log").write_text("\n \n")
    Path("full.log").write_text("a=1 b=2 c=3\n")
    done = run(*arguments)
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)


OBEYED = "\u202e\u2066\u200f\u061c\u2028\u2029\u0085\u009b\u001b\ufeff"


@examples(times=0.3)
@given(st.text(OBEYED + "ab\n", min_size=1, max_size=6), st.text(OBEYED + "ab\n", min_size=1, max_size=6))
def test_a_proposed_file_shows_all_that_it_holds(tmp_path_factory, name, value):
    """A mark of writing direction would show a rule in another order than the job reads it; a line end would add a key."""
    folder = tmp_path_factory.mktemp("init")
    records = [
        {"event": f"{value}pay" if n % 2 else "view", f"x{name}y": f"{value}{n % 3}", "user_id": f"u{n % 9}", "no": f"N{n}", "time": 1714528800 + n}
        for n in range(40)
    ]  # fmt: skip
    (folder / "log").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    result = CliRunner().invoke(init, [str(folder / "shop.yaml"), "--file", str(folder / "log")])
    assert result.exception is None, result.output
    written = (folder / "shop.yaml").read_text(encoding="utf-8")
    assert not [each for each in written if each in OBEYED]
    assert len(written.splitlines()) == written.count("\n")
    conditions = [rule.when for rule in load_source(folder / "shop.yaml", {}).events]
    assert {"event": f"{value}pay"} in conditions
