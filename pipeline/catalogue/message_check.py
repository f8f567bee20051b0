"""Checks each event message against the event catalogue. It is compiled once; a correct message takes about a microsecond."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.catalogue.settings import Action, CatalogueSettings
from schemas.catalogue import Catalogue, Origin, PropertyType
from schemas.event import OUT_BIZ_ID
from schemas.refusal import ReasonCode, Refusal, Stage

_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII
)  # linear: no part can be matched in two ways


class Objection(NamedTuple):
    """One difference between a message and the catalogue. `names` are its properties; the names of unknown properties come from the message."""

    code: ReasonCode
    what: str
    names: tuple[str, ...] = ()


class _KnownEvent(NamedTuple):
    """An event of the catalogue, prepared for the check. `problem` is set if the event must not be reported at all."""

    app_key: str | None
    allowed: frozenset[str]
    numeric: tuple[str, ...]
    problem: Objection | None


def is_number(text: str) -> bool:
    """Return whether an attribute's text is a decimal number."""
    return _NUMBER.fullmatch(text) is not None


def reported_elsewhere(origin: Origin) -> str:
    """Return who else reports the events of this origin; "" if nobody does."""
    return {Origin.QUICK_TRACKING: "Quick Tracking reports", Origin.SYSTEM: "the system itself reports"}.get(origin, "")


class MessageCheck:
    """Checks event messages, of the mapping and of plug-ins alike.

    `warnings` counts the warnings by reason code and event code. If the catalogue has no such event, the rule's name replaces the event code. So the number of
    keys is bounded, and no key is a value of a record.
    """

    def __init__(self, catalogue: Catalogue, settings: CatalogueSettings) -> None:
        self._actions = {code: settings.action(code) for code in ReasonCode}
        self._known_events = {each.code: _known_event(catalogue, each.code) for each in catalogue.events}
        self._app_keys = frozenset(each.app_key for each in catalogue.channels if each.app_key)
        self._is_right = self._compiled()
        self.warnings: dict[tuple[str, str], int] = {}

    def __call__(self, wire: Mapping[str, Any], rule: str) -> Refusal | None:
        """Return the refusal of a message; None if it passes. `rule` is the name of the rule that made it."""
        if self._is_right(wire):
            return None
        warned = []
        for finding in self.findings(wire):
            action = self._actions[finding.code]
            if action is Action.REFUSE:
                return Refusal(Stage.CHECK, finding.code, f"{rule}: {finding.what}")
            if action is Action.WARN:
                warned.append(finding.code)
        warnings, code = self.warnings, wire["eventCode"]
        for each in warned:
            kind = (each.value, code if code in self._known_events else rule)
            warnings[kind] = warnings.get(kind, 0) + 1
        return None

    def action(self, finding: Objection) -> Action:
        """Return the action for a finding."""
        return self._actions[finding.code]

    def findings(self, wire: Mapping[str, Any]) -> Iterator[Objection]:
        """Yield every difference between a message and the catalogue, one of each kind, whatever its action is."""
        code, source, attributes = wire["eventCode"], wire.get("eventSourceCode"), wire["extendAttributes"]
        known = self._known_events.get(code)
        if known is not None and known.problem is not None:
            yield known.problem
        if known is None:
            yield Objection(ReasonCode.EVENT_UNKNOWN, "the catalogue has no event of the message's eventCode")
        if source is not None and source not in self._app_keys:
            yield Objection(ReasonCode.CHANNEL_UNKNOWN, "eventSourceCode is the APP_KEY of no channel of the catalogue")
        if known is None:
            return
        if source is not None and source in self._app_keys and known.app_key not in {None, source}:
            yield Objection(
                ReasonCode.CHANNEL_UNKNOWN, f"eventSourceCode is the APP_KEY of another channel than that of {code}"
            )
        if unknown := attributes.keys() - known.allowed:
            what = f"an attribute is none of the properties that the catalogue has for {code}"
            yield Objection(ReasonCode.PROPERTY_UNKNOWN, what, tuple(sorted(unknown)))
        if missing := tuple(sorted(known.allowed - attributes.keys())):
            yield Objection(ReasonCode.PROPERTY_MISSING, f"{code} comes without {', '.join(missing)}", missing)
        wrong = tuple(name for name in known.numeric if name in attributes and not is_number(attributes[name]))
        if wrong:
            yield Objection(ReasonCode.PROPERTY_NOT_NUMERIC, f"no number in {', '.join(wrong)} of {code}", wrong)

    def _compiled(self) -> Callable[[Mapping[str, Any]], bool]:
        """Return a fast function that says whether a message has no finding to refuse or warn of. Ignored findings cost no time."""
        known_of = self._known_events.get
        on = {code: action is not Action.IGNORE for code, action in self._actions.items()}
        asks_event, asks_channel = on[ReasonCode.EVENT_UNKNOWN], on[ReasonCode.CHANNEL_UNKNOWN]
        asks_unknown, asks_missing = on[ReasonCode.PROPERTY_UNKNOWN], on[ReasonCode.PROPERTY_MISSING]
        asks_numeric, app_keys, number = on[ReasonCode.PROPERTY_NOT_NUMERIC], self._app_keys, _NUMBER.fullmatch

        def is_right(wire: Mapping[str, Any]) -> bool:
            known = known_of(wire["eventCode"])
            source = wire.get("eventSourceCode")
            if known is None:
                return not asks_event and (source is None or not asks_channel or source in app_keys)
            app_key, allowed, numeric, problem = known
            if problem is not None or (source != app_key and source is not None and asks_channel):
                return False
            attributes = wire["extendAttributes"]
            names = attributes.keys()
            if names != allowed and (
                (asks_unknown and not names <= allowed) or (asks_missing and not names >= allowed)
            ):
                return False
            if asks_numeric:
                for name in numeric:
                    value = attributes.get(name)
                    if value is not None and number(value) is None:
                        return False
            return True

        return is_right


def _known_event(catalogue: Catalogue, code: str) -> _KnownEvent:
    event = catalogue.events_by_code[code]
    channel = catalogue.channel_of(event)
    reporter = reported_elsewhere(catalogue.origin_of(event))
    problem = Objection(ReasonCode.EVENT_REPORTED_ELSEWHERE, f"{reporter} {code} already") if reporter else None
    return _KnownEvent(
        channel.app_key if channel is not None else None,
        frozenset({OUT_BIZ_ID, *(each.id for each in event.properties)}),
        tuple(each.id for each in event.properties if each.type is PropertyType.NUMERIC),
        problem,
    )
