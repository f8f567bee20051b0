"""Proposed rules as the lines of a source file, commented for the analyst who goes on with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.authoring.infer.roles import Candidates, Customer, ProposedRule
from pipeline.decode.connect.debezium import ENVELOPE
from pipeline.yaml_text.yaml_writer import scalar_text
from transforms.mapping.conditions import COMBINED

_PATH = re.compile(r"[$/][A-Za-z0-9_$@./-]*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CODE = re.compile(r"\W+", re.ASCII)

ALWAYS = 0.98
"""Share of the entries that name the customer, from which on the others are mistakes: refused, not passed over."""

_OPERATIONS = {"c": "created", "u": "updated", "d": "deleted", "r": "read"}
"""What Debezium's `op` means."""

_NO_CUSTOMER = ("$.customer_id", "no field was found: name the one that says who the customer is")


class Place(NamedTuple):
    """Where the source's records are. `connection` is what stands under `kafka:` but for the topic."""

    source: str
    topic: str
    connection: Mapping[str, Any]


def codes_of(place: Place, candidates: Candidates) -> list[str]:
    """Name the events, each otherwise: by the value of the kind field, as far as it has letters and digits."""
    rules = candidates.rules
    plain = _CODE.sub("_", place.source).strip("_")
    words = _OPERATIONS if candidates.kind == f"$.{ENVELOPE}.op" else {}
    codes: list[str] = []
    for number, rule in enumerate(rules, 1):
        word = words.get(rule.when, "")
        code = f"{plain}_{word}" if word else _CODE.sub("_", _HUMP.sub("_", rule.when)).strip("_").lower()
        code = code or (f"{plain}_{number}" if rule.when else plain)
        codes.append(code if code not in codes else f"{code}_{number}")
    return codes


def kind_lines(candidates: Candidates) -> list[str]:
    """Say what tells kinds of events apart, where that needs saying."""
    if not candidates.kind:
        return [
            "  # No field was found that tells kinds of events apart: every entry is this event. See `when` in docs/mapping.md."
        ]
    if candidates.kinds > len(candidates.rules):
        return [f"  # The {len(candidates.rules)} most frequent of {candidates.kinds:,} values of {candidates.kind}."]
    return []


def event_lines(rule: ProposedRule, code: str, place: Place, kind: str) -> list[str]:
    """Write a rule; and commented out one for the elements of each list. `kind` is the path of the field that tells kinds of events apart."""
    lines = [f"  # {rule.entries:,} entries of the sample."]
    unnamed = "" if not rule.when or _CODE.sub("_", rule.when).strip("_") else "    # name it as Quick Audience does"
    begun = [*_when(rule, kind), f"event_code: {scalar(code)}{unnamed}"]
    keys = [
        f"event_source_code: {scalar(place.source)}      # the channel's APP_KEY",
        _valued("event_time", rule.event_time, "@timestamp", "no field was found to be a time: this is Kafka's own"),
        _valued("customer_id", rule.customer.path, *_NO_CUSTOMER),
    ]
    if rule.out_biz_id:
        business = f"out_biz_id: {scalar(rule.out_biz_id)}"
    else:
        business = "out_biz_id: {position: true}    # no field was found to be unique; {content: all} is the other way, see docs/mapping.md"
    lines += _item([*begun, *keys, business, *_attributes(rule.attributes)])
    for each in rule.elements:
        name = re.sub(r"\W+", "_", each.path.rpartition(".")[2], flags=re.ASCII).strip("_").lower() or "item"
        of_each = f"{{{{ {rule.out_biz_id} }}}}-{{{{ $index }}}}" if rule.out_biz_id else ""
        proposed = [
            *_when(rule, kind),
            f"for_each: {scalar(each.path)}",
            f"event_code: {scalar(f'{code}_{name}')}",
            *keys,
            f"out_biz_id: {scalar(of_each)}" if of_each else "out_biz_id: {position: true}",
            *_attributes(each.attributes),
        ]
        lines += [
            "",
            f"  # An event for each element of {each.path}, if that is wanted: take `# ` away from here on.",
            *(f"  # {line[2:]}" for line in _item(proposed)),
        ]
    return [*lines, ""]


def _item(lines: Sequence[str]) -> list[str]:
    """Write the lines of a list's element."""
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _attributes(attributes: Mapping[str, str]) -> list[str]:
    if not attributes:
        return []
    return ["attributes:", *(f"  {scalar(name)}: {scalar(path)}" for name, path in attributes.items())]


def _when(rule: ProposedRule, kind: str) -> list[str]:
    """Write the condition. Where only some entries name the customer, it asks for those: of the others nothing can be reported."""
    asked = {_asked(kind): scalar(rule.when)} if rule.when else {}
    customer, why = rule.customer, ""
    if customer.path and customer.share < ALWAYS:
        asked |= _named(customer)
        why = f"    # {customer.share:.0%} of these entries name the customer"
    return [f"when: {{{', '.join(f'{name}: {wanted}' for name, wanted in asked.items())}}}{why}"] if asked else []


def _asked(path: str) -> str:
    return scalar(path.removeprefix("$.") if path.removeprefix("$.") not in COMBINED else path)


def _named(customer: Customer) -> dict[str, str]:
    return {_asked(customer.path): '{exists: true, ne: ""}' if customer.has_empty else "{exists: true}"}


def _valued(key: str, value: str, otherwise: str, why: str) -> str:
    return f"{key}: {scalar(value)}" if value else f"{key}: {scalar(otherwise)}    # {why}"


def user_lines(candidates: Candidates) -> list[str]:
    """Write the rule of identities."""
    if not candidates.identities:
        return ["# users: no field was found that tells a customer's mobile number, e-mail address or the like."]
    paths, customer = list(candidates.identities.values()), candidates.customer
    condition = [f"{{{_asked(path)}: {{exists: true}}}}" for path in paths]
    when = condition[0][1:-1] if len(condition) == 1 else f"any: [{', '.join(condition)}]"
    if customer.path and customer.share < ALWAYS:
        when += "".join(
            f", {name}: {wanted}" for name, wanted in _named(customer).items() if customer.path not in paths
        )
    return [
        "# Who a customer is. One whose identities have not changed is not reported again.",
        "users:",
        *_item(
            [
                f"when: {{{when}}}",
                _valued("customer_id", customer.path, *_NO_CUSTOMER),
                "identities:",
                *(f"  {kind.value}: {scalar(path)}" for kind, path in candidates.identities.items()),
            ]
        ),
    ]


def scalar(value: Any) -> str:
    """Write a scalar so that a source file reads it back the same; a path without quotes."""
    return value if isinstance(value, str) and _PATH.fullmatch(value) else scalar_text(literal(value))


def literal(value: Any) -> Any:
    """Return a value in which nothing is taken for a variable of the environment."""
    if isinstance(value, Mapping):
        return {name: literal(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [literal(each) for each in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
