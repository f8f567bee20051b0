from __future__ import annotations

import re
from collections import Counter
from itertools import islice

import pytest
from ruamel.yaml import YAML

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.emulator.samples.expected import BookKeeper, ExpectedBooks, Meaning
from pipeline.emulator.samples.generate import POISON, SampleKind, SampleSettings, generate
from schemas.refusal import ReasonCode, Refusal, Stage
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
EVERY = pytest.mark.parametrize(
    "kind",
    [
        SampleKind.CRM_LINES,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (SampleKind.SHOP_APP, SampleKind.H5_ACCESS)),
    ],
)
COUNT = 5_000
AT_DECODING = {
    ReasonCode.NOT_UTF8,
    ReasonCode.NOT_JSON,
    ReasonCode.NOT_AN_OBJECT,
    ReasonCode.TOO_DEEP,
    ReasonCode.NUMBER_TOO_LONG,
    ReasonCode.NO_MATCH,
}


def example(kind):
    return YAML(typ="safe").load(EXAMPLES / f"{kind}.yaml")


def example_decoder(kind):
    options = example(kind)["decode"]
    options = {"format": options} if isinstance(options, str) else dict(options)
    return build_decoder(options.pop("format"), options, DecodeLimits())


@EVERY
def test_the_same_seed_gives_the_same_lines_and_books(kind):
    first, second, other = (generate(kind, 1_000, seed) for seed in (7, 7, 8))
    lines = list(first)
    assert lines == list(second)
    assert first.books == second.books
    assert lines != list(other)


@EVERY
def test_a_shorter_sample_without_poison_is_the_beginning_of_a_longer_one(kind):
    settings = SampleSettings(poison=False)
    assert list(generate(kind, 300, 1, settings)) == list(islice(generate(kind, 3_000, 1, settings), 300))


@EVERY
def test_exactly_as_many_lines_as_asked_for(kind):
    for count in (0, 1, 2, 77):
        sample = generate(kind, count, 1)
        assert len(list(sample)) == count
        assert sample.books.read == count


@pytest.mark.slow
@EVERY
def test_the_books_balance_and_keep_the_rates(kind):
    sample = generate(kind, 20_000, 3)
    lines = list(sample)
    books = sample.books
    assert books.read == books.reported + books.duplicate + books.filtered + books.dead_letters
    assert 0.007 < (books.dead_letters - 1) / books.read < 0.013
    assert 0.04 < books.filtered / books.read < 0.06
    repeated = len(lines) - len(set(lines))
    assert 0.04 < repeated / len(lines) < 0.06
    assert books.dead_lettered[ReasonCode.API_REFUSED] == 1
    assert sum(POISON.encode() in line.value for line in lines) == 1


@pytest.mark.slow
@EVERY
def test_repeats_come_near_and_far_under_the_same_key(kind):
    first = {}
    distances = Counter()
    for place, line in enumerate(generate(kind, 20_000, 5, SampleSettings(broken=0))):
        seen = first.setdefault(line.value, (place, line.key))
        assert seen[1] == line.key
        distances[
            "near" if 0 < place - seen[0] <= 100 else "far" if place - seen[0] >= 1_000 else "new or between"
        ] += 1
    assert distances["near"] > 300
    assert distances["far"] > 100


@EVERY
def test_some_lines_are_late(kind):
    marks = [
        re.search(rb"0[1-5][-/](?:May|05)|05-0[1-5]|2024-04-[23]\d|[23]\d/Apr", line.value)
        for line in generate(kind, 2_000, 5)
    ]
    days = Counter(found[0] for found in marks if found)
    assert len(days) > 1
    assert sum(days.values()) - max(days.values()) > 5


@EVERY
def test_no_faults_no_repeats_when_none_are_asked_for(kind):
    settings = SampleSettings(repeated_near=0, repeated_far=0, late=0, broken=0, unmatched=0, poison=False)
    sample = generate(kind, COUNT, 2, settings)
    lines = list(sample)
    assert len(set(lines)) == len(lines)
    assert sample.books.dead_letters == sample.books.filtered == 0
    assert len(sample.books.events) + sample.books.user_messages >= sample.books.reported


@EVERY
def test_the_example_file_decodes_what_is_whole_and_refuses_what_is_not(kind):
    sample = generate(kind, COUNT, 11)
    decode = example_decoder(kind)
    refused = Counter(answer.code for line in sample if isinstance(answer := decode(line.value), Refusal))
    assert refused == {code: count for code, count in sample.books.dead_lettered.items() if code in AT_DECODING}
    assert refused


@EVERY
def test_the_refusals_of_each_kind_all_occur(kind):
    sample = generate(kind, 20_000, 1)
    list(sample)
    assert len(sample.books.dead_lettered) >= 5
    assert all(count > 0 for count in sample.books.dead_lettered.values())


def test_the_shop_writes_numbers_beyond_64_bits():
    decode = example_decoder(SampleKind.SHOP_APP)
    sample = generate(SampleKind.SHOP_APP, 1_000, 1, SampleSettings(broken=0, poison=False))
    sessions = [fields["session"] for line in sample if "session" in (fields := decode(line.value))]
    assert sessions
    assert all(("login", str(session)) in sample.books.events and session > 2**64 for session in sessions)


def test_books_tell_repeats_changes_and_changes_back():
    keeper = BookKeeper()
    event = (("pay", "1"),)
    keeper.enter(Meaning(event))
    keeper.enter(Meaning(event))
    keeper.enter(Meaning((("refund", "1"),)))
    keeper.enter(Meaning(user=("u", ("a",))))
    keeper.enter(Meaning(user=("u", ("b",))))
    keeper.enter(Meaning(user=("u", ("b",))))
    keeper.enter(Meaning(event, ("u", ("a",))))
    keeper.enter(Meaning())
    keeper.enter(Meaning(refusal=ReasonCode.NOT_JSON))
    books = keeper.books()
    assert (books.read, books.reported, books.duplicate, books.filtered, books.dead_letters) == (9, 5, 2, 1, 1)
    assert books.events == {("pay", "1"), ("refund", "1")}
    assert books.user_messages == 3


def test_books_of_two_sources_add_up():
    samples = [generate(kind, 500, 1) for kind in SampleKind]
    for sample in samples:
        list(sample)
    total = sum((sample.books for sample in samples), ExpectedBooks())
    assert total.read == 1_500
    assert len(total.events) == sum(len(sample.books.events) for sample in samples)
    assert total.dead_lettered[ReasonCode.API_REFUSED] == 3
    assert total.read == total.reported + total.duplicate + total.filtered + total.dead_letters


def test_the_digest_of_events_depends_on_each_of_them():
    digests = {
        ExpectedBooks(events=frozenset(events)).events_digest
        for events in ([], [("a", "bc")], [("ab", "c")], [("a", "b")])
    }
    assert len(digests) == 4


def test_reasons_at_decoding_are_refused_there():
    refusal = example_decoder(SampleKind.SHOP_APP)(b"{")
    assert isinstance(refusal, Refusal)
    assert refusal.stage is Stage.DECODE


@EVERY
def test_the_example_is_named_after_its_source(kind):
    source = example(kind)
    assert source["source"] == kind
    assert source["dead_letters"]["topic"] == f"{kind}-dead"
