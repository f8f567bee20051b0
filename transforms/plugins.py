"""Python plug-ins: found by entry point in the group `log2mq.transforms`, under the same contract as the mapping.

An entry point is a factory: called once with the options of the source file, it returns what converts one `LogEntry` into any
number of `EventMessage` and `CustomerMessage`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from typing import Any

from pydantic import ValidationError

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.fault import Fault, Location, MappingFaults

GROUP = "log2mq.transforms"

MOST_MESSAGES = 10_000
"""A plug-in that makes more of one record is taken to have no end."""

_MOST_QUOTED = 300
_LEAST_SECRET = 4
"""Shorter values of options are no secrets, and would mask parts of words."""

PluginTransform = Callable[[LogEntry], Iterable[EventMessage | CustomerMessage] | None]
PluginFactory = Callable[[Mapping[str, Any]], PluginTransform]

_KEPT_FOR_THE_JOB = ("organizationId", "workspaceId", "v")
_MODELS: tuple[tuple[type[EventMessage | CustomerMessage], Kind], ...] = (
    (EventMessage, Kind.EVENT),
    (CustomerMessage, Kind.USER),
)


class PluginNotFound(MappingFaults):
    """There is no plug-in of that name, or there are several."""


def installed_plugins() -> dict[str, EntryPoint]:
    """Return the plug-ins that are installed, by name. None of them is imported."""
    return {each.name: each for each in entry_points(group=GROUP)}


def load_plugin(name: str, options: Mapping[str, Any]) -> Plugin:
    """Import a plug-in by its entry point's name and give it a copy of its options. A name is only ever looked up, never imported by path.

    Raises:
        PluginNotFound: there is no such plug-in; a `MappingFaults` like the others.
        MappingFaults: it cannot be imported, is no factory, or does not take the options.
    """
    found = _find(name)
    try:
        factory: PluginFactory = found.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's own code
        raise _fault(
            ("transform", "plugin"),
            f"the plug-in {name!r} cannot be imported ({type(error).__name__}){_said(error, {})}",
            "a plug-in that imports",
        ) from None
    if not callable(factory):
        raise _fault(
            ("transform", "plugin"),
            f"the plug-in {name!r} is a {type(factory).__name__}",
            "a factory: a function that takes the options",
        )
    try:
        convert = factory(_copied(options))
    except ValidationError as error:
        raise MappingFaults(
            Fault(
                ("transform", "options", *each["loc"]),
                _masked(each["msg"], options),
                f"what the plug-in {name!r} takes",
            )
            for each in error.errors(include_url=False, include_input=False)
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's own code
        raise _fault(
            ("transform", "options"),
            f"the plug-in {name!r} does not take these options ({type(error).__name__}){_said(error, options)}",
            "what its documentation says",
        ) from None
    if not callable(convert):
        raise _fault(
            ("transform", "plugin"),
            f"the plug-in {name!r} made a {type(convert).__name__} of its options",
            "a function that takes a log entry",
        )
    return Plugin(name, convert)


def _find(name: str) -> EntryPoint:
    named = {each.value: each for each in entry_points(group=GROUP, name=name)}
    if len(named) == 1:
        return next(iter(named.values()))
    if named:
        fault = Fault(
            ("transform", "plugin"),
            f"several plug-ins named {name!r}: {', '.join(sorted(named))}",
            "one; uninstall the others",
        )
        raise PluginNotFound([fault])
    installed = sorted(installed_plugins())
    near = difflib.get_close_matches(name, installed, n=1)
    known = f"{near[0]!r}; " if near else ""
    known += f"installed: {', '.join(installed)}" if installed else "a plug-in that is installed; none is"
    raise PluginNotFound([Fault(("transform", "plugin"), f"unknown plug-in {name!r}", known)])


def _fault(location: Location, found: str, expected: str) -> MappingFaults:
    return MappingFaults([Fault(location, found, expected)])


def _said(error: BaseException, options: Mapping[str, Any]) -> str:
    text = _masked(" ".join(str(error).split())[:_MOST_QUOTED], options)
    return f": {text}" if text else ""


def _masked(text: str, options: Mapping[str, Any]) -> str:
    """Quote what the author says, without the values of options: one may be a secret."""
    for value in sorted(_texts(options), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
    elif len(str(value)) >= _LEAST_SECRET:
        yield str(value)


class Plugin:
    """A `Transform` around a plug-in's callable: whatever it does costs its record, not the job."""

    def __init__(self, name: str, convert: PluginTransform) -> None:
        self._name = name
        self._convert = convert
        self._skipped = Skipped(f"plug-in {name}")

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. The plug-in gets a copy of the fields: what it changes there changes nothing here.

        The copy costs about 1 us for every ten values of the entry; each message is checked against its model, which costs 5 to 10 us.
        """
        try:
            made = self._convert(LogEntry(_copied(entry.fields), entry.record, entry.place))
            messages = None if made is None else self._read(made)
        except ValidationError as error:
            return self._invalid(ReasonCode.PLUGIN_RAISED, "raised ValidationError", error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's call
            return self._refuse(ReasonCode.PLUGIN_RAISED, f"raised {type(error).__name__}")
        return messages or self._skipped

    def _read(self, made: Any) -> list[Message] | Refusal:
        """Take what the plug-in returned, generators too, users before events."""
        if isinstance(made, EventMessage | CustomerMessage) or not isinstance(made, Iterable):
            return self._refuse(
                ReasonCode.PLUGIN_OUTPUT,
                f"returned a {type(made).__name__}; expected a list, an iterator or None",
            )
        by_kind: dict[Kind, list[Message]] = {Kind.USER: [], Kind.EVENT: []}
        for place, each in enumerate(islice(made, MOST_MESSAGES + 1)):
            if place == MOST_MESSAGES:
                return self._refuse(ReasonCode.PLUGIN_OUTPUT, f"made more than {MOST_MESSAGES} messages of one record")
            message = self._message(each)
            if isinstance(message, Refusal):
                return message
            by_kind[message.kind].append(message)
        return by_kind[Kind.USER] + by_kind[Kind.EVENT]

    def _message(self, made: Any) -> Message | Refusal:
        for model, kind in _MODELS:
            if isinstance(made, model):
                # What was made without validation (`model_construct`, `model_copy`) is validated here; pydantic's own warnings would
                # print the record's values.
                wire = made.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
                try:
                    model.model_validate(wire)
                except ValidationError as error:
                    return self._invalid(ReasonCode.PLUGIN_OUTPUT, f"made an invalid {model.__name__}", error)
                for key in _KEPT_FOR_THE_JOB:
                    wire.pop(key, None)
                return Message(kind, wire, f"plug-in {self._name}")
        return self._refuse(
            ReasonCode.PLUGIN_OUTPUT, f"made a {type(made).__name__}; expected EventMessage or CustomerMessage"
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


def _names(model: type[EventMessage | CustomerMessage], field: str) -> tuple[str, ...]:
    return field, model.model_fields[field].alias or field


def _copied(value: Any) -> Any:
    """Copy what JSON can hold; anything else is passed on as it is. Five times as fast as `copy.deepcopy`."""
    if isinstance(value, Mapping):
        return {key: _copied(each) if isinstance(each, Mapping | list) else each for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) if isinstance(each, Mapping | list) else each for each in value]
    return value
