"""The embedded dedup store: LMDB files in one folder, shared by all processes of one host. The only importer of lmdb.

Confirmed keys live in one environment, flushed to disk with each confirmation. Claims and leases live in another that is never flushed: the kernel keeps it through the death of
any process, and after a crash of the machine nobody holds a claim, so it begins anew under the new boot's name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb

from pipeline.dedup.entry import expires_ms, owner_number, pack, standing_of
from pipeline.errors import StoreUnavailable
from pipeline.values import Claim, Standing

FORMAT = b"log2mq dedup 1"
"""Written into a new store; a store that says otherwise is not touched."""

CLAIMS_BYTES = 1 << 30
"""Room for some ten million claims at once; the file is sparse and holds only those of unfinished messages."""

SWEPT_AT_ONCE = 2_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LmdbStore:
    """A `DedupStore` in a folder. Open it once a process."""

    def __init__(self, folder: Path, owner: str, *, keep_ms: int, lease_ms: int, max_bytes: int, now_ms: int) -> None:
        """Open the store, or make it.

        Raises:
            StoreUnavailable: the folder cannot be made, read or written, or holds something else.
        """
        self._folder = folder
        self._owner = owner_number(owner)
        self._keep_ms = keep_ms
        self._lease_ms = lease_ms
        self._sweep_from = b""
        self._is_open = False
        with self._explained("opened"):
            folder.mkdir(parents=True, exist_ok=True)
            self._confirmed_env = lmdb.open(str(folder / "confirmed"), map_size=max_bytes, max_dbs=2, metasync=False)
            self._confirmed_env.reader_check()  # slots of processes that died
            self._confirmed = self._confirmed_env.open_db(b"confirmed")
            self._check_format()
            self._claims_env = lmdb.open(
                str(self._claims_folder()), map_size=CLAIMS_BYTES, max_dbs=2, sync=False, writemap=True
            )
            self._claims_env.reader_check()
            self._claims = self._claims_env.open_db(b"claims")
            self._leases = self._claims_env.open_db(b"leases")
        self._is_open = True
        self.renew(now_ms)

    def claim(self, claims: Sequence[Claim], now_ms: int) -> list[Standing]:
        """Answer each claim, in order. The claims' write lock keeps other processes out until all are answered."""
        if not claims:
            return []
        keys = sorted({claim.key for claim in claims})
        with self._explained("written"), self._claims_env.begin(write=True) as changing:
            living = {owner for owner, until in changing.cursor(self._leases) if int.from_bytes(until) > now_ms}
            cursor = changing.cursor(self._claims)
            held = {key for key, owner in cursor.getmulti(keys) if owner in living}
            # Opened after the lock is held: whatever another process confirmed before it let go of its claim is seen here.
            with self._confirmed_env.begin() as reading:
                confirmed = dict(reading.cursor(self._confirmed).getmulti(keys))
            standings = []
            granted = []
            for claim in claims:
                key = claim.key
                if key in held:
                    standings.append(Standing.HELD)
                    continue
                standing = standing_of(confirmed.get(key), claim, now_ms)
                if standing is Standing.GRANTED:
                    held.add(key)
                    granted.append(key)
                standings.append(standing)
            granted.sort()
            cursor.putmulti([(key, self._owner) for key in granted])
        return standings

    def confirm(self, claims: Sequence[Claim], now_ms: int) -> None:
        """Mark as reported; only then let go of the claims, so that at every moment one of the two is there."""
        if not claims:
            return
        until_ms = now_ms + self._keep_ms
        with self._explained("written"):
            with self._confirmed_env.begin(write=True) as changing:
                changing.cursor(self._confirmed).putmulti(
                    sorted((claim.key, pack(until_ms, claim)) for claim in claims)
                )
            self._let_go(claims)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        if claims:
            with self._explained("written"):
                self._let_go(claims)

    def _let_go(self, claims: Sequence[Claim]) -> None:
        with self._claims_env.begin(write=True, db=self._claims) as changing:
            for key in sorted({claim.key for claim in claims}):
                if changing.get(key) == self._owner:
                    changing.delete(key)

    def renew(self, now_ms: int) -> None:
        """Keep the lease: one write, whatever the number of claims."""
        with self._explained("written"), self._claims_env.begin(write=True, db=self._leases) as changing:
            changing.put(self._owner, (now_ms + self._lease_ms).to_bytes(8))

    def sync(self) -> None:
        """Flush the last confirmation's meta page; the pages before it are on disk already."""
        with self._explained("written"):
            self._confirmed_env.sync(True)

    def sweep(self, now_ms: int) -> int:
        """Walk on through the keys, a bounded number at a time, and forget what has expired."""
        with self._explained("written"):
            expired: list[bytes] = []
            with self._confirmed_env.begin() as reading:
                cursor = reading.cursor(self._confirmed)
                found = cursor.set_range(self._sweep_from)
                for _ in range(SWEPT_AT_ONCE):
                    if not found:
                        break
                    key, value = cursor.item()
                    if expires_ms(value) <= now_ms:
                        expired.append(key)
                    found = cursor.next()
                self._sweep_from = bytes(cursor.key()) if found else b""
            if expired:
                with self._confirmed_env.begin(write=True, db=self._confirmed) as changing:
                    for key in expired:
                        now_there = changing.get(key)  # another process may have confirmed it anew meanwhile
                        if now_there is not None and expires_ms(now_there) <= now_ms:
                            changing.delete(key)
            self._sweep_claims(now_ms)
        return len(expired)

    def _sweep_claims(self, now_ms: int) -> None:
        with self._claims_env.begin() as reading:
            living = {bytes(owner) for owner, until in reading.cursor(self._leases) if int.from_bytes(until) > now_ms}
            lapsed = {bytes(owner) for owner, _ in reading.cursor(self._leases)} - living
        if not lapsed:
            return
        with self._claims_env.begin(write=True) as changing:
            for owner in lapsed:
                until = changing.get(owner, db=self._leases)
                if until is not None and int.from_bytes(until) <= now_ms:
                    changing.delete(owner, db=self._leases)
            living = {bytes(owner) for owner, _ in changing.cursor(self._leases)}
            for key in [bytes(key) for key, owner in changing.cursor(self._claims) if owner not in living][
                :SWEPT_AT_ONCE
            ]:
                changing.delete(key, db=self._claims)

    def close(self) -> None:
        """End the lease, which releases every claim still held, and close."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            with self._explained("written"), self._claims_env.begin(write=True, db=self._leases) as changing:
                changing.delete(self._owner)
        finally:
            self._claims_env.close()
            self._confirmed_env.close()

    def _check_format(self) -> None:
        with self._confirmed_env.begin(write=True) as changing:
            found = changing.get(b"format")
            if found is None:
                changing.put(b"format", FORMAT)
            elif found != FORMAT:
                raise StoreUnavailable(
                    f"the dedup store in {self._folder} has another format than this version writes ({FORMAT.decode()}); "
                    "point dedup.path at an empty folder, or run the version that made it"
                )

    def _claims_folder(self) -> Path:
        """The claims of this boot; those of former boots are removed."""
        try:
            boot = _BOOT_ID.read_text().strip()
        except OSError:
            boot = "any"
        folder = self._folder / f"claims-{boot}"
        for former in self._folder.glob("claims-*"):
            if former != folder:
                shutil.rmtree(former, ignore_errors=True)
        return folder

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Turn what LMDB and the file system say into a sentence that names the folder and what to do."""
        try:
            yield
        except lmdb.MapFullError:
            raise StoreUnavailable(
                f"the dedup store in {self._folder} is full; raise dedup.max_size, or shorten dedup.keep"
            ) from None
        except (lmdb.ReadonlyError, lmdb.LockError, PermissionError) as error:
            raise StoreUnavailable(
                f"the dedup store in {self._folder} cannot be {verb}: {_text(error)}; it must be writable for this user"
            ) from None
        except (
            lmdb.CorruptedError,
            lmdb.InvalidError,
            lmdb.VersionMismatchError,
            lmdb.PageNotFoundError,
            lmdb.PanicError,
        ) as error:
            raise StoreUnavailable(
                f"the dedup store in {self._folder} is damaged or no dedup store: {_text(error)}; restore it, or point dedup.path at an "
                "empty folder (what was reported is then no longer known)"
            ) from None
        except (lmdb.Error, OSError) as error:
            raise StoreUnavailable(
                f"the dedup store in {self._folder} cannot be {verb}: {_text(error)}; is the disk full, or dedup.path no folder?"
            ) from None


def _text(error: BaseException) -> str:
    with suppress(AttributeError):
        if isinstance(error, OSError) and error.errno:
            return os.strerror(error.errno)
    return str(error)
