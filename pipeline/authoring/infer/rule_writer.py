"""Writes proposed rules as lines of a source file, with comments for the analyst who edits them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.authoring.infer.roles import Candidates, Customer, ProposedRule
from pipeline.decode.connect.debezium import ENVELOPE
from pipeline.yaml_text.yaml_writer import scalar_text
from transforms.mapping.conditions import COMBINED

_PATH = re.compile(r"[$/][A-Za-z0-9_$@./-]*")
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CODE = re.compile(r"\W+", re.ASCII)

ALWAYS = 0.98
"""The share of entries with a customer from which an entry without one counts as a mistake. It is refused then, not filtered."""

_OPERATIONS = {"c": "created", "u": "updated", "d": "deleted", "r": "read"}
"""The meanings of Debezium's `op`."""

_NO_CUSTOMER = ("$.customer_id", "no field was found: name the field with the customer's ID")


class Place(NamedTuple):
    """The place of the source's records. `connection` holds the keys under `kafka:` without the topic."""

    source: str
    topic: str
    connection: Mapping[str, Any]


def codes_of(place: Place, candidates: Candidates) -> list[str]:
    """Return a different code for each rule, from the letters and digits of its value of the kind field."""
    rules = candidates.rules
    plain = _CODE.sub("_", place.source).strip("_")
    words = _OPERATIONS if candidates.kind == f"$.{ENVELOPE}.op" else {}
    codes: list[str] = []
    for number, rule in enumerate(rules, 1):
        word = words.get(rule.when, "")
        code = f"{plain}_{word}" if word else _CODE.sub("_", _WORD_BOUNDARY.sub("_", rule.when)).strip("_").lower()
        code = code or (f"{plain}_{number}" if rule.when else plain)
        codes.append(code if code not in codes else f"{code}_{number}")
    return codes


def kind_lines(candidates: Candidates) -> list[str]:
    """Return comments on the kinds of events: there is no field for them, or there are more kinds than rules."""
    if not candidates.kind:
        return [
            "  # No field was found that tells kinds of events apart: every entry becomes this event. See `when` in docs/mapping.md."
        ]
    if candidates.kinds > len(candidates.rules):
        return [f"  # The {len(candidates.rules)} most frequent of {candidates.kinds:,} values of {candidates.kind}."]
    return []


def event_lines(rule: ProposedRule, code: str, place: Place, kind: str) -> list[str]:
    """Return the lines of a rule, and of a rule for the elements of each list, commented out. `kind` is the path of the kind field."""
    lines = [f"  # {rule.entries:,} entries of the sample."]
    unnamed = (
        "" if not rule.when or _CODE.sub("_", rule.when).strip("_") else "    # use the event code of Quick Audience"
    )
    head = [*_when(rule, kind), f"event_code: {scalar(code)}{unnamed}"]
    keys = [
        f"event_source_code: {scalar(place.source)}      # the channel's APP_KEY",
        _key_line(
            "event_time", rule.event_time, "@timestamp", "no field with a time was found: this is Kafka's timestamp"
        ),
        _key_line("customer_id", rule.customer.path, *_NO_CUSTOMER),
    ]
    if rule.out_biz_id:
        business = f"out_biz_id: {scalar(rule.out_biz_id)}"
    else:
        business = "out_biz_id: {position: true}    # no unique field was found; {content: all} is the alternative, see docs/mapping.md"
    lines += _item([*head, *keys, business, *_attributes(rule.attributes)])
    for each in rule.elements:
        name = re.sub(r"\W+", "_", each.path.rpartition(".")[2], flags=re.ASCII).strip("_").lower() or "item"
        element_id = f"{{{{ {rule.out_biz_id} }}}}-{{{{ $index }}}}" if rule.out_biz_id else ""
        proposed = [
            *_when(rule, kind),
            f"for_each: {scalar(each.path)}",
            f"event_code: {scalar(f'{code}_{name}')}",
            *keys,
            f"out_biz_id: {scalar(element_id)}" if element_id else "out_biz_id: {position: true}",
            *_attributes(each.attributes),
        ]
        lines += [
            "",
            f"  # To report an event for each element of {each.path}, delete `# ` from here on.",
            *(f"  # {line[2:]}" for line in _item(proposed)),
        ]
    return [*lines, ""]


def _item(lines: Sequence[str]) -> list[str]:
    """Return the lines of an element of a YAML list."""
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _attributes(attributes: Mapping[str, str]) -> list[str]:
    if not attributes:
        return []
    return ["attributes:", *(f"  {scalar(name)}: {scalar(path)}" for name, path in attributes.items())]


def _when(rule: ProposedRule, kind: str) -> list[str]:
    """Return the condition. If only some entries name the customer, the condition selects these: others cannot be reported."""
    conditions = {_condition_key(kind): scalar(rule.when)} if rule.when else {}
    customer, why = rule.customer, ""
    if customer.path and customer.share < ALWAYS:
        conditions |= _names_customer(customer)
        why = f"    # {customer.share:.0%} of these entries name the customer"
    if not conditions:
        return []
    written = ", ".join(f"{name}: {wanted}" for name, wanted in conditions.items())
    return [f"when: {{{written}}}{why}"]


def _condition_key(path: str) -> str:
    return scalar(path.removeprefix("$.") if path.removeprefix("$.") not in COMBINED else path)


def _names_customer(customer: Customer) -> dict[str, str]:
    return {_condition_key(customer.path): '{exists: true, ne: ""}' if customer.has_empty else "{exists: true}"}


def _key_line(key: str, value: str, otherwise: str, why: str) -> str:
    return f"{key}: {scalar(value)}" if value else f"{key}: {scalar(otherwise)}    # {why}"


def user_lines(candidates: Candidates) -> list[str]:
    """Return the lines of the rule for identities."""
    if not candidates.identities:
        return ["# users: no field was found with a customer's mobile number, e-mail address or another identity."]
    paths, customer = list(candidates.identities.values()), candidates.customer
    condition = [f"{{{_condition_key(path)}: {{exists: true}}}}" for path in paths]
    when = condition[0][1:-1] if len(condition) == 1 else f"any: [{', '.join(condition)}]"
    if customer.path and customer.share < ALWAYS:
        when += "".join(
            f", {name}: {wanted}" for name, wanted in _names_customer(customer).items() if customer.path not in paths
        )
    return [
        "# The identities of a customer. They are reported again only after a change.",
        "users:",
        *_item(
            [
                f"when: {{{when}}}",
                _key_line("customer_id", customer.path, *_NO_CUSTOMER),
                "identities:",
                *(f"  {kind.value}: {scalar(path)}" for kind, path in candidates.identities.items()),
            ]
        ),
    ]


def scalar(value: Any) -> str:
    """Return a scalar as YAML that a source file reads back unchanged. A path has no quotes."""
    return value if isinstance(value, str) and _PATH.fullmatch(value) else scalar_text(literal(value))


def literal(value: Any) -> Any:
    """Return a value in which `${` is escaped, so that it names no environment variable."""
    if isinstance(value, Mapping):
        return {name: literal(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [literal(each) for each in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
