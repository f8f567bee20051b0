"""User identities as the identity API takes them (reference, section 1.3)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.alias_generators import to_camel

NonEmpty = Annotated[StrictStr, Field(min_length=1)]

ModelVersion = Annotated[StrictInt, Field(ge=1, le=1)]
"""The only version of both models (`v`, sections 1.2 and 1.3): the integer 1, and neither `true` nor `1.0`."""

WIRE = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
"""camelCase on the wire, snake_case in Python; an unknown key is an error."""


class IdMapping(StrEnum):
    """The twelve identity types documented for version 1.0."""

    ONEID = "oneid"
    EMAIL = "email"
    MOBILE = "mobile"
    TAOBAO_ID = "taobao_id"
    TAOBAO_NICK = "taobao_nick"
    IMEI = "imei"
    IDFA = "idfa"
    MAC_ORG = "mac_org"
    WEIBO_ID_ORG = "weibo_id_org"
    ALIPAY_ID = "alipay_id"
    OPEN_ID = "open_id"
    UNION_ID = "union_id"


class CustomerId(BaseModel):
    """One identity of a user: its value and its type."""

    model_config = WIRE

    customer_id: NonEmpty
    id_mapping: IdMapping


class CustomerMessage(BaseModel):
    """One user's identities."""

    model_config = WIRE

    organization_id: NonEmpty | None = None
    customer_id: NonEmpty
    customer_id_list: Annotated[list[CustomerId], Field(min_length=1)]
    v: ModelVersion = 1

    def wire(self) -> dict[str, Any]:
        """Return the JSON object the API takes; absent fields are left out, never null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
