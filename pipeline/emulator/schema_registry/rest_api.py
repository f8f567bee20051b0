"""The REST API of the stand-in for a Schema Registry: the paths, bodies and error codes of Confluent's API that clients use.

Source: Confluent, "Schema Registry API Reference".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.decode.avro.schema import SchemaFault
from pipeline.emulator.schema_registry.schemas import (
    INVALID_SCHEMA,
    INVALID_VERSION,
    SCHEMA_NOT_FOUND,
    VERSION_NOT_FOUND,
    Reference,
    RegisteredSchema,
    Registry,
    RegistryApiError,
)

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class RestApi:
    """Answers the requests of each path."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """Return the routes of the API."""
        return [
            Route("/", self._root),
            Route("/schemas/types", self._types),
            Route("/schemas/ids/{number:int}", self._by_id),
            Route("/schemas/ids/{number:int}/schema", self._text_by_id),
            Route("/schemas/ids/{number:int}/subjects", self._subjects_by_id),
            Route("/schemas/ids/{number:int}/versions", self._versions_by_id),
            Route("/config", self._config),
            Route("/mode", self._mode),
            Route("/subjects", self._subjects),
            Route("/subjects/{subject}", self._look_up, methods=["POST"]),
            Route("/subjects/{subject}/versions", self._versions, methods=["GET"]),
            Route("/subjects/{subject}/versions", self._register, methods=["POST"]),
            Route("/subjects/{subject}/versions/{version}", self._version),
            Route("/subjects/{subject}/versions/{version}/schema", self._text_of_version),
        ]

    async def _root(self, _request: Request) -> Response:
        return json_response({})

    async def _types(self, _request: Request) -> Response:
        return json_response(["AVRO"])

    async def _subjects(self, _request: Request) -> Response:
        return json_response(sorted(self._registry.subjects))

    async def _by_id(self, request: Request) -> Response:
        return _answered(lambda: _shown(self._registry.by_id(request.path_params["number"])))

    async def _text_by_id(self, request: Request) -> Response:
        return _answered(lambda: json.loads(self._registry.by_id(request.path_params["number"]).text))

    async def _subjects_by_id(self, request: Request) -> Response:
        return _answered(lambda: [subject for subject, _ in self._uses(request.path_params["number"])])

    async def _versions_by_id(self, request: Request) -> Response:
        return _answered(
            lambda: [
                {"subject": subject, "version": version}
                for subject, version in self._uses(request.path_params["number"])
            ]
        )

    def _uses(self, number: int) -> list[tuple[str, int]]:
        """Return the subjects that a schema is registered under, each with its version there. Raises `RegistryApiError`."""
        self._registry.by_id(number)
        return [
            (subject, numbers.index(number) + 1)
            for subject, numbers in sorted(self._registry.subjects.items())
            if number in numbers
        ]

    async def _config(self, _request: Request) -> Response:
        return json_response({"compatibilityLevel": "NONE"})  # the stand-in does not check compatibility

    async def _mode(self, _request: Request) -> Response:
        return json_response({"mode": "READWRITE"})

    async def _versions(self, request: Request) -> Response:
        return _answered(
            lambda: [place + 1 for place in range(len(self._registry.versions(request.path_params["subject"])))]
        )

    async def _version(self, request: Request) -> Response:
        return _answered(lambda: self._described(*self._place(request)))

    async def _text_of_version(self, request: Request) -> Response:
        return _answered(lambda: json.loads(self._described(*self._place(request))["schema"]))

    def _place(self, request: Request) -> tuple[str, int]:
        """Return the subject and the version that a path names. Raises `RegistryApiError`."""
        subject, version = request.path_params["subject"], request.path_params["version"]
        versions = self._registry.versions(subject)
        number = len(versions) if version in {"latest", "-1"} else int(version) if version.isdecimal() else 0
        if not number:
            raise RegistryApiError(INVALID_VERSION, version)
        if number > len(versions):
            raise RegistryApiError(VERSION_NOT_FOUND, version)
        return subject, number

    async def _register(self, request: Request) -> Response:
        schema = _read(await request.body())

        def registered() -> Any:
            try:
                number = self._registry.register(
                    request.path_params["subject"], schema.text, schema.references, schema.kind
                )
            except SchemaFault as fault:
                raise RegistryApiError(INVALID_SCHEMA, fault) from None
            return {"id": number}

        return _answered(registered) if schema.text else _failed(RegistryApiError(INVALID_SCHEMA, "empty"))

    async def _look_up(self, request: Request) -> Response:
        schema, subject = _read(await request.body()), request.path_params["subject"]

        def found() -> Any:
            versions, number = self._registry.versions(subject), self._registry.id_of(schema)
            if number not in versions:
                raise RegistryApiError(SCHEMA_NOT_FOUND)
            return self._described(subject, versions.index(number) + 1)

        return _answered(found)

    def _described(self, subject: str, version: int) -> dict[str, Any]:
        number = self._registry.versions(subject)[version - 1]
        return {"subject": subject, "version": version, "id": number, **_shown(self._registry.by_id(number))}


def _shown(schema: RegisteredSchema) -> dict[str, Any]:
    """Return a schema as the API shows it. An Avro schema has no `schemaType`, as in Confluent's API."""
    shown: dict[str, Any] = {"schema": schema.text}
    if schema.kind != "AVRO":
        shown["schemaType"] = schema.kind
    if schema.references:
        shown["references"] = [each._asdict() for each in schema.references]
    return shown


def _read(body: bytes) -> RegisteredSchema:
    """Read the schema of a request. The result has no text if the request cannot be read."""
    try:
        sent = json.loads(body)
        references = tuple(
            Reference(each["name"], each["subject"], int(each["version"])) for each in sent.get("references") or ()
        )
        return RegisteredSchema(sent.get("schemaType") or "AVRO", str(sent.get("schema") or ""), references)
    except (ValueError, KeyError, TypeError, AttributeError):
        return RegisteredSchema("AVRO", "", ())


def _answered(operation: Any) -> Response:
    try:
        return json_response(operation())
    except RegistryApiError as error:
        return _failed(error)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response of the API with this content as JSON."""
    return Response(json.dumps(content), status, headers, CONTENT_TYPE)


def _failed(error: RegistryApiError) -> Response:
    return json_response({"error_code": error.code, "message": error.message}, error.status)
