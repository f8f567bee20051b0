"""Python plug-ins, under the same contract as the mapping: found by entry point in the group `log2mq.transforms`, or in a file.

A plug-in is a factory: called once with the options of the source file, it returns what converts one `LogEntry` into any
number of `EventMessage` and `CustomerMessage`.
"""

from __future__ import annotations

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
"""A plug-in that makes more of one record is taken to have no end."""

MOST_MS = 500
"""How long a plug-in may take for one entry where the source file says nothing."""

_TRIES = 2
"""An entry is given a second time before it is refused for its time: a machine that stood still is no fault of a record."""

_KEPT_FOR_THE_JOB = ("organizationId", "workspaceId", "v")
_MODELS: tuple[tuple[type[EventMessage | CustomerMessage], Kind], ...] = (
    (EventMessage, Kind.EVENT),
    (CustomerMessage, Kind.USER),
)


def load_plugin(name: str, options: Mapping[str, Any], *, file: Path | None = None, most_ms: int = MOST_MS) -> Plugin:
    """Import a plug-in, from `file` or else by its entry point's name, and give it a copy of its options. Each entry may take `most_ms`.

    Raises:
        PluginNotFound: there is no such plug-in; a `MappingFaults` like the others.
        InvalidOptions: the options break the plug-in's own model; likewise.
        MappingFaults: it cannot be imported, is no factory, or does not take the options.
    """
    factory = installed_factory(name) if file is None else file_factory(file, name)
    return Plugin(name, factory.make(options), most_ms)


class Plugin:
    """A `Transform` around a plug-in's callable: whatever it does costs its record, not the job."""

    def __init__(self, name: str, convert: PluginTransform, most_ms: int = MOST_MS) -> None:
        self._name = name
        self._convert = convert
        self._most_ms = most_ms
        self._limit = TimeLimit(most_ms / 1000)
        self._skipped = Skipped(f"plug-in {name}")

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. The plug-in gets a copy: what it changes there changes nothing here.

        The copy costs about 1 us for every ten values of the entry, the limit on its time 1 us; each message is checked against its model, which
        costs 5 to 10 us. In any other thread than the process's main one its time is not limited.
        """
        place = entry.record
        for _ in range(_TRIES):
            # A record of Kafka's keeps its headers in a list.
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
        """Take what the plug-in returned, generators too, users before events."""
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
                # What was made without validation (`model_construct`, `model_copy`) is validated here; pydantic's own warnings would
                # print the record's values.
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
        """Say which fields of a message are wrong: the names of the model only, never a value or a key of the record."""
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
