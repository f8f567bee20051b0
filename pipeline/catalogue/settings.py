"""The key `catalogue` of a source file: the event catalogue that its messages are checked against, and what follows from each finding."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.refusal import ReasonCode


class Action(StrEnum):
    """What follows from a finding: the record is refused, the message is reported and counted, or nothing."""

    REFUSE = "refuse"
    WARN = "warn"
    IGNORE = "ignore"


class CatalogueSettings(BaseModel):
    """Refused by default is what would be lost or wrong at Quick Audience; where only a property is amiss the event is worth more than it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[str, Field(min_length=1)]
    unknown_event: Action = Action.REFUSE
    unknown_channel: Action = Action.REFUSE
    unknown_property: Action = Action.WARN
    missing_property: Action = Action.WARN
    not_numeric: Action = Action.REFUSE

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, written: Any) -> Any:
        return {"file": written} if isinstance(written, str) else written

    def action(self, code: ReasonCode) -> Action:
        """Return what follows from a finding. Reporting an event a second time is never allowed."""
        key = SETTING_OF.get(code)
        return Action.REFUSE if key is None else getattr(self, key)


SETTING_OF = {
    ReasonCode.EVENT_UNKNOWN: "unknown_event",
    ReasonCode.CHANNEL_UNKNOWN: "unknown_channel",
    ReasonCode.PROPERTY_UNKNOWN: "unknown_property",
    ReasonCode.PROPERTY_MISSING: "missing_property",
    ReasonCode.PROPERTY_NOT_NUMERIC: "not_numeric",
}
"""The setting of each finding, by its reason code."""
