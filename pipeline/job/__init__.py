"""One record's way, from poll to commit: the loop and its pure rules. It does no I/O, and it knows stores, clients and decoders only by their contracts."""
