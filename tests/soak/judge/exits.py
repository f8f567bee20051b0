"""A job ends only for what a person must mend, and a job that is told to end does so in time."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from itertools import pairwise

from pipeline.errors import EXIT_INTERRUPTED, WorkUnfinished
from tests.soak.evidence import CommandExit, PlayedFault
from tests.soak.judge.facts import Facts
from tests.soak.judge.verdict import Bar, Judgement
from tests.soak.kinds import NATURES

AFTER_MS = 60_000
"""The time after a fault in which a job may still end because of it."""

SPARE_S = 5.0
"""The time beside `stop.grace` that a stop may take: the interpreter ends, the closing summary is printed."""

LOST = ("lost its entries", "finished with another dedup store")
"""What a job says of a store that lost its memory: one that was running then, and one that starts with the new store."""


def judge_exits(facts: Facts, judgement: Judgement) -> None:
    """Find ends that no fault explains, stops that took too long or had another exit code than 0 and 11, and hosts that did not notice a lost store."""
    evidence = facts.evidence
    judgement.figures["ends of commands"] = len(evidence.exits)
    by_themselves = [
        each
        for each in evidence.exits
        if not each.was_asked and not _is_explained(each, evidence.faults) and not _is_finished_replay(each)
    ]
    judgement.miss(
        Bar.EXITS,
        len(by_themselves),
        f"{len(by_themselves):,} commands ended by themselves: {'; '.join(_said(facts, each) for each in by_themselves[:5])}",
    )
    late = [each for each in evidence.exits if each.was_asked and each.waited_s > evidence.grace_s + SPARE_S]
    judgement.miss(
        Bar.EXITS,
        len(late),
        f"{len(late):,} stops took longer than stop.grace: {'; '.join(_said(facts, each) for each in late[:5])}",
    )
    wrong = [
        each
        for each in evidence.exits
        if each.was_asked
        and each.code not in {0, WorkUnfinished.exit_code}  # what the API did not answer in time is read again
        and each not in late
        and not _is_explained(each, evidence.faults)
        and not _had_not_begun(each)
    ]
    judgement.miss(
        Bar.EXITS,
        len(wrong),
        f"{len(wrong):,} stops ended with another exit code than 0 and 11: {'; '.join(_said(facts, each) for each in wrong[:5])}",
    )
    _judge_store_losses(facts, judgement)


def _judge_store_losses(facts: Facts, judgement: Judgement) -> None:
    """After each loss, and before the next one, every host says that the store has lost its entries."""
    evidence = facts.evidence
    hosts = {_host(each.command) for each in evidence.exits if not each.command.startswith("replay")}
    said = [(_host(each.command), each.at_ms) for each in evidence.warnings if any(said in each.text for said in LOST)]
    losses = [*evidence.store_losses_ms, evidence.ended_ms]
    unnoticed = [
        f"{host} at {(lost_ms - evidence.began_ms) // 1000} s"
        for lost_ms, until_ms in pairwise(losses)
        for host in sorted(hosts)
        if not any(host == each and lost_ms <= at_ms <= min(until_ms, lost_ms + AFTER_MS) for each, at_ms in said)
    ]
    judgement.miss(
        Bar.STORE_LOSS, len(unnoticed), f"{len(unnoticed):,} times a host did not notice: {'; '.join(unnoticed)}"
    )


def _host(command: str) -> str:
    return command.rpartition("-")[0]


def _is_explained(ended: CommandExit, faults: Sequence[PlayedFault]) -> bool:
    return any(
        ended.code in NATURES[each.kind].exits and each.from_ms <= ended.at_ms <= each.to_ms + AFTER_MS
        for each in faults
    )


def _had_not_begun(ended: CommandExit) -> bool:
    """Whether the command was still starting when the signal came: no handler was there yet, or it said that no job had begun."""
    is_handled = ended.code == EXIT_INTERRUPTED and ended.last_line.removeprefix("log2mq: ") == "interrupted"
    return is_handled or (ended.code == -signal.SIGTERM and not ended.last_line)


def _is_finished_replay(ended: CommandExit) -> bool:
    return ended.command.startswith("replay") and ended.code == 0


def _said(facts: Facts, ended: CommandExit) -> str:
    seconds = (ended.at_ms - facts.evidence.began_ms) // 1000
    waited = f" after {ended.waited_s:.0f} s" if ended.was_asked else ""
    return f"{ended.command} at {seconds} s with code {ended.code}{waited} ({ended.last_line[:160]})"
