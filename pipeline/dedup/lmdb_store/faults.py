"""Errors of LMDB and of the file system, as messages that name the folder and the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from pipeline.errors import StoreUnavailable

_DAMAGED = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.BadChecksumError,
    lmdb.BadTxnError,
    lmdb.ProblemError,
)


@contextmanager
def store_errors(store: Path, verb: str) -> Iterator[None]:
    """Raise `StoreUnavailable` for the errors of LMDB and of the file system. `verb` names the action in the message: "opened", "read" or "written"."""
    try:
        yield
    except lmdb.MapFullError:
        raise StoreUnavailable(
            f"the dedup store in {store} has no room for more unfinished messages; lower limits.unfinished"
        ) from None
    except (lmdb.ReadonlyError, lmdb.LockError, PermissionError) as error:
        raise StoreUnavailable(
            f"the dedup store in {store} cannot be {verb}: {_text(error)}; this user must be able to write to it"
        ) from None
    except _DAMAGED as error:
        raise damaged(store, _text(error)) from None
    except (lmdb.Error, OSError) as error:
        raise StoreUnavailable(
            f"the dedup store in {store} cannot be {verb}: {_text(error)}; check that the disk has room and that dedup.path is a folder"
        ) from None


def damaged(store: Path, found: str) -> StoreUnavailable:
    """Return the error for a store that cannot be read. `found` says what is wrong with it."""
    return StoreUnavailable(
        f"the dedup store in {store} is damaged, or is not a dedup store: {found}; restore it, or set dedup.path to an empty folder "
        "and start with --new-store (the store then no longer knows which messages were reported)"
    )


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
