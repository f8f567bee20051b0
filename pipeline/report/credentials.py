"""The AccessKey, from the environment variables of the vendor's page or from a file. The file is read again when it changes."""

from __future__ import annotations

import json
import logging
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UsageError
from pipeline.report.settings import CredentialsSettings
from pipeline.setting_types.secret import Secret
from transforms.regular_file import read_regular

ENVIRONMENT_ID = "SCA_AK_ENV"
ENVIRONMENT_SECRET = "SCA_SK_ENV"  # noqa: S105 - the name of a variable
ENVIRONMENT_TOKEN = "SCA_STS_TOKEN"  # noqa: S105 - the name of a variable

_MOST_BYTES = 64 << 10
_NAMES = ("access_key_id", "access_key_secret", "security_token")
_ENVIRONMENT_NAMES = (ENVIRONMENT_ID, ENVIRONMENT_SECRET, ENVIRONMENT_TOKEN)
_PRINTABLE = re.compile(r"[!-~]{1,8192}")
"""The characters that are valid in a header and in a query: visible ASCII."""

_Stamp = tuple[int, int, int]

_log = logging.getLogger("log2mq.report")


class Credentials(NamedTuple):
    """An AccessKey. A temporary one (STS) has a security token."""

    access_key_id: str
    secret: Secret
    security_token: Secret | None = None


class CredentialsSource:
    """Holds the current credentials. Sender threads may share it: a change is one assignment of a frozen value."""

    def __init__(self, settings: CredentialsSettings | None, environment: Mapping[str, str]) -> None:
        """Read the credentials once.

        Raises:
            UsageError: the credentials are missing, empty or unreadable. The message names the variable or the file, never a value.
        """
        self._path = Path(settings.file) if settings is not None else None
        self._environment = environment
        self._stamp: _Stamp | None = None
        self._current = self._read()

    def current(self) -> Credentials:
        """Return the credentials. They are read again if the file has changed, and stay if the file was removed."""
        if self._path is not None and _stamp_of(self._path) not in {self._stamp, None}:
            return self.refresh()
        return self._current

    def refresh(self) -> Credentials:
        """Read the credentials again, for example after the token expired, and return them. If reading fails, log a warning and keep the former ones."""
        try:
            self._current = self._read()
        except UsageError as error:
            _log.warning("the former credentials stay in use: %s", error)
        return self._current

    def _read(self) -> Credentials:
        if self._path is None:
            found = {key: self._environment.get(name, "") for name, key in zip(_ENVIRONMENT_NAMES, _NAMES, strict=True)}
            names, place = _ENVIRONMENT_NAMES, "the environment"
            hint = f"export {ENVIRONMENT_ID} and {ENVIRONMENT_SECRET}, or set report.credentials.file"
        else:
            # Before the file is read: a change while it is read is then found the next time.
            self._stamp = _stamp_of(self._path)
            found = _parse(self._path)
            names, place = _NAMES, f"the file {self._path}"
            hint = "expected JSON, or lines NAME=VALUE, with access_key_id and access_key_secret"
        values = [found.get(key, "").strip() for key in _NAMES]
        missing = [name for name, value in zip(names[:2], values[:2], strict=True) if not value]
        if missing:
            raise UsageError(f"credentials: {' and '.join(missing)} missing or empty in {place}; {hint}")
        for name, value in zip(names, values, strict=True):
            if value and _PRINTABLE.fullmatch(value) is None:
                raise UsageError(
                    f"credentials: {name} in {place} contains a space or a character that no AccessKey has; copy it again"
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
        text = read_regular(path, _MOST_BYTES).decode("utf-8-sig")
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = (
            error.strerror if isinstance(error, OSError) else type(error).__name__
        )  # not its own words, which may quote
        raise UsageError(f"credentials: the file {path} cannot be read ({why}); expected UTF-8 text") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        _log.warning("other users of this machine can read %s; protect it with `chmod 600`", path)
    if not text.lstrip().startswith("{"):
        return _parse_lines(text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"credentials: the file {path} begins like JSON, but is not valid JSON") from None
    return {name.lower(): value for name, value in document.items() if isinstance(value, str)}


def _parse_lines(text: str) -> dict[str, str]:
    """Return the values of lines NAME=VALUE by lower-case name. As in a shell, `export`, quotes around a value, and `#` comments are allowed."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.lstrip().startswith("#"):
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[name.strip().lower()] = value
    return found
