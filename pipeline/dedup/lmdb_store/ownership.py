"""Who may change the folder of a store. The store decides what is reported, so another user who may change it decides that too.

Refused is what no installation needs: a folder that every user may write, one of another user, and a path through another user's symbolic link.
Only doubtful are a folder that its group may write, as the volumes of container platforms are, and a place in which others may rename it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = 0
"""The ID of the user who may change every file anyway."""


def why_refused(folder: Path, user: int) -> str:
    """Return why a folder that exists must not hold a store of this user ID; "" where it may.

    Raises:
        OSError: the folder cannot be examined.
    """
    for each in (folder.absolute(), *folder.absolute().parents):
        status = each.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in {ROOT, user}:
            return f"{each} is a symbolic link of another user (ID {status.st_uid})"
    status = folder.stat()
    if user != ROOT and status.st_uid not in {ROOT, user}:
        return f"{folder} belongs to another user (ID {status.st_uid})"
    if status.st_mode & stat.S_IWOTH:
        return f"every user of this machine may write to {folder} (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def doubts(folder: Path, user: int) -> Iterator[str]:
    """Yield what is wrong or doubtful about a folder, whether it exists or not: a clause for each."""
    real = folder.resolve()
    with suppress(OSError):
        if why := why_refused(folder, user):
            yield f"`run` would not start: {why}"
            return
        if real.stat().st_mode & stat.S_IWGRP:
            yield "its group may write to it, and so decide what is reported"
    for each in real.parents:
        with suppress(OSError):
            mode = each.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                yield f"every user of this machine may rename or replace what is in {each}"
