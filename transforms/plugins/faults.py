"""Errors of a plug-in's own code before its first record, as faults of the source file: never a traceback, never a value of its options."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError

from transforms.fault import KeyPath, MappingFault, MappingFaults
from transforms.plugins.time_limit import TimeLimit, TookTooLong

PLUGIN: KeyPath = ("transform", "plugin")
FILE: KeyPath = ("transform", "file")
OPTIONS: KeyPath = ("transform", "options")

_MOST_QUOTED = 300
_LEAST_SECRET = 4
"""Fewest characters of a value that is masked. Shorter values are no secrets, and would mask parts of words."""

_HERE, _PYTHON = str(Path(__file__).parent), sysconfig.get_path("stdlib")


class PluginNotFound(MappingFaults):
    """There is no plug-in of that name, or there are several."""


class InvalidOptions(MappingFaults):
    """The options break the plug-in's own model. `error` is pydantic's error, for a caller that can word it better."""

    def __init__(self, name: str, model: type[BaseModel], error: ValidationError, options: Mapping[str, Any]) -> None:
        self.model = model
        self.error = error
        super().__init__(
            MappingFault(
                (*OPTIONS, *each["loc"]), masked(each["msg"], options), f"options that the plug-in {name!r} takes"
            )
            for each in error.errors(include_url=False, include_input=False)
        )


def one_fault(location: KeyPath, found: str, expected: str) -> MappingFaults:
    """Return the exception for one fault."""
    return MappingFaults([MappingFault(location, found, expected)])


def call_plugin_code(call: Callable[[Any], Any], argument: Any, location: KeyPath, what: str, most_s: float) -> Any:
    """Call code of a plug-in and return its result. `what` says in a message which part of the plug-in failed; the message adds the line.

    Raises:
        MappingFaults: the code raised, or took longer than `most_s` seconds.
    """
    try:
        return TimeLimit(most_s).run(call, argument)
    except TookTooLong:
        raise one_fault(location, f"{what} (it takes longer than {most_s:g} s)", "code that ends") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plug-in's own code; a panic in Rust is no `Exception`
        options = argument if isinstance(argument, Mapping) else {}
        message = masked(" ".join(str(error).split())[:_MOST_QUOTED], options)
        found = f"{what} ({type(error).__name__}{_at(error)})" + (f": {message}" if message else "")
        expected = (
            "options as its documentation describes them" if location is OPTIONS else "a plug-in without this error"
        )
        raise one_fault(location, found, expected) from None


def _at(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" at line {error.lineno}" if error.lineno else ""
    return f" at {place}" if (place := place_of(error)) else ""


def place_of(error: BaseException) -> str:
    """Return the file and line at which foreign code raised: the deepest line of the first foreign file in the traceback."""
    trace: TracebackType | None = error.__traceback__
    called_file, line = "", 0
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == called_file or (not called_file and _is_foreign(file)):
            called_file, line = file, trace.tb_lineno
        trace = trace.tb_next
    return f"{Path(called_file).name}:{line}" if line else ""


def _is_foreign(file: str) -> bool:
    return not file.startswith(("<", _HERE)) and (not file.startswith(_PYTHON) or "site-packages" in file)


def masked(text: str, options: Mapping[str, Any]) -> str:
    """Return a text with the values of options masked, since one of them may be a secret."""
    for value in sorted(_texts(options), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
    elif len(str(value)) >= _LEAST_SECRET:
        yield str(value)
