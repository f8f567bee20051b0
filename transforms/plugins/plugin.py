"""Python plug-ins, under the same contract as the mapping. One is found by its entry point in the group `log2mq.transforms`, or in a file.

A plug-in is a factory. It is called once, with the options of the source file. It returns a function that converts one `LogEntry`
into any number of `EventMessage` and `CustomerMessage`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry, RawRecord
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.plugins.factory import PluginTransform, copied, file_factory, installed_factory
from transforms.plugins.faults import place_of
from transforms.plugins.time_limit import TimeLimit, TookTooLong

MOST_MESSAGES = 10_000
"""The most messages that a plug-in may make of one entry. A plug-in that makes more counts as endless."""

MOST_MS = 500
"""The time limit for one entry, in ms, where the source file sets none."""

MOST_RECORD_MS = 15_000
"""The time limit for all entries of one record together, in ms: the group evicts a member that does not poll for long."""

_TRIES = 2
"""An entry that took too long is converted once more before it is refused, since the machine may have been busy."""

_KEPT_FOR_THE_JOB = ("organizationId", "workspaceId", "v")
_MODELS: tuple[tuple[type[EventMessage | CustomerMessage], Kind], ...] = (
    (EventMessage, Kind.EVENT),
    (CustomerMessage, Kind.USER),
)


def load_plugin(name: str, options: Mapping[str, Any], *, file: Path | None = None, most_ms: int = MOST_MS) -> Plugin:
    """Import a plug-in, from `file` or else by its entry point's name, and give it a copy of its options. Each entry may take `most_ms`.

    Raises:
        PluginNotFound: there is no such plug-in; this is a `MappingFaults`.
        InvalidOptions: the options break the plug-in's own model; this is a `MappingFaults` too.
        MappingFaults: the plug-in cannot be imported, is no factory, or does not take the options.
    """
    factory = installed_factory(name) if file is None else file_factory(file, name)
    return Plugin(name, factory.make(options), most_ms)


class Plugin:
    """A `Transform` around a plug-in's callable. A fault of the callable refuses the record and does not stop the job."""

    def __init__(self, name: str, convert: PluginTransform, most_ms: int = MOST_MS) -> None:
        self._name = name
        self._convert = convert
        self._most_ms = most_ms
        self._limit = TimeLimit(most_ms / 1000)
        self._skipped = Skipped(f"plug-in {name}")
        self._last: LogEntry | None = None  # the entry before
        self._spent_ms = 0.0  # by the entries of its record so far

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. The plug-in gets a copy of the entry, so that it cannot change the entry itself.

        The copy costs about 1 us for every ten values of the entry, the time limit 1 us. Each message is checked against its model, which
        costs 5 to 10 us. The time of an entry is limited only in the process's main thread.
        """
        last, self._last = self._last, entry
        if last is None or entry.record is not last.record or entry.place <= last.place:
            self._spent_ms = 0.0
        elif self._spent_ms > MOST_RECORD_MS:
            return self._refuse(
                ReasonCode.PLUGIN_TOO_SLOW,
                f"took longer than {MOST_RECORD_MS} ms for the entries before this one in its record",
            )
        begun_s = time.monotonic()
        answer = self._convert_in_time(entry)
        # No entry counts for more than its own limit: a process that stood still meanwhile has not spent that time.
        self._spent_ms += min((time.monotonic() - begun_s) * 1000, _TRIES * self._most_ms)
        return answer

    def _convert_in_time(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        place = entry.record
        for _ in range(_TRIES):
            # The headers of a record from Kafka are a list, which the plug-in could change.
            record = RawRecord(place.topic, place.partition, place.offset, place.timestamp, place.key, place.value, tuple(place.headers))  # fmt: skip
            try:
                return self._limit.run(self._answer, LogEntry(copied(entry.fields), record, entry.place))
            except TookTooLong:
                continue
        return self._refuse(ReasonCode.PLUGIN_TOO_SLOW, f"took longer than {self._most_ms} ms, {_TRIES} times")

    def _answer(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        try:
            returned = self._convert(entry)
            messages = None if returned is None else self._read(returned)
        except ValidationError as error:
            return self._invalid(ReasonCode.PLUGIN_RAISED, f"raised ValidationError{_at(error)}", error)
        except (TookTooLong, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a plug-in's call; a panic in Rust or a cancelled task is no `Exception`
            return self._refuse(ReasonCode.PLUGIN_RAISED, f"raised {type(error).__name__}{_at(error)}")
        return messages or self._skipped

    def _read(self, returned: Any) -> list[Message] | Refusal:
        """Read the messages that the plug-in returned, also from a generator; user messages come before events."""
        if isinstance(returned, EventMessage | CustomerMessage) or not isinstance(returned, Iterable):
            return self._refuse(
                ReasonCode.PLUGIN_OUTPUT,
                f"returned a {type(returned).__name__}; expected a list, an iterator or None",
            )
        by_kind: dict[Kind, list[Message]] = {Kind.USER: [], Kind.EVENT: []}
        for place, each in enumerate(islice(returned, MOST_MESSAGES + 1)):
            if place == MOST_MESSAGES:
                return self._refuse(ReasonCode.PLUGIN_OUTPUT, f"made more than {MOST_MESSAGES} messages of one record")
            message = self._message(each)
            if isinstance(message, Refusal):
                return message
            by_kind[message.kind].append(message)
        return by_kind[Kind.USER] + by_kind[Kind.EVENT]

    def _message(self, returned: Any) -> Message | Refusal:
        for model, kind in _MODELS:
            if isinstance(returned, model):
                # A message made without validation (`model_construct`, `model_copy`) is validated here. pydantic's own warnings are
                # off: they would print the record's values.
                wire = returned.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
                try:
                    model.model_validate(wire)
                except ValidationError as error:
                    return self._invalid(ReasonCode.PLUGIN_OUTPUT, f"made an invalid {model.__name__}", error)
                for key in _KEPT_FOR_THE_JOB:
                    wire.pop(key, None)
                return Message(kind, wire, f"plug-in {self._name}")
        return self._refuse(
            ReasonCode.PLUGIN_OUTPUT, f"made a {type(returned).__name__}; expected EventMessage or CustomerMessage"
        )

    def _invalid(self, code: ReasonCode, what: str, error: ValidationError) -> Refusal:
        """Return a refusal that names the wrong fields of a message: only names of the model, never a value or a key of the record."""
        fields = {name: None for model, _ in _MODELS for field in model.model_fields for name in _names(model, field)}
        wrong = [str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False) if each["loc"]]
        named = sorted({name for name in wrong if name in fields})
        if error.title == EventMessage.__name__ and named in (["extendAttributes"], ["extend_attributes"]):
            kinds = {each["type"] for each in error.errors(include_url=False, include_input=False)}
            if kinds <= {"value_error", "missing"}:
                return self._refuse(ReasonCode.OUT_BIZ_ID_MISSING, "made an event without outBizId")
        return self._refuse(code, what + (f" ({', '.join(named)})" if named else ""))

    def _refuse(self, code: ReasonCode, reason: str) -> Refusal:
        return Refusal(Stage.TRANSFORM, code, f"plug-in {self._name} {reason}")


def _at(error: BaseException) -> str:
    return f" at {place}" if (place := place_of(error)) else ""


def _names(model: type[EventMessage | CustomerMessage], field: str) -> tuple[str, ...]:
    return field, model.model_fields[field].alias or field
