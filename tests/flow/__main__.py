"""Writes the picture of the documentation: `python -m tests.flow docs/flow.svg`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.flow.picture import drawn

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawn(), encoding="utf-8")
