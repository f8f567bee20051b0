"""Fault scripts: which faults the stand-in injects, and in which calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator, model_validator

from pipeline.errors import UsageError
from pipeline.report.payload import ACTIONS
from pipeline.setting_types.quantity import Duration, format_duration
from pipeline.yaml_text.diagnostics import Diagnostic, dotted, errors_in, from_pydantic
from pipeline.yaml_text.yaml_file import UnreadableYaml, read_yaml

_STRICT = ConfigDict(frozen=True, extra="forbid")

_KEYS_OF_ACTIONS = {"latency": {"delay"}, "retry_after": {"throttle", "unavailable"}, "error_code": {"business_error"}}
"""The keys that only some faults have, each with these faults."""


class Refuse(BaseModel):
    """Selects the content that is refused: a message with a value that contains this text. With `field`, only that field is searched.

    `field` is a path of wire names, such as `extendAttributes.title` or `customerIdList.customerId`. It goes through lists.
    """

    model_config = _STRICT

    containing: Annotated[str, Field(min_length=1)]
    field: Annotated[str, Field(min_length=1)] | None = None
    error_code: Annotated[str, Field(min_length=1)] = "ES0110000400"
    error_description: str = "Invalid message!"

    def applies(self, messages: Sequence[Any]) -> bool:
        """Return whether a batch has a message with that text."""
        path = self.field.split(".") if self.field else None
        return any(self.containing in text for message in messages for text in _texts(message, path))


class ScriptedFault(BaseModel):
    """One fault, and the calls in which it happens.

    Without `seconds`, `calls`, `share` or `operation` it happens in every call, unless `on` is false.
    """

    model_config = _STRICT

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,50}$")]
    do: Literal[
        "delay",
        "throttle",
        "unavailable",
        "internal_error",
        "garbage",
        "too_large",
        "cut_before",
        "cut_after",
        "hang_before",
        "hang_after",
        "business_error",
        "refuse",
    ]
    on: bool = True
    seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] | None = None
    calls: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    operation: str | None = None
    error_code: Annotated[str, Field(min_length=1)] | None = None
    latency: Duration = 100
    retry_after: Duration = 0
    refuse: Refuse | None = None

    @field_validator("seconds", "calls")
    @classmethod
    def _end_lies_after_the_beginning(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and window[0] >= window[1]:
            raise ValueError("an end that does not lie after the beginning; expected [from, to]")
        return window

    @field_validator("operation")
    @classmethod
    def _operation_is_known(cls, operation: str | None) -> str | None:
        if operation is not None and operation not in ACTIONS.values():
            raise ValueError(f"an operation that reports nothing; expected {' or '.join(sorted(ACTIONS.values()))}")
        return operation

    @model_validator(mode="after")
    def _keys_fit_the_fault(self) -> Self:
        if (self.do == "refuse") != (self.refuse is not None):
            raise ValueError("`do: refuse` and the key `refuse` without each other; expected both or neither")
        if self.do == "business_error" and self.error_code is None:
            raise ValueError("`do: business_error` without `error_code`; expected the code that the answers have")
        for key, actions in _KEYS_OF_ACTIONS.items():
            if key in self.model_fields_set and self.do not in actions:
                raise ValueError(
                    f"`{key}` does nothing for `do: {self.do}`; expected it with {' or '.join(sorted(actions))}"
                )
        return self

    @field_serializer("latency", "retry_after")
    def _as_written(self, duration_ms: int) -> str:
        return format_duration(duration_ms)


class FaultScript(BaseModel):
    """The faults, in order. The first fault that applies to a call happens; delays before it happen too."""

    model_config = _STRICT

    faults: list[ScriptedFault] = Field(default_factory=list)


def read_faults(path: Path) -> FaultScript:
    """Read a script from a YAML file.

    Raises:
        UsageError: the file is no YAML, or it has wrong keys; the message names file, line and key.
    """
    try:
        written = read_yaml(path)
        return FaultScript.model_validate(written.content)
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    except ValidationError as error:
        found = [from_pydantic(each, FaultScript, written.content) for each in errors_in(error)]
        faults = [Diagnostic(str(path), written.line_of(each[0]), dotted(each[0]), *each[1:]) for each in found]
        raise UsageError(*map(str, faults)) from None


def parse_faults(text: bytes) -> FaultScript:
    """Read a script from JSON text.

    Raises:
        UsageError: the text is no JSON, or it has wrong keys; the message names the key.
    """
    try:
        content = orjson.loads(text)
        return FaultScript.model_validate(content)
    except ValidationError as error:
        found = [from_pydantic(each, FaultScript, content) for each in errors_in(error)]
        raise UsageError(*(str(Diagnostic("faults", 0, dotted(each[0]), *each[1:])) for each in found)) from None
    except ValueError:
        raise UsageError("found no JSON; expected a fault script as JSON") from None


@dataclass(slots=True)
class _ActiveFault:
    """A fault of a running script. Its windows count from the start of the script, or from the moment when the fault was switched on."""

    fault: ScriptedFault
    start_s: float
    start_call: int = 0
    share: float = 0.0

    def applies(self, now_s: float, call: int, operation: str) -> bool:
        fault, since_s, since_call = self.fault, now_s - self.start_s, call - self.start_call
        in_time = fault.seconds is None or fault.seconds[0] <= since_s < fault.seconds[1]
        in_calls = fault.calls is None or fault.calls[0] <= since_call < fault.calls[1]
        if not (fault.on and in_time and in_calls and fault.operation in {None, operation}):
            return False
        self.share += fault.share  # deterministic: exactly every (1/share)-th call
        if self.share < 1 - 1e-9:
            return False
        self.share -= 1
        return True


class _ScriptRun:
    """The state of one script from its start on."""

    def __init__(self, script: FaultScript, now_s: float) -> None:
        self.faults = [_ActiveFault(fault, now_s) for fault in script.faults]
        self.calls = 0


class FaultPlayer:
    """Decides which faults happen in a call. Another thread may replace the script; a call sees either the old script or the new one."""

    def __init__(self, script: FaultScript, now_s: float) -> None:
        self._run = _ScriptRun(script, now_s)

    @property
    def calls(self) -> int:
        """Return the number of calls since the script started."""
        return self._run.calls

    def replace(self, script: FaultScript, now_s: float) -> None:
        """Start another script."""
        self._run = _ScriptRun(script, now_s)

    def switch(self, name: str, now_s: float, *, on: bool) -> bool:
        """Switch the faults of this name on or off. Return whether there is such a fault.

        The windows of a fault that was off start again when it is switched on.
        """
        run, found = self._run, False
        for active in run.faults:
            if active.fault.name == name:
                found = True
                if on and not active.fault.on:
                    active.start_s, active.start_call, active.share = now_s, run.calls, 0.0
                active.fault = active.fault.model_copy(update={"on": on})
        return found

    def listed(self) -> list[dict[str, Any]]:
        """Return the current faults, in the shape of a script."""
        return [active.fault.model_dump(mode="json", exclude_unset=True) for active in self._run.faults]

    def next_call(self, now_s: float, operation: str = "") -> list[ScriptedFault]:
        """Return the faults of the next call, which is of this operation, and count the call."""
        run = self._run
        call, run.calls = run.calls, run.calls + 1
        return [active.fault for active in run.faults if active.applies(now_s, call, operation)]


def _texts(message: Any, path: Sequence[str] | None) -> Iterator[str]:
    """Yield every text and number of a message, at the path or anywhere. It does not recurse, because the depth of a message has no limit."""
    waiting = [(message, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, list):
            waiting.extend((each, depth) for each in value)
        elif isinstance(value, dict):
            if path is None:
                waiting.extend((each, depth) for each in value.values())
            elif depth < len(path) and path[depth] in value:
                waiting.append((value[path[depth]], depth + 1))
        elif isinstance(value, str | int | float) and (path is None or depth == len(path)):
            yield str(value)
