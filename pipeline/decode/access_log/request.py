"""The parts of a request line: method, path, query, protocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import unquote, unquote_plus

_UNDECODABLE = "backslashreplace"  # bytes that are not UTF-8 stay visible, so different values stay different


class RequestReader:
    """Adds `method`, `path`, `protocol` and `query` to the fields of a line, from the fields that the log's format has."""

    def __init__(self, most_parameters: int, names: Collection[str]) -> None:
        """`names` are the fields of the format, `most_parameters` bounds `query`."""
        self._most = most_parameters
        self._names = names
        self.add = self._from_request if "request" in names else self._from_parts

    def _from_request(self, found: dict[str, Any]) -> None:
        """Add the parts of `$request`: a method, a target and mostly a protocol. Any other text (a TLS handshake) gives no fields."""
        request = found.get("request")
        if request is None:
            return
        method, _, rest = request.partition(" ")
        target, _, protocol = rest.rpartition(" ")
        if not protocol.startswith("HTTP/"):
            target, protocol = rest, ""
        if not target or not method.isalpha():
            return
        found["method"] = method
        if protocol:
            found["protocol"] = protocol
        self._add_target(found, target)

    def _from_parts(self, found: dict[str, Any]) -> None:
        """Add the parts from `$request_method`, `$request_uri` or `$uri` with `$args`, and `$server_protocol`."""
        for name, source in (("method", "request_method"), ("protocol", "server_protocol")):
            if source in found:
                found[name] = found[source]
        if "request_uri" in found:
            self._add_target(found, found["request_uri"])
            return
        path = found.get("uri", found.get("document_uri"))
        if path is not None:
            found["path"] = path  # nginx and Apache write it decoded
        arguments = found.get("args", found.get("query_string"))
        if arguments is not None:
            query = arguments.removeprefix("?")
            if query:
                found["query"] = self._parameters(query)

    def _add_target(self, found: dict[str, Any], target: str) -> None:
        path, _, query = target.partition("?")
        if (
            not path.startswith("/") and "://" in path
        ):  # the absolute form of a request to a proxy (RFC 9112, section 3.2.2)
            path = "/" + path.partition("://")[2].partition("/")[2]
        found["path"] = unquote(path, errors=_UNDECODABLE) if "%" in path else path
        if query:
            found["query"] = self._parameters(query)

    def _parameters(self, query: str) -> dict[str, str]:
        """Return the parameters of a query. Of equal names the last one counts, as in JSON. A name without a value has an empty value."""
        parameters = {}
        for pair in query.split("&", self._most)[: self._most]:
            name, _, value = pair.partition("=")
            if "%" in pair or "+" in pair:
                name, value = unquote_plus(name, errors=_UNDECODABLE), unquote_plus(value, errors=_UNDECODABLE)
            if name:
                parameters[name] = value
        return parameters
