"""Access logs in nginx's `combined` format with more variables after it, such as the `main` format of nginx.conf."""

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
    """Return the step for the first line that begins as `combined` and has more after it; None if there is no such line."""
    for text in texts:
        found = _COMBINED_LINE.fullmatch(text.rstrip("\r\n"))
        if found is not None and found["further"]:
            return {"format": "nginx", "log_format": COMBINED + _variables(found["further"])}
    return None


def _variables(further: str) -> str:
    """Return the variables for the rest of the line.

    A quoted address is `http_x_forwarded_for`, the first numbers of seconds are nginx's times, and other values are `further_1` and so on.
    """
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
    free_names = [each for each in _TIMES if each not in taken]
    if label is not None:
        return label.lower() if label.lower() not in taken else ""
    if quote == '"' and "http_x_forwarded_for" not in taken and _ADDRESS.fullmatch(value):
        return "http_x_forwarded_for"
    return free_names[0] if free_names and _SECONDS.fullmatch(value) else ""
