"""Fault scripts: which fault happens in which call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emulator.quick_audience.faults import FaultPlayer, FaultScript, read_faults
from pipeline.errors import UsageError


def player(*faults, now_s=100.0):
    return FaultPlayer(FaultScript.model_validate({"faults": list(faults)}), now_s)


def names(met):
    return [fault.name for fault in met]


def test_windows_of_time_and_of_calls_count_from_the_beginning():
    play = player(
        {"name": "slow", "do": "delay", "latency": "5ms", "seconds": [1, 2]},
        {"name": "down", "do": "unavailable", "calls": [1, 3]},
    )
    assert [names(play.next_call(now_s)) for now_s in (100.5, 101.5, 102.0, 103.0)] == [
        [],
        ["slow", "down"],
        ["down"],
        [],
    ]


def test_a_fault_switched_on_begins_its_window_anew():
    play = player({"name": "down", "do": "unavailable", "calls": [0, 1], "on": False})
    assert names(play.next_call(100)) == []
    assert play.switch("down", 100, on=True)
    assert [names(play.next_call(100)) for _ in range(2)] == [["down"], []]
    assert not play.switch("other", 100, on=True)


@given(st.integers(1, 40))
def test_a_share_is_met_exactly(every):
    play = player({"name": "some", "do": "throttle", "share": 1 / every})
    assert sum(bool(play.next_call(100)) for _ in range(every * 5)) == 5


@pytest.mark.parametrize(
    ("refuse", "applies"),
    [
        ({"containing": "poison"}, True),
        ({"containing": "poison", "field": "extendAttributes.title"}, True),
        ({"containing": "poison", "field": "extendAttributes.sku"}, False),
        ({"containing": "title"}, False),  # a key is no value
        ({"containing": "138", "field": "customerIdList.customerId"}, True),
        ({"containing": "1651", "field": "eventTime"}, True),
    ],
)
def test_content_is_looked_for_in_values(refuse, applies):
    (fault,) = player({"name": "p", "do": "refuse", "refuse": refuse}).next_call(100)
    message = {
        "eventTime": 1651114368518,
        "extendAttributes": {"title": "a poison pill", "sku": "1"},
        "customerIdList": [{"customerId": "13800000000", "idMapping": "mobile"}],
    }
    assert fault.refuse.applies([{}, message]) is applies


def test_a_fault_of_one_operation_leaves_the_other_alone():
    play = player({"name": "down", "do": "unavailable", "operation": "RecieveUserMessage", "share": 0.5})
    calls = ["RecieveEventMessage", "RecieveUserMessage"] * 4
    assert [bool(play.next_call(100, operation)) for operation in calls] == [False] * 3 + [True] + [False] * 3 + [True]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{name: a, do: business_error}", "`do: business_error` without `error_code`"),
        ("{name: a, do: throttle, error_code: X}", "`error_code` does nothing"),
        ("{name: a, do: throttle, operation: ListWorkspace}", "expected RecieveEventMessage or RecieveUserMessage"),
        ("{name: a, do: refuse}", "`do: refuse` and the key `refuse`"),
        ("{name: a, do: throttle, latency: 5ms}", "`latency` does nothing"),
        ("{name: a, do: throttle, seconds: [5, 5]}", "does not lie after the beginning"),
        ("{name: a, do: explode}", "faults[0].do: found 'explode'; expected one of 'delay', "),
        ("{name: a, do: throttle, share: 0}", "faults[0].share: found 0; expected "),
        ("{name: a, do: throttle, shar: 1}", "faults[0].shar: found unknown key 'shar'; did you mean 'share'?"),
    ],
)
def test_a_wrong_script_says_where(tmp_path, line, says):
    path = tmp_path / "faults.yaml"
    path.write_text(f"faults:\n  - {line}\n")
    with pytest.raises(UsageError) as found:
        read_faults(path)
    assert says in str(found.value)
    assert f"{path}:2" in str(found.value)


def test_what_is_listed_is_a_script_that_plays_the_same():
    script = {
        "faults": [
            {"name": "slow", "do": "delay", "latency": "5ms"},
            {"name": "p", "do": "refuse", "refuse": {"containing": "x"}},
        ]
    }
    listed = player(*script["faults"]).listed()
    assert FaultScript.model_validate({"faults": listed}) == FaultScript.model_validate(script)
