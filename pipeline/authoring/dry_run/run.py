"""A trial: every record of a sample through the job's own conversion, and what that says of the source file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.authoring.dry_run.coverage import Coverage
from pipeline.authoring.dry_run.records import Sampled
from pipeline.authoring.dry_run.tally import Counter, SampleTally
from pipeline.authoring.trace import trace
from pipeline.authoring.wait import MOST_MS
from pipeline.catalogue.settings import SETTING_OF
from pipeline.config.source_file import SourceFile
from pipeline.job.books import RecordOutcome
from pipeline.runtime.converter import build_converter
from schemas.refusal import ReasonCode
from transforms.fault import Note
from transforms.mapping import Mapper

MOST_MESSAGES = 500_000
"""Each is remembered, to see which come again: so many take some 200 MB."""


def try_out(
    source: SourceFile, sample: Iterable[Sampled], environment: Mapping[str, str]
) -> tuple[SampleTally, list[Note]]:
    """Convert the records; return the counts, and what is doubtful about the file. Raises as `build_converter` does."""
    converter = build_converter(source, environment, give_up_after_ms=MOST_MS)
    counter = Counter(source.dedup, source.decode[0].charset)
    mapper = converter.transform
    coverage = Coverage(source.mapping, mapper) if isinstance(mapper, Mapper) else None
    for sampled in sample:
        traced = trace(converter, sampled.record)
        rules = coverage.see(traced) if coverage else []
        counter.take(sampled, traced, rules)
        if counter.tally.messages >= MOST_MESSAGES:
            break
    tally = counter.tally
    return tally, [
        *_cut(tally),
        *(coverage.notes() if coverage else []),
        *_clashes(tally, coverage),
        *_let_pass(converter.warnings),
        *_dead_letters(tally, source),
    ]


def _cut(tally: SampleTally) -> Iterable[Note]:
    if tally.messages >= MOST_MESSAGES:
        text = f"the sample ends after {tally.records:,} records: they make {tally.messages:,} messages already"
        yield Note((), text)


def _clashes(tally: SampleTally, coverage: Coverage | None) -> Iterable[Note]:
    for rule, clash in tally.clashes.items():
        location = (*coverage.location_of(rule), "out_biz_id") if coverage else ("transform",)
        first, second = clash.places
        events = f"{clash.count:,} events" if clash.count > 1 else "1 event"
        yield Note(
            location,
            f"is not unique: {events} of the sample, such as that of {second}, have the ID of an earlier one, such as that of {first}, "
            f"but differ in {clash.differing}; only the first is reported",
        )


def _let_pass(warnings: Mapping[tuple[str, str], int]) -> Iterable[Note]:
    for (code, event), count in warnings.items():
        events = f"{count:,} events" if count > 1 else "1 event"
        text = f"{code} in {events} of {event}, let pass with a warning; explain shows what it is"
        yield Note(("catalogue", SETTING_OF[ReasonCode(code)]), text)


def _dead_letters(tally: SampleTally, source: SourceFile) -> Iterable[Note]:
    dead, limit = tally.count(RecordOutcome.DEAD_LETTERED), source.dead_letters.stop_above
    if tally.records and dead / tally.records > limit:
        yield Note(
            ("dead_letters", "stop_above"),
            f"{dead:,} of {tally.records:,} records ({dead / tally.records:.1%}) would go to the dead letters, {limit:.1%} are allowed: "
            "a job over such records stops with exit code 7",
        )
