"""A proposed source file as text, commented for the analyst who goes on with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.observe.redact import redact
from pipeline.proposal.candidates import Candidates, Rule, is_personal
from pipeline.proposal.format_guess import Guess
from pipeline.proposal.survey import Field

MOST_FIELDS_SHOWN = 60
MOST_EXAMPLE_CHARACTERS = 30

_PLAIN = re.compile(r"[A-Za-z$/][A-Za-z0-9_$@./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_CODE = re.compile(r"\W+", re.ASCII)

_NO_CUSTOMER = ("$.customer_id", "no field was found: name the one that says who the customer is")


class Place(NamedTuple):
    """Where the source's records are."""

    source: str
    bootstrap_servers: str
    topic: str


def write_source(place: Place, guess: Guess, candidates: Candidates, sample: int) -> str:
    """Return the whole file. `sample` is how many records it was made from."""
    entries = len(guess.entries)
    hidden = {*candidates.identities.values(), candidates.customer_id}
    lines = [
        f"# Proposed by `log2mq init` from {sample:,} records, of which {guess.share:.0%} could be read. Read it line by line: it is a guess.",
        "#",
        "#   log2mq check FILE       says whether this file is right, before anything connects",
        "#   log2mq explain FILE     shows what becomes of one record",
        "",
        f"source: {place.source}",
        "",
        "kafka:",
        f"  bootstrap_servers: {_scalar(place.bootstrap_servers)}",
        f"  topics: [{_scalar(place.topic)}]",
        "",
        *_decode(guess.steps),
        "",
        *_fields(candidates.fields, entries, hidden),
        "",
        "events:",
        *(line for rule in candidates.rules for line in _event(rule, place, candidates)),
        *_users(candidates),
        "",
        "otherwise: skip                     # records that no rule matches; dead_letter keeps them with a reason",
        "",
        "dedup: {store: lmdb, keep: 7d}      # keep: at least as long as the topic keeps its records",
        "",
        "report:",
        "  region: cn-shanghai               # or cn-shenzhen, cn-zhangjiakou",
        '  organization_id: "${QA_ORGANIZATION_ID:-your-organization-id}"',
        '  access_id: "${QA_ACCESS_ID:-your-instance-id}"',
        "",
        f"dead_letters: {{topic: {_scalar(place.source + '-dead')}, stop_above: 5%}}",
        "",
    ]
    return "\n".join(lines)


def _decode(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(steps) == 1:
        return [f"decode: {_step(steps[0])}"]
    return ["decode:", *(f"  - {_step(step)}" for step in steps)]


def _step(step: Mapping[str, Any]) -> str:
    if list(step) == ["format"]:
        return str(step["format"])
    return "{" + ", ".join(f"{name}: {_flow(value)}" for name, value in step.items()) + "}"


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _step(value) if isinstance(value, dict) else _scalar(value)


def _fields(fields: Sequence[Field], entries: int, hidden: set[str]) -> list[str]:
    lines = ["# Fields found: in how many entries, of what kind, how many different values, and one of them.", "#"]
    for each in fields[:MOST_FIELDS_SHOWN]:
        if each.kind == "object":
            continue
        example = _example(next(iter(each.values), ""))
        if each.path in hidden or is_personal(each):
            example = "***"
        elif each.kind == "list":
            example = "for_each makes an event of each element"
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


def _event(rule: Rule, place: Place, candidates: Candidates) -> list[str]:
    code = _CODE.sub("_", rule.when).strip("_").lower() or place.source.replace("-", "_").replace(".", "_")
    lines = [f"  # {rule.entries:,} entries of the sample."]
    first = "  - "
    if rule.when:
        lines.append(f"{first}when: {{{_scalar(candidates.kind.removeprefix('$.'))}: {_scalar(rule.when)}}}")
        first = "    "
    lines += [
        f"{first}event_code: {_scalar(code)}",
        f"    event_source_code: {_scalar(place.source)}      # the channel's APP_KEY",
        _valued("event_time", rule.event_time, "@timestamp", "no field was found to be a time: this is Kafka's own"),
        _valued("customer_id", rule.customer_id, *_NO_CUSTOMER),
    ]
    if rule.out_biz_id:
        lines.append(f"    out_biz_id: {_scalar(rule.out_biz_id)}")
    else:
        lines.append(
            "    out_biz_id: {position: true}    # no field was found to be unique; {content: all} is the other way, see docs/mapping.md"
        )
    if rule.attributes:
        lines.append("    attributes:")
        lines += [f"      {_scalar(name)}: {_scalar(path)}" for name, path in rule.attributes.items()]
    return [*lines, ""]


def _valued(key: str, value: str, otherwise: str, why: str) -> str:
    return f"    {key}: {_scalar(value)}" if value else f"    {key}: {_scalar(otherwise)}    # {why}"


def _users(candidates: Candidates) -> list[str]:
    if not candidates.identities:
        return ["# users: no field was found that tells a customer's mobile number, e-mail address or the like."]
    paths = list(candidates.identities.values())
    condition = [f"{{{_scalar(path.removeprefix('$.'))}: {{exists: true}}}}" for path in paths]
    when = condition[0] if len(condition) == 1 else f"{{any: [{', '.join(condition)}]}}"
    return [
        "# Who a customer is. One whose identities have not changed is not reported again.",
        "users:",
        f"  - when: {when}",
        _valued("customer_id", candidates.customer_id, *_NO_CUSTOMER),
        "    identities:",
        *(f"      {kind.value}: {_scalar(path)}" for kind, path in candidates.identities.items()),
    ]


def _scalar(value: Any) -> str:
    """Write a scalar so that YAML reads it back the same, in plain style where that is safe."""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS and "${" not in value
        return value if plain else json.dumps(value.replace("${", "$${"), ensure_ascii=False)
    return json.dumps(value)
