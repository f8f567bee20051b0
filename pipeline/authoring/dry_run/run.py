"""The dry run: it converts every record of a sample as the job does, and finds mistakes of the source file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.authoring.dry_run.coverage import Coverage
from pipeline.authoring.dry_run.records import Sampled
from pipeline.authoring.dry_run.tally import SampleCounter, SampleTally
from pipeline.authoring.trace import trace
from pipeline.authoring.wait import MOST_MS
from pipeline.catalogue.settings import SETTING_OF
from pipeline.config.source_file import SourceFile
from pipeline.job.books import RecordOutcome
from pipeline.runtime.build_converter import build_converter
from schemas.refusal import ReasonCode
from transforms.fault import Note
from transforms.mapping import Mapper

MOST_MESSAGES = 500_000
"""The most messages of a sample. Each is remembered, to find duplicates: this number takes about 200 MB."""


def try_out(
    source: SourceFile, sample: Iterable[Sampled], environment: Mapping[str, str]
) -> tuple[SampleTally, list[Note]]:
    """Convert the records. Return the counts, and warnings on the file. Raise the errors of `build_converter`."""
    converter = build_converter(source, environment, give_up_after_ms=MOST_MS)
    counter = SampleCounter(source.dedup, source.decode[0].charset)
    mapper = converter.transform
    coverage = Coverage(source.mapping, mapper) if isinstance(mapper, Mapper) else None
    for sampled in sample:
        traced = trace(converter, sampled.record)
        rules = coverage.count(traced) if coverage else []
        counter.add(sampled, traced, rules)
        if counter.tally.messages >= MOST_MESSAGES:
            break
    tally = counter.tally
    return tally, [
        *_sample_limit(tally),
        *(coverage.notes() if coverage else []),
        *_clashes(tally, coverage),
        *_catalogue_warnings(converter.warnings),
        *_dead_letters(tally, source),
    ]


def _sample_limit(tally: SampleTally) -> Iterable[Note]:
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


def _catalogue_warnings(warnings: Mapping[tuple[str, str], int]) -> Iterable[Note]:
    for (code, event), count in warnings.items():
        events = f"{count:,} events" if count > 1 else "1 event"
        text = f"{code} in {events} of {event}, let pass with a warning; explain shows the finding"
        yield Note(("catalogue", SETTING_OF[ReasonCode(code)]), text)


def _dead_letters(tally: SampleTally, source: SourceFile) -> Iterable[Note]:
    dead_lettered, limit = tally.count(RecordOutcome.DEAD_LETTERED), source.dead_letters.stop_above
    if tally.records and dead_lettered / tally.records > limit:
        yield Note(
            ("dead_letters", "stop_above"),
            f"{dead_lettered:,} of {tally.records:,} records ({dead_lettered / tally.records:.1%}) would be dead letters, {limit:.1%} are allowed: "
            "a job with such records stops with exit code 7",
        )
