"""The command `log2mq` with the soak's clock: `python -m tests.soak.command run FILE`.

A worker process imports this module again before anything else, and so has the same clock.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.soak.clock import VARIABLE, follow_offset

if VARIABLE in os.environ:
    follow_offset(Path(os.environ[VARIABLE]))

if __name__ == "__main__":
    from pipeline.__main__ import main

    main()
