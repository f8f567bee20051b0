"""What LMDB and the file system say of a store, as a sentence that names its folder and what to do."""

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
def explained(store: Path, verb: str) -> Iterator[None]:
    """Turn what LMDB and the file system raise into `StoreUnavailable`. `verb` is what was done: "opened", "written"."""
    try:
        yield
    except lmdb.MapFullError:
        raise StoreUnavailable(
            f"the dedup store in {store} has no room for more unfinished messages; lower limits.unfinished"
        ) from None
    except (lmdb.ReadonlyError, lmdb.LockError, PermissionError) as error:
        raise StoreUnavailable(
            f"the dedup store in {store} cannot be {verb}: {_text(error)}; it must be writable for this user"
        ) from None
    except _DAMAGED as error:
        raise damaged(store, _text(error)) from None
    except (lmdb.Error, OSError) as error:
        raise StoreUnavailable(
            f"the dedup store in {store} cannot be {verb}: {_text(error)}; is the disk full, or dedup.path no folder?"
        ) from None


def damaged(store: Path, found: str) -> StoreUnavailable:
    """Make the error for a store that cannot be read."""
    return StoreUnavailable(
        f"the dedup store in {store} is damaged or no dedup store: {found}; restore it, or point dedup.path at an empty folder "
        "(what was reported is then no longer known)"
    )


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
