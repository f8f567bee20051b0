"""Secrets: values that no output shows, and the two places that a secret may come from."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from pipeline.errors import UsageError
from transforms.regular_file import read_regular

_MASK = "***"
_MOST_BYTES = 64 << 10


class Secret:
    """A secret text. Printing, formatting and dumping show `***`; only `reveal` returns the text."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the secret itself. Call it only where the secret is used."""
        return self.__text

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, _spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be copied or pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: _MASK)
        )


class SecretSource(BaseModel):
    """The place that a secret is read from: `{env: NAME}` or `{file: PATH}`. A source file never holds the secret itself."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"oneOf": [{"required": ["env"]}, {"required": ["file"]}]}
    )

    env: str | None = Field(default=None, description="The name of the environment variable that holds the secret.")
    file: str | None = Field(default=None, description="The path of a file that holds the secret and nothing else.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_literals(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            # The message does not repeat the value, which may be the secret.
            raise ValueError("a secret is never written here; expected {env: NAME} or {file: PATH}")  # noqa: TRY004 - pydantic reports ValueError
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected exactly one of env and file")
        return self

    def read(self, environment: Mapping[str, str]) -> Secret:
        """Return the secret.

        Raises:
            UsageError: the variable or the file is missing or empty. The message names it.
        """
        if self.env is not None:
            text, place = environment.get(self.env, ""), f"the environment variable {self.env}"
        else:
            place = f"the file {self.file}"
            try:
                text = read_regular(Path(str(self.file)), _MOST_BYTES).decode().rstrip("\r\n")
            except (OSError, ValueError) as error:
                why = (
                    error.strerror if isinstance(error, OSError) else "no path, or no UTF-8 text"
                )  # not its own words, which may quote
                raise UsageError(f"the secret in {place} cannot be read ({why}); expected a file with it") from None
        if not text:
            raise UsageError(f"{place} is empty or not set; expected a secret")
        return Secret(text)
