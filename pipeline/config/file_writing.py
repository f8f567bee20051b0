"""Writing a file at once or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.errors import UsageError


def replace_file(path: Path, text: str) -> None:
    """Write beside the file and put that in its place, with its permissions; a link stays a link, and ends of lines stay what they are.

    Raises:
        UsageError: it cannot be written.
    """
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
        descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - of what mkstemp has opened
                stream.write(text)
            Path(beside).chmod(mode)
            Path(beside).replace(target)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{path}: found a place that cannot be written ({error.strerror}); expected one that can"
        ) from None
