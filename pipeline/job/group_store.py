"""The dedup store of a consumer group: each commit names the store that remembers work of its partition, so that a wrong store is noticed before anything is sent.

A commit without a name is accepted: it is of an earlier version, or of a person who set the offsets. A store in memory is accepted after another
store in memory, because a person who chooses such a store wants it to forget. It is not accepted after a lasting store, nor is a lasting one after it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from pipeline.contracts.values import Commit, Partition, StoreIdentity
from pipeline.errors import StoreUnavailable
from pipeline.job.books import decode_books, decode_store_id

_log = logging.getLogger("log2mq.job")


class GroupStore:
    """Compares the store of this process with the stores that the group's commits name."""

    def __init__(self, store: StoreIdentity, *, is_new: bool = False) -> None:
        """With `is_new` this store takes the place of whatever store the group had: `--new-store`."""
        self.store = store
        self._is_new = is_new

    def check_assigned(self, commits: Mapping[Partition, Commit]) -> None:
        """Check the commits of partitions that this process begins to own.

        Raises:
            StoreUnavailable: the group finished records of them with another store.
        """
        self._check(commits, also_forgetful=False)

    def check_replayed(self, commits: Mapping[Partition, Commit]) -> None:
        """Check the commits of the live job before a replay. Here a store in memory does not do after another one: it would report everything again.

        Raises:
            StoreUnavailable: the live job finished records with another store.
        """
        self._check(commits, also_forgetful=True)

    def _check(self, commits: Mapping[Partition, Commit], *, also_forgetful: bool) -> None:
        records: Counter[StoreIdentity] = Counter()
        partitions: Counter[StoreIdentity] = Counter()
        for commit in commits.values():
            other = StoreIdentity(decode_store_id(commit.metadata), "")
            if other.id and other.id != self.store.id:
                records[other] += decode_books(commit.metadata)[0].remembered
                partitions[other] += 1
        for other, count in records.items():
            # A commit names the store also where the first record behind it is not finished, and later ones are.
            found = f"{count:,} records" if count else "records behind the committed offsets"
            unknown = (
                f"{found} of {partitions[other]:,} partitions were finished with {_named(other)}; "
                f"the dedup store {self.store.place} (identity {self.store.id}) does not know them"
            )
            if self._is_new:
                _log.warning("%s; it is the store of the group from now on (--new-store)", unknown)
            elif other.is_lasting or self.store.is_lasting or also_forgetful:
                raise StoreUnavailable(*_lines(unknown, other))
            else:
                _log.warning("%s; those that are read again are reported again", unknown)


def _named(other: StoreIdentity) -> str:
    if other.is_lasting:
        return f"another dedup store (identity {other.id})"
    return "a dedup store in the memory of another process"


def _lines(unknown: str, other: StoreIdentity) -> list[str]:
    lines = [f"{unknown}, so it would report those again that are read again; nothing was sent"]
    if other.is_lasting:
        lines.append(
            "expected the store that the group worked with: the folder of dedup.path (without it, a folder under XDG_STATE_HOME or ~/.local/state), "
            "on a disk or volume that outlives the job; or the server of dedup.url. The jobs of a group on several hosts need one store: dedup.store redis"
        )
    lines.append(
        "if that store is gone, or is to be replaced, --new-store makes this one the store of the group from now on"
    )
    return lines
