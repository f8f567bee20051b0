"""A plug-in's factory: found among the installed entry points or in a Python file, and called with its options."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from schemas.customer import CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry
from transforms.fault import Fault
from transforms.plugins.faults import OPTIONS, PLUGIN, InvalidOptions, PluginNotFound, called, one_fault
from transforms.plugins.file import factory_names, import_file

GROUP = "log2mq.transforms"

MOST_LOADING_S = 30.0
"""An import, or a factory's call, that takes longer is taken to have no end."""

_PLAIN = frozenset({str, int, float, bool, type(None)})

PluginTransform = Callable[[LogEntry], Iterable[EventMessage | CustomerMessage] | None]


class Factory(NamedTuple):
    """A factory that was imported. `model` is what its first parameter is annotated with, where that is a pydantic model."""

    name: str
    call: Callable[[Any], Any]
    model: type[BaseModel] | None

    def make(self, options: Mapping[str, Any]) -> PluginTransform:
        """Call it with a copy of the options, read by its model if it has one, and return what converts entries.

        Raises:
            InvalidOptions: they break the model.
            MappingFaults: it does not take them, or returns nothing that could be called.
        """
        given = copied(options) if self.model is None else self._read(self.model, options)
        refused = f"the plug-in {self.name!r}, which does not take these options"
        convert = called(lambda _: self.call(given), options, OPTIONS, refused, MOST_LOADING_S)
        if not callable(convert):
            found = f"the plug-in {self.name!r} made a {type(convert).__name__} of its options"
            raise one_fault(PLUGIN, found, "a function that takes a log entry")
        return convert  # type: ignore[no-any-return]  # what it returns is checked for each record

    def _read(self, model: type[BaseModel], options: Mapping[str, Any]) -> BaseModel:
        """Unknown keys are faults, as everywhere in a source file, unless the model itself says what becomes of them."""
        try:
            return model.model_validate(copied(options), extra=None if "extra" in model.model_config else "forbid")
        except ValidationError as error:
            raise InvalidOptions(self.name, model, error, options) from None


def installed_plugins() -> list[EntryPoint]:
    """Return the plug-ins that are installed, by name. None of them is imported."""
    found = {(each.name, each.value): each for each in entry_points(group=GROUP)}
    return [found[key] for key in sorted(found)]


def installed_factory(name: str) -> Factory:
    """Import an installed plug-in. A name is only ever looked up among the entry points, never imported by itself.

    Raises:
        PluginNotFound: there is no such plug-in, or there are several.
        MappingFaults: it cannot be imported, or is no factory.
    """
    named = [each for each in installed_plugins() if each.name == name]
    if len(named) == 1:
        return import_factory(named[0], MOST_LOADING_S)
    if named:
        found = f"several plug-ins named {name!r}: {', '.join(each.value for each in named)}"
        raise PluginNotFound([Fault(PLUGIN, found, "one; uninstall the others")])
    installed = [each.name for each in installed_plugins()]
    known = (
        f"installed: {', '.join(installed)}"
        if installed
        else "a plug-in that is installed, and none is; for one in a file add `file:`"
    )
    raise PluginNotFound([Fault(PLUGIN, f"unknown plug-in {name!r}", "; ".join([*_near(name, installed), known]))])


def import_factory(point: EntryPoint, most_s: float) -> Factory:
    """Import what an entry point names.

    Raises:
        MappingFaults: it cannot be imported within `most_s` seconds, or is no factory.
    """
    what = f"the plug-in {point.name!r}, which cannot be imported"
    return as_factory(point.name, called(lambda _: point.load(), None, PLUGIN, what, most_s))


def file_factory(path: Path, name: str) -> Factory:
    """Import a Python file and return the factory of that name in it.

    Raises:
        PluginNotFound: it has no such factory.
        MappingFaults: it cannot be read or imported, or what has that name is no factory.
    """
    module = import_file(path, MOST_LOADING_S)
    found = getattr(module, name, None)
    if found is None:
        there = factory_names(module)
        known = f"one of its functions: {', '.join(there)}" if there else "a function in it that takes the options"
        raise PluginNotFound([Fault(PLUGIN, f"no {name!r} in {path}", "".join(_near(name, there)) or known)])
    return as_factory(name, found)


def _near(name: str, names: list[str]) -> list[str]:
    return [repr(near) for near in difflib.get_close_matches(name, names, n=1)]


def as_factory(name: str, found: Any) -> Factory:
    """Look at what was imported, and for the model of its options.

    Raises:
        MappingFaults: it is no factory, or what its parameter is annotated with is not there.
    """
    if not callable(found):
        expected = "a factory: a function that takes the options"
        raise one_fault(PLUGIN, f"the plug-in {name!r} is a {type(found).__name__}", expected)
    what = f"the plug-in {name!r}, whose parameters cannot be read"
    annotations = called(_annotations, found, PLUGIN, what, MOST_LOADING_S)
    first = annotations[0] if annotations else None
    return Factory(name, found, first if isinstance(first, type) and issubclass(first, BaseModel) else None)


def _annotations(call: Callable[..., Any]) -> list[Any]:
    try:
        return [each.annotation for each in inspect.signature(call, eval_str=True).parameters.values()]
    except (TypeError, ValueError):
        return []  # written in C: it says nothing of its parameters


def copied(value: Any) -> Any:
    """Copy what JSON can hold; anything else is passed on as it is. Four times as fast as `copy.deepcopy`.

    One frame a level, as loops and not as comprehensions: a record may be nested half as deep as Python calls.
    """
    if value.__class__ is dict or isinstance(value, Mapping):
        mapping = {}
        for key, each in value.items():
            mapping[key] = each if each.__class__ in _PLAIN else copied(each)
        return mapping
    if isinstance(value, list):
        elements = []
        for each in value:
            elements.append(each if each.__class__ in _PLAIN else copied(each))  # noqa: PERF401 - see above
        return elements
    return value
