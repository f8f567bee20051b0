"""What `check` says of the room in the embedded dedup store: by its size alone, or at the rate of a sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.authoring.dry_run.records import Sampled
from pipeline.authoring.dry_run.run import try_out
from pipeline.authoring.dry_run.store_room import room_at_rate, room_without_rate
from pipeline.authoring.dry_run.tally import SampleTally
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.dedup import DedupSettings
from schemas.log import RawRecord

SOURCE = """
source: shop
kafka: {bootstrap_servers: "127.0.0.1:9", topics: [shop-log]}
dead_letters: {topic: shop-dead}
decode: json
events:
  - when: {type: paid}
    event_code: pay
    event_time: $.ts
    customer_id: $.user
    identities: {mobile: $.phone}
    out_biz_id: $.no
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""
KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}
NOW = 1_700_000_000_000


@pytest.fixture
def source_file(tmp_path, monkeypatch):
    """A valid source file."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    path = Path("shop.yaml")
    path.write_text(SOURCE)
    return path


def line(number):
    return json.dumps({"type": "paid", "ts": 1_700_000_000, "user": "m", "phone": "13812345678", "no": f"n{number}"})


def record(number, partition, time_ms):
    raw = RawRecord("shop-log", partition, number, time_ms, None, line(number).encode())
    return Sampled(raw, f"shop-log:{partition}:{number}")


def test_the_size_alone_says_how_many_keys_it_holds_and_which_rate_it_bears():
    assert room_without_rate(DedupSettings(max_size="16GiB", keep="7d")) == (
        "the dedup store holds about 200 million keys (dedup.max_size 16GiB): it never fills at up to 220 new messages a second (dedup.keep 7d)"
    )


def test_a_sample_of_a_topic_tells_the_rate_by_the_times_of_its_records(source_file):
    """Two partitions get 10 records a second each; one record of two repeats an earlier one."""
    sample = [record(number // 2, partition, NOW + number * 100) for partition in (0, 1) for number in range(101)]
    tally, _ = try_out(load_source(source_file, {}), sample, {})
    assert tally.records_a_second() == pytest.approx(20)
    assert tally.keys_a_record() == pytest.approx(51 / 202)
    said = room_at_rate(DedupSettings(max_size="16GiB", keep="7d"), tally)
    assert said == (
        "the dedup store lasts: at the rate of the sample, 5 new messages a second, it comes to hold 4.6 million keys (dedup.keep 7d), "
        "and has room for about 200 million (dedup.max_size 16GiB)"
    )


def test_a_store_that_becomes_full_is_a_warning_with_the_size_that_would_do(source_file):
    sample = [record(number, 0, NOW + number) for number in range(100)]
    tally, _ = try_out(load_source(source_file, {}), sample, {})
    note = room_at_rate(DedupSettings(max_size="1GiB", keep="1d"), tally)
    assert note.location == ("dedup", "max_size")
    assert note.text == (
        "is 1GiB, which holds about 13 million keys: at the rate of the sample, 1,000 new messages a second, the store is full after about "
        "3h30m, and the job stops with exit code 5; expected at least 11GiB, or a shorter dedup.keep"
    )


@pytest.mark.parametrize("times", [[], [NOW], [NOW, NOW, NOW], [-1, -1]])
def test_records_whose_times_tell_nothing_tell_no_rate(source_file, times):
    tally, _ = try_out(load_source(source_file, {}), [record(place, 0, at) for place, at in enumerate(times)], {})
    assert tally.records_a_second() is None
    assert room_at_rate(DedupSettings(), tally) is None
    assert room_at_rate(DedupSettings(), SampleTally()) is None


@pytest.mark.parametrize("sample", [[], ["--sample", "shop.log"]])
def test_check_says_it_with_a_file_as_sample_and_without_one_and_only_for_the_embedded_store(source_file, sample):
    Path("shop.log").write_text(line(1))
    said = CliRunner().invoke(cli, ["check", str(source_file), *sample]).output
    assert said.count("the dedup store holds about 200 million keys") == 1
    source_file.write_text(SOURCE + "dedup: {store: memory}\n")
    assert "the dedup store" not in CliRunner().invoke(cli, ["check", str(source_file), *sample]).output
