"""The source file while a job runs: at SIGHUP it is read again and checked. A right one is taken, a wrong one changes nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config.config_hash import config_hash
from pipeline.config.load import load_source
from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.control_characters import one_line
from pipeline.errors import Log2mqError, UsageError

FIXED = "the job keeps its endpoint; start it again to change observe.listen"

_log = logging.getLogger("log2mq.command")


class Reload:
    """The source file that a job runs with, and the one that it is to go on with."""

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, str],
        source: SourceFile,
        on_checked: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`source` is the file at `path` as it was read first. `on_checked` is called after each check, with whether the file is right."""
        self._path = path
        self._environment = environment
        self._on_checked = on_checked
        self.source = source
        """The file that the job runs with."""
        self._next: SourceFile | None = None
        self._checking = threading.Lock()

    def check(self) -> SourceFile | None:
        """Read the file again. Return it if the job is to go on with it: it is right, and says something else than before. Any thread may call it."""
        with self._checking:
            try:
                found = self._loaded()
            except Log2mqError as error:
                for line in error.lines:
                    text = f"the changed source file is refused, the job goes on as before: {one_line(line)}"
                    log_event(_log, logging.ERROR, LogEvent.RELOAD_REFUSED, text, config_hash=config_hash(self.source))
                self._on_checked(False)
                return None
            self._on_checked(True)
            new_hash, old_hash = config_hash(found), config_hash(self.source)
            if new_hash == old_hash:
                text = f"the source file says the same as before (configuration {old_hash})"
                log_event(_log, logging.INFO, LogEvent.RELOAD_UNCHANGED, text, config_hash=old_hash)
                return None
            kept = f"; {FIXED}" if found.observe.listen != self.source.observe.listen else ""
            text = f"the source file has changed: the job finishes what is in flight and goes on with configuration {new_hash}{kept}"
            log_event(_log, logging.WARNING, LogEvent.RELOAD, text, config_hash=new_hash, former_hash=old_hash)
            self._next = found
            return found

    def take(self) -> SourceFile | None:
        """Return the file to go on with, once; None if there is none. From now on the job runs with it."""
        found, self._next = self._next, None
        if found is not None:
            self.source = found
        return found

    def _loaded(self) -> SourceFile:
        found = load_source(self._path, self._environment, with_credentials=True)
        if found.source != self.source.source:
            raise UsageError(
                f"source: found {found.source!r}; expected {self.source.source!r}: a job keeps its name, start another one"
            )
        return found
