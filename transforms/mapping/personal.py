"""Where a mapping would send an identifier of a person to a place that is not meant for one: found by reading the mapping, not its records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from transforms.fault import BadExpression, Location, Note
from transforms.fields import parse_steps
from transforms.mapping.models import EventRule, MappingSettings, UserRule
from transforms.mapping.values import expressions_of

HASHES = frozenset({"hash", "sha256", "hmac", "md5"})
"""Functions whose results name nobody."""

_NAMES: Mapping[str, str] = {
    **dict.fromkeys(
        ("mobile", "phone", "telephone", "cellphone", "msisdn", "手机", "手机号", "电话"), "a mobile number"
    ),
    **dict.fromkeys(("email", "mail", "邮箱"), "an e-mail address"),
}
_NUMBER = frozenset({"no", "num", "number", "address", "addr"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")
_CALL = re.compile(r"[a-z_][a-z0-9_]*")


def personal_notes(settings: MappingSettings) -> list[Note]:
    """Say which attributes and business IDs would carry an identifier as it is: by its path, which some rule takes for an identity, or by its name."""
    rules: list[EventRule | UserRule] = [*settings.events, *settings.users]
    identities = {
        _source(each): f"the {kind.value} of a customer"
        for rule in rules
        for kind, written in rule.identities.items()
        for each in expressions_of(written)
    }
    notes = []
    for place, rule in enumerate(settings.events):
        written: dict[Location, Any] = {("attributes", name): each for name, each in rule.attributes.items()}
        if not isinstance(rule.out_biz_id, list):  # a list is hashed
            written["out_biz_id",] = rule.out_biz_id
        for location, value in written.items():
            for path, what in _carried(value, identities):
                text = f"is {path}, {what}: it belongs under identities, and elsewhere only hashed (hmac)"
                notes.append(Note(("events", place, *location), text))
    return notes


def _carried(written: Any, identities: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for expression in expressions_of(written):
        _, *calls = expression.split("|")
        if any((found := _CALL.match(call.strip())) and found[0] in HASHES for call in calls):
            continue
        path = _source(expression)
        what = identities.get(path) or _by_name(path)
        if what:
            yield path, what


def _source(expression: str) -> str:
    return expression.partition("|")[0].strip()


def _by_name(path: str) -> str:
    """Say what a field holds by its last name: `userPhone`, `mobile_no`, but not `phone_model`, which is a device."""
    try:
        steps = parse_steps(re.sub(r"^(\$item|@headers)(?=[.\[])", "$", path)) if path.startswith(("$", "@h")) else ()
    except BadExpression:
        return ""
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and words[-1] in _NUMBER:
        words.pop()
    return _NAMES.get(words[-1], "") if words else ""
