"""One record's way, from poll to commit: the loop and its pure rules. It imports no third-party package and does no I/O."""
