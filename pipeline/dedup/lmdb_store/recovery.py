"""The folders that former boots of the machine, and older versions of log2mq, left in a store."""

from __future__ import annotations

import shutil
from functools import partial

from pipeline.dedup.lmdb_store.confirmed import ConfirmedTable
from pipeline.dedup.lmdb_store.environment import GrowingEnvironment, is_open_elsewhere
from pipeline.dedup.lmdb_store.folder import StoreFolder
from pipeline.dedup.lmdb_store.journal import read_journals
from pipeline.errors import StoreUnavailable

RECOVERED_AT_ONCE = 50_000


def refuse_if_in_use(folder: StoreFolder) -> None:
    """Check that no process of another version has the store open: this version would take its tables for those of a former boot.

    Raises:
        StoreUnavailable: such a process runs.
        OSError: a folder cannot be read.
    """
    if any(map(is_open_elsewhere, folder.former_boots())):
        raise StoreUnavailable(
            f"the dedup store in {folder.path} is in use by another version of log2mq; stop the jobs of that version first"
        )


def recover(folder: StoreFolder, confirmed: ConfirmedTable, durable: GrowingEnvironment, now_ms: int) -> None:
    """Write the confirmations that were not moved yet to the durable table, and remove the folders.

    Raises:
        OSError: a folder cannot be read or removed.
    """
    for boot in folder.former_boots():
        for entries in read_journals(boot, RECOVERED_AT_ONCE, now_ms):
            durable.change(partial(confirmed.put_unless_newer, entries=entries, now_ms=now_ms))
        shutil.rmtree(boot)
