"""The names of processes: none of two that run at the same time is the same."""

from __future__ import annotations

import os
import re
import secrets
import socket

from pipeline.config.source_file import SourceFile


def process_name(source: SourceFile, slot: int) -> str:
    """Return a name that no other process has. It is the Kafka client ID and the owner of the claims."""
    return f"log2mq-{source.source}-{socket.gethostname()}-{os.getpid()}-{slot}-{secrets.token_hex(3)}"


def new_instance_id() -> str:
    """Return a name for the workers of one supervisor, which no other supervisor has."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:100]
    return f"{host or 'host'}-{os.getpid()}-{secrets.token_hex(3)}"
