"""The compiler of the mapping: it makes closures of the settings and reports all faults at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from schemas.customer import IdMapping
from schemas.event import OUT_BIZ_ID
from schemas.log import LogEntry
from transforms.base import Kind
from transforms.fault import BadExpression, KeyPath, MappingFault, MappingFaults
from transforms.fields import Value, compile_path
from transforms.mapping.conditions import Condition, compile_condition
from transforms.mapping.elements import MakeMessage, for_each, split_condition
from transforms.mapping.mapper import Mapper
from transforms.mapping.models import EventRule, MappingSettings, UserRule
from transforms.mapping.out_biz_id import MakeOutBizId, compile_out_biz_id, ordinals
from transforms.mapping.readers import attributes, event_time, identities, optional_text, required_text
from transforms.mapping.rule import Rule
from transforms.mapping.scope import NOTHING, Scope, Tables
from transforms.mapping.values import compile_value, constant_of, is_constant, names_element, sources_of
from transforms.values.text import text_or_none
from transforms.values.times import DEFAULT_ZONE, zone

TextOf = Callable[[LogEntry], str]


def compile_mapping(settings: MappingSettings, keys: Mapping[str, bytes] = NOTHING) -> Mapper:
    """Compile a mapping. `keys` are the secrets that the mapping may name; no setting holds them.

    Raises:
        MappingFaults: the mapping has faults. The exception holds all of them, each with its place.
    """
    faults: list[MappingFault] = []
    if not settings.events and not settings.users:
        faults.append(MappingFault(("events",), "no rule", "at least one rule under `events` or `users`"))
    scope = Scope(_tables(settings.tables, faults), keys, _zone(settings.time_zone, faults))
    compiler = _Compiler(settings, scope, faults)
    rules = [compiler.user(rule, ("users", place)) for place, rule in enumerate(settings.users)]
    numbers = ordinals(settings.events)
    rules += [compiler.event(rule, ("events", place), numbers[place]) for place, rule in enumerate(settings.events)]
    if faults:
        raise MappingFaults(faults)
    return Mapper(
        rules, dead_letter_rest=settings.otherwise == "dead_letter", first_event_only=settings.match == "first"
    )


def _tables(written: Mapping[str, Mapping[str, Any]], faults: list[MappingFault]) -> Tables:
    for name, table in written.items():
        for key, value in table.items():
            try:
                constant_of(value)
            except BadExpression as bad:
                faults.append(MappingFault(("tables", name, key), bad.found, bad.expected))
    return {name: dict(table) for name, table in written.items()}


def _zone(name: str, faults: list[MappingFault]) -> str:
    try:
        zone(name)
    except BadExpression as bad:
        faults.append(MappingFault(("time_zone",), bad.found, bad.expected))
        return DEFAULT_ZONE
    return name


class _Compiler:
    """Compiles one rule after the other and collects their faults."""

    def __init__(self, settings: MappingSettings, scope: Scope, faults: list[MappingFault]) -> None:
        self._scope = scope
        self._times = settings.event_times
        self._faults = faults
        self._refuse_impossible = settings.identities.impossible == "refuse"

    def event(self, rule: EventRule, location: KeyPath, ordinal: int) -> Rule:
        code, code_of = self._code(rule.event_code, (*location, "event_code"))
        channel, channel_of = self._channel(rule.event_source_code, (*location, "event_source_code"))
        written_time = self._varying(rule.event_time, (*location, "event_time"), "$.ts")
        time = event_time(written_time, self._scope.time_zone, self._times.before, self._times.after)
        customer = self._customer(rule.customer_id, location)
        biz = self._out_biz_id(rule.out_biz_id, (*location, "out_biz_id"), ordinal)
        ids = self._identities(rule.identities, location)
        extend = self._attributes(rule.attributes, (*location, "attributes"))

        def make(entry: LogEntry) -> dict[str, Any] | None:
            found = extend(entry)
            wire: dict[str, Any] = {
                "customerId": customer(entry),
                "eventCode": code if code_of is None else code_of(entry),
                "eventTime": time(entry),
                "extendAttributes": found,
            }
            found[OUT_BIZ_ID] = biz(entry)
            if source := channel if channel_of is None else channel_of(entry):
                wire["eventSourceCode"] = source
            if ids is not None and (known := ids(entry)):
                wire["customerIdList"] = known
            return wire

        return self._rule(rule, location, Kind.EVENT, rule.event_code, make)

    def user(self, rule: UserRule, location: KeyPath) -> Rule:
        customer = self._customer(rule.customer_id, location)
        ids = self._identities(rule.identities, location)

        def make(entry: LogEntry) -> dict[str, Any] | None:
            known = ids(entry) if ids is not None else None
            return {"customerId": customer(entry), "customerIdList": known} if known else None

        return self._rule(rule, location, Kind.USER, "identities", make)

    def _rule(self, rule: EventRule | UserRule, location: KeyPath, kind: Kind, code: Any, make: MakeMessage) -> Rule:
        """Return the compiled rule. With `for_each`, conditions on the element are tested for each element, the others once."""
        name, personal = _name(location, code), _personal(rule.customer_id, *rule.identities.values())
        when = rule.when or {}
        if rule.for_each is None:
            for key, written in rule:
                if names_element(written):
                    self._faults.append(
                        MappingFault(
                            (*location, key), "$item or $index", "for_each in the same rule, whose element they are"
                        )
                    )
            return Rule(name, kind, self._condition(when, location), make, personal)
        if names_element(rule.for_each):
            self._faults.append(
                MappingFault(
                    (*location, "for_each"), f"{rule.for_each!r}", "a list of the entry, such as $.order.items"
                )
            )
        elements = self._varying(rule.for_each, (*location, "for_each"), "$.order.items")
        of_entry = of_element = self._condition(when, location)
        if of_entry.parts:  # else there is no condition, or it has faults
            of_entry, of_element = (compile_condition(each, (*location, "when")) for each in split_condition(when))
        return Rule(name, kind, of_entry, for_each(elements, of_element.holds, make), personal, elements, of_element)

    def _condition(self, when: Mapping[str, Any], location: KeyPath) -> Condition:
        try:
            return compile_condition(when, (*location, "when"))
        except MappingFaults as found:
            self._faults.extend(found.faults)
            return Condition(lambda _: False)

    def _value(self, written: Any, location: KeyPath) -> Value:
        try:
            return compile_value(written, self._scope)
        except BadExpression as bad:
            self._faults.append(MappingFault(location, bad.found, bad.expected))
            return lambda _: None

    def _varying(self, written: Any, location: KeyPath, example: str) -> Value:
        """Compile a value that cannot be the same for every entry. A constant is a fault: most often it is a path without its `$.`."""
        if is_constant(written):
            found = "nothing" if written is None else f"the constant {written!r}, the same for every entry"
            self._faults.append(MappingFault(location, found, f"a path such as {example}"))
        return self._value(written, location)

    def _customer(self, written: Any, location: KeyPath) -> TextOf:
        return required_text(self._varying(written, (*location, "customer_id"), "$.user.id"), "customer_id")

    def _code(self, written: Any, location: KeyPath) -> tuple[str, TextOf | None]:
        """Return the event's code as a constant text, or else the function that reads it."""
        value = self._value(written, location)
        if not is_constant(written):
            return "", required_text(value, "event_code")
        code = self._constant_text(written, location)
        if not code:
            self._faults.append(MappingFault(location, "nothing", "the event's code, or a path"))
        return code, None

    def _channel(self, written: Any, location: KeyPath) -> tuple[str, TextOf | None]:
        value = self._value(written, location)
        if not is_constant(written):
            return "", optional_text(value, "event_source_code")
        return self._constant_text(written, location), None

    def _constant_text(self, written: Any, location: KeyPath) -> str:
        if isinstance(written, bool | list | dict):
            self._faults.append(MappingFault(location, repr(written), "a text, or a path"))
            return "-"
        try:
            return (text_or_none(constant_of(written)) or "").strip()
        except BadExpression:
            return "-"  # noted already, by `_value`

    def _out_biz_id(self, written: Any, location: KeyPath, ordinal: int) -> MakeOutBizId:
        try:
            return compile_out_biz_id(written, self._scope, ordinal)
        except BadExpression as bad:
            self._faults.append(MappingFault(location, bad.found, bad.expected))
            return lambda _: ""  # never called: the faults are raised

    def _attributes(self, written: Mapping[str, Any], location: KeyPath) -> Callable[[LogEntry], dict[str, str]]:
        if OUT_BIZ_ID in written:
            self._faults.append(
                MappingFault((*location, OUT_BIZ_ID), "outBizId among the attributes", "the key out_biz_id of the rule")
            )
        return attributes([(name, self._value(each, (*location, name))) for name, each in written.items()])

    def _identities(
        self, written: Mapping[IdMapping, Any], location: KeyPath
    ) -> Callable[[LogEntry], list[dict[str, str]]] | None:
        if not written:
            return None
        values = [
            (kind, self._varying(each, (*location, "identities", kind.value), f"$.user.{kind.value}"))
            for kind, each in written.items()
        ]
        return identities(values, refuse_impossible=self._refuse_impossible)


def _personal(*written: Any) -> tuple[Value, ...]:
    """Compile the paths of identifiers in the entry, without the functions behind. Faults of these paths are noted elsewhere."""
    found = []
    for each in written:
        with suppress(BadExpression):
            found += [compile_path(path) for path in sources_of(each)]
    return tuple(found)


def _name(location: KeyPath, code: Any) -> str:
    return f"{location[0]}[{location[1]}] {code if isinstance(code, str) else ''}".rstrip()
