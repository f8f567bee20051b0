"""The examples, as a new analyst meets them: each is right, with its catalogue, its cases and its sample, and ten kinds of source are there."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from pipeline.authoring.dry_run.records import file_records
from pipeline.authoring.dry_run.run import try_out
from pipeline.authoring.infer.format import guess_format
from pipeline.catalogue.file import read_catalogue
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.editor_schema.json_schema import SCHEMAS, shipped_schema
from pipeline.emulator.schema_registry.schemas import registry_of
from pipeline.emulator.schema_registry.server import StandInRegistry
from pipeline.errors import UsageError
from pipeline.job.books import RecordOutcome
from pipeline.yaml_text.yaml_file import read_yaml
from schemas.catalogue import ApplicationType, Origin
from tests.support.paths import ROOT

FOLDER = ROOT / "examples"
ENVIRONMENT = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret", "PHONE_HASH_KEY": "a secret that is none"}
HASHED = "out_biz_id: a hash of content"
"""What `check` reminds of, and the comment in the file speaks of."""


class Example(NamedTuple):
    """The formats it decodes, what its sample comes to (reported, duplicate, filtered, refused for), and the warnings there are."""

    formats: str
    channel: ApplicationType
    sample: tuple[int, int, int, str] | None
    warnings: tuple[str, ...] = ()
    of_sample: tuple[str, ...] = ()


APP, MINI, WEB, OTHER = ApplicationType
EXAMPLES = {
    "shop-app": Example("json", APP, (8, 1, 1, "NOT_JSON")),
    "h5-access": Example("nginx", WEB, (9, 1, 1, "NO_MATCH")),
    "crm-lines": Example("regex", OTHER, (9, 1, 1, "IDENTITY_INVALID")),
    "mini-program": Example("json", MINI, (6, 1, 2, "TIME_INVALID")),
    "wechat-callbacks": Example("json xml", OTHER, (5, 1, 3, "NOT_XML"), (HASHED,)),
    "crm-members": Example("csv", OTHER, (8, 1, 1, "NO_MATCH"), (HASHED, HASHED)),
    "pos-till": Example("syslog", OTHER, (4, 1, 4, "NO_MATCH")),
    "order-service": Example("java logfmt", OTHER, (4, 1, 4, "OUT_BIZ_ID_MISSING"), of_sample=("out_biz_id has no value", "$.exception has no value")),
    "debezium-orders": Example("debezium", OTHER, (4, 1, 6, "FIELD_MISSING"), of_sample=("event_time has no value",)),
    "clickstream": Example("avro", WEB, None),
    "coupon-service": Example("logfmt", OTHER, (6, 1, 2, "OUT_BIZ_ID_MISSING"), of_sample=("out_biz_id has no value",)),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", EXAMPLES)
SAMPLED = pytest.mark.parametrize("name", [name for name, each in EXAMPLES.items() if each.sample])


def command(*words, environment=ENVIRONMENT):
    result = CliRunner(env=environment).invoke(cli, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.stdout


def warned(said):
    return [line for line in said.splitlines() if line.startswith("warning: ")]


def described(name):
    """What stands above the first key of a file."""
    return (FOLDER / name).read_text(encoding="utf-8").partition("\n\n")[0]


def test_every_file_belongs_to_an_example_and_the_ten_kinds_of_source_are_there():
    names = {path.name.partition(".")[0] for path in FOLDER.iterdir() if path.is_file() and path.name != "README.md"}
    assert names == set(EXAMPLES)
    kinds = {
        "a web shop's JSON": ("shop-app", "json", "shop's app"),
        "nginx, H5": ("h5-access", "nginx", "H5"),
        "a mini program": ("mini-program", "json", "mini program"),
        "WeChat callbacks, XML in JSON": ("wechat-callbacks", "json xml", "XML"),
        "a CRM's CSV": ("crm-members", "csv", "CRM"),
        "a till's syslog": ("pos-till", "syslog", "tills"),
        "a Java application": ("order-service", "java logfmt", "Spring Boot"),
        "orders by Debezium": ("debezium-orders", "debezium", "MySQL"),
        "a clickstream in Avro": ("clickstream", "avro", "Schema Registry"),
        "a coupon service's logfmt": ("coupon-service", "logfmt", "coupon service"),
    }
    for name, formats, word in kinds.values():
        assert EXAMPLES[name].formats == formats
        assert word in described(f"{name}.yaml")


@EVERY
def test_check_has_nothing_to_say_that_the_file_does_not_explain(name):
    said = command("check", FOLDER / f"{name}.yaml")
    assert f"ok: source {name}, {EXAMPLES[name].formats.replace(' ', ' → ')}, " in said
    found = warned(said)
    assert len(found) == len(EXAMPLES[name].warnings)
    assert all(part in line for part, line in zip(EXAMPLES[name].warnings, found, strict=True))
    if found:
        assert "check warns of" in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@EVERY
def test_it_loads_in_an_empty_environment_and_says_what_to_type(name):
    source = load_source(FOLDER / f"{name}.yaml", {})
    assert (source.source, source.dead_letters.topic) == (name, f"{name}-dead")
    for verb in ("check", "test", "run"):
        assert f"#   log2mq {verb} examples/{name}.yaml  " in described(f"{name}.yaml")


@EVERY
def test_the_catalogue_is_right_and_is_of_the_source(name):
    path = FOLDER / f"{name}.catalogue.yaml"
    assert ": ok: " in command("events", "check", path)
    catalogue = read_catalogue(path).catalogue
    source = load_source(FOLDER / f"{name}.yaml", {})
    assert source.events_known == catalogue
    first = catalogue.channels[0]
    assert first.application_type is EXAMPLES[name].channel
    codes = {rule.event_source_code for rule in source.events}
    assert codes == ({"$.app.id"} if name == "mini-program" else {first.app_key})
    own = [each for each in catalogue.events if catalogue.origin_of(each) is Origin.CUSTOM]
    assert {each.code for each in own} == {rule.event_code for rule in source.events}
    for each in catalogue.events:
        assert re.search(r"[\u4e00-\u9fff]", each.name)
        assert each.name in command("events", "show", path, each.code)


def test_what_others_report_is_in_a_catalogue_so_that_no_rule_reports_it_again():
    elsewhere = {
        name: {catalogue.origin_of(each) for each in catalogue.events} - {Origin.CUSTOM}
        for name in EXAMPLES
        for catalogue in [read_catalogue(FOLDER / f"{name}.catalogue.yaml").catalogue]
    }
    assert elsewhere["shop-app"] == {Origin.QUICK_TRACKING}
    assert elsewhere["wechat-callbacks"] == {Origin.SYSTEM}


@EVERY
def test_the_cases_hold_reach_every_rule_and_show_every_way_that_a_record_ends(name):
    said = command("test", FOLDER / f"{name}.yaml", "--require-coverage", environment={})
    assert re.search(r"\d+ cases, 0 failed; (\d+) of \1 rules reached", said)
    text = (FOLDER / f"{name}.test.yaml").read_text(encoding="utf-8")
    for part in ("filtered: true", "duplicate: true", "refused: ", "events:"):
        assert part in text
    assert re.search(r"[\u4e00-\u9fff]", text)


@SAMPLED
def test_the_sample_comes_to_what_it_should(name):
    path = FOLDER / f"{name}.sample.log"
    source = load_source(FOLDER / f"{name}.yaml", ENVIRONMENT)
    tally, _ = try_out(source, file_records(source, path, 1_000), ENVIRONMENT)
    reported, duplicate, filtered, code = EXAMPLES[name].sample
    assert [tally.count(fate) for fate in (RecordOutcome.REPORTED, RecordOutcome.DUPLICATE, RecordOutcome.FILTERED)] == [reported, duplicate, filtered]  # fmt: skip
    assert {reason: each.count for (fate, reason), each in tally.outcomes.items() if fate is RecordOutcome.DEAD_LETTERED} == {code: 1}  # fmt: skip
    assert set(tally.events) == {rule.event_code for rule in source.events}


@SAMPLED
def test_check_over_the_sample_warns_of_what_the_sample_is_there_to_show(name):
    said = command("check", FOLDER / f"{name}.yaml", "--sample", FOLDER / f"{name}.sample.log")
    found = warned(said)
    wanted = (*EXAMPLES[name].warnings, *EXAMPLES[name].of_sample)
    assert len(found) == len(wanted), found
    assert all(part in line for part, line in zip(wanted, found, strict=True))


def test_a_secret_for_hashes_that_is_not_set_is_said_with_its_place():
    words = (FOLDER / "order-service.yaml", FOLDER / "order-service.sample.log")
    keys = {**ENVIRONMENT, "PHONE_HASH_KEY": None}
    (warning, *_) = warned(command("check", words[0], "--sample", words[1], environment=keys))
    assert re.search(r"order-service\.yaml:\d+: keys\.phone: `run` would not start: PHONE_HASH_KEY is missing", warning)
    result = CliRunner(env=keys).invoke(cli, ["explain", str(words[0]), "--record", str(words[1])])
    assert isinstance(result.exception, UsageError)
    assert re.search(
        r"order-service\.yaml:\d+: keys\.phone: .* PHONE_HASH_KEY is empty or not set", str(result.exception)
    )


@SAMPLED
def test_init_proposes_no_identity_for_the_business_id_and_what_it_proposes_passes(name, tmp_path):
    path = tmp_path / "proposed.yaml"
    command("init", path, "--file", FOLDER / f"{name}.sample.log")
    said = command("check", path)
    assert not [line for line in warned(said) if "belongs under identities" in line]
    if name == "debezium-orders":
        assert "$.cancelled_at" in path.read_text()
        assert not re.search(r"\$\.cancelled_at .*\*\*\*", path.read_text())


@SAMPLED
def test_init_finds_the_format_of_the_sample(name):
    guess = guess_format((FOLDER / f"{name}.sample.log").read_bytes().splitlines())
    if name != "crm-lines":  # no format but a pattern of one's own reads it whole
        assert " ".join(step["format"] for step in guess.steps) == EXAMPLES[name].formats
    assert guess.share >= 0.9
    if name == "crm-members":
        assert guess.steps[0]["charset"] == "gb18030"


def test_the_clickstream_is_tried_with_the_stand_in_as_the_file_says():
    """`log2mq registry --schemas examples` knows its schema under the ID that the sample record has."""
    words = ("clickstream.yaml", "--record", "clickstream.sample.avro", "--whole")
    for word in ("log2mq registry --schemas examples", "log2mq explain examples/clickstream.yaml --record examples/clickstream.sample.avro --whole"):  # fmt: skip
        assert f"#   {word}\n" in (FOLDER / words[0]).read_text(encoding="utf-8")
    with StandInRegistry(registry=registry_of(FOLDER)) as registry:
        environment = {**ENVIRONMENT, "REGISTRY_URL": registry.url}
        explained = command("explain", FOLDER / words[0], "--record", FOLDER / words[2], "--whole", environment=environment)  # fmt: skip
        checked = command("check", FOLDER / words[0], "--sample", FOLDER / words[2], "--whole", environment=environment)
    assert '"campaign": "双十一"' in explained
    assert re.search(r"would be reported +1 ", checked)


def kinds():
    for path in sorted(FOLDER.glob("*.yaml")):
        yield pytest.param(path, (path.suffixes[-2] if path.stem.count(".") else ".source")[1:], id=path.name)


@pytest.mark.parametrize(("path", "kind"), list(kinds()))
def test_every_file_names_its_schema_and_is_valid_by_it(path, kind):
    assert kind in SCHEMAS
    first = path.read_text(encoding="utf-8").splitlines()[0]
    name = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1]
    assert (path.parent / name).resolve() == ROOT / "schemas" / "json" / f"{kind}.json"
    found = Draft202012Validator(json.loads(shipped_schema(kind))).iter_errors(read_yaml(path).content)
    assert [f"{each.json_path}: {each.message}" for each in found] == []


@EVERY
def test_the_page_of_the_examples_names_it_and_its_format(name):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| \[{name}\]\({name}\.yaml\) \| .* \| (.*) \| .* \|$", page, re.MULTILINE)
    assert set(EXAMPLES[name].formats.split()) <= set(re.findall(r"`(\w+)`", row))
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page):
        assert (FOLDER / target).exists(), target
