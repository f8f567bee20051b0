"""Logs of Java applications, written by Logback or Log4j 2: a line in a layout, perhaps with a message of several lines and a stack trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.contracts.interfaces import Decoded, Decoder, Fields
from pipeline.decode.java.layout import Layout, parse_layout
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder
from pipeline.decode.zone_name import ZoneName
from schemas.refusal import Refusal
from transforms.fault import BadExpression
from transforms.values.pattern import Pattern
from transforms.values.text import Inconvertible

_NO_MATCH = no_match("the text does not begin with a line of decode.layout")
_NO_TIME = no_match("the line has the shape of decode.layout, but its time is no date and time of day")

_FRAME = re.compile(r"(?:\t+| {2,})(?:at |\.\.\. \d)")
_THROWN = re.compile(
    r"(?:Exception in thread \"[^\"]*\" )?"
    r"((?:[A-Za-z_$][\w$]*\.)+[A-Za-z_$][\w$]*|[A-Za-z_$][\w$]*(?:Exception|Error|Throwable))(?:: (.*))?\Z",
    re.DOTALL,
)
_CAUSED = "Caused by: "
_WRAPPED = "Wrapped by: "  # Logback's %rEx writes it; such a stack trace begins with the root cause
_NUMBERS = frozenset({"pid", "line", "uptime_ms", "sequence", "thread_id"})
_MDC_PAIR = re.compile(r"([^\s=,{}]+)=([^,{}]*)")


class JavaOptions(BaseModel):
    """Options of `format: java`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: str = Field(
        default="spring_boot",
        max_length=2_000,
        description="`spring_boot` (3), `spring_boot_2`, `logback` (`%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{36} - %msg%n`), "
        "`log4j` (`%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p [%t] %c{1} (%F:%L) - %m%n`), or the layout as it stands in logback.xml or log4j2.xml.",
    )
    time_zone: ZoneName = Field(
        default="Asia/Shanghai",
        description="The time zone of times for which neither the time nor the layout names one, as an IANA name.",
    )

    @field_validator("layout")
    @classmethod
    def _readable(cls, layout: str) -> str:
        read = parse_layout(layout)
        Pattern(read.pattern)
        try:
            read.time_reader("UTC")
        except BadExpression as bad:
            raise ValueError(f"{bad.found}; expected {bad.expected}") from None
        return layout


def build_java(options: JavaOptions, limits: DecodeLimits) -> Decoder:
    """Make the decoder. Each line that matches the layout begins an entry. The lines after it belong to its message or to its stack trace."""
    layout = parse_layout(options.layout)
    head_of = Pattern(layout.pattern).groups
    read_entry = _entry_reader(layout, options.time_zone)
    begins_with_time = layout.pattern.startswith((r"(\d", "([A-Za-z]"))
    most, too_many = limits.entries, limits.too_many_entries

    def read(text: str) -> Decoded:
        begun: list[tuple[tuple[str, ...], list[str]]] = []
        for line in text.split("\n"):
            # Most lines of a stack trace are indented, and a line that begins with its time is not: so skip the match.
            is_further = begins_with_time and line[:1].isspace()
            head = None if is_further else head_of(line.removesuffix("\r").encode())
            if head is not None:
                begun.append((head, []))
                if len(begun) > most:
                    return too_many
            elif begun:
                begun[-1][1].append(line.removesuffix("\r"))
            else:
                return _NO_MATCH
        entries = [read_entry(head, further) for head, further in begun]
        return entries[0] if len(entries) == 1 else entries

    return text_decoder(read)


def _entry_reader(layout: Layout, time_zone: str) -> Callable[[Sequence[str], Sequence[str]], Fields | Refusal]:
    read_ms = layout.time_reader(time_zone)

    def read_entry(head: Sequence[str], further: Sequence[str]) -> Fields | Refusal:
        fields: dict[str, Any] = {name: text for name, text in zip(layout.fields, head, strict=True) if text}
        if read_ms is not None:
            try:
                fields["time_ms"] = read_ms(fields["time"])
            except Inconvertible:
                return _NO_TIME
        for name in _NUMBERS & fields.keys():
            if fields[name].isdecimal():
                fields[name] = int(fields[name])
        if "mdc" in fields:
            fields["mdc"] = dict(_MDC_PAIR.findall(fields["mdc"]))
        if further:
            _add_further(fields, further)
        return fields

    return read_entry


def _add_further(fields: dict[str, Any], further: Sequence[str]) -> None:
    """Add the rest of the message, and the stack trace. The stack trace begins with the line of the exception, above its first frame."""
    frame = next((place for place, line in enumerate(further) if _FRAME.match(line)), None)
    thrown_at = len(further)
    if frame is not None:
        thrown_at = next((place for place in range(frame - 1, -1, -1) if _THROWN.match(further[place])), frame)
        if thrown := _THROWN.match("\n".join(further[thrown_at:frame])):
            fields["exception"] = thrown[1]
            if thrown[2]:
                fields["exception_message"] = thrown[2]
        causes = [line[len(_CAUSED) :] for line in further[frame:] if line.startswith(_CAUSED)]
        if causes and (cause := _THROWN.match(causes[-1])):
            fields["root_cause"] = cause[1]
        elif "exception" in fields and any(line.startswith(_WRAPPED) for line in further[frame:]):
            fields["root_cause"] = fields["exception"]
        fields["stack_trace"] = "\n".join(further[thrown_at:])
    if thrown_at:
        fields["message"] = "\n".join([fields.get("message", ""), *further[:thrown_at]])
