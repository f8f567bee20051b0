"""Identifiers of persons that a mapping would report in a place that is not meant for them. They are found in the mapping alone, without records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from transforms.fault import BadExpression, KeyPath, Note
from transforms.fields import EVERY, PathStep
from transforms.mapping.expressions import functions_in, source_in
from transforms.mapping.lint.condition_lines import path_of
from transforms.mapping.models import EventRule, MappingSettings, UserRule
from transforms.mapping.values import expressions_of

ANONYMISING_FUNCTIONS = frozenset({"hash", "sha256", "hmac", "md5", "length", "lookup"})
"""Functions whose results are no identifiers, whatever the value."""

_MOBILE, _EMAIL = "a mobile number", "an e-mail address"
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("mobile", "phone", "tel", "telephone", "cellphone", "mobilephone", "userphone", "msisdn"), _MOBILE
    ),
    **dict.fromkeys(("email", "mail"), _EMAIL),
}
_ENDINGS: Mapping[str, str] = {
    **dict.fromkeys(("手机", "手机号", "手机号码", "电话", "电话号码"), _MOBILE),
    **dict.fromkeys(("邮箱", "邮箱地址", "邮件", "邮件地址"), _EMAIL),
}
"""Chinese has no spaces between words; the last word decides."""
_FOLLOWING: Mapping[str, str] = {
    **dict.fromkeys(("no", "num", "number"), _MOBILE),
    **dict.fromkeys(("address", "addr"), _EMAIL),
}
"""Words that may follow the word that decides: `mail_address` is an e-mail address, but `mailNo` is the number of a parcel."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")


class _Identity(NamedTuple):
    """A path that some rule reads as an identity."""

    written: str
    what: str


_Steps = tuple[str | PathStep, ...]


def personal_notes(settings: MappingSettings) -> list[Note]:
    """Return a note on each attribute and business ID that would carry an identifier as it is.

    An identifier is known by its path, which some rule reads as an identity or which leads to an object or list with such a path in it; or by its name.
    """
    rules: list[EventRule | UserRule] = [*settings.events, *settings.users]
    identities = {
        _steps(path, rule): _Identity(path, f"the {kind.value} of a customer")
        for rule in rules
        for kind, written in rule.identities.items()
        for path in map(source_in, expressions_of(written))
    }
    notes = []
    for place, rule in enumerate(settings.events):
        written: dict[KeyPath, Any] = {("attributes", name): each for name, each in rule.attributes.items()}
        if not isinstance(rule.out_biz_id, list):  # a list is hashed
            written["out_biz_id",] = rule.out_biz_id
        for location, value in written.items():
            notes += [Note(("events", place, *location), text) for text in _carried(value, rule, identities)]
    return notes


def _carried(written: Any, rule: EventRule, identities: Mapping[_Steps, _Identity]) -> Iterator[str]:
    for expression in expressions_of(written):
        if not ANONYMISING_FUNCTIONS.isdisjoint(functions_in(expression)):
            continue
        path = source_in(expression)
        steps = _steps(path, rule)
        known = identities.get(steps)
        if what := known.what if known is not None else _by_name(steps):
            yield f"is {path}, {what}: it belongs under identities, and elsewhere only hashed (hmac)"
        elif (inner := next((each for at, each in identities.items() if at[: len(steps)] == steps), None)) is not None:
            yield f"is {path}, which holds {inner.written}, {inner.what}: name the fields that you need one by one"


def _steps(path: str, rule: EventRule | UserRule) -> _Steps:
    """Return a path's steps from the entry on, in one form however it is written; any place in a list is `EVERY`."""
    try:
        steps = path_of(path)
    except BadExpression:  # reported by the compiler
        return (path,)
    if isinstance(steps, str):
        return (steps,)
    if steps[0] == "$item" and isinstance(rule.for_each, str):
        steps = (*_steps(source_in(rule.for_each), rule), EVERY, *steps[1:])
    return tuple(EVERY if isinstance(step, int) else step for step in steps)


def _by_name(steps: _Steps) -> str:
    """Return the kind of identifier that a path's last name stands for: `userPhone`, `mobile_no`, but not `phone_model`, which is a device."""
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    words = [word.lower() for word in _WORD.findall(name)]
    only = _FOLLOWING.get(words.pop(), "") if len(words) > 1 and words[-1] in _FOLLOWING else ""
    last = words[-1] if words else ""
    ending = next((what for ending, what in _ENDINGS.items() if last.endswith(ending)), "")
    found = ending or _WORDS.get(last) or _WORDS.get(last.removesuffix("s"), "")
    return found if only in {"", found} else ""
