"""Where `log2mq` begins. Almost nothing is imported before `main`, so that Ctrl-C and SIGTERM get a sentence from the first moment on."""

from __future__ import annotations

import signal
import sys

from pipeline.errors import EXIT_INTERRUPTED


def main() -> None:
    """Load the command, run it, and leave with its documented exit code (docs/exit-codes.md)."""
    # The first process of a container gets no signal for which it has no handler (signal(7), pid_namespaces(7)).
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from pipeline.cli.main import run_command  # noqa: PLC0415 - loading takes a moment, in which people press Ctrl-C

        sys.exit(run_command())
    except KeyboardInterrupt:
        sys.stderr.write("log2mq: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
