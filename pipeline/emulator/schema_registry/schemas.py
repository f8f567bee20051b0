"""The schemas of the stand-in for a Schema Registry. They are kept in memory and checked to be Avro; their compatibility is not checked."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipeline.decode.avro.options import MOST_FILE_BYTES
from pipeline.decode.avro.schema import SchemaFault, read_schema
from pipeline.errors import UsageError
from transforms.regular_file import read_regular

SUBJECT_NOT_FOUND = (404, 40401, "Subject '{}' not found.")
VERSION_NOT_FOUND = (404, 40402, "Version {} not found.")
SCHEMA_NOT_FOUND = (404, 40403, "Schema {} not found")
INVALID_SCHEMA = (422, 42201, "Invalid schema: {}")
INVALID_VERSION = (422, 42202, "The specified version '{}' is not a valid version id.")
"""Errors of the API: HTTP status, code, message (Confluent, "Schema Registry API Reference")."""


class Reference(NamedTuple):
    """A schema's reference to a version of another subject."""

    name: str
    subject: str
    version: int


class RegisteredSchema(NamedTuple):
    """A schema as a client sent it."""

    kind: str
    text: str
    references: tuple[Reference, ...]


class RegistryApiError(Exception):
    """An error that the API answers with."""

    def __init__(self, error: tuple[int, int, str], subject: object = "") -> None:
        """`error` is one of the constants above. `subject` fills the placeholder in its message."""
        super().__init__()
        self.status, self.code, message = error
        self.message = message.format(subject)


class Registry:
    """Schemas by ID, and subjects with their versions. A schema has the same ID under every subject."""

    def __init__(self) -> None:
        self._ids: dict[RegisteredSchema, int] = {}
        self._schemas: dict[int, RegisteredSchema] = {}
        self.subjects: dict[str, list[int]] = {}

    def register(self, subject: str, text: str, references: tuple[Reference, ...] = (), kind: str = "AVRO") -> int:
        """Register a schema and return its ID. A schema that is already registered keeps its ID.

        Raises:
            SchemaFault: the text is no Avro schema, or it refers to a version that is not registered.
        """
        schema = RegisteredSchema(kind, text, references)
        if kind == "AVRO":
            read_schema(text, self._texts_of(references, []))
        number = self._ids.setdefault(schema, len(self._ids) + 1)
        self._schemas[number] = schema
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def _texts_of(self, references: tuple[Reference, ...], within: list[Reference]) -> list[str]:
        """Return the texts of the referenced schemas, each after the ones that it refers to. `within` are the references that led here: no circle."""
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

    def by_id(self, number: int) -> RegisteredSchema:
        """Return the schema of an ID. Raises `RegistryApiError`."""
        if number not in self._schemas:
            raise RegistryApiError(SCHEMA_NOT_FOUND, number)
        return self._schemas[number]

    def versions(self, subject: str) -> list[int]:
        """Return the IDs of a subject's versions. Raises `RegistryApiError`."""
        if subject not in self.subjects:
            raise RegistryApiError(SUBJECT_NOT_FOUND, subject)
        return self.subjects[subject]

    def id_of(self, schema: RegisteredSchema) -> int | None:
        """Return the ID of a schema; None if it is not registered."""
        return self._ids.get(schema)


def registry_of(folder: Path) -> Registry:
    """Return a registry of all .avsc files of a folder. They are registered in the order of their names; the subject is the file's name without `.avsc`.

    Raises:
        UsageError: a file is no Avro schema, or the folder has no .avsc file.
    """
    registry = Registry()
    for path in sorted(folder.glob("*.avsc")):
        try:
            registry.register(path.stem, read_regular(path, MOST_FILE_BYTES).decode())
        except (OSError, ValueError) as error:
            raise UsageError(f"--schemas: {path} is no Avro schema ({error})") from None
    if not registry.subjects:
        raise UsageError(f"--schemas: found no .avsc file in {folder}; expected at least one")
    return registry
