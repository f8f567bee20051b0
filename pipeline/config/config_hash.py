"""The hash of a configuration: two jobs with the same hash do the same with the same records."""

from __future__ import annotations

from hashlib import sha256

from pipeline.config.source_file import SourceFile

HASH_DIGITS = 12


def config_hash(source: SourceFile) -> str:
    """Return 12 hexadecimal digits for a source file with its variables replaced, its tables, its event catalogue and the file of its plug-in.

    Comments and the order of keys do not matter. An installed plug-in counts by its name alone, and a secret by where it is read from.
    """
    found = sha256(source.model_dump_json().encode())
    if source.events_known is not None:
        found.update(source.events_known.model_dump_json().encode())
    if source.plugin_file is not None:
        found.update(source.plugin_file.read_bytes())
    return found.hexdigest()[:HASH_DIGITS]
