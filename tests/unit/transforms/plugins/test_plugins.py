"""A plug-in is found by its entry point; a fault of it refuses the record and does not stop the job."""

from __future__ import annotations

import sys

import pytest

from schemas.refusal import ReasonCode
from transforms.base import Kind, Skipped
from transforms.fault import MappingFaults
from transforms.plugins.factory import installed_plugins
from transforms.plugins.plugin import load_plugin
from transforms.testing import check_transform, entry

CODE = """
from pydantic import BaseModel
from schemas.customer import CustomerId, CustomerMessage
from schemas.event import EventMessage

class Options(BaseModel):
    channel: str

def orders(options: Options):
    def convert(entry):
        match entry.fields.get("do"):
            case "raise":
                raise KeyError("secret of the record")
            case "wrong":
                return [42]
            case "nothing":
                return None
            case "mutate":
                entry.fields["do"] = "mutated"
        event = EventMessage(customer_id="c", event_source_code=options.channel, event_code="e", event_time=1_700_000_000_000, extend_attributes={"outBizId": "b"})
        return [event, CustomerMessage(customer_id="c", customer_id_list=[CustomerId(customer_id="13800000000", id_mapping="mobile")])]
    return convert

def broken(options):
    raise RuntimeError
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with plug-ins, as pip installs it."""
    (tmp_path / "shop_transforms.py").write_text(CODE)
    metadata = tmp_path / "shop_transforms-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-transforms\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[log2mq.transforms]\norders = shop_transforms:orders\nbroken = shop_transforms:broken\nabsent = not_there:at_all\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("shop_transforms", None)
    yield
    sys.modules.pop("shop_transforms", None)


def test_a_plug_in_converts_users_first(installed):
    plugin = load_plugin("orders", {"channel": "app"})
    ((user, event),) = check_transform(plugin, [entry({"do": "convert"})])
    assert (user.kind, event.kind) == (Kind.USER, Kind.EVENT)
    assert event.wire == {
        "customerId": "c",
        "eventSourceCode": "app",
        "eventCode": "e",
        "eventTime": 1_700_000_000_000,
        "extendAttributes": {"outBizId": "b"},
    }


@pytest.mark.parametrize(("do", "code"), [("raise", ReasonCode.PLUGIN_RAISED), ("wrong", ReasonCode.PLUGIN_OUTPUT)])
def test_what_goes_wrong_in_it_is_a_refusal_without_the_record_in_it(installed, do, code):
    refusal = load_plugin("orders", {"channel": "app"})(entry({"do": do}))
    assert refusal.code is code
    assert "secret" not in refusal.reason


def test_nothing_is_filtered_and_changes_to_the_input_stay_inside(installed):
    plugin = load_plugin("orders", {"channel": "app"})
    assert isinstance(plugin(entry({"do": "nothing"})), Skipped)
    check_transform(plugin, [entry({"do": "mutate"})])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ordres", {}, "unknown plug-in 'ordres'; expected 'orders'"),
        ("orders", {"channel": 7}, "transform.options.channel: Input should be a valid string"),
        ("broken", {}, "does not take these options (RuntimeError at shop_transforms.py:25)"),
        ("absent", {}, "cannot be imported (ModuleNotFoundError"),
        ("shop_transforms:orders", {}, "unknown plug-in"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_a_fault_of_the_file(installed, name, options, said):
    with pytest.raises(MappingFaults) as faults:
        load_plugin(name, options)
    assert said in str(faults.value)


def test_nothing_is_imported_to_list_what_is_installed(installed):
    assert {"orders", "broken", "absent"} <= {each.name for each in installed_plugins()}
