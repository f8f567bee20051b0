"""The books that the generator intended are those that the example source files come to."""

from __future__ import annotations

from collections import Counter

import pytest
from ruamel.yaml import YAML

from pipeline.decode import DecodeLimits, build_decoder
from pipeline.emulator.samples.generate import POISON, ExpectedBooks, SampleKind, SampleSettings, generate
from schemas.log import LogEntry, RawRecord
from schemas.refusal import ReasonCode, Refusal
from tests.support.paths import ROOT
from transforms.base import Kind, Skipped
from transforms.mapping import MappingSettings, compile_mapping

EXAMPLES = ROOT / "examples"
EVERY = pytest.mark.parametrize(
    "kind",
    [
        SampleKind.CRM_LINES,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (SampleKind.SHOP_APP, SampleKind.H5_ACCESS)),
    ],
)
MAPPING_KEYS = ("events", "users", "otherwise", "identities", "tables")


class Run:
    """Decodes and maps lines by an example file; keeps books as the job does. Its destination refuses the poison."""

    def __init__(self, kind):
        source = YAML(typ="safe").load(EXAMPLES / f"{kind}.yaml")
        options = source["decode"]
        options = {"format": options} if isinstance(options, str) else dict(options)
        self.decode = build_decoder(options.pop("format"), options, DecodeLimits())
        self.transform = compile_mapping(MappingSettings(**{key: source[key] for key in MAPPING_KEYS if key in source}))
        self._events = set()
        self._identities = {}
        self._user_messages = 0
        self._counts = Counter()
        self._dead = Counter()

    def read(self, offset, line):
        self._counts["read"] += 1
        outcome = self._outcome(offset, line)
        if isinstance(outcome, ReasonCode):
            self._dead[outcome] += 1
        else:
            self._counts[outcome] += 1

    def _outcome(self, offset, line):
        fields = self.decode(line.value)
        if isinstance(fields, Refusal):
            return fields.code
        messages = self.transform(LogEntry(fields, RawRecord("t", 0, offset, -1, line.key, line.value)))
        if isinstance(messages, Refusal):
            return messages.code
        if isinstance(messages, Skipped):
            return "filtered"
        fresh = [self._report(message) for message in messages]
        if ReasonCode.API_REFUSED in fresh:
            return ReasonCode.API_REFUSED
        return "reported" if any(fresh) else "duplicate"

    def _report(self, message):
        wire = message.wire
        if message.kind is Kind.USER:
            identities = sorted((each["idMapping"], each["customerId"]) for each in wire["customerIdList"])
            if self._identities.get(wire["customerId"]) == identities:
                return False
            self._identities[wire["customerId"]] = identities
            self._user_messages += 1
            return True
        key = (wire["eventCode"], wire["extendAttributes"]["outBizId"])
        if key[1].startswith(POISON):
            return ReasonCode.API_REFUSED
        new = key not in self._events
        self._events.add(key)
        return new

    def books(self):
        return ExpectedBooks(
            self._counts["read"],
            self._counts["reported"],
            self._counts["duplicate"],
            self._counts["filtered"],
            dict(self._dead),
            frozenset(self._events),
            self._user_messages,
        )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@EVERY
def test_the_example_mapping_comes_to_the_books_that_were_intended(kind, seed):
    sample = generate(kind, 5_000, seed)
    run = Run(kind)
    for offset, line in enumerate(sample):
        run.read(offset, line)
    assert run.books() == sample.books


@EVERY
def test_lines_of_different_keys_may_come_in_any_order(kind):
    sample = generate(kind, 5_000, 3, SampleSettings(repeated_near=0.1, repeated_far=0.1, broken=0.1))
    run = Run(kind)
    for offset, line in enumerate(sorted(sample, key=lambda line: line.key)):  # stable, so each key keeps its own order
        run.read(offset, line)
    assert run.books() == sample.books


@EVERY
def test_every_event_has_what_its_rule_names(kind):
    """No attribute of an example is a path that its lines do not have."""
    source = YAML(typ="safe").load(EXAMPLES / f"{kind}.yaml")
    wanted = {rule["event_code"]: set(rule["attributes"]) | {"outBizId"} for rule in source["events"]}
    run = Run(kind)
    seen = {}
    for line in generate(kind, 5_000, 1, SampleSettings(broken=0, unmatched=0)):
        messages = run.transform(LogEntry(run.decode(line.value), RawRecord("t", 0, 0, -1, line.key, line.value)))
        for message in messages:
            if message.kind is Kind.EVENT:
                seen.setdefault(message.wire["eventCode"], set(message.wire["extendAttributes"]))
                assert set(message.wire["extendAttributes"]) == wanted[message.wire["eventCode"]]
                assert 1_714_000_000_000 < message.wire["eventTime"] < 1_715_000_000_000
    assert set(seen) == set(wanted)
