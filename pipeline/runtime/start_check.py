"""The question to Quick Audience before a job begins: does it take the AccessKey, the organisation and the instance of the file?"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import closing

from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.errors import DestinationHalt
from pipeline.report.client import ReporterClient
from pipeline.report.credentials import CredentialsSource
from pipeline.report.healthcheck import check_health

_log = logging.getLogger("log2mq.command")


def check_destination(source: SourceFile, environment: Mapping[str, str]) -> None:
    """Ask for the list of workspaces, if `report.check_at_start` says so. An outage does not keep the job from beginning: it waits it out.

    Raises:
        DestinationHalt: Quick Audience refuses the settings of the file, so no event could be reported.
        UsageError: the credentials cannot be read.
    """
    report = source.report
    if not report.check_at_start:
        return
    where = f"Quick Audience at {report.url}"
    with closing(ReporterClient(report, CredentialsSource(report.credentials, environment))) as client:
        try:
            found = check_health(client, time.sleep)
        except DestinationHalt as halt:
            if not halt.may_pass:
                raise DestinationHalt(f"{where}: {halt}") from None
            doubt = f"{where} is not available now ({halt}); the job begins, and reports when it answers"
        else:
            doubt = f"{where} answers, but {found.doubt}" if found.doubt else ""
            if not doubt and found.workspaces and report.workspace_id not in {None, *found.workspaces}:
                doubt = f"{where} does not list the workspace {report.workspace_id}; see report.workspace_id"
    if doubt:
        log_event(_log, logging.WARNING, LogEvent.START_CHECK, doubt)
    else:
        text = f"{where} takes the AccessKey, the organisation and the instance"
        log_event(_log, logging.INFO, LogEvent.START_CHECK, text)
