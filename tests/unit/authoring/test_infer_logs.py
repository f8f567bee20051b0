"""`log2mq init` over typical logs in Chinese and English, with noise: the proposed file works with its own sample."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.authoring.infer import sample
from pipeline.authoring.infer.source_writer import percent
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.emulator.schema_registry.server import StandInRegistry
from pipeline.errors import UsageError

TIMES = [f"2026-11-11 10:{n // 60:02}:{n % 60:02}" for n in range(120)]


class Analyst:
    """Runs commands in one folder."""

    def run(self, *arguments, code=0):
        result = CliRunner().invoke(cli, [str(each) for each in arguments], standalone_mode=False)
        if code:
            assert isinstance(result.exception, UsageError), result.output
            return str(result.exception)
        if result.exception is not None:
            raise result.exception
        return result.output

    def init(self, lines, *options):
        Path("shop.log").write_bytes(
            b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n"
        )
        said = self.run("init", "shop.yaml", "--file", "shop.log", "--force", *options)
        self.text = Path("shop.yaml").read_text(encoding="utf-8")
        return said

    def rows(self):
        """Return the first table of `check --sample`: the number of records of each outcome."""
        said = self.run("check", "shop.yaml", "--sample", "shop.log")
        return {
            found[1].strip(): int(found[2]) for found in re.finditer(r"^(\S.*?) +(\d+) +[\d.]+%", said, re.MULTILINE)
        }


@pytest.fixture
def analyst(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Analyst()


def mixed(n):
    event = ["page_view", "page_view", "page_view", "order_paid"][n % 4]
    said = {"event": event, "ts": 1_794_326_400_000 + n, "页面": "首页"}
    if event == "order_paid" or n % 4 == 0:
        said["user_id"] = f"U{n % 9:06}"
    if event == "order_paid":
        said["order"] = {"no": f"P{n:06}", "items": [{"sku": "S1", "qty": 2}, {"sku": "S2", "qty": 1}]}
    return json.dumps(said, ensure_ascii=False)


LINE = '10.0.0.7 - - [11/Nov/2026:10:00:{:02} +0800] "GET /item/{}?uid=U{} HTTP/1.1" 200 7 "-" "Mozilla/5.0 (iPhone)"'
HEADER = "订单号,会员号,手机号,商品名称,金额(元),支付时间"

LOGS = {
    "JSON": ([*map(mixed, range(120)), "### 重启 ###"], "json", {"would be reported": 60, "filtered: no rule matched": 60, "dead letter: NOT_JSON": 1}),
    "nginx main": ([f'{LINE.format(n % 60, n, n % 9)} "203.0.113.{n}" 0.0{n % 10}3 -' for n in range(120)],
                   '{format: nginx, log_format: "$remote_addr - $remote_user [$time_local] \\"$request\\" $status $body_bytes_sent \\"$http_referer\\" \\"$http_user_agent\\" \\"$http_x_forwarded_for\\" $request_time $further_3"}',
                   {"would be reported": 120}),
    "nginx labels": ([f'{LINE.format(n % 60, n, n % 9)} rt=0.0{n % 10}3 [{n}] "a b"' for n in range(120)], 'rt=$rt [$further_2] \\"$further_3\\""}', {"would be reported": 120}),
    "key and value": ([f"uid:u{n % 9}|act:{['签到', '下单'][n % 2]}|t:{1794326400 + n}|oid:O{n:05}" for n in range(120)], '{format: key_value, pair_separator: "|", key_separator: ":"}', {"would be reported": 120}),
    "commas": ([f"event=use, user_id=u{n % 9}, coupon_no=C{n:05}, at=2026-11-11T10:00:00Z" for n in range(120)], '{format: key_value, pair_separator: ",", key_separator: "="}', {"would be reported": 120}),
    "a time and pairs": ([f"{time},123 [INFO] uid=u{n % 9}; act=pay; oid=O{n:05}" for n, time in enumerate(TIMES)], '  - {format: key_value, pair_separator: ";", key_separator: "=", from: message, into: message, required: false}', {"would be reported": 120}),
    "a time and JSON": ([f'{time} INFO {{"uid": "u{n % 9}", "order_no": "O{n}"}}' for n, time in enumerate(TIMES)], "  - {format: json, from: message, into: message, required: false}", {"would be reported": 120}),
    "sentences": ([f"{time}.123  INFO 1 --- [exec-{n % 9}] c.e.Order                       : {['下单成功 orderNo=P{n}, userId=u{u}, amount=1.50', '登录 userId=u{u} from=app', '心跳'][n % 3].format(n=n, u=n % 9)}" for n, time in enumerate(TIMES)],
                  '  - {format: regex, match: search, pattern: "\\\\borderNo=(?P<orderNo>[^\\\\s,;|&]+).*?\\\\buserId=(?P<userId>[^\\\\s,;|&]+).*?\\\\bamount=(?P<amount>[^\\\\s,;|&]+)", from: message, into: pairs, required: false}',
                  {"would be reported": 80, "filtered: no rule matched": 40}),
    "Monolog": ([f'[{time}] production.INFO: order.paid {{"order_id":"P{n}","user_id":{n % 9},"note":"{{a}}"}} []' for n, time in enumerate(TIMES)], "  - {format: json, from: message, into: message, required: false}", {"would be reported": 120}),
    "bars and JSON": ([f'{time}.123|INFO|exec-1|Order|{{"orderNo":"P{n}","distinct_id":"d{n % 9}"}}' for n, time in enumerate(TIMES)], "  - {format: json, from: message, into: message, required: false}", {"would be reported": 120}),
    "virtual hosts": ([f"shop.example.com:443 {LINE.format(n % 60, n, n % 9)}" for n in range(120)], "decode: {format: apache, log_format: vhost_combined}", {"would be reported": 120}),
    "CSV in GBK": ([line.encode("gb18030") for line in [HEADER, *(f"SO{n},M{n % 9},138{n:08},红色T恤,{n}.00,{time.replace('-', '/')}" for n, time in enumerate(TIMES))]],
                   '{format: csv, columns: [订单号, 会员号, 手机号, 商品名称, "金额(元)", 支付时间], charset: gb18030}', {"would be reported": 120, "filtered: no entry: the columns' names": 1}),
    "a table with a mark before it": (["\ufeff订单号\t会员号\t支付时间", *(f"SO{n}\tM{n % 9}\t{time}" for n, time in enumerate(TIMES))], "{format: tsv, columns: [订单号, 会员号, 支付时间]}", {"would be reported": 120, "filtered: no entry: the columns' names": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_what_is_proposed_runs_over_its_own_sample(analyst, name):
    lines, decode, rows = LOGS[name]
    analyst.init(lines)
    assert decode in analyst.text
    assert analyst.rows() == rows
    assert "── rules" in analyst.run("explain", "shop.yaml", "--record", "shop.log", "--line", 2)
    cases = "cases:\n  - {name: the second line, file: shop.log, line: 2}\n"
    Path("shop.test.yaml").write_text(cases)
    assert "1 case, 0 failed" in analyst.run("test", "shop.yaml", "--update")
    assert "1 case, 0 failed" in analyst.run("test", "shop.yaml")


def test_where_some_have_no_customer_the_rule_asks_for_those_who_have(analyst):
    analyst.init(map(mixed, range(120)))
    assert (
        "- when: {event: page_view, user_id: {exists: true}}    # 33% of these entries name the customer"
        in analyst.text
    )
    assert "- when: {event: order_paid}\n" in analyst.text
    assert not re.search(r"U00000\d", analyst.text)  # an example value of the field, if it were not the customer


def test_an_empty_customer_is_none(analyst):
    analyst.init(
        json.dumps({"ts": 1_794_326_400, "uid": "" if n % 2 else f"u{n}", "mobile": f"138{n:08}"}) for n in range(60)
    )
    assert analyst.text.count('uid: {exists: true, ne: ""}') == 2  # in the event rule and in the rule of identities
    assert analyst.rows() == {"would be reported": 30, "filtered: no rule matched": 30}


def test_a_list_of_objects_gets_a_rule_to_be_taken_in(analyst):
    analyst.init(map(mixed, range(120)))
    assert "for_each" not in "".join(str(rule) for rule in load_source(Path("shop.yaml"), {}).events if rule.for_each)
    before, mark, after = analyst.text.partition("delete `# ` from here on.\n")
    rule, end, rest = after.partition("\n\n")
    Path("shop.yaml").write_text(before + mark + rule.replace("  # ", "  ") + end + rest)
    events = load_source(Path("shop.yaml"), {}).events
    assert [rule.for_each for rule in events] == [None, None, "$.order.items"]
    assert events[2].attributes == {"sku": "$item.sku", "qty": "$item.qty"}
    assert ["event", "order_paid_items", "60", "0"] in [
        line.split() for line in analyst.run("check", "shop.yaml", "--sample", "shop.log").splitlines()
    ]


KINDS = {
    "numbers": ([1, 2, 3], ["1", "2", "3"]),
    "Chinese": (["下单", "支付"], ["shop_1", "shop_2"]),
    "humps": (["ViewItem", "$pageView"], ["page_view", "view_item"]),
    "alike but for their marks": (["a-b", "a_b"], ["a_b", "a_b_2"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_event_has_a_code_of_its_own(analyst, name):
    kinds, codes = KINDS[name]
    analyst.init(json.dumps({"type": kinds[n % len(kinds)], "ts": 1_794_326_400, "uid": "u"}) for n in range(60))
    assert sorted(rule.event_code for rule in load_source(Path("shop.yaml"), {}).events) == codes
    assert analyst.rows()["would be reported"] == 60


def test_of_very_many_kinds_the_most_frequent_are_rules_and_the_rest_is_said(analyst):
    analyst.init(json.dumps({"type": f"kind{n % 30}", "ts": 1_794_326_400, "uid": "u"}) for n in range(300))
    assert len(load_source(Path("shop.yaml"), {}).events) == 20
    assert "# The 20 most frequent of 30 values of $.type." in analyst.text


def test_what_may_name_a_person_is_no_kind_of_event_no_attribute_and_no_example(analyst):
    fields = {
        "buyer_id": "B77",
        "id_card": "310101199003077777",
        "收货人": "王小明",
        "client_ip": "203.0.113.7",
        "title": "T恤",
    }
    analyst.init(
        json.dumps({"ts": 1_794_326_400, "uid": "u1", "page": f"/of/138000000{n % 9:02}", **fields}) for n in range(60)
    )
    for private in ("B77", "310101", "王小明", "203.0.113", "138000"):
        assert private not in analyst.text
    (rule,) = load_source(Path("shop.yaml"), {}).events
    assert (rule.when, set(rule.attributes)) == (None, {"title", "page"})


def test_a_text_that_names_the_customer_is_no_attribute(analyst):
    analyst.init(
        json.dumps({"ts": 1_794_326_400 + n, "uid": f"u{n}", "n": n, "note": f"u{n} paid", "other": "paid"})
        for n in range(60)
    )
    (rule,) = load_source(Path("shop.yaml"), {}).events
    assert set(rule.attributes) == {"n", "other"}


def test_a_table_without_a_header_gets_none(analyst):
    analyst.init(f"{['alice', 'bob'][n % 2]},{['view', 'buy'][n % 2]},home,{n}" for n in range(40))
    assert "columns: [column_1, column_2, column_3, column_4]" in analyst.text
    assert "write the names here" in analyst.text
    analyst.init(f"{['alice', 'bob', 'cat'][n % 3]};{['view', 'buy'][n % 2]};home" for n in range(40))
    assert "columns: [column_1, column_2, column_3]" in analyst.text


def test_lines_that_continue_the_one_before_are_said(analyst):
    line = "{}.123  INFO 1 --- [exec-1] c.e.Order                       : {}"
    trace = ["java.io.IOException: closed", "\tat a.B.c(B.java:1)", "Caused by: java.net.SocketException: reset"]
    said = analyst.init(
        [each for n, time in enumerate(TIMES) for each in [line.format(time, f"act=pay uid=u{n}"), *trace]]
    )
    assert "360 lines continue the one before, as stack traces do" in said
    assert "check shop.yaml --sample shop.log --whole, and log2mq explain shop.yaml --record shop.log\n" in said
    assert "event shop       120" in analyst.run("check", "shop.yaml", "--sample", "shop.log", "--whole")
    assert "# 360 lines of the sample continue the line before, as stack traces do." in analyst.text
    assert "decode:\n  - {format: java, layout: spring_boot_2}\n  - {format: logfmt, from: message" in analyst.text


def test_two_columns_are_a_table_where_they_have_names(analyst):
    analyst.init(["uid,grade", *(f"u{n},{n % 3}" for n in range(40))])
    assert "columns: [uid, grade]" in analyst.text
    analyst.init([f"Hello, world {n}" for n in range(40)])
    assert "columns" not in analyst.text


def test_a_file_may_be_one_record(analyst):
    lines = json.dumps({"uid": "u1", "ts": 1_794_326_400, "order_no": "A1"}, indent=2).split("\n")
    assert "A file that is one record takes --whole" in analyst.init(lines)
    said = analyst.init(lines, "--whole")
    assert "shop.yaml: 1 records, json, 100% of them read" in said
    assert "--sample shop.log --whole, and log2mq explain shop.yaml --record shop.log --whole" in said
    assert "--whole: found no --file" in analyst.run("init", "a.yaml", "--topic", "t", "--whole", code=2)
    Path("blank.log").write_text(" \n")
    assert "found no record" in analyst.run("init", "a.yaml", "--file", "blank.log", "--whole", code=2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("uid\tno\n".encode("utf-16"), "which is text in UTF-16; expected UTF-8 or GB18030"),
        (b"PK\x03\x04...", "which is an Excel or ZIP file; expected text"),
        (gzip.compress(b'{"uid": "u1"}', mtime=0), "which is a gzip file; expected its content (gunzip), or --whole"),
    ],
)
def test_a_file_that_holds_no_lines_is_one_sentence(analyst, content, says):
    Path("sample.bin").write_bytes(content)
    assert says in analyst.run("init", "shop.yaml", "--file", "sample.bin", code=2)


def test_a_packed_record_may_be_a_file(analyst):
    Path("sample.bin").write_bytes(gzip.compress(b'{"uid": "u1", "ts": 1794326400}', mtime=0))
    assert "1 records, json, 100%" in analyst.run("init", "shop.yaml", "--file", "sample.bin", "--whole")
    assert "decode: {format: json, compression: auto}" in Path("shop.yaml").read_text()


def test_a_share_is_all_only_where_it_is_all():
    assert [percent(share) for share in (1.0, 0.9999, 0.995, 0.8, 0.0)] == ["100%", "99.9%", "99.5%", "80%", "0%"]


# --- the decoder is known ----------------------------------------------------------------------------------------------------------

OWN = [f"[11/Nov/2026:10:00:{n % 60:02} +0800] -> 10.0.0.7 {n}ms" for n in range(60)]


def test_what_is_not_recognised_is_said_and_the_decoder_may_be_named(analyst):
    said = analyst.init(OWN)
    assert "No format was recognised: each record is one field, line. If you know it, name it with --decode" in said
    assert "# No format was recognised" in analyst.text
    said = analyst.init(OWN, "--decode", "{format: nginx, log_format: '[$time_local] -> $remote_addr ${took}ms'}")
    assert "No format" not in said
    assert "event_time: $.time_ms" in analyst.text
    assert "$${took}ms" in analyst.text
    assert analyst.rows() == {
        "dead letter: FIELD_MISSING": 60
    }  # the log has no customer, and a comment in the file says so
    steps = "[{format: regex, pattern: '.* (?P<took>[0-9]+)ms'}, {format: regex, pattern: '(?P<n>.*)', from: took}]"
    analyst.init(OWN, "--decode", steps)
    assert len(load_source(Path("shop.yaml"), {}).decode) == 2


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("ngnix", "--decode: found unknown format 'ngnix'; did you mean nginx?"),
        ("{format: nginx, log_fromat: x}", "--decode: found unknown key 'log_fromat'; did you mean 'log_format'?"),
        ("[json, json]", "--decode: found no `from` in a further step"),
        ("{format: [", "--decode:1: found YAML that cannot be read"),
        ("7", "--decode: found 7; expected a mapping"),
        ("json", "--decode: found no record in shop.log that can be read so: the value is no JSON text"),
    ],
)
def test_a_decoder_that_is_wrong_is_one_sentence(analyst, steps, says):
    analyst.init(OWN)
    before = analyst.text
    assert says in analyst.run("init", "shop.yaml", "--file", "shop.log", "--force", "--decode", steps, code=2)
    assert Path("shop.yaml").read_text() == before


# --- where the records are ---------------------------------------------------------------------------------------------------------


def test_a_registry_with_a_login_is_asked_and_only_the_variables_name_is_written(analyst, monkeypatch):
    schema = {"type": "record", "name": "A", "fields": [{"name": "uid", "type": "string"}]}
    with StandInRegistry(username="reader", password="open sesame") as serving:
        number, url = serving.registry.register("a-value", json.dumps(schema)), serving.url
        Path("a.bin").write_bytes(b"\x00" + number.to_bytes(4) + b"\x04u1")
        asked = ("init", "shop.yaml", "--file", "a.bin", "--registry", url, "--registry-username", "reader")
        assert "the environment variable REGISTRY_PASSWORD is empty or not set" in analyst.run(*asked, code=2)
        monkeypatch.setenv("AVRO_PASSWORD", "open sesame")
        analyst.run(*asked, "--registry-password-env", "AVRO_PASSWORD")
    text = Path("shop.yaml").read_text()
    assert (
        f'decode: {{format: avro, registry: {{url: "{url}", username: reader, password: {{env: AVRO_PASSWORD}}}}}}'
        in text
    )
    assert "sesame" not in text
    assert "--registry-username: found no --registry" in analyst.run(
        "init", "a.yaml", "--file", "a.bin", "--registry-username", "reader", code=2
    )
    assert (
        "--registry-username: found no name that can be used; String should have at most 500 characters"
        in analyst.run("init", "a.yaml", "--file", "a.bin", "--registry", url, "--registry-username", "x" * 501, code=2)
    )
    assert "--decode: found it with --registry" in analyst.run(
        "init", "a.yaml", "--file", "a.bin", "--registry", "https://a.example", "--decode", "json", code=2
    )


def test_the_brokers_are_reached_like_another_source_with_its_variables_and_no_secret(analyst, monkeypatch):
    monkeypatch.setenv("BROKERS", "b1.example:9093,b2.example:9093")
    Path("other.yaml").write_text(
        "source: other\n"
        "kafka:\n"
        '  bootstrap_servers: "${BROKERS}"\n'
        "  topics: [other-log]\n"
        "  group: others\n"
        "  security: {protocol: SASL_SSL, mechanism: PLAIN, username: me, password: {env: KAFKA_PASSWORD}}\n"
        "decode: json\n"
        "users: [{customer_id: $.u, identities: {mobile: $.m}}]\n"
        "report: {region: cn-shanghai, organization_id: o, access_id: a}\n"
    )
    analyst.init(map(mixed, range(20)), "--like", "other.yaml", "--topic", "shop")
    assert 'bootstrap_servers: "${BROKERS}"' in analyst.text
    kafka = load_source(Path("shop.yaml"), {"BROKERS": "b:1"}).kafka
    assert (kafka.bootstrap_servers, kafka.topics, kafka.group) == (("b:1",), ("shop",), "log2mq-shop")
    assert (kafka.security.username, kafka.security.password.env) == ("me", "KAFKA_PASSWORD")


def test_of_a_large_sample_only_so_much_is_held(analyst, monkeypatch):
    monkeypatch.setattr(sample, "MOST_SAMPLE_BYTES", 1_000)
    assert "shop.yaml: 9 records" in analyst.init(["x" * 110] * 50)
    monkeypatch.setattr(sample, "MOST_RECORD_BYTES", 10)
    assert "shop.yaml: 50 records" in analyst.init(["x" * 110] * 50)


@pytest.mark.parametrize("mark", ["\x7f", "\x85", "\u2028", "\ufeff"])
def test_what_yaml_does_not_take_as_it_is_may_stand_in_a_sample(analyst, mark):
    kinds = [f"pay{mark}ed", "sign up", "${HOME}"]
    analyst.init(
        json.dumps({"type": kinds[n % 3], "ts": TIMES[n], "uid": f"u{n}", "no": f"N{n}", f"a{mark}b": n}, ensure_ascii=False)
        for n in range(60)
    )  # fmt: skip
    assert {rule.when["type"] for rule in load_source(Path("shop.yaml"), {}).events} == set(kinds)
    assert analyst.rows() == {"would be reported": 60}
