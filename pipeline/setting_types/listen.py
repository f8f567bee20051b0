"""The address that a process listens at: host and port."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.setting_types.endpoint import is_loopback

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[A-Za-z0-9_.\-]{1,253})):(?P<port>[0-9]{1,5})")
EXPECTED = "expected an address and a port such as 127.0.0.1:9464"
MOST_PORT = 65_535


class ListenAddress(NamedTuple):
    """A host name or address, and a port. Port 0 lets the system choose a free one."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> ListenAddress:
        """Return the address that a text names.

        Raises:
            ValueError: the text is no `HOST:PORT`; the address of IPv6 stands in brackets.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None or int(found["port"]) > MOST_PORT:
            raise ValueError(EXPECTED)
        return cls(found["six"] or found["host"], int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only processes of this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_address(text: str, *, expose: bool) -> ListenAddress:
    """Return the address that a text names. With `expose` other machines may reach it.

    Raises:
        ValueError: the text is no address, or other machines reach it.
    """
    address = ListenAddress.read(text)
    if not (expose or address.is_loopback):
        raise ValueError(f"{EXPECTED}: other machines may reach this one only with observe.expose: true")
    return address
