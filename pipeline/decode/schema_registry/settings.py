"""The `registry` option of a decoder: where to fetch writers' schemas, and the time limits."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.setting_types.endpoint import checked_endpoint
from pipeline.setting_types.pem_file import PemFile
from pipeline.setting_types.quantity import Duration
from pipeline.setting_types.secret import SecretSource

_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){0,10}/?")
_EXPECTED = "expected a URL such as https://registry.example:8081; plain http is for loopback only"


def _https_but_for_loopback(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if parts.query or parts.fragment or _PATH.fullmatch(parts.path) is None:
        raise ValueError(_EXPECTED)
    try:
        origin = checked_endpoint(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise ValueError(_EXPECTED) from None
    return origin + parts.path.rstrip("/")


_SEVERAL = Field(min_length=1, max_length=20)
RegistryUrl = Annotated[str, AfterValidator(_https_but_for_loopback)]


def one_or_several(written: Any) -> Any:
    """Return a list: a text alone is a list of one."""
    return [written] if isinstance(written, str) else written


class RegistrySettings(BaseModel):
    """A Schema Registry that speaks Confluent's REST API. Times in ms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[
        tuple[RegistryUrl, ...],
        _SEVERAL,
        BeforeValidator(one_or_several, json_schema_input_type=str | Annotated[list[str], _SEVERAL]),
        Field(
            description="The URL of the registry, or the URLs of its nodes: when one is away, the next is asked, and is asked first from then on. "
            "`http` is allowed only to loopback. A path in the URL is kept."
        ),
    ]
    username: Annotated[
        str | None, Field(description="The user name for basic authentication.", min_length=1, max_length=500)
    ] = None
    password: Annotated[SecretSource | None, Field(description="The password for basic authentication.")] = None
    ca_file: Annotated[
        PemFile | None,
        Field(
            description="A PEM file with the certificates to trust.",
            json_schema_extra={"default_text": "the well-known certificates"},
        ),
    ] = None
    connect_timeout: Annotated[
        Duration, Field(ge=1, le=60_000, description="The time limit for opening a connection.")
    ] = 3_000
    read_timeout: Annotated[
        Duration,
        Field(
            ge=1,
            le=60_000,
            description="The time limit for sending a request and receiving the whole answer.",
        ),
    ] = 5_000
    cache: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="The number of schemas that are remembered. The schema of an ID never changes.",
        ),
    ] = 1_000
    unknown_after: Annotated[
        Duration,
        Field(
            le=600_000,
            description="How long the registry is asked again for an ID that it does not know, since the ID may be new. After that its records are refused.",
        ),
    ] = 3_000
    ask_again_after: Annotated[
        Duration, Field(ge=1_000, description="How long an unknown ID is remembered as unknown.")
    ] = 60_000
    give_up_after: Annotated[
        Duration,
        Field(ge=1_000, description="How long the registry may be away before the job stops with exit code 10."),
    ] = 300_000

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("one of username and password without the other; expected both, or neither")
        return self
