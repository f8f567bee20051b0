"""The mapping, compiled once to closures: one log entry to zero, one or many messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.attribute import attribute_string
from schemas.customer import IdMapping
from schemas.event import OUT_BIZ_ID
from schemas.identity import normalise
from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.fault import BadExpression, Fault, Location, MappingFaults
from transforms.fields import Inconvertible, Value
from transforms.mapping.conditions import Condition, compile_condition
from transforms.mapping.expressions import compile_value
from transforms.mapping.functions import Tables
from transforms.mapping.models import EventRule, MappingSettings, UserRule
from transforms.mapping.out_biz_id import compile_out_biz_id
from transforms.times import epoch_ms, iso_reader

Make = Callable[[LogEntry], dict[str, Any] | None]
"""Makes one message's wire form, None for none. Raises `_Refused` only."""

_NO_RULE = Skipped("no rule matched")
_NO_MESSAGE = Skipped("no identity to report")


class _Refused(Exception):
    def __init__(self, code: ReasonCode, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Rule(NamedTuple):
    """One compiled rule."""

    name: str
    kind: Kind
    condition: Condition
    make: Make


class RuleTrace(NamedTuple):
    """What one rule did with an entry: `failed` is the first condition that did not hold."""

    rule: str
    matched: bool
    failed: str = ""
    message: Message | None = None
    refusal: Refusal | None = None


class Mapper:
    """A `Transform` made from a source file. Every rule whose `when` holds makes its message, users before events."""

    def __init__(self, rules: Sequence[Rule], *, dead_letter_rest: bool) -> None:
        self._rules = tuple(rules)
        self._kinds = tuple((rule.condition.holds, rule.make, rule.kind, rule.name) for rule in rules)
        self._dead_letter_rest = dead_letter_rest

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. What one rule refuses refuses the record: half of it is not reported in silence."""
        messages = []
        matched = False
        try:
            for holds, make, kind, name in self._kinds:
                if holds(entry):
                    matched = True
                    wire = make(entry)
                    if wire is not None:
                        messages.append(Message(kind, wire, name))
        except _Refused as refused:
            return Refusal(Stage.TRANSFORM, refused.code, f"{name}: {refused.reason}")
        if messages:
            return messages
        if matched:
            return _NO_MESSAGE
        return (
            Refusal(Stage.TRANSFORM, ReasonCode.NO_RULE_MATCHED, "no rule matched")
            if self._dead_letter_rest
            else _NO_RULE
        )

    def explain(self, entry: LogEntry) -> list[RuleTrace]:
        """Say of every rule whether it matched and what it made, or which condition did not hold."""
        traces = []
        for rule in self._rules:
            failed = next((text for text, test in rule.condition.parts if not test(entry)), None)
            if failed is not None:
                traces.append(RuleTrace(rule.name, matched=False, failed=failed))
                continue
            try:
                wire = rule.make(entry)
            except _Refused as refused:
                refusal = Refusal(Stage.TRANSFORM, refused.code, f"{rule.name}: {refused.reason}")
                traces.append(RuleTrace(rule.name, matched=True, refusal=refusal))
            else:
                message = None if wire is None else Message(rule.kind, wire, rule.name)
                traces.append(RuleTrace(rule.name, matched=True, message=message))
        return traces


def compile_mapping(settings: MappingSettings) -> Mapper:
    """Compile a mapping.

    Raises:
        MappingFaults: every fault there is, each with its place.
    """
    faults: list[Fault] = []
    if not settings.events and not settings.users:
        faults.append(Fault(("events",), "no rule", "at least one rule under `events` or `users`"))
    tables = {name: {str(key): value for key, value in table.items()} for name, table in settings.tables.items()}
    compiler = _Compiler(tables, faults, refuse_impossible=settings.identities.impossible == "refuse")
    rules = [compiler.user(rule, ("users", place)) for place, rule in enumerate(settings.users)]
    rules += [compiler.event(rule, ("events", place)) for place, rule in enumerate(settings.events)]
    if faults:
        raise MappingFaults(faults)
    return Mapper(rules, dead_letter_rest=settings.otherwise == "dead_letter")


class _Compiler:
    """Compiles rule after rule, gathering faults on the way."""

    def __init__(self, tables: Tables, faults: list[Fault], *, refuse_impossible: bool) -> None:
        self._tables = tables
        self._faults = faults
        self._refuse_impossible = refuse_impossible

    def event(self, rule: EventRule, location: Location) -> Rule:
        code = _text(self._value(rule.event_code, (*location, "event_code")), "event_code", needed=True)
        source = _text(
            self._value(rule.event_source_code, (*location, "event_source_code")), "event_source_code", needed=False
        )
        customer = _text(self._value(rule.customer_id, (*location, "customer_id")), "customer_id", needed=True)
        time = _time(self._value(rule.event_time, (*location, "event_time")))
        identities = self._identities(rule.identities, location)
        try:
            out_biz_id = compile_out_biz_id(rule.out_biz_id, self._tables)
        except BadExpression as bad:
            self._faults.append(Fault((*location, "out_biz_id"), bad.found, bad.expected))
            out_biz_id = lambda _: None  # noqa: E731 - never called: the faults are raised
        if OUT_BIZ_ID in rule.attributes:
            self._faults.append(
                Fault(
                    (*location, "attributes", OUT_BIZ_ID),
                    "outBizId among the attributes",
                    "the key out_biz_id of the rule",
                )
            )
        attributes = tuple(
            (name, self._value(each, (*location, "attributes", name))) for name, each in rule.attributes.items()
        )

        def make(entry: LogEntry) -> dict[str, Any]:
            wire: dict[str, Any] = {"customerId": customer(entry), "eventCode": code(entry), "eventTime": time(entry)}
            try:
                channel = source(entry)
                biz = out_biz_id(entry)
                if not biz:
                    raise _Refused(ReasonCode.OUT_BIZ_ID_MISSING, "out_biz_id has no value")
                extend = {}
                for name, value in attributes:
                    found = value(entry)
                    if found.__class__ is str:
                        extend[name] = found
                    elif found is not None and (text := attribute_string(found)) is not None:
                        extend[name] = text
            except Inconvertible as error:
                raise _Refused(ReasonCode.FUNCTION_FAILED, str(error)) from None
            if channel:
                wire["eventSourceCode"] = channel
            extend[OUT_BIZ_ID] = biz
            wire["extendAttributes"] = extend
            if identities is not None and (found_ids := identities(entry)):
                wire["customerIdList"] = found_ids
            return wire

        return Rule(self._name(location, rule.event_code), Kind.EVENT, self._condition(rule.when, location), make)

    def user(self, rule: UserRule, location: Location) -> Rule:
        customer = _text(self._value(rule.customer_id, (*location, "customer_id")), "customer_id", needed=True)
        identities = self._identities(rule.identities, location)

        def make(entry: LogEntry) -> dict[str, Any] | None:
            found = identities(entry) if identities is not None else None
            return {"customerId": customer(entry), "customerIdList": found} if found else None

        return Rule(self._name(location, "identities"), Kind.USER, self._condition(rule.when, location), make)

    def _name(self, location: Location, code: Any) -> str:
        return f"{location[0]}[{location[1]}] {code if isinstance(code, str) else ''}".rstrip()

    def _condition(self, when: Mapping[str, Any] | None, location: Location) -> Condition:
        try:
            return compile_condition(when, (*location, "when"))
        except MappingFaults as found:
            self._faults.extend(found.faults)
            return Condition(lambda _: False, ())

    def _value(self, written: Any, location: Location) -> Value:
        try:
            return compile_value(written, self._tables)
        except BadExpression as bad:
            self._faults.append(Fault(location, bad.found, bad.expected))
            return lambda _: None

    def _identities(
        self, written: Mapping[IdMapping, Any], location: Location
    ) -> Callable[[LogEntry], list[dict[str, str]]] | None:
        if not written:
            return None
        values = tuple(
            (kind, self._value(each, (*location, "identities", kind.value))) for kind, each in written.items()
        )
        refuse = self._refuse_impossible

        def identities(entry: LogEntry) -> list[dict[str, str]]:
            found = []
            for kind, value in values:
                try:
                    text = attribute_string(value(entry))
                except Inconvertible as error:
                    raise _Refused(ReasonCode.FUNCTION_FAILED, str(error)) from None
                if not text:
                    continue
                normal = normalise(kind, text)
                if normal is not None:
                    found.append({"customerId": normal, "idMapping": kind.value})
                elif refuse:
                    raise _Refused(ReasonCode.IDENTITY_INVALID, f"identities.{kind.value} cannot be one")
            return found

        return identities


def _text(value: Value, key: str, *, needed: bool) -> Callable[[LogEntry], str]:
    """Read a text; a number is written out, an object or a list is no text."""

    def text(entry: LogEntry) -> str:
        try:
            found = value(entry)
        except Inconvertible as error:
            raise _Refused(ReasonCode.FUNCTION_FAILED, f"{key}: {error}") from None
        if found.__class__ is str and found:
            return str(found)
        if isinstance(found, dict | list):
            raise _Refused(ReasonCode.FIELD_TYPE, f"{key} is an object or a list; expected a text or a number")
        written = attribute_string(found) or ""
        if needed and not written:
            raise _Refused(ReasonCode.FIELD_MISSING, f"{key} has no value")
        return written

    return text


def _time(value: Value) -> Callable[[LogEntry], int]:
    """Read the event's time: what a function made, seconds or milliseconds told apart, or ISO 8601."""
    read_text = iso_reader()

    def time(entry: LogEntry) -> int:
        try:
            found = value(entry)
            if found is None or found == "":
                raise _Refused(ReasonCode.FIELD_MISSING, "event_time has no value")
            if isinstance(found, str) and not found.strip().lstrip("-").replace(".", "", 1).isdecimal():
                return read_text(found)
            return epoch_ms(found)
        except Inconvertible as error:
            raise _Refused(ReasonCode.TIME_INVALID, f"event_time: {error}") from None

    return time
