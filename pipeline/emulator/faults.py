"""Fault scripts: what the stand-in does wrong on purpose, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.config.faults import dotted
from pipeline.config.quantity import Duration
from pipeline.config.yaml_file import UnreadableYaml, read_yaml
from pipeline.errors import UsageError

_STRICT = ConfigDict(frozen=True, extra="forbid")


class Refuse(BaseModel):
    """Which content is refused: any message in which some text holds this one."""

    model_config = _STRICT

    containing: Annotated[str, Field(min_length=1)]
    error_code: str = "ES0110000400"
    error_description: str = "Invalid message!"


class Fault(BaseModel):
    """One fault: what happens, and in which calls. Without `seconds`, `calls` or `share` it is always on, unless `on` is false."""

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
        "refuse",
    ]
    on: bool = True
    seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] | None = None
    calls: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    latency: Duration = 100
    retry_after: Duration = 0
    refuse: Refuse | None = None

    @model_validator(mode="after")
    def _refuse_says_what(self) -> Self:
        if (self.do == "refuse") != (self.refuse is not None):
            raise ValueError("`do: refuse` and the key `refuse` without each other; expected both or neither")
        return self


class FaultScript(BaseModel):
    """All faults, in order: the first one that applies to a call happens; delays add to it."""

    model_config = _STRICT

    faults: list[Fault] = Field(default_factory=list)


def read_faults(path: Path) -> FaultScript:
    """Read a script.

    Raises:
        UsageError: it is no YAML, or has wrong keys; the message names file, line and key.
    """
    try:
        written = read_yaml(path)
        return FaultScript.model_validate(written.content)
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    except ValidationError as error:
        lines = [
            f"{path}:{written.line_of(each['loc'])}: {dotted(each['loc'])}: {each['msg']}" for each in error.errors()
        ]
        raise UsageError("\n".join(lines)) from None


class FaultPlayer:
    """Decides which faults a call meets."""

    def __init__(self, script: FaultScript, now_s: float) -> None:
        self._faults = list(script.faults)
        self._begun_s = now_s
        self._calls = 0
        self._shares = [0.0] * len(self._faults)

    def replace(self, script: FaultScript, now_s: float) -> None:
        """Play another script from its beginning."""
        self.__init__(script, now_s)  # type: ignore[misc]  # the whole state begins anew

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch the faults of a name; return whether there are any."""
        found = False
        for place, fault in enumerate(self._faults):
            if fault.name == name:
                self._faults[place] = fault.model_copy(update={"on": on})
                found = True
        return found

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults as they stand."""
        return [fault.model_dump(mode="json", exclude_none=True) for fault in self._faults]

    def meets(self, now_s: float) -> list[Fault]:
        """Return the faults of the next call."""
        place_in_run, self._calls = self._calls, self._calls + 1
        met = []
        for place, fault in enumerate(self._faults):
            since_s = now_s - self._begun_s
            in_time = fault.seconds is None or fault.seconds[0] <= since_s < fault.seconds[1]
            in_calls = fault.calls is None or fault.calls[0] <= place_in_run < fault.calls[1]
            if not (fault.on and in_time and in_calls):
                continue
            self._shares[place] += fault.share  # every 1/share-th call, without chance
            if self._shares[place] >= 1 - 1e-9:
                self._shares[place] -= 1
                met.append(fault)
        return met
