"""Access logs of nginx and Apache: their usual formats, and any `log_format` or `LogFormat` string."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.contracts.interfaces import Decoded, Decoder
from pipeline.decode.access_log import apache as apache_format
from pipeline.decode.access_log import nginx as nginx_format
from pipeline.decode.access_log.escapes import unescape_default, unescape_json
from pipeline.decode.access_log.line import FieldPiece, LineReader, Piece, Shape, Writing, line_reader
from pipeline.decode.access_log.request import RequestReader
from pipeline.decode.access_log.times import iso8601_ms, time_local_ms
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.text import no_match, text_decoder
from pipeline.decode.user_agent import user_agent_reader

_NO_MATCH = no_match("the line does not match decode.log_format")
_NO_TIME = no_match("the line matches decode.log_format, but its time is no date and time of day")

_SECONDS_REMEMBERED = 4096  # each second is read once for all its lines

AccessFields = dict[str, Any]

_AGENT = "http_user_agent"
_ABSENT = ("-", "")
_UNESCAPES: Mapping[str, Callable[[str], str]] = {"default": unescape_default, "json": unescape_json, "none": str}
_WRITINGS: Mapping[str, Writing] = {
    "default": Writing(),
    "json": Writing(leaves_absent_empty=True),
    "none": Writing(escapes_quotes=False, leaves_absent_empty=True),
}
"""How values are written, by nginx's `escape=`."""
_NUMBERS: Mapping[Shape, Callable[[str], int | float]] = {
    Shape.INTEGER: int,
    Shape.COUNT: int,
    Shape.DECIMAL: float,
    Shape.SECONDS: float,
}


class _AccessLogOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    query_parameters: int = Field(
        default=64,
        ge=0,
        le=1000,
        description="The largest number of parameters that are read from a URL's query. Further ones are left out.",
    )
    user_agent: bool = Field(
        default=False,
        description="`true`: the User-Agent (`http_user_agent`) is read into `user_agent`: "
        "`browser`, `browser_version`, `os`, `os_version`, `device`, `brand`, as far as they are known. A User-Agent that was not seen before costs 0.2 to 0.8 ms.",
    )


class NginxOptions(_AccessLogOptions):
    """Options of `format: nginx`."""

    log_format: str = Field(
        default="combined",
        description="`combined`, or the format string, or the whole `log_format` directive as it stands in nginx.conf; `\\t` is a tab there.",
    )
    escape: Literal["default", "json", "none"] | None = Field(
        default=None,
        description="The `escape=` parameter of the directive.",
        json_schema_extra={"default_text": "that of the directive, or `default`"},
    )

    @field_validator("log_format")
    @classmethod
    def _readable(cls, log_format: str) -> str:
        line_reader(nginx_format.nginx_pieces(nginx_format.nginx_directive(log_format)[0]), Writing())
        return log_format


class ApacheOptions(_AccessLogOptions):
    """Options of `format: apache`."""

    log_format: str = Field(
        default="combined",
        description="`common`, `combined`, `vhost_combined`, or the format string, or a whole `LogFormat` line as it stands in httpd.conf.",
    )

    @field_validator("log_format")
    @classmethod
    def _readable(cls, log_format: str) -> str:
        line_reader(apache_format.apache_pieces(apache_format.apache_directive(log_format)), Writing())
        return log_format


def build_nginx(options: NginxOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder of an nginx log. Fields have the names of the variables."""
    text, escape = nginx_format.nginx_directive(options.log_format)
    escape = options.escape or escape
    read = line_reader(pieces := nginx_format.nginx_pieces(text), _WRITINGS[escape])
    return _build(pieces, read, _UNESCAPES[escape], options)


def build_apache(options: ApacheOptions, _limits: DecodeLimits) -> Decoder:
    """Make the decoder of an Apache log. Fields have the names of nginx's variables for the same values."""
    pieces = apache_format.apache_pieces(apache_format.apache_directive(options.log_format))
    return _build(pieces, line_reader(pieces, Writing()), unescape_default, options)


def _build(
    pieces: Sequence[Piece], read: LineReader, unescape: Callable[[str], str], options: _AccessLogOptions
) -> Decoder:
    fields = [piece for piece in pieces if isinstance(piece, FieldPiece)]
    names = tuple(piece.name for piece in fields)
    numbers = tuple((piece.name, _NUMBERS[piece.shape]) for piece in fields if piece.shape in _NUMBERS)
    defaults = {piece.name: 0 for piece in fields if piece.shape is Shape.COUNT}
    add_time = _time_of(set(names))
    add_request = RequestReader(options.query_parameters, set(names)).add
    read_agent = user_agent_reader() if options.user_agent and _AGENT in names else None

    def decode(line: str) -> Decoded:
        texts = read(line)
        if texts is None:
            return _NO_MATCH
        found: AccessFields = {name: text for name, text in zip(names, texts, strict=True) if text not in _ABSENT}
        try:
            add_time(found)
        except ValueError:
            return _NO_TIME
        if "\\" in line:
            found.update({name: unescape(text) for name, text in found.items() if type(text) is str and "\\" in text})
        for name, number in numbers:
            if name in found:
                found[name] = number(found[name])
        add_request(found)
        if read_agent is not None and _AGENT in found:
            found["user_agent"] = read_agent(found[_AGENT])
        return {**defaults, **found} if defaults else found

    return text_decoder(decode)


def _time_of(names: set[str]) -> Callable[[AccessFields], None]:
    """Return the function that adds `time_ms` (Unix milliseconds) from the format's most exact time. It raises ValueError where the text is no time."""
    if "time_ms" in names:  # Apache's %{msec}t is Unix milliseconds already
        return lambda _found: None
    for name, reading in _TIMES.items():
        if name in names:
            return _adder(name, lru_cache(_SECONDS_REMEMBERED)(reading))
    return lambda _found: None


def _adder(name: str, reading: Callable[[str], int]) -> Callable[[AccessFields], None]:
    def add(found: AccessFields) -> None:
        if name in found:
            found["time_ms"] = reading(found[name])

    return add


_TIMES: Mapping[str, Callable[[str], int]] = {
    "msec": lambda text: int(text.replace(".", "")),
    "time_us": lambda text: int(text) // 1000,
    "time_iso8601": iso8601_ms,
    "time_local": time_local_ms,
    "time_sec": lambda text: int(text) * 1000,
}
