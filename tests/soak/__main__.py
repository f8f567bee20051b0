"""The command: `python -m tests.soak --minutes 30 --seed 7 --out FOLDER`."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import traceback
from pathlib import Path

from confluent_kafka import KafkaException

from pipeline.errors import EXIT_INTERRUPTED, Log2mqError
from tests.soak.kinds import FaultKind, kinds_for
from tests.soak.run import soak
from tests.soak.settings import SoakSettings
from tests.support.aot_cache import start_brokers_from_cache, write_cache

EXIT_MISSED = 1
EXIT_BROKEN = 2


def main() -> int:
    """Run a soak. Exit code 0: all bars are met; 1: one is missed; 2: the soak itself could not run."""
    settings = _settings()
    length = f"{settings.stops} stops" if settings.stops else f"{settings.seconds / 60:g} minutes"
    print(f"soak: seed {settings.seed}, {length}, files in {settings.out}", flush=True)
    try:
        write_cache()  # a broker on its way back is away for as long as Java takes to start
        start_brokers_from_cache()
        result = soak(settings, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("soak: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (Log2mqError, KafkaException, AssertionError, OSError):
        traceback.print_exc()
        return EXIT_BROKEN
    print("", *result.judgement.lines(), sep="\n")
    if not result.judgement.missed:
        print(f"\nall bars are met (seed {settings.seed}); timeline.txt and timeline.svg are in {settings.out}")
        return 0
    for finding, stories in result.stories:
        print("", f"one story of: {finding.bar}", *stories[0], sep="\n")
    again = [*sys.argv[1:], *([] if "--seed" in sys.argv else ["--seed", str(settings.seed)])]
    print(f"\nMISSED with seed {settings.seed}; more stories are in {settings.out / 'report.txt'}")
    print(f"the same again: python -m tests.soak {' '.join(again)}")
    return EXIT_MISSED


def _settings() -> SoakSettings:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long faults happen (default 30)")
    parser.add_argument("--seed", type=int, default=None, help="the seed of records and faults (default: a random one)")
    parser.add_argument("--out", type=Path, default=None, help="the folder for its files (default: a temporary one)")
    parser.add_argument(
        "--faults",
        default="",
        help=f"only these kinds, with commas between them; `none` for none. Kinds: {', '.join(FaultKind)}",
    )
    parser.add_argument(
        "--store",
        choices=["lmdb", "redis"],
        default="lmdb",
        help="redis: two hosts with a server (default lmdb: one host)",
    )
    parser.add_argument(
        "--stops",
        type=int,
        default=0,
        help="instead of faults: end commands so often, at random moments, with a slow API",
    )
    parser.add_argument("--rate", type=int, default=150, help="log lines a second (default 150)")
    options = parser.parse_args()
    known = kinds_for(on_redis=options.store == "redis")
    try:
        kinds = (
            known
            if not options.faults
            else tuple(FaultKind(each) for each in options.faults.split(",") if each != "none")
        )
    except ValueError as error:
        parser.error(f"--faults: {error}; expected some of {', '.join(known)}")
    if wrong := [kind for kind in kinds if kind not in known]:
        parser.error(f"--faults: {', '.join(wrong)} not with --store {options.store}")
    return SoakSettings(
        seconds=options.minutes * 60,
        seed=secrets.randbelow(1_000_000) if options.seed is None else options.seed,
        out=(options.out or Path(tempfile.mkdtemp(prefix="log2mq-soak-"))).resolve(),
        kinds=kinds,
        on_redis=options.store == "redis",
        rate=options.rate,
        stops=options.stops,
    )


if __name__ == "__main__":
    sys.exit(main())
