"""The option that names a time zone, for times that are written without one."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from transforms.fault import BadExpression
from transforms.values.times import zone


def _known(name: str) -> str:
    try:
        zone(name)
    except BadExpression as bad:
        raise ValueError(f"{bad.found}; expected {bad.expected}") from None
    return name


ZoneName = Annotated[str, AfterValidator(_known)]
"""An IANA name, such as Asia/Shanghai."""
