"""Source files: every fault is reported at once, with file, line, key, what was found and what was expected."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.load import load_source
from pipeline.config.warnings import missing_credentials, warnings
from pipeline.errors import UsageError
from pipeline.yaml_text.yaml_file import read_yaml
from tests.support.good_files import GOOD_SOURCE, faults_of


@pytest.fixture
def load(tmp_path):
    def load(text, environment=None):
        path = tmp_path / "shop.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_source(path, environment or {})

    return load


def test_a_good_file_is_filled_in(load):
    source = load(GOOD_SOURCE, {"XDG_STATE_HOME": "/state"})
    assert source.kafka.group == "log2mq-shop-app"
    assert source.dead_letters.topic == "shop-app-dead"
    assert source.dedup.path == "/state/log2mq/shop-app"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("topics:", "topic:", 2, "kafka.topic: found unknown key 'topic'; did you mean 'topics'?"),
        ("localhost:9092", "localhost", 2, "kafka.bootstrap_servers: found"),
        ("topics:", "api_version: 2.3, topics:", 2, 'kafka.api_version: found 2.3; expected a version of Kafka in quotes, such as "2.3"'),
        ("decode: json", "decode: jsn", 3, "decode: found"),
        ("decode: json", "decode: {format: json, pth: x}", 3, "decode.pth: found unknown key"),
        ("decode: json", "decode: {format: json, charst: gbk}", 3, "decode.charst: found unknown key 'charst'; did you mean 'charset'?"),
        ("decode: json", "decode: {format: json, charset: latin}", 3, "decode.charset: found 'latin'; expected one of 'utf-8'"),
        ("decode: json", "decode: {format: json, from: message}", 3, "decode.from: found from in the first step"),
        ("decode: json", "decode: []", 3, "decode: found an empty list; expected at least 1"),
        ("decode: json", "decode: [json, nginx]", 3, "decode[1]: found no `from` in a further step; expected the field"),
        ("decode: json", "decode: [json, {format: jsn, from: a..b, charset: 7}]", 3, "decode[1].format: found unknown format 'jsn'; did you mean json?"),
        ("decode: json", "decode: [json, {format: jsn, from: a..b, charset: 7}]", 3, "decode[1].from: found '$.a..b', which is no path"),
        ("decode: json", "decode: {format: syslog, time_zone: Asia/Shanghigh}", 3, "decode.time_zone: found unknown time zone 'Asia/Shanghigh'; expected 'Asia/Shanghai'"),
        ("event_code: pay_order", "event_cod: pay_order", 6, "events[0].event_cod: found unknown key"),
        ("$.ts", "$.ts | tme('iso')", 7, "events[0].event_time: found unknown function 'tme'; expected 'time'"),
        ("$.ts", "$.ts | time('%Q')", 7, "events[0].event_time: found the format"),
        ("customer_id: $.user", "customer_id: user", 8, "events[0].customer_id: found the constant 'user'"),
        ("    out_biz_id: $.no\n", "", 5, "events[0].out_biz_id: found nothing; expected a value"),
        ("divide(100)", "divide()", 11, "events[0].attributes.amount: found divide with 0 arguments"),
        ("cn-shanghai", "cn-hangzhou", 13, "report.region: found 'cn-hangzhou'; expected one of"),
        ("  organization_id: org-0001\n", "", 12, "report.organization_id: found nothing"),
        ("org-0001", "${ORG}", 14, "report.organization_id: found ${ORG}, a variable that is not set"),
        ("org-0001", "${", 14, "found ${ without a name"),
        ("region: cn-shanghai", "endpoint: http://quick.example", 13, "report.endpoint: found"),
        ("report:", "dedup: {keep: 7}\nreport:", 12, "dedup.keep: found 7; expected a duration such as 250ms"),
        ("report:", "limits: {record: much}\nreport:", 12, "limits.record: found 'much'; expected a size such as"),
        ("report:", "dead_letters: {stop_above: 101%}\nreport:", 12, "dead_letters.stop_above: found '101%'; expected a share"),
        ("report:", "dead_letters: {topic: shop-app-log}\nreport:", 12, "which is one of the source's own topics"),
        ("report:", "transform: {plugin: nothing}\nreport:", 12, "transform: found transform and events"),
        ("divide(100)", "divide(100)\n    identities: {mobil: $.phone}", 12, "events[0].identities.mobil: found unknown key 'mobil'; did you mean 'mobile'?"),
        ("report:", "keys: {crm: {evn: A}}\nreport:", 12, "keys.crm.evn: found unknown key 'evn'; did you mean 'env'?"),
        ("report:", "dedup: {url: {enw: A}}\nreport:", 12, "dedup.url.enw: found unknown key 'enw'; did you mean 'env'?"),
        ("type: paid", "any: [{type: {gtt: 1}}]", 5, "events[0].when.any[0].type: found unknown comparison 'gtt'; expected 'gt'"),
        ("report:", "source: again\nreport:", 12, "the same key a second time"),
        ("source: shop-app", "source: Shop App", 1, "source: found 'Shop App'"),
        ("]}", "], security: {protocol: SASL_SSL}}", 2, "SASL without mechanism, username and password"),
        ("source: shop-app", "source: Shop", 1, "source: found 'Shop'; expected lower-case letters"),
        ("source: shop-app", "region: x\nsource: shop-app", 1, "region: found unknown key 'region'; it belongs at report.region"),
        ("topics: [shop-app-log]", "topics: []", 2, "kafka.topics: found an empty list; expected at least 1"),
        ("]}", "], security: {ca_file: /nowhere.pem}}", 2, "kafka.security.ca_file: found a file that cannot be read"),
        ("]}", "], security: {protocol: SSL, key_file: /dev/null}}", 2, "found a file that cannot be read (no regular file): /dev/null"),
    ],
)  # fmt: skip
def test_a_fault_has_its_line_its_key_and_what_would_be_right(load, old, new, line, says):
    assert old in GOOD_SOURCE
    found = faults_of(load, GOOD_SOURCE.replace(old, new, 1))
    assert any(says in each for each in found), found
    assert all(re.match(r".*shop\.yaml:\d+: ", each) for each in found), found
    assert not any("function" in each.partition(": found")[0] for each in found), found
    assert any(f"shop.yaml:{line}: " in each for each in found if says in each), found


def test_a_list_with_a_wrong_element_is_not_called_too_short_as_well(load):
    for wrong in ("{format: debezium, operations: [x]}", "{format: avro, registry: 'http://registry.example'}"):
        (found,) = faults_of(load, GOOD_SOURCE.replace("decode: json", f"decode: {wrong}"))
        assert "at least" not in found


def test_all_faults_are_said_at_once_in_the_files_order(load):
    text = (
        GOOD_SOURCE.replace("topics:", "topic:")
        .replace("$.ts", "$.ts | tme")
        .replace("cn-shanghai", "cn")
        .replace("org-0001", "${ORG}")
    )
    lines = [int(each.split(":")[1]) for each in faults_of(load, text)]
    assert lines == sorted(lines)
    assert {2, 7, 13, 14} <= set(lines)


def test_faults_do_not_hide_one_another(load):
    """A variable without a value is reported once. A fault between several keys is reported although other keys are wrong."""
    text = (
        GOOD_SOURCE.replace("cn-shanghai", "cn").replace("org-0001", "${ORG}") + "dead_letters: {topic: shop-app-log}\n"
    )
    found = faults_of(load, text)
    assert sum("report.organization_id" in each for each in found) == 1
    assert any(
        "dead_letters.topic: found 'shop-app-log', which is one of the source's own topics" in each for each in found
    )


def test_the_file_of_the_credentials_is_looked_at_where_it_is_asked_for(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD_SOURCE + "  credentials: {file: /no/such/file}\n")
    source = load_source(path, {})
    assert missing_credentials(source, {}) == []
    line = 1 + GOOD_SOURCE.count("\n")
    with pytest.raises(
        UsageError, match=rf"shop\.yaml:{line}: report\.credentials\.file: found the file /no/such/file cannot be read"
    ):
        load_source(path, {}, with_credentials=True)


def test_an_environment_without_an_access_key_is_no_fault_of_the_file(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD_SOURCE)
    source = load_source(path, {}, with_credentials=True)
    (said,) = missing_credentials(source, {"SCA_AK_ENV": "id"})
    assert said.startswith("`run` would not start: SCA_SK_ENV missing or empty in the environment")
    assert missing_credentials(source, {"SCA_AK_ENV": "id", "SCA_SK_ENV": "secret"}) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no mapping"),
        (b"- a\n- b\n", "no mapping"),
        (b"a: [1\n", "YAML that cannot be read"),
        (b"a: 1\n---\nb: 2\n", "2 documents"),
        (b"source: \xff\n", "bytes that are not UTF-8"),
        (b"#" * (2 << 20), "more than 1 MiB"),
        (b"a: " + b"[" * 1_000, "YAML that cannot be read"),
        (b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in range(98, 105)), "more values than such a file can need"),
        (b"source: !!python/object/apply:os.system [id]\n", "found"),
    ],
)  # fmt: skip
def test_what_is_no_source_file_is_one_sentence(load, content, says):
    found = faults_of(load, content)
    assert any(says in each for each in found), found


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.yaml: found a file that cannot be opened"):
        load_source(tmp_path / "missing.yaml", {})


@pytest.mark.parametrize("key", ["password: hunter2", "password: {env: A, file: B}"])
def test_a_secret_is_never_written_in_the_file_nor_repeated(load, key):
    found = faults_of(
        load, GOOD_SOURCE.replace("]}", f"], security: {{protocol: SASL_SSL, mechanism: PLAIN, username: u, {key}}}}}")
    )
    assert any("kafka.security.password" in each and "expected" in each for each in found)
    assert "hunter2" not in "".join(found)


def test_variables_change_values_and_never_the_structure(load):
    text = GOOD_SOURCE.replace("org-0001", "${ORG:-org-9}").replace("retailadvqa-cn-test", "$${x}-${ACCESS}")
    assert load(text, {"ACCESS": "a"}).report.organization_id == "org-9"
    hostile = "x\nworkspace_id: stolen"
    source = load(text, {"ACCESS": hostile, "ORG": "o"})
    assert (source.report.organization_id, source.report.access_id) == ("o", "${x}-" + hostile)
    assert source.report.workspace_id is None


def test_what_is_doubtful_has_its_line_and_key_too(load, tmp_path):
    rules = """
  - when: {type: paid, all: [{type: seen}]}
    event_code: seen
    event_time: $.ts
    customer_id: $.user
    out_biz_id: {position: true}
"""
    text = GOOD_SOURCE.replace("report:", "dedup: {keep: 1h}\nreport:")
    said = warnings(load(text.replace("divide(100)", f"divide(100){rules.rstrip()}")))
    file = tmp_path / "shop.yaml"
    assert said == [
        f"{file}:17: dedup.keep: is 1h: a record read again after that is reported again",
        f'{file}:12: events[1].when: can never hold: type = "paid" and type = "seen" exclude each other',
        said[2],
    ]
    assert said[2].startswith(f"{file}:16: events[1].out_biz_id: the record's position: stable over replays")


@given(st.binary(max_size=300))
def test_no_file_makes_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load_source(path, {})


LINES = GOOD_SOURCE.splitlines(keepends=True)


@given(st.data())
def test_no_change_of_a_good_file_makes_a_traceback(tmp_path_factory, data):
    """Lines are removed, doubled, or get another value: the file loads, or it is refused with messages."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "value", "indent"])):
            case "drop":
                del lines[place]
            case "double":
                lines.insert(place, lines[place])
            case "value":
                key = lines[place].split(":")[0]
                value = data.draw(
                    st.sampled_from(
                        ["", "null", "[]", "{}", "[1]", "{a: 1}", "7", "true", "1.5", "x", "'$.a'", "'${A'"]
                    )
                )
                lines[place] = f"{key}: {value}\n"
            case "indent":
                lines[place] = "  " + lines[place]
        if not lines:
            break
    path = tmp_path_factory.mktemp("changed") / "changed.yaml"
    path.write_text("".join(lines))
    refused = ""
    try:
        source = load_source(path, {})
    except UsageError as error:
        refused = str(error)
    else:
        assert all(isinstance(each, str) for each in warnings(source))
    assert all(each.startswith(str(path)) for each in refused.split("\n") if refused)


def test_a_source_file_knows_its_folder_for_what_it_names_beside_itself(tmp_path):
    path = tmp_path / "sources" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(GOOD_SOURCE, encoding="utf-8")
    assert load_source(path, {}).folder == path.parent


@pytest.mark.parametrize(
    "written", ["2026-11-11", "2026-11-11 00:00:00", "2026-11-11T00:00:00+08:00", "2026-11-11T00:00:00.5Z"]
)
def test_a_time_without_quotes_stays_as_it_is_written(written, tmp_path):
    path = tmp_path / "times.yaml"
    path.write_text(f"at: {written}\nall: [{written}]\n")
    assert read_yaml(path).content == {"at": written, "all": [written]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("channels: []\nevents: []\n", "shop.yaml:1: found an event catalogue; expected a source file; `log2mq events check`"),
        ("cases: []\n", "shop.yaml:1: found test cases; expected a source file; `log2mq test NAME.yaml`"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_called_by_its_name(load, text, says):
    (found,) = faults_of(load, text)
    assert says in found
