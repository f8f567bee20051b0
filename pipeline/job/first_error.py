"""The first of several errors: a job that ends does all its steps, whatever one of them fails at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Log2mqError


class FirstError:
    """Keeps the first error, which says what to correct. Later ones are often its consequences."""

    def __init__(self) -> None:
        self._error: Log2mqError | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep an error of the block instead of raising it."""
        try:
            yield
        except Log2mqError as error:
            self._error = self._error or error

    @property
    def exit_code(self) -> int:
        """The exit code of the error that was kept, or 0."""
        return self._error.exit_code if self._error is not None else 0

    def raise_if_any(self) -> None:
        """Raise the first error that was kept.

        Raises:
            Log2mqError: there was one.
        """
        if self._error is not None:
            raise self._error
