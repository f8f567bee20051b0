"""The description of a plug-in: its docstring, the options of its model, where it comes from; or why it cannot be used."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from transforms.fault import MappingFaults
from transforms.plugins.factory import Factory, as_factory, import_factory, installed_plugins
from transforms.plugins.file import factory_names, import_file

MOST_IMPORTING_S = 5.0
"""The longest time that a list of plug-ins waits for the import of one, in seconds."""

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}
_MODULE_NAMES = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")


class OptionDescription(NamedTuple):
    """One option: its name, type, default (empty where it is required) and description, as a person reads them."""

    name: str
    type: str
    default: str
    description: str


class PluginDescription(NamedTuple):
    """One plug-in. `place` is its module and name or its file, `distribution` the name and version of its package.

    `options` is None where the plug-in has no model of its options. `problem` says why it cannot be used, and is empty where it can.
    """

    name: str
    place: str
    distribution: str = ""
    summary: str = ""
    options: Sequence[OptionDescription] | None = None
    problem: str = ""


def describe_installed() -> list[PluginDescription]:
    """Return the descriptions of all installed plug-ins. Each is imported, within `MOST_IMPORTING_S`; no factory is called."""
    points = installed_plugins()
    often = Counter(point.name for point in points)
    described = []
    for point in points:
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""
        found = PluginDescription(point.name, point.value, distribution)
        try:
            found = _described(found, import_factory(point, MOST_IMPORTING_S))
        except MappingFaults as faults:
            found = found._replace(problem=_problem(faults))
        if often[point.name] > 1:
            found = found._replace(problem=f"there are {often[point.name]} plug-ins of this name; uninstall the others")
        described.append(found)
    return described


def describe_file(path: Path) -> list[PluginDescription]:
    """Return the descriptions of the factories in a file, which is imported within `MOST_IMPORTING_S`.

    Raises:
        MappingFaults: the file cannot be read or imported.
    """
    module = import_file(path, MOST_IMPORTING_S)
    described = []
    for name in factory_names(module):
        found = PluginDescription(name, str(path))
        try:
            described.append(_described(found, as_factory(name, getattr(module, name))))
        except MappingFaults as faults:
            described.append(found._replace(problem=_problem(faults)))
    return described


def _problem(faults: MappingFaults) -> str:
    return "; ".join(each.found for each in faults.faults)


def _described(found: PluginDescription, factory: Factory) -> PluginDescription:
    lines = (factory.call.__doc__ or "").strip().splitlines()
    return found._replace(
        summary=lines[0] if lines else "", options=None if factory.model is None else _options(factory.model)
    )


def _options(model: type[BaseModel]) -> list[OptionDescription]:
    return [
        OptionDescription(field.alias or name, _type(field.annotation), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]


def _type(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return _MODULE_NAMES.sub("", str(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    if field.default_factory is not None:
        return "made by the plug-in"
    default = field.default
    return json.dumps(default) if default is None or isinstance(default, bool) else repr(default)  # as YAML writes them
