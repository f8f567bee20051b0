"""The AccessKey: from the environment the vendor's page names, or from a file that is read again when it changes."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UsageError
from pipeline.report.settings import CredentialsSettings
from pipeline.setting_types.secret import Secret

ENVIRONMENT_ID = "SCA_AK_ENV"
ENVIRONMENT_SECRET = "SCA_SK_ENV"  # noqa: S105 - the name of a variable
ENVIRONMENT_TOKEN = "SCA_STS_TOKEN"  # noqa: S105 - the name of a variable

_MOST_BYTES = 64 << 10
_NAMES = ("access_key_id", "access_key_secret", "security_token")
_ENVIRONMENT_NAMES = (ENVIRONMENT_ID, ENVIRONMENT_SECRET, ENVIRONMENT_TOKEN)
_PRINTABLE = re.compile(r"[!-~]{1,8192}")
"""What a header and a query can carry unharmed: visible ASCII."""

_Stamp = tuple[int, int, int]

_log = logging.getLogger("log2mq.report")


class Credentials(NamedTuple):
    """An AccessKey, with a token where it is a temporary one (STS)."""

    access_key_id: str
    secret: Secret
    security_token: Secret | None = None


class CredentialsSource:
    """Gives the credentials in force. May be shared by sender threads: a change is one assignment of a frozen value."""

    def __init__(self, settings: CredentialsSettings | None, environment: Mapping[str, str]) -> None:
        """Read them once.

        Raises:
            UsageError: they are missing, empty or unreadable; the message names the variable or file, never a value.
        """
        self._path = Path(settings.file) if settings is not None else None
        self._environment = environment
        self._stamp: _Stamp | None = None
        self._current = self._read()

    def current(self) -> Credentials:
        """Return the credentials, read again if the file has changed. A file that is gone leaves those known."""
        if self._path is not None and _stamp_of(self._path) not in {self._stamp, None}:
            return self.refresh()
        return self._current

    def refresh(self) -> Credentials:
        """Read them again, as when the token has expired. If that fails, it warns, and those known stay."""
        try:
            self._current = self._read()
        except UsageError as error:
            _log.warning("the credentials stay as they were: %s", error)
        return self._current

    def _read(self) -> Credentials:
        if self._path is None:
            found = {key: self._environment.get(name, "") for name, key in zip(_ENVIRONMENT_NAMES, _NAMES, strict=True)}
            names, where = _ENVIRONMENT_NAMES, "the environment"
            hint = f"export {ENVIRONMENT_ID} and {ENVIRONMENT_SECRET}, or set report.credentials.file"
        else:
            # Taken before the file is read: what is written meanwhile is read the next time.
            self._stamp = _stamp_of(self._path)
            found = _parse(self._path)
            names, where = _NAMES, f"the file {self._path}"
            hint = "expected JSON, or lines NAME=VALUE, with access_key_id and access_key_secret"
        values = [found.get(key, "").strip() for key in _NAMES]
        missing = [name for name, value in zip(names[:2], values[:2], strict=True) if not value]
        if missing:
            raise UsageError(f"credentials: {' and '.join(missing)} missing or empty in {where}; {hint}")
        for name, value in zip(names, values, strict=True):
            if value and _PRINTABLE.fullmatch(value) is None:
                raise UsageError(
                    f"credentials: {name} in {where} holds a space or a character that no AccessKey has; copy it again"
                )
        key_id, secret, token = values
        return Credentials(key_id, Secret(secret), Secret(token) if token else None)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _parse(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES).decode("utf-8-sig")
            mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError) as error:
        raise UsageError(
            f"credentials: the file {path} cannot be read ({type(error).__name__}); expected UTF-8 text"
        ) from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warning("%s can be read by others on this machine; `chmod 600` keeps the secret", path)
    if not text.lstrip().startswith("{"):
        return _parse_lines(text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"credentials: the file {path} begins like JSON, but is none") from None
    return {name.lower(): value for name, value in document.items() if isinstance(value, str)}


def _parse_lines(text: str) -> dict[str, str]:
    """Read lines NAME=VALUE as a shell would: `export` before, quotes around the value, `#` comments."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.lstrip().startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name.strip().lower()] = value
    return found
