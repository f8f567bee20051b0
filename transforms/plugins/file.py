"""A plug-in in a Python file, which is imported by its path as a module of its own."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from hashlib import blake2b
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from pydantic import BaseModel

from transforms.plugins.faults import FILE, call_plugin_code, one_fault
from transforms.regular_file import read_regular

MOST_BYTES = 4 << 20
"""The most bytes of a plug-in's file."""


def import_file(path: Path, most_s: float) -> ModuleType:
    """Import a Python file by its path. No other path is searched, and no compiled code is read or written beside the file.

    Raises:
        MappingFaults: the file cannot be read or imported, or its import takes longer than `most_s` seconds.
    """
    expected = "a Python file, its path relative to the source file's folder"
    try:
        if not path.is_file():
            raise one_fault(
                FILE, f"{path}, which is no file" if path.exists() else f"{path}, which is not there", expected
            )
        source = read_regular(path, MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise one_fault(FILE, f"{path}, which cannot be read ({type(error).__name__})", expected) from None
    if len(source) > MOST_BYTES:
        raise one_fault(FILE, f"{path}, which has more than {MOST_BYTES >> 20} MiB", expected)
    module: ModuleType = call_plugin_code(
        lambda each: _module(path.resolve(), each), source, FILE, f"{path}, which cannot be imported", most_s
    )
    return module


def factory_names(module: ModuleType) -> list[str]:
    """Return the names of possible factories: public functions and classes that the module defines, with one argument that is no `entry`."""
    return [
        name
        for name, each in vars(module).items()
        if not name.startswith("_")
        and callable(each)
        and getattr(each, "__module__", None) == module.__name__
        and not (isinstance(each, type) and issubclass(each, BaseModel | BaseException))
        and _takes_options(each)
    ]


def _takes_options(call: Callable[..., Any]) -> bool:
    try:
        parameters = [*inspect.signature(call).parameters.values()]
    except (TypeError, ValueError):
        return False
    needed = [each for each in parameters if each.default is each.empty]
    return len(needed) == 1 and needed[0] is parameters[0] and needed[0].name != "entry"


class _SourceLoader(SourceFileLoader):
    """Compiles the given source. A `.pyc` beside the file would be another file to trust, and out of date for a second after each change."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        return self.source_to_code(self._source, self.get_filename(fullname))


def _module(path: Path, source: bytes) -> ModuleType:
    """Run a file as a module with a name of its own. The module is in `sys.modules`, where pydantic looks up the names in annotations."""
    stem = re.sub(r"\W", "_", path.stem)
    name = f"log2mq_plugin_{stem}_{blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    loader = _SourceLoader(name, path, source)
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
