"""The names that log2mq chooses: no two sources, processes or replays share one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config.load import load_source
from pipeline.contracts.values import Partition
from pipeline.job.replay_range import replay_group
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.runtime.process_names import new_instance_id, process_name

SOURCE = """
source: "{name}"
kafka: {{bootstrap_servers: "localhost:9092", topics: [raw]}}
decode: json
events:
  - {{event_code: e, event_time: $.t, customer_id: $.c, out_biz_id: $.n}}
report: {{region: cn-shanghai, organization_id: o, access_id: a}}
"""

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)


def load(folder, name):
    path = folder / "source.yaml"
    path.write_text(SOURCE.format(name=name))
    return load_source(path, {"HOME": "/home/somebody"})


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_sources_over_one_topic_share_neither_group_nor_store_nor_dead_letters(tmp_path_factory, two):
    one, other = (load(tmp_path_factory.mktemp("names"), name) for name in two)
    assert one.kafka.group != other.kafka.group
    assert one.dedup.path != other.dedup.path
    assert one.dead_letters.topic != other.dead_letters.topic


def test_no_two_processes_have_one_name(tmp_path):
    source = load(tmp_path, "shop")
    assert (
        len({process_name(source, slot) for slot in (0, 0, 0, 1, 1)}) == 5
    )  # a worker that is started again has another name


def test_no_two_supervisors_have_one_name_and_brokers_take_it(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "höst.example:1" + "x" * 300)
    made = {new_instance_id() for _ in range(5)}
    assert len(made) == 5
    for name in made:
        settings = KafkaSettings(bootstrap_servers=("b:9092",), topics=("raw",), instance_id=name)
        assert settings.instance_id == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "with space", "höst", "x" * 201])
def test_an_instance_id_that_brokers_refuse_is_refused(name):
    with pytest.raises(ValidationError, match="expected a name of letters"):
        KafkaSettings(bootstrap_servers=("b:9092",), topics=("raw",), instance_id=name)


@given(names, st.sampled_from(["0", "90m", "earliest"]), st.sampled_from(["now", "100"]))
def test_a_replay_has_a_group_of_its_own_and_the_same_one_again(name, start, end):
    live, partitions = f"log2mq-{name}", [Partition("raw", 0), Partition("raw", 1)]
    group = replay_group(live, start, end, partitions)
    assert group != live
    assert group == replay_group(live, start, end, partitions[::-1])
    assert len({group, replay_group(live, "1", end, partitions), replay_group(live, start, end, partitions[:1])}) == 3
