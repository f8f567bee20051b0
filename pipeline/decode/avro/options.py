"""Options of `format: avro`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from pipeline.decode.avro.schema import AvroSchema, SchemaFault, read_schema
from pipeline.decode.context import DecodeContext
from pipeline.decode.schema_registry.settings import RegistrySettings, one_or_several
from transforms.regular_file import read_regular

MOST_FILE_BYTES = 4 << 20

Encoding = Literal["confluent", "single_object", "container", "plain"]


def folder_of(given: ValidationInfo) -> Path:
    """Return the folder of the source file whose options are validated."""
    return given.context.folder if isinstance(given.context, DecodeContext) else Path()


def _is_schema(path: str, given: ValidationInfo) -> str:
    load_schema(folder_of(given) / path, path)
    return path


def load_schema(path: Path, named: str) -> AvroSchema:
    """Return the schema of a schema file.

    Raises:
        ValueError: the file cannot be read, or holds no Avro schema.
    """
    try:
        content = read_regular(path, MOST_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise ValueError(
            f"a file that cannot be read ({reason}): {named}; expected an Avro schema, relative to the source file's folder"
        ) from None
    try:
        return read_schema(content)
    except SchemaFault as fault:
        # A file of another kind is not quoted: it may hold anything, and the reader of the message may not be allowed to read it.
        why = str(fault) if b'"record"' in content else "it declares no record"
        raise ValueError(f"a file that is no Avro schema ({why}): {named}; expected one as JSON (.avsc)") from None


SchemaFile = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_is_schema)]
"""The path of a file that holds an Avro schema, relative to the source file's folder."""


def _url_alone(written: Any) -> Any:
    return {"url": written} if isinstance(written, str | list) else written


class AvroOptions(BaseModel):
    """Options of `format: avro`: the place of the schemas, and the encoding of the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: Encoding | None = Field(
        default=None,
        description="The form of the value around the data: `confluent` (a zero byte and the ID of a schema), `single_object` "
        "(the fingerprint of a schema), `container` (a whole object container file) or `plain` (nothing).",
        json_schema_extra={"default_text": "`confluent` with a `registry`, else `plain`"},
    )
    registry: Annotated[
        RegistrySettings | None,
        BeforeValidator(
            _url_alone, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)] | RegistrySettings
        ),
    ] = Field(
        default=None,
        description="The [Schema Registry](decoders.md#the-registry) that knows the writers' schemas: its URL, the URLs of its nodes, or a mapping.",
    )
    schema_file: Annotated[
        tuple[SchemaFile, ...],
        Field(max_length=1_000),
        BeforeValidator(
            one_or_several, json_schema_input_type=str | Annotated[list[str], Field(min_length=1, max_length=1_000)]
        ),
    ] = Field(
        default=(),
        description="The file with the writer's schema (`.avsc`), relative to the source file's folder. `single_object` takes a list of several.",
    )
    reader_schema_file: SchemaFile | None = Field(
        default=None,
        description="The file with the schema that the data is read as, whatever schema it was written with: "
        "schema resolution, with defaults, aliases and promotions, as in the Avro specification.",
    )

    @property
    def framing(self) -> Encoding:
        """Return the encoding. Its default depends on whether there is a registry."""
        return self.encoding or ("confluent" if self.registry is not None else "plain")

    @model_validator(mode="after")
    def _schemas_come_from_where_the_encoding_says(self) -> Self:
        match self.framing:
            case "confluent" if self.registry is None or self.schema_file:
                raise ValueError("expected a registry with encoding confluent, and no schema_file")
            case "single_object" if not self.schema_file or self.registry is not None:
                raise ValueError("expected a schema_file, or several, with encoding single_object, and no registry")
            case "container" if self.schema_file or self.registry is not None:
                raise ValueError(
                    "expected neither schema_file nor registry with encoding container: the schema is in each record"
                )
            case "plain" if len(self.schema_file) != 1 or self.registry is not None:
                raise ValueError(
                    "expected one schema_file with encoding plain, and no registry; or a registry, with encoding confluent"
                )
        return self
