"""The checks against the catalogue: each message, the mapping before the job runs, and the counts of warnings."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.catalogue.file import parse_catalogue
from pipeline.catalogue.message_check import MessageCheck, is_number
from pipeline.catalogue.settings import SETTING_OF, Action, CatalogueSettings
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.decode import DecodeLimits, build_decoder
from pipeline.errors import UsageError
from pipeline.job.converter import Converter, Identity
from pipeline.job.status import Status
from pipeline.observe.progress import Progress
from pipeline.observe.summary import MOST_WARNINGS, merge, summary
from pipeline.runtime.build_converter import build_converter
from schemas.customer import CustomerId, CustomerMessage
from schemas.event import EventMessage
from schemas.log import RawRecord
from schemas.refusal import Stage
from tests.support.good_files import GOOD_CATALOGUE
from transforms.plugins.plugin import Plugin

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


@pytest.fixture
def catalogue(tmp_path):
    return parse_catalogue(tmp_path / "x", GOOD_CATALOGUE).catalogue


def message(code="pay_order", source="shop-app", **attributes):
    wire = {"eventCode": code, "extendAttributes": {"amount": "9.90", "title": "T", "outBizId": "n", **attributes}}
    wire["extendAttributes"] = {key: value for key, value in wire["extendAttributes"].items() if value is not None}
    return wire | ({"eventSourceCode": source} if source else {})


CASES = [
    (message(), set()),
    (message(source=None), set()),  # no channel is stated
    (message(code="none"), {"EVENT_UNKNOWN"}),
    (message(code="none", source="none"), {"EVENT_UNKNOWN", "CHANNEL_UNKNOWN"}),
    (message(source="none"), {"CHANNEL_UNKNOWN"}),
    (message(source="till"), {"CHANNEL_UNKNOWN"}),  # of another channel than the event's
    (message(extra="x"), {"PROPERTY_UNKNOWN"}),
    (message(title=None), {"PROPERTY_MISSING"}),
    (message(amount="much"), {"PROPERTY_NOT_NUMERIC"}),
    (message(amount=""), {"PROPERTY_NOT_NUMERIC"}),
    (message(amount=None, extra="x"), {"PROPERTY_UNKNOWN", "PROPERTY_MISSING"}),
    (message(code="app_start", source=None, amount=None, title=None, uid="u"), {"EVENT_REPORTED_ELSEWHERE"}),
    (message(code="follow", source=None, amount=None, title=None), {"EVENT_REPORTED_ELSEWHERE"}),
]


@pytest.mark.parametrize(("wire", "codes"), CASES)
def test_each_finding_does_what_its_setting_says(catalogue, wire, codes):
    for action in Action:
        settings = CatalogueSettings(file="x", **dict.fromkeys(SETTING_OF.values(), action))
        check = MessageCheck(catalogue, settings)
        refusal = check(wire, "events[0]")
        assert {each.code for each in check.findings(wire)} == codes
        if action is Action.REFUSE or "EVENT_REPORTED_ELSEWHERE" in codes:
            assert (refusal is not None) == bool(codes)
            assert check.warnings == {}
            if refusal is not None:
                assert (refusal.stage, refusal.reason[:11]) == (Stage.CHECK, "events[0]: ")
                assert refusal.code in codes
        else:
            known = wire["eventCode"] if "EVENT_UNKNOWN" not in codes else "events[0]"
            assert refusal is None
            assert check.warnings == ({(code, known): 1 for code in codes} if action is Action.WARN else {})


@given(st.sampled_from(CASES), st.fixed_dictionaries(dict.fromkeys(SETTING_OF.values(), st.sampled_from(list(Action)))))
def test_the_quick_look_never_says_otherwise_than_the_whole_one(case, actions):
    wire, _ = case
    settings = CatalogueSettings(file="x", **actions)
    check = MessageCheck(parse_catalogue("x", GOOD_CATALOGUE).catalogue, settings)
    refusal = check(wire, "rule")
    findings = list(check.findings(wire))
    meant = [check.action(each) for each in findings]
    assert (refusal is not None) == (Action.REFUSE in meant)
    assert sum(check.warnings.values()) == (0 if Action.REFUSE in meant else meant.count(Action.WARN))


def test_by_default_what_would_be_lost_is_refused_and_the_rest_reported(catalogue):
    check = MessageCheck(catalogue, CatalogueSettings(file="x"))
    assert check(message(extra="x", title=None), "r") is None
    assert check.warnings == {("PROPERTY_UNKNOWN", "pay_order"): 1, ("PROPERTY_MISSING", "pay_order"): 1}
    for wire in (message(code="none"), message(source="till"), message(amount="many", extra="x")):
        assert check(wire, "r") is not None
    assert sum(check.warnings.values()) == 2  # a refused message counts no warning


def test_no_value_of_a_record_stands_in_a_reason_or_a_count(catalogue):
    secret = "13800138000"
    refuse, warn = (CatalogueSettings(file="x", **dict.fromkeys(SETTING_OF.values(), action)) for action in ("refuse", "warn"))  # fmt: skip
    for wire in (message(code=secret), message(source=secret), message(**{secret: "x"}), message(amount=f"no {secret}")):  # fmt: skip
        assert secret not in MessageCheck(catalogue, refuse)(wire, "rule").reason
        check = MessageCheck(catalogue, warn)
        assert check(wire, "rule") is None
        assert secret not in str(check.warnings)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", True), ("-12.50", True), (".5", True), ("1e3", True), ("1.", True), ("", False), ("1,5", False), ("NaN", False), ("１", False), ("0x1", False), (" 1", False), ("1\n", False), ("true", False)],
)  # fmt: skip
def test_what_is_a_number(text, number):
    assert is_number(text) is number


SOURCE = """\
source: shop
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-log]}
decode: json
catalogue: shop.catalogue.yaml
events:
  - when: {type: paid}
    event_code: pay_order
    event_source_code: shop-app
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes:
      amount: $.amount
      title: $.title
  - when: {type: other}
    event_code: $.code
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {uid: $.uid}
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""


@pytest.fixture
def load(tmp_path):
    def load(old="", new="", catalogue=GOOD_CATALOGUE):
        assert old in SOURCE
        if catalogue is not None:
            (tmp_path / "shop.catalogue.yaml").write_text(catalogue)
        path = tmp_path / "shop.yaml"
        path.write_text(SOURCE.replace(old, new, 1) if old else SOURCE)
        return load_source(path, {})

    return load


def test_a_mapping_that_fits_has_nothing_to_be_said(load):
    source = load()
    assert source.catalogue_warnings == ()
    assert source.catalogue.file == "shop.catalogue.yaml"


@pytest.mark.parametrize(
    ("old", "new", "line", "says", "setting"),
    [
        ("code: pay_order", "code: pay_ordr", 7, "events[0].event_code: found 'pay_ordr', an event that the catalogue does not have; expected an event of the catalogue (did you mean 'pay_order'?)", "unknown_event"),
        ("code: shop-app", "code: shop-ap", 8, "events[0].event_source_code: found 'shop-ap', the APP_KEY of no channel of the catalogue; expected an APP_KEY of the catalogue (did you mean 'shop-app'?)", "unknown_channel"),
        ("code: shop-app", "code: till", 8, "events[0].event_source_code: found 'till', the APP_KEY of another channel than that of 'pay_order'; expected 'shop-app', the APP_KEY of its channel 'Shop app'", "unknown_channel"),
        ("title: $.title", "titel: $.title", 14, "events[0].attributes.titel: found 'titel', which is no property of 'pay_order' in the catalogue; expected one of amount, title (did you mean 'title'?)", "unknown_property"),
        ("      title: $.title\n", "", 12, "events[0].attributes: found no title; expected the properties that the catalogue has for 'pay_order'", "missing_property"),
        ("amount: $.amount", "amount: many", 13, "events[0].attributes.amount: found the constant 'many' for a numeric property; expected a number", "not_numeric"),
    ],
)  # fmt: skip
def test_what_the_catalogue_lacks_is_a_fault_a_warning_or_nothing_by_its_setting(load, old, new, line, says, setting):
    for action in Action:
        more = f"{{file: shop.catalogue.yaml, {setting}: {action}}}"
        text = SOURCE.replace(old, new, 1).replace("shop.catalogue.yaml", more, 1)
        if action is Action.REFUSE:
            with pytest.raises(UsageError) as found:
                load(SOURCE, text)
            assert f"shop.yaml:{line}: {says}" in str(found.value)
        else:
            source = load(SOURCE, text)
            said = [each for each in warnings(source) if f"shop.yaml:{line}: {says}" in each]
            assert len(said) == (action is Action.WARN)


@pytest.mark.parametrize(
    ("code", "who"), [("app_start", "Quick Tracking reports already"), ("follow", "the system itself reports already")]
)
def test_what_is_reported_elsewhere_is_refused_with_its_line_whatever_the_settings(load, code, who):
    with pytest.raises(UsageError) as found:
        load("event_code: pay_order", f"event_code: {code}")
    said = str(found.value)
    assert f"shop.yaml:7: events[0].event_code: found {code!r}, which {who}; expected no rule for it: it would be reported a second time" in said  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "$.code | lookup('codes')",
        "$.code | lookup('codes') | default('x')",
        "$.code | default('app_start')",
        "{first_of: [$.code, app_start]}",
        "{first_of: [$.code, $.type], then: \"lookup('codes')\"}",
        "{first_of: [$.code, \"$.type | lookup('codes')\"]}",
    ],
)
def test_what_a_table_or_a_default_gives_is_known_before_anything_runs(load, code):
    more = "tables: {codes: {start: app_start, other: none}}\nreport:"
    text = SOURCE.replace("report:", more).replace("event_code: $.code", f"event_code: {code}")
    with pytest.raises(UsageError) as found:
        load(SOURCE, text)
    assert str(found.value).count("events[1].event_code: found 'app_start', which Quick Tracking reports already; expected no rule for it") == 1  # fmt: skip
    for harmless in ("upper", "prefix('x')"):
        load(SOURCE, text.replace(code, f"$.code | lookup('codes') | {harmless}"))


def test_a_path_that_no_file_can_have_is_a_fault_like_any_other(load):
    with pytest.raises(UsageError, match=r"catalogue\.file: found .*, which is not there"):
        load("catalogue: shop.catalogue.yaml", f"catalogue: {'a' * 300}")


@pytest.mark.parametrize(
    ("old", "new", "catalogue", "says"),
    [
        ("catalogue: shop", "catalogue: shp", GOOD_CATALOGUE, "shop.yaml:4: catalogue.file: found 'shp.catalogue.yaml', which is not there; expected a catalogue file in"),
        ("catalogue: shop.catalogue.yaml", "catalogue: {fil: x}", GOOD_CATALOGUE, "catalogue.fil: found unknown key 'fil'; did you mean 'file'?"),
        ("catalogue: shop.catalogue.yaml", "catalogue: {file: shop.catalogue.yaml, unknown_event: stop}", GOOD_CATALOGUE, "catalogue.unknown_event: found 'stop'; expected one of 'refuse', 'warn' or 'ignore'"),
        ("catalogue: shop.catalogue.yaml", "catalogue: ''", GOOD_CATALOGUE, "catalogue: found"),
        ("$.user\n", "user\n", GOOD_CATALOGUE.replace("app_key: till", "app_key: shop-app"), "shop.catalogue.yaml:7: channels[1].app_key: found 'shop-app' a second time"),
    ],
)  # fmt: skip
def test_a_catalogue_that_is_wrong_is_a_fault_of_the_source_file_too(load, old, new, catalogue, says):
    with pytest.raises(UsageError) as found:
        load(old, new, catalogue)
    assert says in str(found.value)
    if "$.user" in old:
        assert "events[0].customer_id" in str(found.value)  # every fault is reported at once


def record(**fields):
    value = {"type": "paid", "ts": 1_700_000_000, "user": "user-7001", "no": "n1", "amount": 9.9, "title": "T"} | fields
    return RawRecord("shop-log", 0, 0, 0, None, json.dumps(value).encode())


def test_a_record_is_refused_at_the_check_or_counted(load):
    convert = build_converter(load(), KEYS)
    assert convert(record()).messages
    assert convert.warnings == {}
    assert convert(record(title=None)).messages
    assert convert.warnings == {("PROPERTY_MISSING", "pay_order"): 1}
    for code, reason in (("app_start", "EVENT_REPORTED_ELSEWHERE"), ("follow", "EVENT_REPORTED_ELSEWHERE"), ("none", "EVENT_UNKNOWN")):  # fmt: skip
        refusal = convert(record(type="other", code=code)).refusal
        assert (refusal.stage, refusal.code) == ("check", reason)
    assert convert(record(amount="many")).refusal


def test_what_a_plugin_makes_is_checked_likewise(catalogue):
    def convert(entry):
        yield CustomerMessage(customer_id="u", customer_id_list=[CustomerId(customer_id="o", id_mapping="open_id")])
        yield EventMessage(customer_id="u", event_code=entry.fields["code"], event_time=1, extend_attributes={"outBizId": "n"})  # fmt: skip

    check = MessageCheck(catalogue, CatalogueSettings(file="x"))
    converter = Converter(build_decoder("json", {}, DecodeLimits()), Plugin("p", convert), Identity("org"), check=check)
    assert converter(record(code="none")).refusal.code == "EVENT_UNKNOWN"
    assert converter(record(code="follow")).refusal.reason == "plug-in p: the system itself reports follow already"
    assert [draft.kind.value for draft in converter(record(code="pay_order")).messages] == ["user", "event"]
    assert converter.warnings == {("PROPERTY_MISSING", "pay_order"): 1}


def test_a_sample_shows_what_would_be_let_pass(load, tmp_path):
    load()
    (tmp_path / "shop.log").write_bytes(
        b"".join(record(no=f"n{number}", title=None).value + b"\n" for number in range(3))
    )
    result = CliRunner(env=KEYS).invoke(
        cli, ["check", str(tmp_path / "shop.yaml"), "--sample", str(tmp_path / "shop.log")]
    )
    assert result.exit_code == 0, result.output
    assert (
        "catalogue.missing_property: PROPERTY_MISSING in 3 events of pay_order, let pass with a warning"
        in result.output
    )


def explain(load, tmp_path, **fields):
    load()
    (tmp_path / "record").write_bytes(record(**fields).value)
    result = CliRunner().invoke(cli, ["explain", str(tmp_path / "shop.yaml"), "--record", str(tmp_path / "record")])
    assert result.exit_code == 0, result.output
    return result.output


def test_explain_shows_what_the_catalogue_has_against_each_message(load, tmp_path):
    assert "── event catalogue\n  ok      events[0] pay_order\n" in explain(load, tmp_path)
    said = explain(load, tmp_path, type="other", code="app_start", uid="user-7001")
    assert "  refuse  events[1] $.code: EVENT_REPORTED_ELSEWHERE: Quick Tracking reports app_start already" in said
    said = explain(load, tmp_path, type="other", code="pay_order", amount="x", uid="u")
    assert "  warn    events[1] $.code: PROPERTY_MISSING: pay_order comes without amount, title" in said
    assert "  warn    events[1] $.code: PROPERTY_UNKNOWN: an attribute is none of the properties that the catalogue has for pay_order: uid" in said  # fmt: skip


def test_warnings_of_several_processes_add_up_and_are_shown(load):
    one, two = Status(1, {}, warnings={("A", "x"): 2, ("B", "x"): 1}), Status(2, {}, warnings={("A", "x"): 3})
    both = merge([one.former(), two])
    assert both.warnings == {("A", "x"): 5, ("B", "x"): 1}
    assert "warnings 6" in Progress(Console(file=io.StringIO()), live=False).line(both)
    console = Console(file=io.StringIO(), width=80)
    console.print(summary("shop", both))
    assert "differ from the event catalogue:\n  A x x5\n  B x x1\n" in console.file.getvalue()
    many = Status(1, {}, warnings={("A", f"e{number}"): 1 for number in range(MOST_WARNINGS + 5)})
    console.print(summary("shop", many))
    assert "  5 more kinds, x5\n" in console.file.getvalue()
    console = Console(file=io.StringIO(), width=80)
    console.print(summary("shop", Status(1, {})))
    assert "catalogue" not in console.file.getvalue()
