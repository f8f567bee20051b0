"""The pages are whole: every setting, command, option, exit code, reason code and header is named, and every example loads."""

from __future__ import annotations

import re

import click
import pytest
from pydantic import BaseModel

from pipeline import errors
from pipeline.catalogue.file import parse_catalogue
from pipeline.catalogue.table import COLUMNS
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.dead_letters.headers import DeadLetterHeader
from pipeline.decode import DecodeStep
from pipeline.emulator.quick_audience.faults import FaultScript, ScriptedFault, read_faults
from pipeline.setting_types.quantity import format_bytes, format_duration
from pipeline.setting_types.secret import SecretSource
from schemas.catalogue import Channel, EventDefinition, EventProperty, MarketingTask
from schemas.refusal import ReasonCode
from tests.support.paths import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}
ELSEWHERE = {"events", "users", "tables", "table_files", "fragments"}  # the mapping has a page of its own


def settings(model=SourceFile, before=""):
    """Every key that holds no section of its own, with its default."""
    for key, field in model.model_fields.items():
        name = field.alias or key
        inner = next(
            (
                each
                for each in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(each, type) and issubclass(each, BaseModel)
            ),
            None,
        )
        if not before and name in ELSEWHERE:
            continue
        if inner is None or inner is SecretSource:
            yield f"{before}{name}", field
        else:
            yield from settings(inner, f"{before}{name}.")


@pytest.mark.parametrize(("key", "field"), list(settings()), ids=lambda each: each if isinstance(each, str) else "")
def test_every_setting_is_documented_with_its_default(key, field):
    row = re.search(rf"^\| `{re.escape(key)}` \| (.*?) \|", PAGES["source-file.md"], re.MULTILINE)
    assert row is not None, f"{key} has no row"
    said = row[1].strip("`")
    if field.is_required():
        assert said == "required"
    elif isinstance(field.default, bool):
        assert said == str(field.default).lower()
    elif isinstance(field.default, int | float) and field.default:
        written = {
            str(field.default),
            format_duration(int(field.default)),
            format_bytes(int(field.default)),
            f"{field.default * 100:g}%",
        }
        assert said in written
    elif isinstance(field.default, str) and field.default:
        assert said == field.default


@pytest.mark.parametrize("key", [field.alias or name for name, field in DecodeStep.model_fields.items()])
def test_every_key_of_a_decoding_step_is_documented_with_its_default_on_the_decoders_page_too(key):
    if key != "format":
        field = next(field for name, field in DecodeStep.model_fields.items() if key in {name, field.alias})
        default = {True: "true", None: "none"}.get(field.default, field.default)
        assert re.search(
            rf"^\| `{key}` \| `?{default if key != 'from' else 'required in a further step'}`? \|",
            PAGES["decoders.md"],
            re.MULTILINE,
        )


@pytest.mark.parametrize("code", ReasonCode)
def test_every_reason_code_is_documented(code):
    assert f"| `{code}` |" in PAGES["reason-codes.md"]


@pytest.mark.parametrize("header", [*DeadLetterHeader, "log2mq-value-cut"])
def test_every_header_is_documented(header):
    assert f"`{header}`" in PAGES["dead-letters.md"]


def kinds(kind=errors.Log2mqError):
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == "pipeline.errors":
            yield from kinds(each)


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_exit_code_is_documented(kind):
    assert f"| {kind.exit_code} | `{kind.__name__}` |" in PAGES["exit-codes.md"]


def commands(group=cli, before=""):
    """Every command by its words, those of groups too."""
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda each: each if isinstance(each, str) else "")
def test_every_command_and_option_is_documented(name, command):
    heading = "###" if " " in name else "##"
    section = PAGES["commands.md"].partition(f"\n{heading} {name}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    assert section.strip(), f"{name} has no section"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section, parameter.opts


@pytest.mark.parametrize(
    ("part", "model"),
    [
        ("channels", Channel),
        ("events", EventDefinition),
        ("events[].properties", EventProperty),
        ("tasks", MarketingTask),
    ],
)
def test_every_key_of_a_catalogue_is_documented(part, model):
    for name in model.model_fields:
        assert f"{part}[].{name}" in PAGES["catalogue.md"]


def test_the_catalogue_of_the_page_is_right(tmp_path):
    text = PAGES["catalogue.md"].partition("```yaml\n")[2].partition("```")[0]
    assert parse_catalogue(tmp_path / "x", text).catalogue.events


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_a_table_is_documented(column):
    assert f"`{column}`" in PAGES["catalogue.md"].partition("## As a table")[2]


@pytest.mark.parametrize("name", list(ScriptedFault.model_fields))
def test_every_key_of_a_fault_is_documented(name):
    assert f"`{name}`" in PAGES["stand-in.md"]


def test_the_fault_script_of_the_page_loads(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text(PAGES["stand-in.md"].partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert isinstance(read_faults(path), FaultScript)


def examples():
    for name, text in PAGES.items():
        for place, block in enumerate(re.findall(r"```yaml\n(source:.*?)```", text, re.DOTALL)):
            yield pytest.param(block, id=f"{name}-{place}")


@pytest.mark.parametrize("text", list(examples()))
def test_every_source_file_in_the_docs_is_right(text, tmp_path):
    path = tmp_path / "source.yaml"
    path.write_text(text, encoding="utf-8")
    load_source(path, {"QA_ORG": "org", "QA_ACCESS": "access"})


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_between_pages_lead_somewhere(name):
    folder = ROOT if name == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[name]):
        assert (folder / target).exists(), target
