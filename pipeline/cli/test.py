"""`log2mq test`: the cases beside a source file, run without anything being connected to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from pipeline.authoring.cases.junit import junit_xml
from pipeline.authoring.cases.load import Case, CaseFile, cases_beside, load_cases
from pipeline.authoring.cases.report import Tone, failure_lines
from pipeline.authoring.cases.run import CaseResult, run_cases, unreached_rules
from pipeline.authoring.cases.update import updated_text
from pipeline.cli.options import source_argument
from pipeline.cli.say import say
from pipeline.errors import CasesFailed, UsageError
from pipeline.yaml_text.atomic_write import replace_file
from pipeline.yaml_text.yaml_file import read_yaml

COLOURS: Mapping[Tone, dict[str, Any]] = {
    Tone.TITLE: {"bold": True},
    Tone.EXPECTED: {"fg": "red"},
    Tone.FOUND: {"fg": "green"},
    Tone.HINT: {"dim": True},
}


@click.command()
@source_argument
@click.option(
    "--cases",
    "cases_path",
    type=click.Path(path_type=Path),
    help="The file of the cases. Default: NAME.test.yaml beside NAME.yaml.",
)
@click.option(
    "--case", "patterns", multiple=True, metavar="NAME", help="Only cases of this name; * stands for any text."
)
@click.option("--update", is_flag=True, help="Write down what was found as what is expected, after a look at it.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a report in JUnit XML to this file."
)
@click.option("--require-coverage", is_flag=True, help="Fail where a rule is reached by no case.")
def test(
    source_file: Path,
    cases_path: Path | None,
    patterns: tuple[str, ...],
    junit: Path | None,
    *,
    update: bool,
    require_coverage: bool,
) -> None:
    """Run the test cases of SOURCE_FILE. Nothing is connected to, and no environment is needed.

    Exit code 1 where a case finds something else than it expects.
    """
    if patterns and require_coverage:
        raise UsageError("--require-coverage: found it with --case; expected all cases to be run")
    path = cases_path or cases_beside(source_file)
    if cases_path is None and source_file.exists() and not path.exists():
        raise UsageError(f"{path}: found no such file; expected the cases there, or in the file of --cases")
    file = load_cases(source_file, path)
    started = datetime.now(UTC)
    results = run_cases(file, chosen(file, patterns), time.perf_counter)
    for result in results:
        if result.failed:
            _show(file, result)
    if update and any(result.failed for result in results):
        results = _update(source_file, file, results)
    unreached = [] if patterns else _unreached(source_file, file, results)
    for sentence in unreached:
        say(f"{sentence}: no case reaches it")
    if junit is not None:
        _save(junit, junit_xml(file, results, unreached if require_coverage else (), started))
    failed = sum(result.failed for result in results)
    say(f"{path}: {_cases(len(results))}, {failed} failed{_coverage(file, unreached, patterns)}")
    if failed:
        raise CasesFailed(f"{failed} of {_cases(len(results))} failed")
    if require_coverage and unreached:
        raise CasesFailed(f"rules that no case reaches: {len(unreached)}")


def chosen(file: CaseFile, patterns: Sequence[str]) -> Sequence[Case]:
    """Return the cases of these names, in their order; all where there is no name.

    Raises:
        UsageError: there is none of a name.
    """
    for pattern in patterns:
        if not any(_fits(case.name, pattern) for case in file.cases):
            names = ", ".join(repr(case.name) for case in file.cases)
            raise UsageError(f"--case: found {pattern!r}; expected some of {names}")
    return [case for case in file.cases if not patterns or any(_fits(case.name, each) for each in patterns)]


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _show(file: CaseFile, result: CaseResult) -> None:
    for line in failure_lines(file, result):
        say(line.text, **COLOURS.get(line.tone, {}))
    say()


def _update(source_file: Path, file: CaseFile, results: Sequence[CaseResult]) -> list[CaseResult]:
    """Write the expectations anew, once it is certain that they hold then, and return the results as they are with them."""
    text = updated_text(file, results)
    failed = {result.case.name for result in results if result.failed}
    ran = {result.case.name for result in results}
    after = load_cases(source_file, file.path, text)
    again = run_cases(after, [case for case in after.cases if case.name in ran], time.perf_counter)
    wrong = [result.case for result in again if result.failed]
    if wrong:
        raise UsageError(
            f"{file.path}:{wrong[0].line}: {wrong[0].name}: found an expectation that cannot be rewritten; expected it mended by hand"
        )
    replace_file(file.path, text, file.text)
    for result in again:
        if result.case.name in failed:
            say(f"updated {file.path}:{result.case.line}: {result.case.name}")
    say()
    return again


def _unreached(source_file: Path, file: CaseFile, results: Sequence[CaseResult]) -> list[str]:
    written = read_yaml(source_file)
    codes = [f" {rule.event_code}" for rule in file.source.events]
    return [
        f"{source_file}:{written.line_of((section, place))}: {section}[{place}]{codes[place] if section == 'events' else ''}"
        for section, place in unreached_rules(file.source, results)
    ]


def _coverage(file: CaseFile, unreached: Sequence[str], patterns: Sequence[str]) -> str:
    """Say how many rules are reached; nothing where there are no rules, or not all cases were run."""
    if patterns or file.source.transform is not None:
        return ""
    count = len(file.source.events) + len(file.source.users)
    return f"; {count - len(unreached)} of {count} rules reached"


def _cases(count: int) -> str:
    return f"{count} case" if count == 1 else f"{count} cases"


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"--junit: found {str(path)!r}, which cannot be written ({error.strerror}); expected a place that can"
        ) from None
