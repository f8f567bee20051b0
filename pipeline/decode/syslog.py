"""Syslog: RFC 5424 with structured data, and the older lines that RFC 3164 describes. Each line shows which of the two it is."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder
from pipeline.decode.zone_name import ZoneName
from transforms.values.text import Inconvertible
from transforms.values.times import OffsetOf, iso_moment, since_1970_ms, zone_offsets

SyslogFields = dict[str, Any]

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""RFC 5424, section 6.2.1, by the names that syslog.conf uses."""

_NO_MATCH = no_match("the line is no syslog line of RFC 5424 or RFC 3164")
_NIL = "-"

# A line that came over TCP begins with its length (RFC 6587, section 3.4.1).
_LENGTH = re.compile(r"[1-9]\d{0,8} (?=<)", re.ASCII)
_PRIORITY = re.compile(r"<(0|[1-9]\d{0,2})>", re.ASCII)
_RFC5424 = re.compile(r"([1-9]\d{0,2}) (\S++) (\S++) (\S++) (\S++) (\S++) (?=[\[-])", re.ASCII)
# The RFC requires an escape before a bracket in a value, but many senders do not write it. So the value ends at its quote.
_ELEMENT = re.compile(r'\[([^\s="\]]++)((?: [^\s="\]]++="(?:[^"\\]|\\.)*+")*+)\]', re.DOTALL | re.ASCII)
_PARAMETER = re.compile(r' ([^\s="\]]++)="((?:[^"\\]|\\.)*+)"', re.DOTALL | re.ASCII)
_ESCAPED = re.compile(r'\\(["\\\]])')
_RFC3164_TIME = re.compile(
    r"((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]?\d(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: |\Z)",
    re.ASCII,
)
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)(?: |\Z)", re.ASCII)
_HOST = re.compile(
    r"([^\s:\[\]]++|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?) ", re.ASCII
)  # or an IPv6 address
_TAG = re.compile(r"([^\s:\[\]]{1,128})(?:\[([^\]\s]{1,128})\])?: ?")


class SyslogOptions(BaseModel):
    """Options of `format: syslog`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    standard: Literal["auto", "rfc5424", "rfc3164"] = Field(
        default="auto",
        description="`auto`: RFC 5424 and RFC 3164, recognised by the version after the priority; or only one of them.",
    )
    time_zone: ZoneName = Field(
        default="Asia/Shanghai",
        description="The time zone of an ISO time that names none, as an IANA name.",
    )


def build_syslog(options: SyslogOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder. All fields except `priority`, `version` and `time_ms` are text. A field without a value is absent."""
    offset_ms = zone_offsets(options.time_zone)
    new, old = options.standard != "rfc3164", options.standard != "rfc5424"

    def read(text: str) -> Decoded:
        text = text.rstrip("\0\r\n")  # many senders end a line with NUL: the old syslog(3), Python's SysLogHandler
        line = text[found.end() :] if (found := _LENGTH.match(text)) else text
        fields: SyslogFields = {}
        if priority := _PRIORITY.match(line):
            number = int(priority[1])
            if number >= len(FACILITIES) * len(SEVERITIES):
                return _NO_MATCH
            fields["priority"] = number
            fields["facility"], fields["severity"] = FACILITIES[number // 8], SEVERITIES[number % 8]
            line = line[priority.end() :]
            if new and (header := _RFC5424.match(line)):
                return fields if _rfc5424(line, header, fields, offset_ms) else _NO_MATCH
        return fields if old and _rfc3164(line, fields, offset_ms) else _NO_MATCH

    return text_decoder(read)


def _rfc5424(line: str, header: re.Match[str], fields: SyslogFields, offset_ms: OffsetOf) -> bool:
    version, timestamp, *names = header.groups()
    fields["version"] = int(version)
    if timestamp != _NIL and not _add_time(timestamp, fields, offset_ms):
        return False
    fields |= {
        name: text
        for name, text in zip(("hostname", "app_name", "proc_id", "msg_id"), names, strict=True)
        if text != _NIL
    }
    position = header.end()
    elements: dict[str, dict[str, str]] = {}
    if line[position] == _NIL:
        position += 1
    while element := _ELEMENT.match(line, position):
        parameters = elements.setdefault(element[1], {})
        for name, value in _PARAMETER.findall(element[2]):
            parameters[name] = _ESCAPED.sub(r"\1", value) if "\\" in value else value
        position = element.end()
    if position < len(line) and line[position] != " ":
        return False
    if elements:
        fields["structured_data"] = elements
    if message := line[position + 1 :].removeprefix("\ufeff"):
        fields["message"] = message
    return True


def _rfc3164(line: str, fields: SyslogFields, offset_ms: OffsetOf) -> bool:
    """Read time, host, tag and process, as far as the line has them (RFC 3164, section 4.1; many senders leave some of them out)."""
    time = _RFC3164_TIME.match(line) or _ISO_TIME.match(line)
    if time is None and "priority" not in fields:
        return False
    if time is not None:
        if time.re is _ISO_TIME:
            if not _add_time(time[1], fields, offset_ms):
                return False
        else:
            fields["timestamp"] = time[1]
        line = line[time.end() :]
        # A word before the tag is the host; a word alone before a colon is the tag.
        if (host := _HOST.match(line)) is not None:
            fields["hostname"] = host[1]
            line = line[host.end() :]
    if tag := _TAG.match(line):
        fields["app_name"] = tag[1]
        if tag[2] is not None:
            fields["proc_id"] = tag[2]
        line = line[tag.end() :]
    if line:
        fields["message"] = line
    return True


def _add_time(text: str, fields: SyslogFields, offset_ms: OffsetOf) -> bool:
    """Add the time; False where the text is no time. Any year is valid: a device whose clock was never set still sends good lines."""
    try:
        fields["time_ms"] = since_1970_ms(iso_moment(text.replace(",", ".")), offset_ms)
    except (Inconvertible, OverflowError):
        return False
    fields["timestamp"] = text
    return True
