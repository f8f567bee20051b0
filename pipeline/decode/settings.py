"""The `decode:` key of a source file: one step, or several of which each reads a field that the one before has found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Charset = Literal[
    "utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "shift_jis", "euc-kr"
]  # fmt: skip


class DecodeStep(BaseModel):
    """One step: which decoder, what it reads, and its own options, which are all other keys."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: Annotated[str, Field(min_length=1)]
    source: Annotated[str | None, Field(alias="from", min_length=1, max_length=500)] = None
    into: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    required: bool = True
    compression: Literal["none", "gzip", "zstd", "auto"] = "none"
    charset: Charset = "utf-8"
    invalid_characters: Literal["refuse", "replace"] = "refuse"
    split: Literal["none", "lines"] = "none"

    @property
    def options(self) -> dict[str, Any]:
        """Return the decoder's own options."""
        return dict(self.model_extra or {})


def _steps(written: Any) -> Any:
    """Take a name alone for a step without options, and one step for a list of one."""
    steps = written if isinstance(written, list | tuple) else [written]
    return [{"format": step} if isinstance(step, str) else step for step in steps]


DecodeSettings = Annotated[tuple[DecodeStep, ...], BeforeValidator(_steps), Field(min_length=1, max_length=10)]
"""The steps in their order: the first reads the record's value."""
