"""The first of several errors: a job that ends does all its steps, whatever one of them fails at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Log2mqError, StoreUnavailable


class FirstError:
    """Keeps the first error, which says what to correct. Later ones are often its consequences."""

    def __init__(self) -> None:
        self._error: Log2mqError | None = None
        self._latest: Log2mqError | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep an error of the block instead of raising it."""
        try:
            yield
        except Log2mqError as error:
            self._error, self._latest = self._error or error, error

    @property
    def is_any(self) -> bool:
        """Whether an error was kept."""
        return self._error is not None

    @property
    def exit_code(self) -> int:
        """The exit code of the error that was kept, or 0."""
        return self._error.exit_code if self._error is not None else 0

    @property
    def may_store_return(self) -> bool:
        """Whether the latest error is that the dedup store does not answer: it may answer soon."""
        return isinstance(self._latest, StoreUnavailable) and self._latest.may_pass

    def raise_if_any(self, *, without_store: bool) -> None:
        """Raise the first error that was kept. With `without_store` a dedup store that did not answer is no error.

        Raises:
            Log2mqError: there was one.
        """
        error = self._error
        is_store_away = isinstance(error, StoreUnavailable) and error.may_pass
        if error is not None and not (without_store and is_store_away):
            raise error
