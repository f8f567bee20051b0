"""One source file, read and validated: every fault at once, each with file, line and key."""
