"""The standard MQ event model (reference, section 1.2)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictInt, StrictStr, field_validator

from schemas.customer import WIRE, CustomerId, ModelVersion, NonEmpty

OUT_BIZ_ID = "outBizId"
"""The attribute that every event must carry: a unique business ID (reference, section 8)."""


class EventMessage(BaseModel):
    """One behavioural event."""

    model_config = WIRE

    organization_id: NonEmpty | None = None
    workspace_id: NonEmpty | None = None
    customer_id: NonEmpty
    event_source_code: NonEmpty | None = None
    event_code: NonEmpty
    event_time: Annotated[StrictInt, Field(gt=0, lt=1 << 63, description="Unix milliseconds")]
    extend_attributes: dict[StrictStr, StrictStr]
    customer_id_list: Annotated[list[CustomerId], Field(min_length=1)] | None = None
    v: ModelVersion = 1

    @field_validator("extend_attributes")
    @classmethod
    def _must_hold_out_biz_id(cls, attributes: dict[str, str]) -> dict[str, str]:
        if not attributes.get(OUT_BIZ_ID):
            raise ValueError("extendAttributes must hold a non-empty outBizId")
        return attributes

    def wire(self) -> dict[str, Any]:
        """Return the JSON object the API takes; absent fields are left out, never null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
