"""Compose file, Dockerfile and CI name only what exists: paths, commands, options, ports and variables."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.report.credentials import ENVIRONMENT_ID, ENVIRONMENT_SECRET
from tests.support.paths import ROOT

COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = COMPOSE["services"]


def parsed(name):
    """A service's command, parsed the way the command line is."""
    verb, *rest = SERVICES[name]["command"]
    command = cli.get_command(click.Context(cli), verb)
    return command.make_context(verb, list(rest), resilient_parsing=False).params


def test_every_command_parses():
    for name in ("stand-in", "sample", "job"):
        assert parsed(name)


def test_the_job_reports_to_the_stand_in_on_loopback():
    environment = SERVICES["job"]["environment"]
    assert SERVICES["job"]["network_mode"] == "service:stand-in"
    port = parsed("stand-in")["port"]
    assert environment["QA_ENDPOINT"] == f"http://127.0.0.1:{port}"
    assert f"http://127.0.0.1:{port}/" in " ".join(SERVICES["stand-in"]["healthcheck"]["test"])


def test_the_stand_in_knows_what_the_job_is_given():
    environment, stand_in = SERVICES["job"]["environment"], parsed("stand-in")
    assert environment["SCA_AK_ENV"] == stand_in["access_key_id"]
    assert environment["SCA_SK_ENV"] == stand_in["access_key_secret"]
    assert environment["QA_ORGANIZATION_ID"] == stand_in["organization_id"]
    assert environment["QA_ACCESS_ID"] == stand_in["access_id"]


def test_the_source_file_is_in_the_image_and_reads_what_the_sample_writes():
    path = Path(SERVICES["job"]["command"][1])
    assert "COPY examples /etc/log2mq/examples" in DOCKERFILE
    local = ROOT / "examples" / path.relative_to("/etc/log2mq/examples")
    text = local.read_text(encoding="utf-8")
    environment = SERVICES["job"]["environment"]
    used = set(re.findall(r"\$\{(\w+)", text.partition("\nsource:")[2]))
    assert set(environment) == used | {ENVIRONMENT_ID, ENVIRONMENT_SECRET}
    source = load_source(local, environment)
    sample = parsed("sample")
    assert source.kafka.topics == (sample["topic"],)
    assert source.dead_letters.topic == f"{sample['kind']}-dead"
    assert source.kafka.bootstrap_servers == (sample["bootstrap_servers"],)


def test_kafka_listens_where_it_says():
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert environment["KAFKA_LOG_DIRS"] in {each.partition(":")[2] for each in SERVICES["kafka"]["volumes"]}


def test_volumes_and_order():
    named = {each.partition(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())}
    assert named == set(COMPOSE["volumes"])
    assert SERVICES["job"]["depends_on"]["stand-in"]["condition"] == "service_healthy"
    assert SERVICES["job"]["depends_on"]["sample"]["condition"] == "service_completed_successfully"
    assert SERVICES["sample"]["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_a_stop_has_more_time_than_its_grace():
    source = load_source(ROOT / "examples" / "shop-app.yaml", {})
    assert int(SERVICES["job"]["stop_grace_period"].removesuffix("s")) * 1000 > source.stop.grace


def test_what_the_dockerfile_copies_exists_and_nobody_runs_it_as_root():
    for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["log2mq"]' in DOCKERFILE


def test_the_two_commands_of_the_readme_are_in_the_makefile_and_ci_runs_them():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for target in ("demo", "test", "lint"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert f"make {target}" in ci


PINS = ("build", "demo", "dev")
_REQUIREMENT = re.compile(r"([a-z0-9.-]+)==([A-Za-z0-9.+!]+)( ; [^\\]+)?")


def pinned(name):
    """The version and the hashes of each package in a file of `requirements/`. A line that is no pin fails the test."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found = {}
    for entry in re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace(" \\\n", "").splitlines():
        written, *hashes = entry.split("    --hash=")
        requirement = _REQUIREMENT.fullmatch(written)
        assert requirement is not None, entry
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), entry
        found[canonical(requirement[1])] = requirement[2], set(hashes)
    return found


def canonical(name):
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name)[0]).lower()


@pytest.mark.parametrize("name", PINS)
def test_every_package_is_pinned_with_its_hashes_and_no_index_is_named(name):
    assert pinned(name)


def test_the_files_agree_on_each_package():
    files = [pinned(name) for name in PINS]
    for package in set().union(*files):
        assert len({version for each in files for version, _ in [each.get(package, (None, None))] if version}) == 1


@pytest.mark.parametrize(("name", "extras"), [("demo", ["demo", "redis"]), ("dev", ["demo", "redis", "dev"])])
def test_what_the_project_needs_is_pinned(name, extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    assert {canonical(each) for each in wanted} - {"log2mq"} <= pinned(name).keys()


def test_what_runs_these_tests_is_what_is_pinned():
    for package, (version, _) in pinned("dev").items():
        with suppress(PackageNotFoundError):  # for another system, or another Python
            assert installed_version(package) == version


def test_nothing_is_installed_without_its_hash():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = re.findall(r"pip (?:install|wheel|download) .*", DOCKERFILE) + re.findall(r"\$\(INSTALL\) .*", makefile)
    assert len(installs) == 6
    assert not [each for each in installs if "--require-hashes" not in each and "--no-deps" not in each]
    assert not [
        each
        for each in installs
        if "--no-deps" in each and not ("--no-build-isolation" in each or "--no-index" in each)
    ]


def test_every_option_explains_itself():
    context = click.Context(cli)
    names = cli.list_commands(context)
    assert names
    for name in names:
        command = cli.get_command(context, name)
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.opts}"
