"""Keeps the evidence of a soak in a file, so that it can be judged again: `python -m tests.soak.kept FOLDER`."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from pydantic import TypeAdapter

from tests.soak.evidence import Evidence
from tests.soak.judge import judge

NAME = "evidence.json.gz"
_EVIDENCE = TypeAdapter(Evidence)


def keep(evidence: Evidence, folder: Path) -> None:
    """Write the evidence into a folder."""
    (folder / NAME).write_bytes(gzip.compress(_EVIDENCE.dump_json(evidence), 3))


def kept(folder: Path) -> Evidence:
    """Read the evidence of a folder."""
    return _EVIDENCE.validate_json(gzip.decompress((folder / NAME).read_bytes()))


def main() -> int:
    """Judge the evidence of folders again. Exit code 1 if a bar is missed."""
    judgements = [judge(kept(Path(folder))) for folder in sys.argv[1:]]
    for judgement in judgements:
        print(f"seed {judgement.seed}", *judgement.lines(), "", sep="\n")
    return int(any(judgement.missed for judgement in judgements))


if __name__ == "__main__":
    sys.exit(main())
