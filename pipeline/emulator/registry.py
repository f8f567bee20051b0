"""A stand-in for a Schema Registry: the paths, bodies and error codes of Confluent's REST API that clients read and register schemas with.

It keeps schemas in memory, checks that they are Avro, and checks no compatibility. Source: Confluent, "Schema Registry API Reference".
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from binascii import Error as NotBase64
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.decode.avro.schema import SchemaFault, read_schema
from pipeline.emulator.loopback import LoopbackServer
from pipeline.errors import UsageError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"

_SUBJECT_NOT_FOUND = (404, 40401, "Subject '{}' not found.")
_VERSION_NOT_FOUND = (404, 40402, "Version {} not found.")
_SCHEMA_NOT_FOUND = (404, 40403, "Schema {} not found")
_INVALID_SCHEMA = (422, 42201, "Invalid schema: {}")
_INVALID_VERSION = (422, 42202, "The specified version '{}' is not a valid version id.")


class Reference(NamedTuple):
    """A schema's reference to a version of another subject."""

    name: str
    subject: str
    version: int


class _Schema(NamedTuple):
    kind: str
    text: str
    references: tuple[Reference, ...]


class _NotDoneError(Exception):
    """Carries an error of the API to where it is answered."""

    def __init__(self, error: tuple[int, int, str], what: object = "") -> None:
        super().__init__()
        status, code, message = error
        self.response = _answer({"error_code": code, "message": message.format(what)}, status)


class Registry:
    """Schemas by ID, and subjects with their versions: a schema has one ID wherever it is registered."""

    def __init__(self) -> None:
        self._ids: dict[_Schema, int] = {}
        self._schemas: dict[int, _Schema] = {}
        self.subjects: dict[str, list[int]] = {}

    def register(self, subject: str, text: str, references: tuple[Reference, ...] = (), kind: str = "AVRO") -> int:
        """Register a schema and return its ID; one that the subject has already keeps its own.

        Raises:
            SchemaFault: it is no Avro schema, or refers to what is not there.
        """
        schema = _Schema(kind, text, references)
        if kind == "AVRO":
            read_schema(text, self._texts_of(references, []))
        number = self._ids.setdefault(schema, len(self._ids) + 1)
        self._schemas[number] = schema
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def _texts_of(self, references: tuple[Reference, ...], within: list[Reference]) -> list[str]:
        texts: list[str] = []
        for each in references:
            versions = self.subjects.get(each.subject, [])
            if not 0 < each.version <= len(versions) or each in within:
                raise SchemaFault(f"no version {each.version} of the subject {each.subject}")
            schema = self._schemas[versions[each.version - 1]]
            texts += [
                text for text in [*self._texts_of(schema.references, [*within, each]), schema.text] if text not in texts
            ]
        return texts

    def by_id(self, number: int) -> _Schema:
        """Return a schema. Raises `_NotDoneError`."""
        if number not in self._schemas:
            raise _NotDoneError(_SCHEMA_NOT_FOUND, number)
        return self._schemas[number]

    def versions(self, subject: str) -> list[int]:
        """Return the IDs of a subject's versions. Raises `_NotDoneError`."""
        if subject not in self.subjects:
            raise _NotDoneError(_SUBJECT_NOT_FOUND, subject)
        return self.subjects[subject]

    def id_of(self, schema: _Schema) -> int | None:
        """Return the ID of a schema that is registered."""
        return self._ids.get(schema)


class _Pages:
    """What is answered on each path."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        return [
            Route("/", self._root),
            Route("/schemas/types", self._types),
            Route("/schemas/ids/{number:int}", self._by_id),
            Route("/schemas/ids/{number:int}/schema", self._text_by_id),
            Route("/subjects", self._subjects),
            Route("/subjects/{subject}", self._look_up, methods=["POST"]),
            Route("/subjects/{subject}/versions", self._versions, methods=["GET"]),
            Route("/subjects/{subject}/versions", self._register, methods=["POST"]),
            Route("/subjects/{subject}/versions/{version}", self._version),
        ]

    async def _root(self, _request: Request) -> Response:
        return _answer({})

    async def _types(self, _request: Request) -> Response:
        return _answer(["AVRO"])

    async def _subjects(self, _request: Request) -> Response:
        return _answer(sorted(self._registry.subjects))

    async def _by_id(self, request: Request) -> Response:
        return _answered(lambda: _shown(self._registry.by_id(request.path_params["number"])))

    async def _text_by_id(self, request: Request) -> Response:
        return _answered(lambda: json.loads(self._registry.by_id(request.path_params["number"]).text))

    async def _versions(self, request: Request) -> Response:
        return _answered(
            lambda: [place + 1 for place in range(len(self._registry.versions(request.path_params["subject"])))]
        )

    async def _version(self, request: Request) -> Response:
        subject, version = request.path_params["subject"], request.path_params["version"]

        def found() -> Any:
            versions = self._registry.versions(subject)
            number = len(versions) if version in {"latest", "-1"} else int(version) if version.isdecimal() else 0
            if not number:
                raise _NotDoneError(_INVALID_VERSION, version)
            if number > len(versions):
                raise _NotDoneError(_VERSION_NOT_FOUND, version)
            return self._described(subject, number)

        return _answered(found)

    async def _register(self, request: Request) -> Response:
        schema = _read(await request.body())

        def registered() -> Any:
            try:
                number = self._registry.register(
                    request.path_params["subject"], schema.text, schema.references, schema.kind
                )
            except SchemaFault as fault:
                raise _NotDoneError(_INVALID_SCHEMA, fault) from None
            return {"id": number}

        return _answered(registered) if schema.text else _NotDoneError(_INVALID_SCHEMA, "empty").response

    async def _look_up(self, request: Request) -> Response:
        schema, subject = _read(await request.body()), request.path_params["subject"]

        def found() -> Any:
            versions, number = self._registry.versions(subject), self._registry.id_of(schema)
            if number not in versions:
                raise _NotDoneError(_SCHEMA_NOT_FOUND)
            return self._described(subject, versions.index(number) + 1)

        return _answered(found)

    def _described(self, subject: str, version: int) -> dict[str, Any]:
        number = self._registry.versions(subject)[version - 1]
        return {"subject": subject, "version": version, "id": number, **_shown(self._registry.by_id(number))}


def _shown(schema: _Schema) -> dict[str, Any]:
    """A schema as the API shows it: what is Avro does not say so."""
    shown: dict[str, Any] = {"schema": schema.text}
    if schema.kind != "AVRO":
        shown["schemaType"] = schema.kind
    if schema.references:
        shown["references"] = [each._asdict() for each in schema.references]
    return shown


def _read(body: bytes) -> _Schema:
    """Read a schema as clients send it; one without text is none."""
    try:
        sent = json.loads(body)
        references = tuple(
            Reference(each["name"], each["subject"], int(each["version"])) for each in sent.get("references") or ()
        )
        return _Schema(sent.get("schemaType") or "AVRO", str(sent.get("schema") or ""), references)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Schema("AVRO", "", ())


def _answered(ask: Any) -> Response:
    try:
        return _answer(ask())
    except _NotDoneError as error:
        return error.response


def _answer(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type=CONTENT_TYPE)


class _Login:
    """Lets only one login in, by basic authentication."""

    def __init__(self, inner: ASGIApp, username: str, password: str) -> None:
        self._inner = inner
        self._expected = f"{username}:{password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"").removeprefix(b"Basic ")
        try:
            login = b64decode(given)
        except NotBase64:
            login = b""
        if hmac.compare_digest(login, self._expected):
            await self._inner(scope, receive, send)
        else:
            await _answer({"error_code": 40101, "message": "Unauthorized"}, 401)(scope, receive, send)


class StandInRegistry:
    """The stand-in in a thread of this process; a context manager."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str | None = None,
        password: str = "",
        registry: Registry | None = None,
    ) -> None:
        """Prepare to serve; with `username` only to who has that and the password.

        Raises:
            UsageError: the host is not loopback, or the port is taken.
        """
        self.registry = registry or Registry()
        application: Any = Starlette(routes=_Pages(self.registry).routes())
        self.server = LoopbackServer(
            application if username is None else _Login(application, username, password), host, port
        )

    @property
    def url(self) -> str:
        """Return the address."""
        return self.server.url

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)


def registry_of(folder: Path) -> Registry:
    """Register every .avsc file of a folder, in the order of their names, under the file's name as its subject.

    Raises:
        UsageError: one is no Avro schema, or the folder has none.
    """
    registry = Registry()
    for path in sorted(folder.glob("*.avsc")):
        try:
            registry.register(path.stem, path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--schemas: {path} is no Avro schema ({error})") from None
    if not registry.subjects:
        raise UsageError(f"--schemas: found no .avsc file in {folder}; expected at least one")
    return registry
