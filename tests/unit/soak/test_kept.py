"""The evidence of a soak is kept in a file, and can be judged again."""

from __future__ import annotations

from dataclasses import replace

from tests.soak.evidence import Interruption, PlayedFault, UnmadeFault
from tests.soak.judge import judge
from tests.soak.kept import keep, kept
from tests.soak.kinds import FaultKind
from tests.unit.soak.good_evidence import BEGAN_MS, good_evidence


def test_evidence_that_was_kept_is_judged_as_before(tmp_path):
    good = good_evidence(500)
    lost = replace(
        good,
        accepted=good.accepted[5:],
        faults=[PlayedFault(FaultKind.API_HANGS, BEGAN_MS, BEGAN_MS + 5)],
        interruptions=[Interruption(BEGAN_MS, "SIGKILL", "a worker", 3)],
        unmade=[UnmadeFault(BEGAN_MS, FaultKind.REPLAY, "why")],
        happenings=[(BEGAN_MS, "something")],
    )
    for evidence in (good, lost):
        keep(evidence, tmp_path)
        again = kept(tmp_path)
        assert judge(again) == judge(evidence)
        assert list(again.log) == list(evidence.log)
        assert list(again.faults) == list(evidence.faults)
    assert judge(lost).missed
