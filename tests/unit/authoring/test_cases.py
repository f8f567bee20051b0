"""`log2mq test`: cases that pass, cases that fail and their messages, and the file after `--update`."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from pipeline.authoring.cases import expected, models
from pipeline.cli.main import cli
from pipeline.errors import CasesFailed, UsageError
from tests.support.paths import ROOT

SOURCE = """
source: shop
kafka: {bootstrap_servers: "${KAFKA}", topics: [shop-log]}
decode: json
keys: {crm: {env: CRM_KEY}}
events:
  - when: {type: paid}
    event_code: pay
    event_source_code: "${CHANNEL:-app}"
    event_time: $.ts
    customer_id: $.user
    identities: {mobile: $.phone}
    out_biz_id: $.no
    attributes: {amount: $.amount, note: $.note, key: "@key", trace: "@headers.trace", at: "@timestamp", place: "{{ @topic }}:{{ @partition }}:{{ @offset }}", hashed: "$.user | hmac('crm')"}
  - when: {type: seen}
    event_code: view
    event_time: $.ts
    customer_id: $.user
    out_biz_id: {position: true}
users:
  - when: {type: [register, paid]}
    customer_id: $.user
    identities: {mobile: $.phone}
report: {region: cn-shanghai, organization_id: "${QA_ORG}", access_id: "${QA_ACCESS}"}
"""

PAID = "json: {type: paid, ts: 2026-11-11 00:00:00, user: u1, no: n1, amount: 99.5, phone: '13812345678'}"


class Outcome:
    """One run of the command in a folder: its output, its exit code and its error."""

    def __init__(self, folder, cases, *options, source=SOURCE):
        self.folder, self.path, self.error = folder, folder / "shop.test.yaml", None
        (folder / "shop.yaml").write_text(source)
        if cases is not None:
            self.path.write_text(cases)
        runner = CliRunner()
        result = runner.invoke(cli, ["test", str(folder / "shop.yaml"), *map(str, options)], standalone_mode=False)
        self.said = result.output.replace(f"{folder}/", "")
        if result.exception is not None:
            if not isinstance(result.exception, CasesFailed | UsageError):
                raise result.exception
            self.error = result.exception
            self.said += str(self.error).replace(f"{folder}/", "")

    @property
    def code(self):
        return self.error.exit_code if self.error else 0


@pytest.fixture
def tested(tmp_path):
    return lambda cases, *options, **more: Outcome(tmp_path, cases, *options, **more)


def one(*lines, before=""):
    return before + "cases:\n  - name: a case\n" + "".join(f"    {line}\n" for line in lines)


# --- cases that pass ---------------------------------------------------------------------------------------------------------------


HOLD = {
    "an event by some of its fields": (PAID, "events: [{event_code: pay, attributes: {amount: 99.5}}]"),
    "a time in the source's zone": (PAID, "events: [{event_time: 2026-11-11 00:00:00}]"),
    "a time with a zone": (PAID, "events: [{event_time: 2026-11-10T16:00:00Z}]"),
    "a time in ms": (PAID, "events: [{event_time: 1794326400000}]"),
    "what is not there": (PAID, "events: [{attributes: {note: null}}]"),
    "users alone": (PAID, "users: [{customer_id: u1, identities: {mobile: 13812345678}}]"),
    "a variable's default, and the name of one without": (PAID, "events: [{event_source_code: app}]", "body: {users: [{customerId: u1, customerIdList: [{customerId: '13812345678', idMapping: mobile}], organizationId: QA_ORG, v: 1}]}"),
    "none of a kind": ("json: {type: seen, ts: 1794326400, user: u1}", "users: []"),
    "no rule": ("json: {type: other}", "filtered: true"),
    "no value": ("without_value: true", "filtered: true"),
    "refused, with a part of the reason": ("json: {type: paid, user: u1, ts: 1794326400, phone: 13812345678}", "refused: OUT_BIZ_ID_MISSING", "reason: events[0] pay"),
    "an entry of several refused": ("json: [{type: seen, ts: 1794326400, user: u1}, {type: seen}]", "events: [{event_code: view}]", "refused: FIELD_MISSING"),
    "bytes in hex": ("hex: 7b ff", "refused: NOT_UTF8"),
    "bytes in base64": ("base64: e30=", "filtered: true"),
    "all that a record has": (PAID, "key: k1", "headers: {trace: t1, none: null}", "topic: other", "partition: 3", "offset: 7", "timestamp: 2026-11-11T00:00:01+08:00",
                              "events: [{attributes: {key: k1, trace: t1, at: 1794326401000, place: 'other:3:7'}}]"),
    "a key and headers that are no text": (PAID, "key: {hex: 6b ff}", "headers: {trace: {base64: dP8=}}", "events: [{attributes: {key: 'k\\xff', trace: 't\\xff'}}]"),
    "the form body to the letter": ("json: {type: seen, ts: 1794326400, user: u1}", "body: {events: EventMessageModelListStr=%5B%7B%22customerId%22%3A%22u1%22%2C%22eventCode%22%3A%22view%22%2C%22eventTime%22%3A1794326400000%2C%22extendAttributes%22%3A%7B%22outBizId%22%3A%22shop-log-0-0%22%7D%2C%22organizationId%22%3A%22QA_ORG%22%2C%22v%22%3A1%7D%5D}"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLD)
def test_what_holds(tested, name):
    run = tested(one(*HOLD[name]))
    assert run.code == 0, run.said
    assert "1 case, 0 failed" in run.said


def test_what_a_record_has_reported_the_next_of_its_case_repeats_and_no_other_case(tested):
    seen = "{type: paid, ts: 1794326400, user: u1, no: n1, phone: 13812345678}"
    case = f"  - name: NAME\n    records:\n      - json: {seen}\n        events: [{{event_code: pay}}]\n      - json: {seen}\n        duplicate: true\n"
    assert tested("cases:\n" + case.replace("NAME", "one") + case.replace("NAME", "two")).code == 0


def test_environment_and_keys_may_be_given_and_are_otherwise_made_up(tested, monkeypatch):
    monkeypatch.setenv("QA_ORG", "the real one")
    monkeypatch.setenv("CRM_KEY", "the real one")
    made_up = tested(one(PAID, "events: [{attributes: {hashed: null}}]"))
    given = tested(
        one(
            PAID,
            "events: [{event_source_code: h5, attributes: {hashed: null}}]",
            before="keys: {crm: other}\nenvironment: {CHANNEL: h5}\n",
        )
    )
    assert made_up.code == given.code == 1
    assert "event_source_code" not in given.said
    hashes = [run.said.partition('+ found    "')[2][:64] for run in (made_up, given)]
    assert len(set(hashes)) == 2
    monkeypatch.delenv("CRM_KEY")
    assert hashes[0] in tested(one(PAID, "events: [{attributes: {hashed: null}}]")).said


def test_a_record_may_be_a_line_of_a_file_beside_the_cases(tested, tmp_path):
    (tmp_path / "sample.log").write_bytes(b'{"type": "other"}\r\n{"type": "seen", "ts": 1794326400, "user": "u2"}\n')
    assert tested(one("file: sample.log", "line: 2", "events: [{customer_id: u2}]")).code == 0
    assert "expected at most 2, the last line" in tested(one("file: sample.log", "line: 3", "filtered: true")).said


def test_a_text_is_packed_as_the_records_of_the_source_are(tested):
    source = SOURCE.replace("decode: json", "decode: {format: json, compression: gzip, charset: gb18030}")
    seen = '{"type": "paid", "ts": 1794326400, "user": "u1", "no": "春", "phone": "13812345678"}'
    expected = "events: [{out_biz_id: 春}]"
    assert tested(one(f"text: '{seen}'", expected), source=source).code == 0
    packed = gzip.compress(seen.encode("gb18030"), mtime=0)
    assert tested(one(f"hex: '{packed.hex()}'", expected), source=source).code == 0


def test_a_plug_in_is_tested_like_a_mapping(tested, monkeypatch):
    from importlib.metadata import EntryPoint, EntryPoints

    monkeypatch.setattr(
        "transforms.plugins.factory.entry_points",
        lambda **_: EntryPoints([EntryPoint("orders", "tests.unit.test_cases:plugin", "log2mq.transforms")]),
    )
    monkeypatch.setattr(EntryPoint, "load", lambda _: plugin)
    source = (
        SOURCE.partition("events:")[0].replace("keys: {crm: {env: CRM_KEY}}\n", "")
        + "transform: {plugin: orders}\nreport:"
        + SOURCE.partition("report:")[2]
    )
    run = tested(
        one("json: {user: u9}", "events: [{event_code: buy, customer_id: u9}]"), "--require-coverage", source=source
    )
    assert run.code == 0, run.said
    assert "rules reached" not in run.said


def plugin(_options):
    from schemas.event import EventMessage

    return lambda entry: [
        EventMessage(
            customer_id=entry.fields["user"], event_code="buy", event_time=1, extend_attributes={"outBizId": "b"}
        )
    ]


# --- cases that fail ---------------------------------------------------------------------------------------------------------------

FAIL = {
    "a field": (PAID, "events: [{out_biz_id: n2}]", 'events[0].out_biz_id (line 4)\n    - expected "n2"\n    + found    "n1"'),
    "a field that is not there": (PAID, "events: [{attributes: {note: x}}]", 'attributes.note (line 4)\n    - expected "x"\n    + found    nothing'),
    "a field that is": (PAID, "events: [{attributes: {amount: null}}]", '- expected nothing\n    + found    "99.5"'),
    "a time": (PAID, "events: [{event_time: 2026-11-11T00:00:01+08:00}]", '+ found    "2026-11-11T00:00:00+08:00"'),
    "how a number is written": ("json: {type: paid, ts: 1794326400, user: u1, no: n1, amount: '99.50', phone: '13812345678'}", "events: [{attributes: {amount: 99.50}}]", "write it in quotes"),
    "too few": (PAID, "events: [{event_code: pay}, {event_code: pay}]", "expected 2, found 1"),
    "refused instead": ("json: {type: paid}", "events: [{event_code: pay}]", "- expected 1 event\n    + found    refused FIELD_MISSING\n      events[0] pay: customer_id has no value"),
    "filtered instead": ("json: {type: other}", "events: [{event_code: pay}]", "+ found    filtered (no rule matched)\n      users[0] identities: not type in"),
    "reported instead": (PAID, "filtered: true", "- expected filtered\n    + found    1 event and 1 user"),
    "refused though nothing is said of it": ("json: {type: paid}", "events: []", "refused FIELD_MISSING"),
    "another reason code": ("text: '{'", "refused: NOT_UTF8", "- expected refused NOT_UTF8\n    + found    refused NOT_JSON"),
    "another reason": ("text: '{'", "{refused: NOT_JSON, reason: number}", "reason (line"),
    "first of its kind": (PAID, "duplicate: true", "- expected duplicate"),
    "more than is named, of the whole": (PAID, "{whole: true, users: [{customer_id: u1}]}", "events (line"),
    "a part of the body": (PAID, "body: {events: [{v: 2}]}", "body.events[0].v (line 4)\n    - expected 2\n    + found    1"),
    "nothing expected": (PAID, "", "nothing yet"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAIL)
def test_what_does_not_hold_is_shown(tested, name):
    record, expected, said = FAIL[name]
    lines = expected[1:-1].split(", ") if expected.startswith("{") else [expected]
    run = tested(one(record, *lines))
    assert run.code == 1, run.said
    assert "FAILED a case (shop.test.yaml:2)" in run.said
    assert said in run.said
    assert "1 of 1 case failed" in run.said


def test_only_some_cases_may_be_run(tested):
    cases = "cases:\n" + "".join(
        f"  - {{name: {name}, json: {{type: {kind}}}, filtered: true}}\n"
        for name, kind in (("one a", "x"), ("one b", "y"), ("two", "paid"))
    )
    assert "2 cases, 0 failed" in tested(cases, "--case", "one *").said
    assert tested(cases).code == 1
    wrong = tested(cases, "--case", "three")
    assert wrong.code == 2
    assert "expected some of 'one a', 'one b', 'two'" in wrong.said


def test_rules_that_no_case_reaches_are_named_with_their_line(tested):
    run = tested(one(PAID, "events: [{event_code: pay}]"))
    assert run.code == 0
    assert "shop.yaml:15: events[1] view: no case reaches it" in run.said
    assert "2 of 3 rules reached" in run.said
    required = tested(None, "--require-coverage")
    assert (required.code, "rules that no case reaches: 1" in required.said) == (1, True)


# --- files that are wrong ----------------------------------------------------------------------------------------------------------

WRONG = {
    "an unknown key": (
        "filtred: true",
        "shop.test.yaml:3: cases[0].filtred: found unknown key 'filtred'; did you mean 'filtered'?",
    ),
    "an unknown key of an event": (
        "events: [{event_cod: pay}]",
        "cases[0].events[0].event_cod: found unknown key 'event_cod'; did you mean 'event_code'?",
    ),
    "an unknown identity": ("events: [{identities: {mobil: x}}]", "identities.mobil: found"),
    "an unknown reason code": ("refused: FIELD_MISING", "expected a reason code, such as FIELD_MISSING"),
    "a time that is none": ("events: [{event_time: noon}]", "expected a time such as"),
    "two values": ("{text: a, hex: '00'}", "found text and hex; expected exactly one of"),
    "no value": ("filtered: true", "found no value; expected exactly one of"),
    "two ends": ("{text: a, filtered: true, duplicate: true}", "expected one of them"),
    "no hex": ("hex: 0g", "expected bytes in hexadecimal digits"),
    "no base64": ("base64: a", "expected bytes in base64"),
    "a key that is neither text nor bytes": (
        "{text: a, key: {utf: a}}",
        "expected a text (in quotes if it looks like a number), or bytes: {hex: 0a ff}",
    ),
    "a header that is no hex": (
        "{text: a, headers: {trace: {hex: 0g}}}",
        "cases[0].headers.trace: found a mapping; expected bytes in hexadecimal digits",
    ),
    "half of a surrogate pair": (
        '{text: a, key: "\\ud800"}',
        "cases[0].key: found half of a surrogate pair; expected text",
    ),
    "a text in base64": ("base64: 春", "expected bytes in base64"),
    "no such file": ("file: none.log", "which cannot be read"),
    "no name of a file": ('file: "a\\0.log"', "which cannot be read"),
    "a line of nothing": ("{text: a, line: 1}", "line without file"),
    "a value beside records": ("{text: a, records: [{text: b}]}", "found text beside records"),
    "a body that is none": ("{text: a, body: {events: 1}}", "expected a list of messages"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_the_file_is_said_with_its_line(tested, name):
    written, said = WRONG[name]
    lines = [f"{{name: a case, {written[1:-1]}}}"] if written.startswith("{") else []
    run = tested("cases:\n  - " + lines[0] + "\n" if lines else one(written))
    assert run.code == 2
    assert said in run.said


def test_all_faults_of_both_files_are_said_at_once(tested):
    cases = "keys: {cmr: x}\ncases:\n  - {name: a, hex: zz, filtered: true}\n  - {name: a, text: x, filterd: true}\n"
    run = tested(cases, source=SOURCE.replace("event_code: pay", "event_cod: pay"))
    assert run.code == 2
    for said in (
        "shop.yaml:8: events[0].event_cod",
        "shop.test.yaml:3: cases[0].hex",
        "shop.test.yaml:4: cases[1].filterd",
    ):
        assert said in run.said
    run = tested("keys: {cmr: x}\ncases:\n  - {name: a, text: x}\n  - {name: a, text: x}\n")
    assert "keys.cmr: found unknown key 'cmr'; did you mean 'crm'?" in run.said
    assert "cases[1].name: found 'a' a second time" in run.said


def test_no_cases_and_no_source_are_sentences(tested, tmp_path):
    assert "shop.test.yaml: found no such file" in tested(None).said
    assert "found a file that cannot be opened" in tested(one(PAID), "--cases", tmp_path / "none.yaml").said
    assert "expected one mapping that begins with `cases:`" in tested("[]").said


# --- update ------------------------------------------------------------------------------------------------------------------------

BEFORE = """\
# The head.
cases:
  # A comment of the first.
  - name: first    # beside it
    json: &paid {type: paid, ts: 2026-11-11 00:00:00, user: u1, no: n1, amount: 99.5, phone: '13812345678'}
    events:
      - out_biz_id: 'n2'   # was another
        attributes: {note: x, amount: "99.5"}

  # A comment of the second.
  - name: second
    json: {type: other}
    events: [{event_code: pay}]
  - name: third
    json: *paid
  # The end.
"""

AFTER = """\
# The head.
cases:
  # A comment of the first.
  - name: first    # beside it
    json: &paid {type: paid, ts: 2026-11-11 00:00:00, user: u1, no: n1, amount: 99.5, phone: '13812345678'}
    events:
      - out_biz_id: 'n1'   # was another
        attributes: {note: null, amount: "99.5"}

  # A comment of the second.
  - name: second
    json: {type: other}
    filtered: true
  - name: third
    json: *paid
    events:
      - event_code: pay
        event_source_code: app
        event_time: 2026-11-11T00:00:00+08:00
        customer_id: u1
        identities: {mobile: "13812345678"}
        out_biz_id: n1
        attributes: {amount: "99.5", place: "shop-log:0:0"}
    users:
      - customer_id: u1
        identities: {mobile: "13812345678"}
  # The end.
"""

PLAIN = SOURCE.replace(", hashed: \"$.user | hmac('crm')\"", "").replace("keys: {crm: {env: CRM_KEY}}\n", "")


def test_update_writes_what_was_found_and_leaves_all_else(tested):
    run = tested(BEFORE, "--update", source=PLAIN)
    assert run.code == 0, run.said
    assert run.path.read_text() == AFTER
    for said in (
        "FAILED first",
        "updated shop.test.yaml:4: first",
        "updated shop.test.yaml:11: second",
        "3 cases, 0 failed",
    ):
        assert said in run.said
    assert tested(None, source=PLAIN).code == 0
    assert tested(None, "--update", source=PLAIN).path.read_text() == AFTER  # no case fails, so nothing is written


@pytest.mark.parametrize("name", FAIL)
def test_whatever_failed_holds_after_an_update(tested, name):
    record, expected, _ = FAIL[name]
    lines = expected[1:-1].split(", ") if expected.startswith("{") else [expected]
    run = tested(one(record, *lines), "--update")
    assert run.code == 0, run.said
    assert tested(None).code == 0


def test_update_leaves_cases_alone_that_were_not_run(tested):
    cases = "cases:\n  - {name: a, json: {type: x}, events: [{event_code: pay}]}\n  - {name: b, json: {type: x}, events: [{event_code: pay}]}\n"
    run = tested(cases, "--update", "--case", "b")
    assert run.code == 0, run.said
    assert run.path.read_text() == cases.replace(
        "name: b, json: {type: x}, events: [{event_code: pay}]", "name: b, json: {type: x}, filtered: true"
    )


def test_an_expectation_written_with_an_alias_is_left_to_its_author(tested):
    cases = (
        "cases:\n  - {name: a, json: {type: seen, ts: 1794326400, user: u1}, events: &e [{event_code: view}]}\n  - name: b\n"
        f"    {PAID}\n    events: *e\n"
    )
    run = tested(cases, "--update")
    assert run.code == 2
    assert "shop.test.yaml:3: b: found an expectation written with an anchor or an alias" in run.said
    assert run.path.read_text() == cases


# --- JUnit -------------------------------------------------------------------------------------------------------------------------


def test_junit_has_what_the_schema_asks_for_whatever_is_in_a_record(tested, tmp_path):
    record = r'json: {type: paid, ts: 1794326400, user: u1, no: "a\e[31m\0<&]]>", phone: 13812345678}'
    run = tested(one(record, "events: [{out_biz_id: x}]"), "--junit", tmp_path / "junit.xml", "--require-coverage")
    assert run.code == 1
    root = ET.fromstring((tmp_path / "junit.xml").read_bytes())
    assert root.tag == "testsuites"
    (suite,) = root
    assert [each.tag for each in suite] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    assert set(suite.attrib) == {
        "name",
        "package",
        "id",
        "tests",
        "failures",
        "errors",
        "skipped",
        "time",
        "timestamp",
        "hostname",
    }
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "2")
    assert len(suite.attrib["timestamp"]) == len("2026-11-11T00:00:00")
    case, coverage = suite.findall("testcase")
    assert set(case.attrib) == {"name", "classname", "time"}
    failure = case.find("failure")
    assert set(failure.attrib) == {"message", "type"}
    assert "FAILED a case" in failure.attrib["message"]
    assert r'+ found    "a\u001b[31m\u0000<&]]>"' in failure.text
    assert "events[1] view" in coverage.find("failure").text
    assert "which cannot be written" in tested(None, "--junit", tmp_path / "none" / "junit.xml").said


# --- the page ----------------------------------------------------------------------------------------------------------------------


def test_every_key_is_on_the_page():
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    for model in (
        models.TestCases,
        models.TestCase,
        expected.ExpectedEvent,
        expected.ExpectedUser,
        expected.ExpectedBody,
    ):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in page, name


def test_the_cases_of_the_page_hold(tested):
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    cases = "".join(block for block in blocks if "- name:" in block)
    assert cases.count("- name:") == 4
    source = (ROOT / "examples" / "shop-app.yaml").read_text(encoding="utf-8")
    run = tested(cases, source=source.replace("catalogue: shop-app.catalogue.yaml\n", ""))
    assert run.code == 0, run.said
