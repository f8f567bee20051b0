"""A dedup store that does not know what the group has done: the job stops before it sends anything, and says how to go on."""

from __future__ import annotations

import json
import threading

import pytest

from pipeline.contracts.values import Commit, Partition
from pipeline.job.books import decode_books, decode_store_id, encode_books
from pipeline.kafka_io.ranges import FixedRanges
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.kafka_io.source import KafkaSource
from tests.support.jobs import command, wait_for
from tests.support.run_command import commands


def paid(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000_000, "user": f"u{number}", "no": f"n{number}"}).encode()


def use_store(made, name, **more):
    """Let the source file name another folder."""
    made.sections["dedup"] = {"path": str(made.folder / name), "lease": "3s", **more}
    made.save()


def names(made):
    """Return the identities that the group's commits name."""
    return {decode_store_id(commit.metadata) for commit in made.kafka.committed(made.group).values()}


@pytest.fixture
def worked(source, kafka):
    """A source whose group has committed 50 records of two partitions."""
    made = source(partitions=2)
    for partition in range(2):
        kafka.write(made.topic, [paid(number) for number in range(partition, 50, 2)], partition=partition)
    assert made.run_to_end().total.reported == 50
    (name,) = names(made)
    assert name
    return made


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "--workers", "2"), *(("replay", "--from", "0", "--to", "now", *more) for more in ((), ("--dry-run",)))],
    ids=["run", "workers", "replay", "dry-run"],
)  # fmt: skip
def test_a_store_that_does_not_know_the_groups_work_stops_the_job(worked, kafka, arguments):
    before = names(worked)
    kafka.write(worked.topic, [paid(100)])
    use_store(worked, "other")
    verb, *options = arguments
    code, said = command(verb, worked.path, *options)
    assert code == 5, said
    assert "of 2 partitions were finished with another dedup store" in said or "of 1 partitions" in said
    assert f"in {worked.folder / 'other'}" in said
    assert "--new-store" in said
    assert set(worked.events().values()) == {1}
    assert len(worked.events()) == 50
    assert names(worked) == before


@pytest.mark.parametrize("verb", [("run",), ("replay", "--from", "0", "--to", "now")], ids=["run", "replay"])
def test_another_home_of_the_state_is_another_store(source, kafka, verb, tmp_path, monkeypatch):
    """The file names no folder, and the variable names another place than before."""
    made = source(partitions=1)
    del made.sections["dedup"]
    kafka.write(made.topic, [paid(number) for number in range(20)])
    kafka.topic(name=made.dead)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with commands() as start:
        running = start(made)
        ends = kafka.ends(made.topic)
        wait_for(lambda: made.is_committed(ends), "the commit")
        assert running.stop() == 0
    assert (tmp_path / "home" / "log2mq" / made.load().source).is_dir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    code, said = command(*verb[:1], made.path, *verb[1:])
    assert code == 5, said
    assert f"in {tmp_path / 'other'}" in said
    assert set(made.events().values()) == {1}


def test_new_store_makes_it_the_store_of_the_group_and_the_former_one_is_refused(worked, kafka):
    before = names(worked)
    use_store(worked, "other")
    worked.run_until(lambda: not names(worked) & before, new_store=True)  # also where there is nothing to read
    (now,) = names(worked)
    assert now not in before
    kafka.write(worked.topic, [paid(100)])
    assert worked.run_to_end().total.reported == 1
    assert worked.run_to_end(new_store=True).total.read == 0  # harmless where the store is the right one
    use_store(worked, "dedup")
    code, said = command("run", worked.path)
    assert code == 5
    assert now in said


def test_a_replay_with_a_new_store_reports_again_and_only_if_it_is_told_to(worked):
    use_store(worked, "other")
    code, said = command("replay", worked.path, "--from", "0", "--to", "now", "--dry-run", "--new-store")
    assert code == 0
    assert "would be reported 50" in said
    code, said = command("replay", worked.path, "--from", "0", "--to", "now", "--new-store")
    assert code == 0
    assert set(worked.events().values()) == {2}


def test_the_right_store_replays_nothing(worked):
    code, said = command("replay", worked.path, "--from", "0", "--to", "now")
    assert code == 0, said
    assert set(worked.events().values()) == {1}


def test_commits_of_a_version_without_identities_are_accepted_and_named_from_then_on(worked, kafka):
    unnamed = {
        partition: Commit(commit.offset, encode_books(*decode_books(commit.metadata)))
        for partition, commit in kafka.committed(worked.group).items()
    }
    settings = KafkaSettings(bootstrap_servers=(kafka.servers,), topics=(worked.topic,), group=worked.group)
    former = KafkaSource(
        settings, client_id="former", environment={}, ranges=FixedRanges(dict.fromkeys(unnamed, (0, 1)))
    )
    assert former.commit(unnamed)
    former.close()
    assert names(worked) == {""}
    use_store(worked, "other")
    worked.run_until(lambda: "" not in names(worked))
    use_store(worked, "third")
    assert command("run", worked.path)[0] == 5


def test_offsets_that_a_person_set_are_read_again_with_any_store(worked, kafka):
    settings = KafkaSettings(bootstrap_servers=(kafka.servers,), topics=(worked.topic,), group=worked.group)
    person = KafkaSource(
        settings,
        client_id="p",
        environment={},
        ranges=FixedRanges({Partition(worked.topic, number): (0, 1) for number in range(2)}),
    )
    assert person.commit({Partition(worked.topic, number): Commit(0, "") for number in range(2)})
    person.close()
    use_store(worked, "other")
    assert worked.run_to_end().total.reported == 50


def test_two_hosts_with_stores_of_their_own_are_no_group(worked, kafka):
    """Partitions that move between them would be reported twice. The second host stops, and the first one goes on."""
    with worked.job() as first:
        running = threading.Thread(target=first.runner.run, daemon=True)
        running.start()
        use_store(worked, "of-the-other-host")
        code, said = command("run", worked.path)
        assert code == 5
        assert "dedup.store redis" in said
        for number in range(2):
            kafka.write(worked.topic, [paid(100 + number)], partition=number)
        wait_for(lambda: len(worked.events()) == 52, "the first host to go on")
        first.runner.stop()
        running.join(60)
    assert set(worked.events().values()) == {1}


def test_a_store_in_memory_may_be_tried_again_and_again_but_replays_nothing(source, kafka):
    made = source()
    made.sections["dedup"] = {"store": "memory", "lease": "3s"}
    for number in range(2):
        kafka.write(made.topic, [paid(number)])
        assert made.run_to_end().total.reported == 1
    code, said = command("replay", made.path, "--from", "0", "--to", "now")
    assert code == 5
    assert "in the memory of another process" in said
    assert len(made.events()) == 2
    use_store(made, "dedup")
    assert command("run", made.path)[0] == 5
    assert set(made.events().values()) == {1}
