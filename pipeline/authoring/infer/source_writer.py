"""Writes a proposed source file, with comments for the analyst who edits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from pipeline.authoring.infer.delimited import column_name
from pipeline.authoring.infer.field_names import is_personal
from pipeline.authoring.infer.guess import Guess
from pipeline.authoring.infer.profile import FieldProfile
from pipeline.authoring.infer.roles import Candidates
from pipeline.authoring.infer.rule_writer import Place, codes_of, event_lines, kind_lines, literal, scalar, user_lines
from pipeline.control_characters import one_line
from pipeline.observe.redact import redact
from pipeline.yaml_text.yaml_writer import flow_text

MOST_FIELDS_SHOWN = 60
MOST_EXAMPLE_CHARACTERS = 30


def write_source(place: Place, guess: Guess, candidates: Candidates, sample: int) -> str:
    """Return the text of the file. `sample` is the number of records in the sample."""
    entries = len(guess.entries)
    hidden = {
        *candidates.identities.values(),
        candidates.customer.path,
        *(each.customer.path for each in candidates.rules),
    }
    codes = codes_of(place, candidates)
    lines = [
        f"# Proposed by `log2mq init` from {sample:,} records, of which {percent(guess.share)} could be read. This file is a guess: read it line by line.",
        *([f"# The first error: {' '.join(guess.refusal.reason.split())}."] if guess.refusal else []),
        "#",
        "#   log2mq check FILE       checks this file without a connection",
        "#   log2mq explain FILE     shows one record at every step",
        "",
        f"source: {place.source}",
        "",
        "kafka:",
        *(f"  {key}: {flow_text(value)}" for key, value in place.connection.items()),
        f"  topics: [{scalar(place.topic)}]",
        "",
        *_warning_lines(guess),
        *_decode(guess.steps),
        "",
        *_fields(candidates.fields, entries, hidden),
        "",
        "events:",
        *kind_lines(candidates),
        *(
            line
            for rule, code in zip(candidates.rules, codes, strict=True)
            for line in event_lines(rule, code, place, candidates.kind)
        ),
        *user_lines(candidates),
        "",
        "otherwise: skip                     # for records that no rule matches; dead_letter keeps them with a reason",
        "",
        "dedup: {store: lmdb, keep: 7d}      # keep: at least as long as the topic keeps its records",
        "",
        "report:",
        "  region: cn-shanghai               # or cn-shenzhen, cn-zhangjiakou",
        '  organization_id: "${QA_ORGANIZATION_ID:-your-organization-id}"',
        '  access_id: "${QA_ACCESS_ID:-your-instance-id}"',
        "",
        f"dead_letters: {{topic: {scalar(place.source + '-dead')}, stop_above: 5%}}",
        "",
    ]
    # A comment may name a field, or give the reason of a refusal: whatever they hold, a line stays one line, and shows all that it holds.
    return "\n".join(map(one_line, lines))


def _decode(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(steps) == 1:
        return [f"decode: {_step(steps[0])}"]
    return ["decode:", *(f"  - {_step(step)}" for step in steps)]


def _warning_lines(guess: Guess) -> list[str]:
    """Return comments on faults of the guessed decoder."""
    warning_lines = []
    if guess.unknown:
        warning_lines += [
            "# No format was recognised: each record is one field, `line`. Choose a decoder in docs/decoders.md (regex and grok can read any line),",
            "# or run `init` again with a decoder: --decode '{format: grok, pattern: ...}' --force",
        ]
    if any(column_name(1) in step.get("columns", ()) for step in guess.steps):
        warning_lines.append(
            "# The sample does not have the names of the columns: write the names here, and null for a column that you do not need."
        )
    if guess.continued:
        warning_lines += [
            f"# {guess.continued:,} lines of the sample continue the line before, as stack traces do. The log shipper must send both as one record:",
            "# such a line alone becomes a dead letter. See docs/decoders.md, java.",
        ]
    return warning_lines


def percent(share: float) -> str:
    """Return a share as a percentage. Only the whole is `100%`."""
    rounded = f"{share:.0%}"
    return f"{floor(share * 1_000) / 10}%" if rounded == "100%" and share < 1 else rounded


def _step(step: Mapping[str, Any]) -> str:
    if list(step) == ["format"]:
        return str(step["format"])
    return flow_text(literal(step))


def _fields(fields: Sequence[FieldProfile], entries: int, hidden: set[str]) -> list[str]:
    lines = ["# Fields found: share of entries, kind, number of different values, and one value.", "#"]
    for each in fields[:MOST_FIELDS_SHOWN]:
        if each.kind == "object":
            continue
        example = _example(next(iter(each.values), ""))
        if each.path in hidden or is_personal(each):
            example = "***"
        elif each.kind == "list":
            example = "for_each makes an event from each element"
        different = f"{len(each.values):,} values" if each.values else ""
        lines.append(
            f"#   {each.path:<34} {each.presence(entries):>4.0%}  {each.kind:<10} {different:<14} {example}".rstrip()
        )
    if len(fields) > MOST_FIELDS_SHOWN:
        lines.append(f"#   and {len(fields) - MOST_FIELDS_SHOWN} more")
    return lines


def _example(text: str) -> str:
    shown = redact(" ".join(text.split()))
    shown = "".join(character for character in shown if character.isprintable())
    return shown if len(shown) <= MOST_EXAMPLE_CHARACTERS else shown[: MOST_EXAMPLE_CHARACTERS - 3] + "..."
