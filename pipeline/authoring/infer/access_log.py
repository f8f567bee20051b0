"""Access logs whose format is nginx's combined one with more behind it, as the `main` of nginx.conf and most sites' own are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pipeline.decode.access_log.nginx import COMBINED

_COMBINED_LINE = re.compile(
    r'\S+ - \S+ \[[^\]]{1,60}\] "(?:[^"\\]|\\.)*" \d{3} (?:\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"(?P<further>(?: [^\r\n]*)?)'
)
_TOKEN = re.compile(r' (?:(?P<name>[A-Za-z_]\w{0,40})[=:])?(?P<quote>["\[]?)')
_VALUES = {
    '"': re.compile(r'(?P<value>(?:[^"\\]|\\.)*)"'),
    "[": re.compile(r"(?P<value>[^\]]*)\]"),
    "": re.compile(r"(?P<value>\S*)"),
}
_ENDS = {'"': '"', "[": "]", "": ""}
_ADDRESS = re.compile(r"-|[0-9a-fA-F.:, ]*[.:][0-9a-fA-F.:, ]*")
_SECONDS = re.compile(r"\d+\.\d{3}")
_TIMES = ("request_time", "upstream_response_time")


def access_step(texts: Sequence[str]) -> dict[str, Any] | None:
    """Write the format of the first line that begins as combined; None where none does, or nothing stands behind it."""
    for text in texts:
        found = _COMBINED_LINE.fullmatch(text.rstrip("\r\n"))
        if found is not None and found["further"]:
            return {"format": "nginx", "log_format": COMBINED + _variables(found["further"])}
    return None


def _variables(further: str) -> str:
    """Name what stands behind: an address that of a proxy's client, the first seconds nginx's own; else `further_1` and so on."""
    written, position, count = "", 0, 0
    names = set(re.findall(r"\$(\w+)", COMBINED))
    while (token := _TOKEN.match(further, position)) is not None:
        quote = token["quote"]
        value = _VALUES[quote].match(further, token.end())
        if value is None:  # a quote that does not close
            return f"{written} $further"
        count += 1
        name = _name(token["name"], value["value"], quote, names) or f"further_{count}"
        names.add(name)
        label = further[position + 1 : token.end() - len(quote)]
        written += f" {label}{quote}${name}{_ENDS[quote]}"
        position = value.end()
    return written


def _name(label: str | None, value: str, quote: str, taken: set[str]) -> str:
    free = [each for each in _TIMES if each not in taken]
    if label is not None:
        return label.lower() if label.lower() not in taken else ""
    if quote == '"' and "http_x_forwarded_for" not in taken and _ADDRESS.fullmatch(value):
        return "http_x_forwarded_for"
    return free[0] if free and _SECONDS.fullmatch(value) else ""
