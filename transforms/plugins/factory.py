"""The factory of a plug-in: it is found among the installed entry points or in a Python file, and called with the options."""

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
from transforms.fault import MappingFault
from transforms.plugins.faults import OPTIONS, PLUGIN, InvalidOptions, PluginNotFound, call_plugin_code, one_fault
from transforms.plugins.file import factory_names, import_file

GROUP = "log2mq.transforms"

MOST_LOADING_S = 30.0
"""The longest time of an import, or of a factory's call, in seconds."""

_PLAIN = frozenset({str, int, float, bool, type(None)})

PluginTransform = Callable[[LogEntry], Iterable[EventMessage | CustomerMessage] | None]


class Factory(NamedTuple):
    """An imported factory. `model` is the annotation of its first parameter, where that is a pydantic model."""

    name: str
    call: Callable[[Any], Any]
    model: type[BaseModel] | None

    def make(self, options: Mapping[str, Any]) -> PluginTransform:
        """Call the factory with a copy of the options, read by its model if it has one, and return the function that converts entries.

        Raises:
            InvalidOptions: the options break the model.
            MappingFaults: the factory does not take the options, or does not return a function.
        """
        argument = copied(options) if self.model is None else self._read(self.model, options)
        refused = f"the plug-in {self.name!r}, which does not take these options"
        convert = call_plugin_code(lambda _: self.call(argument), options, OPTIONS, refused, MOST_LOADING_S)
        if not callable(convert):
            found = f"the plug-in {self.name!r} made a {type(convert).__name__} of its options"
            raise one_fault(PLUGIN, found, "a function that takes a log entry")
        return convert  # type: ignore[no-any-return]  # its results are checked for each record

    def _read(self, model: type[BaseModel], options: Mapping[str, Any]) -> BaseModel:
        """Return the options as the model. Unknown keys are faults, as everywhere in a source file, unless the model has its own rule (`extra`)."""
        try:
            return model.model_validate(copied(options), extra=None if "extra" in model.model_config else "forbid")
        except ValidationError as error:
            raise InvalidOptions(self.name, model, error, options) from None


def installed_plugins() -> list[EntryPoint]:
    """Return the plug-ins that are installed, by name. None of them is imported."""
    found = {(each.name, each.value): each for each in entry_points(group=GROUP)}
    return [found[key] for key in sorted(found)]


def installed_factory(name: str) -> Factory:
    """Import an installed plug-in. The name is looked up among the entry points; it is never imported as a module.

    Raises:
        PluginNotFound: there is no such plug-in, or there are several.
        MappingFaults: the plug-in cannot be imported, or is no factory.
    """
    named = [each for each in installed_plugins() if each.name == name]
    if len(named) == 1:
        return import_factory(named[0], MOST_LOADING_S)
    if named:
        found = f"several plug-ins named {name!r}: {', '.join(each.value for each in named)}"
        raise PluginNotFound([MappingFault(PLUGIN, found, "one; uninstall the others")])
    installed = [each.name for each in installed_plugins()]
    known = (
        f"installed: {', '.join(installed)}"
        if installed
        else "a plug-in that is installed, and none is; for one in a file add `file:`"
    )
    raise PluginNotFound(
        [MappingFault(PLUGIN, f"unknown plug-in {name!r}", "; ".join([*_near(name, installed), known]))]
    )


def import_factory(point: EntryPoint, most_s: float) -> Factory:
    """Import the factory that an entry point names.

    Raises:
        MappingFaults: the object cannot be imported within `most_s` seconds, or is no factory.
    """
    what = f"the plug-in {point.name!r}, which cannot be imported"
    return as_factory(point.name, call_plugin_code(lambda _: point.load(), None, PLUGIN, what, most_s))


def file_factory(path: Path, name: str) -> Factory:
    """Import a Python file and return the factory of that name in it.

    Raises:
        PluginNotFound: the file has no such factory.
        MappingFaults: the file cannot be read or imported, or the object of that name is no factory.
    """
    module = import_file(path, MOST_LOADING_S)
    found = getattr(module, name, None)
    if found is None:
        names = factory_names(module)
        known = f"one of its functions: {', '.join(names)}" if names else "a function in it that takes the options"
        raise PluginNotFound([MappingFault(PLUGIN, f"no {name!r} in {path}", "".join(_near(name, names)) or known)])
    return as_factory(name, found)


def _near(name: str, names: list[str]) -> list[str]:
    return [repr(near) for near in difflib.get_close_matches(name, names, n=1)]


def as_factory(name: str, found: Any) -> Factory:
    """Return an imported object as a factory, with the model of its options.

    Raises:
        MappingFaults: the object is no factory, or the annotation of a parameter names something that is not defined.
    """
    if not callable(found):
        expected = "a factory: a function that takes the options"
        raise one_fault(PLUGIN, f"the plug-in {name!r} is a {type(found).__name__}", expected)
    what = f"the plug-in {name!r}, whose parameters cannot be read"
    annotations = call_plugin_code(_annotations, found, PLUGIN, what, MOST_LOADING_S)
    first = annotations[0] if annotations else None
    return Factory(name, found, first if isinstance(first, type) and issubclass(first, BaseModel) else None)


def _annotations(call: Callable[..., Any]) -> list[Any]:
    try:
        return [each.annotation for each in inspect.signature(call, eval_str=True).parameters.values()]
    except (TypeError, ValueError):
        return []  # written in C: its parameters cannot be known


def copied(value: Any) -> Any:
    """Return a copy of a JSON value; any other value is returned itself. It is four times as fast as `copy.deepcopy`.

    It uses loops, not comprehensions, so that each level takes one frame: a record may be nested half as deep as Python's limit of calls.
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
