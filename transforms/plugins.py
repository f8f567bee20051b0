"""Python plug-ins: found by entry point in the group `log2mq.transforms`, under the same contract as the mapping.

An entry point is a factory: called once with the options of the source file, it returns what converts one `LogEntry` into any
number of `EventMessage` and `CustomerMessage`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal, Stage
from transforms.base import Kind, Message, Skipped
from transforms.fault import Fault, MappingFaults

GROUP = "log2mq.transforms"

PluginTransform = Callable[[LogEntry], Iterable[EventMessage | CustomerMessage] | None]
PluginFactory = Callable[[Mapping[str, Any]], PluginTransform]

_KEPT_FOR_THE_JOB = ("organizationId", "workspaceId", "v")


def installed_plugins() -> dict[str, EntryPoint]:
    """Return the plug-ins that are installed, by name. None of them is imported."""
    return {each.name: each for each in entry_points(group=GROUP)}


def load_plugin(name: str, options: Mapping[str, Any]) -> Plugin:
    """Import a plug-in by its entry point's name and give it its options. A name is only ever looked up, never imported by path.

    Raises:
        MappingFaults: there is no such plug-in, it cannot be imported, or it does not take the options.
    """
    found = installed_plugins()
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        known = (
            repr(near[0])
            if near
            else (f"one of {', '.join(sorted(found))}" if found else "a plug-in that is installed; none is")
        )
        raise MappingFaults([Fault(("transform", "plugin"), f"unknown plug-in {name!r}", known)])
    try:
        factory: PluginFactory = found[name].load()
    except Exception as error:  # noqa: BLE001 - a plug-in's own code
        fault = Fault(
            ("transform", "plugin"),
            f"the plug-in {name!r} cannot be imported ({type(error).__name__})",
            "a plug-in that imports",
        )
        raise MappingFaults([fault]) from None
    try:
        convert = factory(options)
    except ValidationError as error:
        raise MappingFaults(
            [
                Fault(("transform", "options", *each["loc"]), each["msg"], f"what the plug-in {name!r} takes")
                for each in error.errors()
            ]
        ) from None
    except Exception as error:  # noqa: BLE001 - a plug-in's own code
        fault = Fault(
            ("transform", "options"),
            f"the plug-in {name!r} does not take these options ({type(error).__name__})",
            "what its documentation says",
        )
        raise MappingFaults([fault]) from None
    return Plugin(name, convert)


class Plugin:
    """A `Transform` around a plug-in's callable: whatever it does costs its record, not the job."""

    def __init__(self, name: str, convert: PluginTransform) -> None:
        self._name = name
        self._convert = convert

    def __call__(self, entry: LogEntry) -> Sequence[Message] | Skipped | Refusal:
        """Convert one entry. The plug-in gets a copy of the fields: what it changes there changes nothing here."""
        try:
            made = list(self._convert(LogEntry(deepcopy(entry.fields), entry.record)) or ())
        except Exception as error:  # noqa: BLE001 - a plug-in's call
            return self._refuse(ReasonCode.PLUGIN_RAISED, f"raised {type(error).__name__}")
        if not made:
            return Skipped(f"plug-in {self._name}")
        users: list[Message] = []
        events: list[Message] = []
        for each in made:
            if not isinstance(each, EventMessage | CustomerMessage):
                return self._refuse(
                    ReasonCode.PLUGIN_OUTPUT,
                    f"returned a {type(each).__name__}; expected EventMessage or CustomerMessage",
                )
            wire = each.wire()
            for key in _KEPT_FOR_THE_JOB:
                wire.pop(key, None)
            kind = Kind.EVENT if isinstance(each, EventMessage) else Kind.USER
            (events if kind is Kind.EVENT else users).append(Message(kind, wire, f"plug-in {self._name}"))
        return users + events

    def _refuse(self, code: ReasonCode, reason: str) -> Refusal:
        return Refusal(Stage.TRANSFORM, code, f"plug-in {self._name} {reason}")
