"""Rates that the processes of one host share: a table among those of this boot, so that its clock is that of the boot."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeline.dedup.lmdb_store.environment import Transaction
from pipeline.dedup.lmdb_store.faults import store_errors
from pipeline.dedup.rates import paid_ms

_PAID = struct.Struct(">d")


class LmdbRates:
    """A `RateTable` in an LMDB environment."""

    def __init__(
        self,
        writing: Callable[[], AbstractContextManager[Transaction]],
        table: Any,
        store: Path,
        clock: Callable[[], int],
    ) -> None:
        """`writing` begins a write transaction of the environment that has the table. `store` is the folder that error messages name."""
        self._writing = writing
        self._table = table
        self._store = store
        self._clock = clock

    def spend(self, bucket: bytes, units: float, per_second: float) -> float:
        """Count units, and return the time in ms until all is paid. This is one small write, which waits for no disk."""
        with store_errors(self._store, "written"), self._writing() as changing:
            now_ms = self._clock()
            found = changing.get(bucket, db=self._table)
            paid = paid_ms(_PAID.unpack(found)[0] if found else 0.0, now_ms, units, per_second)
            changing.put(bucket, _PAID.pack(paid), db=self._table)
        return paid - now_ms
