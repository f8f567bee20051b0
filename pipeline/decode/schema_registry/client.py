"""The client of a Schema Registry: it looks up a schema, and all schemas it refers to, by the schema's ID.

The paths and errors are those of Confluent's "Schema Registry API Reference", which other registries have too. Only this module of the room
imports httpx.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import orjson

from pipeline.decode.schema_registry.settings import RegistrySettings
from pipeline.http_transport.deadline import DeadlineTransport
from pipeline.http_transport.transport import read_within, trusted

MOST_ANSWER_BYTES = 4 << 20
MOST_REFERENCES = 200
"""Most schemas that one schema may refer to, directly or not."""

ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"

_UNKNOWN_CODES = frozenset({40401, 40402, 40403})
"""The registry's error codes for an unknown subject, version and schema."""


class Registered(NamedTuple):
    """A registered schema. `texts` holds the schemas that it refers to, each after the schemas that this one refers to, and the schema itself last."""

    kind: str
    texts: tuple[str, ...]


class Unknown(NamedTuple):
    """The registry answers that it does not know the schema, or a schema that it refers to."""

    reason: str


class Unavailable(NamedTuple):
    """The registry does not answer, or the answer is not a Schema Registry's. A later attempt may succeed."""

    reason: str


class AccessDenied(NamedTuple):
    """The registry denies access to this job. A person must correct the credentials or the permissions."""

    reason: str


RegistryAnswer = Registered | Unknown | Unavailable | AccessDenied


class _NoAnswerError(Exception):
    """Ends a look-up without a schema, and carries its answer. This module catches it."""

    def __init__(self, answer: Unknown | Unavailable | AccessDenied) -> None:
        super().__init__()
        self.answer = answer


class RegistryClient:
    """Asks one registry, at any of its nodes. Several threads may call it at once.

    It follows no redirects, and takes neither a proxy nor certificates from the environment.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        environment: Mapping[str, str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the password and the certificates. It connects at the first look-up.

        Raises:
            UsageError: the password is missing, or `ca_file` cannot be read as certificates.
        """
        self._urls = settings.url
        self._first = 0  # the node that answered last
        login = None
        if settings.username is not None and settings.password is not None:
            login = httpx.BasicAuth(settings.username, settings.password.read(environment).reveal())
        self._client = httpx.Client(
            auth=login,
            headers={"accept": ACCEPT, "accept-encoding": "identity", "user-agent": "log2mq"},
            transport=DeadlineTransport(
                monotonic=monotonic, verify=trusted(settings.ca_file, "registry.ca_file"), trust_env=False
            ),
            trust_env=False,
            timeout=httpx.Timeout(settings.read_timeout / 1000, connect=settings.connect_timeout / 1000),
        )

    def look_up(self, number: int) -> RegistryAnswer:
        """Fetch a schema by its ID, and all schemas it refers to. Where a node does not answer, the next node is asked.

        Blocks up to the time limits, for each request and each node. Raises nothing for a failure of the network.
        """
        first, unavailable = self._first, Unavailable("no registry is named")
        for step in range(len(self._urls)):
            place = (first + step) % len(self._urls)
            answer = self._look_up_at(self._urls[place], number)
            if not isinstance(answer, Unavailable):
                self._first = place
                return answer
            unavailable = answer
        if len(self._urls) > 1:
            return Unavailable(
                f"none of the {len(self._urls)} nodes of registry.url answers; the last: {unavailable.reason}"
            )
        return unavailable

    def _look_up_at(self, url: str, number: int) -> RegistryAnswer:
        try:
            found = self._get(url, f"/schemas/ids/{number}", f"the schema ID {number}")
            texts: dict[tuple[str, int], str] = {}
            self._fetch_references(url, found, texts, [])
            kind = found.get("schemaType") or "AVRO"
            return Registered(kind if isinstance(kind, str) else "", (*texts.values(), _text_of(found)))
        except _NoAnswerError as none:
            return none.answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fetch_references(
        self, url: str, found: Mapping[str, Any], texts: dict[tuple[str, int], str], within: list[tuple[str, int]]
    ) -> None:
        """Fetch the schemas that a schema refers to, depth first, each of them once."""
        references = found.get("references") or []
        for each in references if isinstance(references, list) else []:
            try:
                place = str(each["subject"]), int(each["version"])
            except (TypeError, KeyError, ValueError):
                raise _NoAnswerError(_NOT_A_REGISTRY) from None
            if place in texts:
                continue
            if place in within or len(texts) + len(within) >= MOST_REFERENCES:
                raise _NoAnswerError(Unknown("a schema refers to itself, or to too many others"))
            path = f"/subjects/{quote(place[0], safe='')}/versions/{place[1]}"
            inner = self._get(url, path, f"version {place[1]} of the subject {place[0][:200]}")
            self._fetch_references(url, inner, texts, [*within, place])
            texts[place] = _text_of(inner)

    def _get(self, url: str, path: str, asked_for: str) -> dict[str, Any]:
        try:
            with self._client.stream("GET", url + path) as response:
                body = read_within(response, MOST_ANSWER_BYTES)
                status = response.status_code
        except httpx.HTTPError as error:
            raise _NoAnswerError(
                Unavailable(f"the registry at {url} does not answer ({type(error).__name__})")
            ) from None
        document = _document(body)
        match status:
            case 200 if isinstance(document, dict):
                return document
            case 401 | 403:
                raise _NoAnswerError(
                    AccessDenied(
                        f"the registry at {url} denies access (HTTP {status}); see registry.username and password"
                    )
                )
            case 404 if isinstance(document, dict) and document.get("error_code") in _UNKNOWN_CODES:
                raise _NoAnswerError(Unknown(f"the registry does not know {asked_for}"))
            case 404:
                raise _NoAnswerError(
                    Unavailable(f"the server at {url} answers HTTP 404, and not as a registry does; see registry.url")
                )
            case _:
                raise _NoAnswerError(Unavailable(f"the registry at {url} answers HTTP {status}"))


_NOT_A_REGISTRY = Unavailable("the answer is not one of a Schema Registry; see registry.url")


def _document(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _text_of(found: Mapping[str, Any]) -> str:
    text = found.get("schema")
    if not isinstance(text, str):
        raise _NoAnswerError(_NOT_A_REGISTRY)
    return text
