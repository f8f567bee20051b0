"""Java's ahead-of-time cache of the broker's classes (JEP 514): a broker that starts from it takes half the processor time.

    python -m tests.support.aot_cache

writes it, where there is none. The tests and the soak start some fifty brokers.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from pipeline.emulator.kafka_broker.artifacts import ARTIFACTS, find_java
from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.errors import ComponentMissing
from tests.support.paths import ROOT

JAVA_OPTIONS = "JDK_JAVA_OPTIONS"
"""Java's launcher takes further options from this variable."""
LEAST_JAVA = 25


def start_brokers_from_cache() -> None:
    """Let each Java that this process and its children start use the cache. Java starts as well while there is none."""
    path = _cache_file()
    if path is not None and " " not in str(path):  # blanks separate the options
        os.environ.setdefault(JAVA_OPTIONS, f"-XX:AOTCache={path}")


def write_cache() -> None:
    """Write the cache of what a broker loads that starts and stops, if there is none. It takes some 15 seconds.

    Raises:
        ComponentMissing: there is no broker to be had.
    """
    path = _cache_file()
    if path is None or path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    os.environ.pop(JAVA_OPTIONS, None)  # Java either reads a cache or writes one
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        with EmbeddedBroker(java_options=[f"-XX:AOTCacheOutput={unfinished}"]) as broker:
            broker.ask_to_stop()
            broker.wait()  # Java writes it as it ends
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _cache_file() -> Path | None:
    """Return the file for the artifacts and the Java that is used; None where that cannot write one."""
    try:
        java = find_java()
        release = (java.parent.parent / "release").read_text()
    except (ComponentMissing, OSError):
        return None
    version = re.search(r'JAVA_VERSION="(\d+)', release)
    if version is None or int(version[1]) < LEAST_JAVA:
        return None
    belongs_to = hashlib.sha256(f"{java} {release} {ARTIFACTS}".encode()).hexdigest()[:16]
    return ROOT / ".cache" / f"kafka-{belongs_to}.aot"


if __name__ == "__main__":
    write_cache()
