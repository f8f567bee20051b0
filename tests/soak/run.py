"""One soak from its start to its judgement."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

from tests.soak.collect import collect
from tests.soak.evidence import Evidence
from tests.soak.judge import Finding, Judgement, judge
from tests.soak.judge.facts import Facts
from tests.soak.kept import keep
from tests.soak.picture import picture
from tests.soak.play import Player
from tests.soak.processes import now_ms
from tests.soak.schedule import plan
from tests.soak.settings import SoakSettings
from tests.soak.stops import Stopper
from tests.soak.story import story
from tests.soak.timeline import timeline
from tests.soak.watch import Watch
from tests.soak.world import World

DRAIN_LIMIT_S = 120.0
"""How long the commits may take to reach the end of the topic after the last record was written."""


class SoakResult(NamedTuple):
    """The judgement, and for each finding with records the finding and the stories of these records."""

    judgement: Judgement
    stories: Sequence[tuple[Finding, Sequence[Sequence[str]]]]


def soak(settings: SoakSettings, say: Callable[[str], None]) -> SoakResult:
    """Run a soak, write its files, and return what it came to."""
    schedule = () if settings.stops else plan(settings.seed, settings.seconds, settings.kinds)
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "schedule.json").write_text(json.dumps([asdict(each) for each in schedule], indent=1))
    with World(settings, say) as world:
        world.record.planned = len(schedule)
        stopper = Stopper(world, settings.seed, settings.stops)
        player = Player(world, schedule)
        evidence = _run(world, stopper.run if settings.stops else partial(player.run, settings.seconds))
    keep(evidence, settings.out)
    judgement = judge(evidence)
    if settings.stops:
        judgement.figures["stops at random moments"] = stopper.done
    facts = Facts(evidence)
    stories = [
        (finding, [story(facts, number) for number in finding.records])
        for finding in judgement.findings
        if finding.records
    ]
    result = SoakResult(judgement, stories)
    _write(settings, evidence, result)
    return result


def _run(world: World, play: Callable[[], None]) -> Evidence:
    world.record.began_ms = now_ms()
    watch = Watch(world)
    world.writer.start()
    watch.start()
    try:
        play()
        world.writer.stop()
        _drain(world)
        for host in world.hosts:
            for wait_s in host.stop():
                time.sleep(wait_s)
    finally:
        watch.stop()
    return collect(world)


def _drain(world: World) -> None:
    """Wait until everything is committed, while the hosts' service managers go on."""
    world.record.tell("no more records; waiting for the end of the topic")
    until_s = time.monotonic() + DRAIN_LIMIT_S
    while time.monotonic() < until_s:
        for host in world.hosts:
            host.look()
        snapshot = world.cluster.snapshot()
        if all(snapshot.offsets.get(partition, 0) >= end for partition, end in snapshot.ends.items()):
            world.record.tell("everything is committed")
            return
        time.sleep(0.5)
    world.record.tell(f"not everything is committed {DRAIN_LIMIT_S:.0f} s after the last record")


def _write(settings: SoakSettings, evidence: Evidence, result: SoakResult) -> None:
    out, judgement = settings.out, result.judgement
    told = [f"{finding.bar}: {finding.sentence}" for finding in judgement.findings]
    verdict = {"seed": judgement.seed, "figures": judgement.figures, "missed": judgement.missed, "findings": told}
    (out / "verdict.json").write_text(json.dumps(verdict, indent=1))
    head = f"seed {settings.seed}, {settings.seconds / 60:g} minutes, {'Redis' if settings.on_redis else 'LMDB'}"
    lines = [head, *judgement.lines()]
    for finding, stories in result.stories:
        lines += ["", f"{finding.bar}: {finding.sentence}", *(line for story_lines in stories for line in story_lines)]
    (out / "report.txt").write_text("\n".join(lines) + "\n")
    (out / "timeline.txt").write_text("\n".join(timeline(evidence)) + "\n")
    (out / "timeline.svg").write_text(picture(evidence, f"log2mq soak, {head}"))
