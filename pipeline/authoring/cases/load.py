"""Loading a file of test cases together with its source file. All faults of both are raised at once, each with file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.authoring.cases.environment import made_up_environment, with_made_up_keys
from pipeline.authoring.cases.models import TestCase, TestCases, TestRecord
from pipeline.authoring.cases.records import NoRecord, raw_record
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.decode.avro.options import MOST_FILE_BYTES, load_schema
from pipeline.errors import UsageError
from pipeline.yaml_text.diagnostics import Diagnostic, Finding, dotted, errors_in, from_pydantic
from pipeline.yaml_text.yaml_file import FileKind, UnreadableYaml, YamlFile, parse_yaml, read_text, read_yaml
from schemas.log import RawRecord
from transforms.fault import KeyPath
from transforms.regular_file import read_regular

TEST_FILE = FileKind("a file of test cases", "one mapping that begins with `cases:`", 1 << 20, 50_000)


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One record of a case: its mapping in the file, the location of that mapping, and the Kafka record."""

    written: TestRecord
    location: KeyPath
    record: RawRecord


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to run: its steps in order. `whole`: a result that the case does not name is a difference."""

    name: str
    line: int
    whole: bool
    steps: tuple[CaseStep, ...]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one source file. `environment` holds invented secrets. `schemas` maps the IDs of the registry to texts of Avro schemas."""

    path: Path
    text: str
    written: YamlFile
    cases: tuple[Case, ...]
    source: SourceFile
    environment: Mapping[str, str]
    schemas: Mapping[int, str]


def cases_beside(source_file: Path) -> Path:
    """Return the path of a source file's cases: `NAME.test.yaml` beside `NAME.yaml`."""
    return source_file.with_name(f"{source_file.stem}.test.yaml")


def load_cases(source_file: Path, path: Path, text: str | None = None) -> CaseFile:
    """Return the cases of a source file. Connect to nothing. If `text` is given, it replaces the content of `path`.

    Raises:
        UsageError: the files have faults. The message has a line for each.
    """
    lines: list[str] = []
    try:
        text = read_text(path, TEST_FILE) if text is None else text
        written = parse_yaml(path, text, TEST_FILE)
    except UnreadableYaml as unreadable:
        _load_source(source_file, None, lines)
        raise UsageError(*lines, str(unreadable.fault)) from None
    found: list[Finding] = []
    cases = _validate(written.content, found)
    source = _load_source(source_file, written.content, lines)
    loaded: list[Case] = []
    schemas: dict[int, str] = {}
    if cases is not None:
        found += _same_names(cases.cases)
        schemas = _schemas(cases.schemas, path.parent, found)
        if source is not None:
            found += _unknown_names("keys", cases.keys, source.keys)
            loaded = [_case(place, each, cases, source, written, found) for place, each in enumerate(cases.cases)]
    faults = {Diagnostic(str(path), written.line_of(at), dotted(at), what, expected) for at, what, expected in found}
    lines += map(str, sorted(faults, key=lambda fault: (fault.line, fault.key, fault.found)))
    if lines or cases is None or source is None:
        raise UsageError(*lines)
    source, environment = with_made_up_keys(source, cases.keys)
    return CaseFile(path, text, written, tuple(loaded), source, environment, schemas)


def _schemas(written: Mapping[int, str], folder: Path, found: list[Finding]) -> dict[int, str]:
    """Read the schema files that replace a registry."""
    texts = {}
    for number, name in written.items():
        try:
            load_schema(folder / name, name)
            texts[number] = read_regular(folder / name, MOST_FILE_BYTES).decode()
        except ValueError as error:
            found.append((("schemas", str(number)), f"found {error}", "expected an Avro schema in a file"))
    return texts


def _validate(content: Any, found: list[Finding]) -> TestCases | None:
    try:
        return TestCases.model_validate(content)
    except ValidationError as error:
        found += [from_pydantic(each, TestCases, content) for each in errors_in(error)]
        return None


def _load_source(source_file: Path, content: Any, lines: list[str]) -> SourceFile | None:
    given = content.get("environment") if isinstance(content, dict) else None
    given = {name: text for name, text in given.items() if isinstance(text, str)} if isinstance(given, dict) else {}
    try:
        environment = made_up_environment(read_yaml(source_file).content, given)
    except UnreadableYaml:
        environment = {}  # load_source reports the fault
    try:
        return load_source(source_file, environment)
    except UsageError as error:
        lines += error.lines
        return None


def _case(
    place: int, written: TestCase, cases: TestCases, source: SourceFile, file: YamlFile, found: list[Finding]
) -> Case:
    here: KeyPath = ("cases", place)
    records = [(written, here)] if written.records is None else [
        (each, (*here, "records", number)) for number, each in enumerate(written.records)
    ]  # fmt: skip
    steps = []
    for number, (each, location) in enumerate(records):
        try:
            steps.append(CaseStep(each, location, raw_record(each, number, source, file.path.parent)))
        except NoRecord as wrong:
            found.append(((*location, wrong.key), wrong.found, wrong.expected))
    whole = cases.whole if written.whole is None else written.whole
    return Case(written.name, file.line_of(here), whole, tuple(steps))


def _same_names(cases: Sequence[TestCase]) -> list[Finding]:
    seen: dict[str, int] = {}
    found: list[Finding] = []
    for place, each in enumerate(cases):
        first = seen.setdefault(each.name, place)
        if first != place:
            found.append((("cases", place, "name"), f"found {each.name!r} a second time", "expected a name of its own"))
    return found


def _unknown_names(section: str, given: Mapping[str, str], known: Mapping[str, Any]) -> list[Finding]:
    found: list[Finding] = []
    for name in given.keys() - known.keys():
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        expected = f"did you mean {near[0]!r}?" if near else f"expected one of the source file's {section}"
        found.append(((section, name), f"found unknown key {name!r}", expected))
    return found
