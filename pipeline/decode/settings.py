"""The `decode:` key of a source file: one step, or several steps of which each reads a field that an earlier step has found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Charset = Literal[
    "utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "shift_jis", "euc-kr"
]  # fmt: skip


class DecodeStep(BaseModel):
    """One step: its decoder, the field it reads, and the decoder's own options, which are all other keys."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: Annotated[str, Field(min_length=1, description="The name of the decoder.")]
    source: Annotated[
        str | None,
        Field(
            alias="from",
            min_length=1,
            max_length=500,
            description="The field that a further step decodes: a name or a path, as in a condition of the mapping. The first step reads the record's value.",
            json_schema_extra={"default_text": "required in a further step"},
        ),
    ] = None
    into: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=100,
            description="The name under which a further step puts the decoded fields. "
            "Without it the fields are put among the entry's own, where they replace fields of the same name.",
        ),
    ] = None
    required: Annotated[
        bool,
        Field(
            description="What a further step does with an entry without the field (`FIELD_MISSING`), with a field that is no text (`FIELD_TYPE`), "
            "or with a text that the decoder refuses. "
            "`true`: the entry is refused. `false`: it goes on as it is."
        ),
    ] = True
    compression: Annotated[
        Literal["none", "gzip", "zstd", "auto"],
        Field(
            description="How the value is compressed. `auto` looks at its first bytes. "
            "A value that is larger than `limits.record` once it is unpacked (`RECORD_TOO_LARGE`) and damaged bytes (`COMPRESSION_INVALID`) are refused. "
            "Compression by Kafka itself needs no setting."
        ),
    ] = "none"
    charset: Annotated[
        Charset,
        Field(
            description="The character set of the text. `gbk` is read as GB18030, which contains it; "
            "`utf-16` has the byte order of its mark, or without a mark that of the machine. Bytes that are no such text are refused (`CHARSET_INVALID`)."
        ),
    ] = "utf-8"
    invalid_characters: Annotated[
        Literal["refuse", "replace"],
        Field(
            description="What happens to bytes that are no text in the character set: `refuse` the record, or `replace` each wrong byte by U+FFFD."
        ),
    ] = "refuse"
    split: Annotated[
        Literal["none", "lines"],
        Field(description="`lines`: each line that is not blank is decoded alone and is an entry."),
    ] = "none"

    @property
    def options(self) -> dict[str, Any]:
        """Return the decoder's own options."""
        return dict(self.model_extra or {})


def _steps(written: Any) -> Any:
    """Return a list of steps: a name alone is a step without options, and a step alone is a list of one."""
    steps = written if isinstance(written, list | tuple) else [written]
    return [{"format": step} if isinstance(step, str) else step for step in steps]


DecodeSettings = Annotated[
    tuple[DecodeStep, ...],
    BeforeValidator(_steps),
    Field(min_length=1, max_length=10),
    WithJsonSchema(
        {"definition": "decoder_steps"}
    ),  # the room `editor_schema` builds it from the options of all decoders
]
"""The steps in their order: the first reads the record's value."""
