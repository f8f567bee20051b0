"""nginx's `log_format`: text with $variables (nginx, ngx_http_log_module and "Alphabetical index of variables")."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.decode.access_log.line import FieldPiece, FormatError, Piece, Shape

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
"""The default format of nginx."""

_DIRECTIVE = re.compile(r"\s*log_format\s+(\S+)(?:\s+escape=(default|json|none))?\s+(.*?);?\s*", re.DOTALL)
_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'";]+))""", re.DOTALL)
_PART = re.compile(r"\$(?:\{(\w+)\}|(is_args\$(?:args|query_string))(?!\w)|(\w+))|([^$]+)|(\$)", re.ASCII)
_ESCAPE = re.compile(r"\\(['\"\\tnr])")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}

_SHAPES = {
    "status": Shape.INTEGER,
    "body_bytes_sent": Shape.INTEGER,
    "bytes_sent": Shape.INTEGER,
    "request_length": Shape.INTEGER,
    "content_length": Shape.INTEGER,
    "connection": Shape.INTEGER,
    "connection_requests": Shape.INTEGER,
    "pid": Shape.INTEGER,
    "remote_port": Shape.INTEGER,
    "server_port": Shape.INTEGER,
    "request_time": Shape.DECIMAL,
    "msec": Shape.SECONDS,
    "time_local": Shape.TIME_LOCAL,
    "time_iso8601": Shape.TIME_ISO8601,
    "request_uri": Shape.TARGET,
    "uri": Shape.TARGET,
    "document_uri": Shape.TARGET,
    "http_x_forwarded_for": Shape.ADDRESSES,
    "proxy_add_x_forwarded_for": Shape.ADDRESSES,
    "upstream_addr": Shape.ATTEMPTS,
    "upstream_status": Shape.ATTEMPTS,
    "upstream_response_time": Shape.ATTEMPTS,
    "upstream_connect_time": Shape.ATTEMPTS,
    "upstream_header_time": Shape.ATTEMPTS,
    "upstream_response_length": Shape.ATTEMPTS,
    "upstream_bytes_received": Shape.ATTEMPTS,
    "upstream_bytes_sent": Shape.ATTEMPTS,
}


def nginx_directive(text: str) -> tuple[str, str]:
    """Return the format string and the `escape=` of a format string alone, or of a whole log_format directive as in nginx.conf."""
    whole = _DIRECTIVE.fullmatch(text)
    if whole is None:
        return (COMBINED if text == "combined" else _unescaped(text)), "default"
    rest = whole[3]
    strings = []
    place = 0
    while place < len(rest):
        found = _QUOTED.match(rest, place)
        if found is None:
            raise FormatError(f"the log_format directive {whole[1]} has a quote that does not close")
        strings.append(_unescaped(found[1] or found[2] or found[3] or ""))
        place = found.end()
    return "".join(strings), whole[2] or "default"


def _unescaped(text: str) -> str:
    r"""Return the text without the escapes that nginx reads in its configuration: a backslash before a quote, and `\t`, for columns with tabs between them."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)


def nginx_pieces(text: str) -> Sequence[Piece]:
    """Return the pieces of a format string. Raises `FormatError`."""
    pieces: list[Piece] = []
    for found in _PART.finditer(text):
        braced, arguments, name, literal, dollar = found.groups()
        if dollar:
            raise FormatError(f"a $ at character {found.start() + 1} of log_format names no variable")
        if literal:
            pieces.append(literal)
        elif arguments:
            pieces.append(FieldPiece("args", Shape.ARGUMENTS))
        else:
            name = braced or name
            pieces.append(FieldPiece(name, _SHAPES.get(name.lower(), Shape.TEXT)))  # nginx takes capitals too
    return pieces
