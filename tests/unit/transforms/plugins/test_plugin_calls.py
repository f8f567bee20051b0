"""Any fault of a plug-in refuses the record, with a reason that shows no value of the record."""

from __future__ import annotations

import asyncio
import time
import warnings
from itertools import repeat
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ValidationError

from pipeline.config.sections import LimitSettings
from schemas.customer import CustomerId, CustomerMessage
from schemas.event import EventMessage
from schemas.log import LogEntry
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Kind, Skipped
from transforms.fault import MappingFaults
from transforms.plugins import plugin
from transforms.plugins.faults import PluginNotFound
from transforms.plugins.plugin import MOST_MESSAGES, Plugin, load_plugin
from transforms.testing import check_transform, entry

SECRET = "13900000000"
UNLIMITED_MS = 600_000  # a busy machine may be slow; the limit has tests of its own
EVENT = EventMessage(customer_id="c", event_code="e", event_time=1_700_000_000_000, extend_attributes={"outBizId": "b"}, organization_id="o", workspace_id="w")  # fmt: skip
USER = CustomerMessage(customer_id="c", customer_id_list=[CustomerId(customer_id=SECRET, id_mapping="mobile")])


class Own(BaseModel):
    number: int


def leave(_):
    raise SystemExit(3)


class Panic(BaseException):
    """The exception that a library written in Rust raises (`pyo3_runtime.PanicException`)."""


def panic(_):
    raise Panic(SECRET)


def cancelled(_):
    raise asyncio.CancelledError


def interrupted(_):
    yield EVENT
    raise ValueError(SECRET)


def deep(_):
    return deep(_)


@pytest.mark.parametrize(
    ("convert", "code", "said"),
    [
        (lambda _: {}[SECRET], ReasonCode.PLUGIN_RAISED, "raised KeyError at test_plugin_calls.py:"), (leave, ReasonCode.PLUGIN_RAISED, "raised SystemExit"), (panic, ReasonCode.PLUGIN_RAISED, "raised Panic at test_plugin_calls.py:"), (cancelled, ReasonCode.PLUGIN_RAISED, "raised CancelledError"), (interrupted, ReasonCode.PLUGIN_RAISED, "raised ValueError"), (deep, ReasonCode.PLUGIN_RAISED, "raised RecursionError"),
        (lambda _: Own(number=SECRET + "x"), ReasonCode.PLUGIN_RAISED, "raised ValidationError"),
        (lambda _: [EventMessage(customer_id="", event_code="e", event_time=SECRET, extend_attributes={"outBizId": "b"})], ReasonCode.PLUGIN_RAISED, " (customer_id, event_time)"),
        (lambda _: [EventMessage(customer_id="c", event_code="e", event_time=1, extend_attributes={SECRET: 5, "outBizId": "b"})], ReasonCode.PLUGIN_RAISED, "(extend_attributes)"),
        (lambda _: [EventMessage(customer_id="c", event_code="e", event_time=1, extend_attributes={})], ReasonCode.OUT_BIZ_ID_MISSING, "without outBizId"),
        (lambda _: [EventMessage(customer_id="c", event_code="e", event_time=1)], ReasonCode.OUT_BIZ_ID_MISSING, "without outBizId"),
        (lambda _: [EVENT.model_copy(update={"extend_attributes": {"outBizId": ""}})], ReasonCode.OUT_BIZ_ID_MISSING, "without outBizId"),
        (lambda _: [EVENT.model_copy(update={"customer_id": 13900000000})], ReasonCode.PLUGIN_OUTPUT, "invalid EventMessage (customerId)"), (lambda _: [EventMessage.model_construct()], ReasonCode.PLUGIN_OUTPUT, "invalid EventMessage"),
        (lambda _: [USER.model_copy(update={"customer_id_list": []})], ReasonCode.PLUGIN_OUTPUT, "invalid CustomerMessage (customerIdList)"),
        (lambda _: EVENT, ReasonCode.PLUGIN_OUTPUT, "a EventMessage; expected a list"), (lambda _: 5, ReasonCode.PLUGIN_OUTPUT, "a int; expected a list"), (lambda _: [EVENT, None], ReasonCode.PLUGIN_OUTPUT, "a NoneType; expected EventMessage"),
        (lambda _: SECRET, ReasonCode.PLUGIN_OUTPUT, "a str; expected EventMessage"), (lambda _: {"customerId": SECRET}, ReasonCode.PLUGIN_OUTPUT, "a str; expected EventMessage"),
        (lambda _: repeat(EVENT), ReasonCode.PLUGIN_OUTPUT, f"more than {MOST_MESSAGES}"), (lambda _: [EVENT.model_copy(update={"customer_id": "\ud800"})], ReasonCode.PLUGIN_OUTPUT, "customerId"),
    ],
)  # fmt: skip
def test_whatever_it_does_is_a_refusal_that_shows_nothing_of_the_record(convert, code, said, capsys):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        refusal = Plugin("mine", convert, UNLIMITED_MS)(entry({}))
    assert refusal.code is code
    assert refusal.reason.startswith("plug-in mine ")
    assert said in refusal.reason
    assert SECRET not in repr(refusal) + "".join(str(each.message) for each in warned) + "".join(capsys.readouterr())


def test_the_interrupt_of_a_person_is_not_caught():
    def convert(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Plugin("mine", convert, UNLIMITED_MS)(entry({}))


@pytest.mark.parametrize("wrap", [lambda each: {"a": each}, lambda each: [each]])
def test_a_record_nested_as_deep_as_a_setting_allows_is_no_crash(wrap):
    deep = 1
    for _ in range(LimitSettings.model_fields["depth"].metadata[1].le - 1):
        deep = wrap(deep)
    assert Plugin("mine", lambda _: None, UNLIMITED_MS)(entry({"deep": deep})) == Skipped("plug-in mine")


@pytest.mark.parametrize("nothing", [None, [], (), iter(())])
def test_nothing_is_filtered(nothing):
    assert Plugin("mine", lambda _: nothing, UNLIMITED_MS)(entry({})) == Skipped("plug-in mine")


def test_the_entries_of_one_record_have_a_time_limit_together(monkeypatch):
    """Before the mend a record of some hundred slow entries took longer than a group waits: it was read again for ever."""
    monkeypatch.setattr(plugin, "MOST_RECORD_MS", 40)
    calls = []

    def convert(given):
        calls.append(given.place)
        time.sleep(0.03)
        return [EVENT]

    mine = Plugin("mine", convert, UNLIMITED_MS)
    record = entry({}).record
    answers = [mine(LogEntry({}, record, place)) for place in range(20)]
    assert len(calls) < 5
    assert [each.code for each in answers[5:]] == [ReasonCode.PLUGIN_TOO_SLOW] * 15
    assert answers[-1].reason.startswith("plug-in mine took longer than 40 ms for the entries before this one")
    assert not isinstance(mine(entry({}, offset=2)), Refusal)  # the next record
    assert not isinstance(mine(LogEntry({}, record, 0)), Refusal)  # the same record, from its beginning


def test_a_process_that_stands_still_within_a_record_refuses_none_of_its_entries(monkeypatch):
    """Before the mend the time in which the process stood still counted: good entries became dead letters."""
    now_s = [0.0]
    monkeypatch.setattr(plugin, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    def convert(given):
        now_s[0] += 3_600 if given.place in {2, 5} else 0.001
        return [EVENT]

    mine, record = Plugin("mine", convert, 500), entry({}).record
    assert not any(isinstance(mine(LogEntry({}, record, place)), Refusal) for place in range(1_000))


def test_users_come_first_and_the_job_s_own_keys_are_left_to_it():
    def convert(_):
        yield EVENT
        yield USER
        yield EVENT

    (answer,) = check_transform(Plugin("mine", convert, UNLIMITED_MS), [entry({})])
    assert [each.kind for each in answer] == [Kind.USER, Kind.EVENT, Kind.EVENT]


def test_its_input_is_a_copy_at_any_depth():
    def convert(given):
        given.fields["list"][0]["a"] = 2
        given.fields["list"].append(3)
        del given.fields["b"]

    fields = {"list": [{"a": 1}], "b": {}}
    check_transform(Plugin("mine", convert, UNLIMITED_MS), [entry(fields)])
    assert fields == {"list": [{"a": 1}], "b": {}}


CODE = """
class Bad(Exception):
    pass

def needs(options):
    if options.get("token") != "x":
        raise ValueError(f"no access with {options.get('token')}")

def changes(options):
    options["nested"]["a"] = 2
    return lambda entry: None

def leaves(options):
    raise SystemExit

number = 5
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two distributions, as pip installs them."""
    (tmp_path / "mine_transforms.py").write_text(CODE)
    (tmp_path / "failing_transforms.py").write_text("import sys\nsys.exit('no licence')\n")
    for name, points in (
        ("one", "needs = mine_transforms:needs\nnumber = mine_transforms:number\nleaves = mine_transforms:leaves\nfailing = failing_transforms:any\ntwice = mine_transforms:needs\nchanges = mine_transforms:changes"),
        ("two", "twice = mine_transforms:changes"),
    ):  # fmt: skip
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[log2mq.transforms]\n{points}\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "options", "location", "said"),
    [
        ("needs", {"token": "s3cret-token"}, ("transform", "options"), "(ValueError at mine_transforms.py:7): no access with ***"), ("needs", {"token": "x"}, ("transform", "plugin"), "made a NoneType of its options"), ("number", {}, ("transform", "plugin"), "is a int"),
        ("leaves", {}, ("transform", "options"), "(SystemExit at mine_transforms.py:14)"), ("failing", {}, ("transform", "plugin"), "cannot be imported (SystemExit at failing_transforms.py:2): no licence"), ("twice", {}, ("transform", "plugin"), "several plug-ins named 'twice'"),
        ("unknown", {}, ("transform", "plugin"), "installed: changes, failing"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_used_is_a_sentence_without_secrets(installed, name, options, location, said):
    with pytest.raises(MappingFaults) as faults:
        load_plugin(name, options)
    (fault,) = faults.value.faults
    assert fault.location == location
    assert said in f"{fault.found}; {fault.expected}"
    assert "s3cret" not in str(faults.value)
    assert isinstance(faults.value, PluginNotFound) is (name in {"twice", "unknown"})


def test_its_options_are_a_copy(installed):
    options = {"nested": {"a": 1}}
    load_plugin("changes", options)
    assert options == {"nested": {"a": 1}}


def test_the_message_that_stands_for_all_is_valid():
    with pytest.raises(ValidationError):
        EventMessage.model_validate({})
    EventMessage.model_validate(EVENT.wire())
