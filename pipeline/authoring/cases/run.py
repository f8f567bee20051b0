"""Running the cases of a source file, and finding the rules that no case reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.authoring.cases.actual import FoundRecord, convert_record
from pipeline.authoring.cases.compare import Difference, differences
from pipeline.authoring.cases.load import Case, CaseFile, CaseStep
from pipeline.config.source_file import SourceFile
from pipeline.dedup.memory_store import MemoryStore, MemoryTable
from pipeline.job.converter import Converter
from pipeline.runtime.build_converter import build_converter


class StepResult(NamedTuple):
    """The result of one record of a case, and its differences from the expected result."""

    step: CaseStep
    found: FoundRecord
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one case."""

    case: Case
    steps: Sequence[StepResult]
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether any result differs from the expected one."""
        return any(step.differences for step in self.steps)


def run_cases(file: CaseFile, cases: Sequence[Case], clock: Callable[[], float]) -> list[CaseResult]:
    """Return the results of cases. Each case has a dedup store of its own. `clock` gives seconds.

    Raises:
        UsageError: a plug-in or a file of a decoder cannot be read.
    """
    converter = build_converter(file.source, file.environment, file.schemas)
    return [_run(converter, file.source, each, clock) for each in cases]


def _run(converter: Converter, source: SourceFile, case: Case, clock: Callable[[], float]) -> CaseResult:
    begun = clock()
    store = MemoryStore(MemoryTable(), "test", source.dedup.keep, source.dedup.lease, lambda: 0)
    results = []
    for step in case.steps:
        found = convert_record(converter, step.record, store)
        unexpected = differences(step.written, found, source.time_zone, whole=case.whole)
        results.append(StepResult(step, found, unexpected))
    return CaseResult(case, results, clock() - begun)


def unreached_rules(source: SourceFile, results: Sequence[CaseResult]) -> list[tuple[str, int]]:
    """Return the rules that no case reaches, in the order of the file: for each its section and its index in that section."""
    reached = {name.partition(" ")[0] for result in results for step in result.steps for name in step.found.reached}
    rules = [("events", place) for place in range(len(source.events))]
    rules += [("users", place) for place in range(len(source.users))]
    return [(section, place) for section, place in rules if f"{section}[{place}]" not in reached]
