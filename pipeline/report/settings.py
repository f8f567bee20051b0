"""Everything under `report:` in a source file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.report.flow_settings import FlowSettings
from pipeline.setting_types.endpoint import checked_endpoint, host_of, is_loopback, origin_of
from pipeline.setting_types.pem_file import PemFile
from pipeline.setting_types.quantity import ByteSize, Duration

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "cn-shanghai": "https://quicka-public.cn-shanghai.aliyuncs.com",
        "cn-shenzhen": "https://quicka-public.cn-shenzhen.aliyuncs.com",
        "cn-zhangjiakou": "https://quicka-public.cn-zhangjiakou.aliyuncs.com",
    }
)
"""The three endpoints of the vendor's page (reference, section 1.1)."""

DEFAULT_REGION = "cn-shanghai"
"""The `RegionId` for an endpoint that is none of the three."""

_STRICT = ConfigDict(frozen=True, extra="forbid")


Identifier = Annotated[str, Field(min_length=1, max_length=256)]
"""An identifier in the query of every call."""


class BatchSettings(BaseModel):
    """How messages are collected to batches. `bytes` counts their JSON, before form encoding."""

    model_config = _STRICT

    events: Annotated[
        int, Field(ge=1, le=100, description="The largest number of messages in one call. The API allows 100.")
    ] = 100
    bytes: Annotated[
        ByteSize,
        Field(
            ge=1024,
            le=16 << 20,
            description="The largest size of the JSON of one call, before form encoding. One message that alone is larger is refused.",
        ),
    ] = 1 << 20
    age: Annotated[
        Duration, Field(le=3_600_000, description="The longest time that a message waits for its batch to fill.")
    ] = 1_000


class BackoffSettings(BaseModel):
    """The wait before a failed call is sent again. It doubles with each failure, up to `most`."""

    model_config = _STRICT

    first: Annotated[
        Duration,
        Field(
            ge=1, description="The first wait before a failed call is sent again. Each further wait is twice as long."
        ),
    ] = 200
    most: Annotated[
        Duration,
        Field(
            ge=1,
            description="The longest wait before a failed call is sent again. So soon the job notices that an outage is over.",
        ),
    ] = 5_000

    @property
    def longest(self) -> int:
        """The longest wait: `most`, or `first` where only that is set, and longer."""
        return max(self.first, self.most)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if "most" in self.model_fields_set and self.first > self.most:
            raise ValueError("first is longer than most; expected the first wait to be the shorter one")
        return self


class CredentialsSettings(BaseModel):
    """A file with the credentials, instead of the environment."""

    model_config = _STRICT

    file: Annotated[
        str,
        Field(
            min_length=1,
            description="The file that holds the AccessKey. "
            "Without the section `credentials` the AccessKey comes from the environment variables `SCA_AK_ENV`, `SCA_SK_ENV` and `SCA_STS_TOKEN`.",
        ),
    ]


class ReportSettings(BaseModel):
    """Where messages are reported, and how."""

    model_config = ConfigDict(
        **_STRICT, json_schema_extra={"oneOf": [{"required": ["region"]}, {"required": ["endpoint"]}]}
    )

    region: Annotated[
        Literal["cn-shanghai", "cn-shenzhen", "cn-zhangjiakou"] | None,
        Field(description="The region of Quick Audience. A source file has either this key or `endpoint`."),
    ] = None
    endpoint: Annotated[
        str | None, Field(description="The URL of Quick Audience. `http` is allowed only to loopback.")
    ] = None
    organization_id: Annotated[Identifier, Field(description="The organisation ID.")]
    access_id: Annotated[Identifier, Field(description="The instance ID.")]
    workspace_id: Annotated[
        Annotated[str, Field(max_length=256)] | None,
        Field(description="The workspace ID, which is added to every event."),
    ] = None
    signature: Annotated[Literal["v2", "acs3"], Field(description="The method by which calls are signed.")] = "v2"
    credentials: CredentialsSettings | None = None
    batch: BatchSettings = BatchSettings()
    senders: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="The largest number of calls at the same time of one process, events and users together.",
        ),
    ] = 16
    flow: FlowSettings = FlowSettings()
    connect_timeout: Annotated[
        Duration, Field(ge=1, le=600_000, description="The time limit for opening a connection.")
    ] = 5_000
    read_timeout: Annotated[
        Duration,
        Field(
            ge=1,
            le=600_000,
            description="The time limit for sending a request and receiving the whole answer.",
        ),
    ] = 10_000
    proxy: Annotated[str | None, Field(description="The URL of a proxy, without a password.")] = None
    ca_file: Annotated[
        PemFile | None,
        Field(
            description="A PEM file with the certificates to trust.",
            json_schema_extra={"default_text": "the well-known certificates"},
        ),
    ] = None
    backoff: BackoffSettings = BackoffSettings()
    unknown_hold: Annotated[
        Duration,
        Field(
            ge=1,
            description="How long refused messages are held while the API accepts no other message of their kind. "
            "Then up to three messages in a row become dead letters; where more are refused, the job halts.",
        ),
    ] = 900_000

    check_at_start: Annotated[
        bool,
        Field(
            description="Whether `run` asks for the list of workspaces before it begins, as `check --online` does, so that a wrong AccessKey, "
            "organisation or instance is noticed on a topic without records, too. The AccessKey then needs the right to that operation."
        ),
    ] = False

    @field_validator("endpoint")
    @classmethod
    def _https_but_for_loopback(cls, endpoint: str | None) -> str | None:
        return None if endpoint is None else checked_endpoint(endpoint)

    @field_validator("proxy")
    @classmethod
    def _proxy_is_a_url(cls, proxy: str | None) -> str | None:
        if proxy is None:
            return None
        try:
            return origin_of(proxy)
        except ValueError:
            raise ValueError("expected a proxy URL such as http://proxy.example:3128, without a password") from None

    @model_validator(mode="after")
    def _region_or_endpoint(self) -> Self:
        if (self.region is None) == (self.endpoint is None):
            raise ValueError("expected exactly one of region and endpoint")
        return self

    @model_validator(mode="after")
    def _least_senders_are_there(self) -> Self:
        if self.flow.least_senders > self.senders:
            raise ValueError(
                f"flow.least_senders is {self.flow.least_senders} and senders is {self.senders}; expected at most senders"
            )
        return self

    @model_validator(mode="after")
    def _no_plain_http_through_a_remote_proxy(self) -> Self:
        if self.proxy is not None and self.url.startswith("http:") and not is_loopback(host_of(self.proxy)):
            raise ValueError(
                "an http endpoint with a proxy on another machine, which could read the messages; expected https, or no proxy"
            )
        return self

    @property
    def url(self) -> str:
        """The endpoint without a trailing slash."""
        return self.endpoint if self.endpoint is not None else REGIONS[self.region or DEFAULT_REGION]

    @property
    def region_id(self) -> str:
        """The value of `RegionId`: the region, or the region of the endpoint."""
        if self.region is not None:
            return self.region
        return next((region for region, url in REGIONS.items() if url == self.endpoint), DEFAULT_REGION)
