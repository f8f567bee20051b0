"""A plug-in in a file beside the source file: it is imported by its path alone, its model reads the options, and its time is limited."""

from __future__ import annotations

import re
import sys

import pytest

from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.errors import UsageError
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord
from schemas.refusal import ReasonCode
from transforms.plugins.plugin import Plugin, load_plugin
from transforms.testing import check_transform, entry

CODE = '''
from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from schemas.event import EventMessage


class Shop(BaseModel):
    name: str


class OrderOptions(BaseModel):
    channel: Literal["app", "h5"]
    limit: int = Field(5, ge=1)
    shop: Shop = Shop(name="first")
    token: SecretStr = Field(SecretStr("none"), max_length=8)
    access: str = ""

    @field_validator("access")
    @classmethod
    def _starts_right(cls, access):
        if access and not access.startswith("A"):
            raise ValueError(f"{access}; expected a text that begins with A")
        return access


class Orders:
    """Orders, by a class."""

    def __init__(self, options: OrderOptions) -> None:
        self.options = options

    def __call__(self, entry):
        return [event(entry.fields["no"], self.options.channel)]


def orders(options: OrderOptions):
    """Orders as events."""

    def convert(entry):
        while entry.fields.get("no") == "endless":
            pass
        return [event(entry.fields["no"], options.channel)]

    return convert


def plain(options):
    return lambda entry: [event(entry.fields["no"], options.get("channel", "none"))]


def event(number, channel):
    return EventMessage(customer_id="c", event_source_code=channel, event_code="e", event_time=1_700_000_000_000, extend_attributes={"outBizId": number})


def unknown(options: Missing):
    pass


number = 5
'''

SOURCE = """\
source: shop
kafka: {{bootstrap_servers: "localhost:9092", topics: [t]}}
decode: json
transform:
  plugin: {plugin}
  file: {file}
  options: {options}
report: {{region: cn-shanghai, organization_id: a, access_id: b}}
"""


@pytest.fixture
def shop(tmp_path):
    """Write a source file and its plug-in, and load it."""

    def load(plugin="orders", options="{channel: app}", file="plug/shop.py", code=CODE):
        place = tmp_path / "plug" / "shop.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(code)
        source = tmp_path / "shop.yaml"
        source.write_text(SOURCE.format(plugin=plugin, file=file, options=options))
        return load_source(source, {})

    return load


def plugin_modules():
    return {name for name in sys.modules if name.startswith("log2mq_plugin_")}


def record(text):
    return RawRecord("t", 0, 0, -1, None, text.encode())


@pytest.mark.parametrize("plugin", ["orders", "Orders", "plain"])
def test_a_function_or_class_of_a_file_converts(shop, plugin):
    (draft,) = build_converter(shop(plugin), {})(record('{"no": "n1"}')).messages
    assert b'"eventSourceCode":"app"' in draft.body


def test_what_has_no_end_costs_its_record_alone(shop):
    source = shop()
    assert source.transform.timeout == 500
    quick = source.model_copy(update={"transform": source.transform.model_copy(update={"timeout": 250})})
    convert = build_converter(quick, {})
    refusal = convert(record('{"no": "endless"}')).refusal
    assert refusal.code is ReasonCode.PLUGIN_TOO_SLOW
    assert refusal.reason == "plug-in orders took longer than 250 ms, 2 times"
    assert len(convert(record('{"no": "n1"}')).messages) == 1


def test_a_machine_that_stood_still_once_is_no_fault_of_the_record():
    calls = []

    def convert(_):
        calls.append(1)
        while len(calls) == 1:
            pass

    assert check_transform(Plugin("mine", convert, 20), [entry({})])
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("{chanel: app}", ["7: transform.options.chanel: found unknown key 'chanel'; did you mean 'channel'?", "7: transform.options.channel: found nothing; expected a value: this key is required"]),
        ("{channel: shop}", ["7: transform.options.channel: found 'shop'; expected one of 'app' or 'h5'"]),
        ("{channel: app, limit: 0}", ["7: transform.options.limit: found 0; expected at least 1"]),
        ("{channel: app, shop: {nam: x}}", ["7: transform.options.shop.nam: found unknown key 'nam'; did you mean 'name'?", "7: transform.options.shop.name: found nothing; expected a value: this key is required"]),
        ("{channel: app, access: s3cret}", ["7: transform.options.access: found ***; expected a text that begins with A"]),
        ("{channel: app, token: very-secret}", ["7: transform.options.token: found a value; expected at most 8"]),
    ],
)  # fmt: skip
def test_options_are_read_by_the_plug_ins_model(shop, options, says):
    with pytest.raises(UsageError) as found:
        shop(options=options)
    assert [line.partition(":")[2] for line in str(found.value).split("\n")] == says


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ({"file": "plug/shpo.py"}, 6, "transform.file: found {folder}/plug/shpo.py, which is not there; expected a Python file, its path relative"),
        ({"file": "plug"}, 6, "transform.file: found {folder}/plug, which is no file"),
        ({"file": '"a\\0b.py"'}, 6, "transform.file: found"),
        ({"plugin": "ordres"}, 5, "transform.plugin: found no 'ordres' in {folder}/plug/shop.py; expected 'orders'"),
        ({"plugin": "zzz"}, 5, "expected one of its functions: Orders, orders, plain, unknown"),
        ({"plugin": "number"}, 5, "transform.plugin: found the plug-in 'number' is a int; expected a factory"),
        ({"plugin": "unknown"}, 5, "transform.plugin: found the plug-in 'unknown', whose parameters cannot be read (NameError): name 'Missing' is not defined"),
        ({"code": "x = ("}, 6, "which cannot be imported (SyntaxError at line 1): '(' was never closed"),
        ({"code": "import json\njson.loads('')"}, 6, "which cannot be imported (JSONDecodeError at shop.py:2)"),
        ({"code": "import not_there"}, 6, "which cannot be imported (ModuleNotFoundError at shop.py:1): No module named 'not_there'"),
        ({"code": "import sys\nsys.exit(3)"}, 6, "which cannot be imported (SystemExit at shop.py:2): 3"),
        ({"code": "class Panic(BaseException): pass\nraise Panic('in Rust')"}, 6, "which cannot be imported (Panic at shop.py:2): in Rust"),
        ({"code": "\0"}, 6, "null bytes"),
        ({"code": "def orders(options):\n    options['channel'] + 1"}, 7, "transform.options: found the plug-in 'orders', which does not take these options (TypeError at shop.py:2)"),
        ({"code": "def orders():\n    pass"}, 7, "transform.options: found the plug-in 'orders', which does not take these options (TypeError"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_a_fault_with_its_place(shop, tmp_path, change, line, says):
    before = plugin_modules()
    with pytest.raises(UsageError) as found:
        shop(**change)
    (fault,) = str(found.value).split("\n")
    assert fault.startswith(f"{tmp_path}/shop.yaml:{line}: transform.")
    assert says.format(folder=tmp_path) in fault
    assert line != 6 or plugin_modules() == before


def test_a_changed_file_is_read_anew_and_nothing_is_left_beside_it(shop, tmp_path):
    code = "def orders(options):\n    return lambda entry: {}\n"
    for number in range(3):  # each version has the same size, and comes within a second
        build = shop(code=code.format(number), options="{}")
        assert load_plugin("orders", {}, file=build.plugin_file)._convert(None) == number
    assert [path.name for path in (tmp_path / "plug").iterdir()] == ["shop.py"]


def test_the_folder_is_no_place_to_import_from(shop, tmp_path):
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "beside.py").write_text("")
    with pytest.raises(UsageError, match="No module named 'beside'"):
        shop(code="import beside")
    assert str(tmp_path / "plug") not in sys.path


def test_two_files_of_one_name_are_two_modules(tmp_path):
    loaded = []
    for number in range(2):
        path = tmp_path / str(number) / "same.py"
        path.parent.mkdir()
        path.write_text(f"value = {number}\ndef make(options):\n    return lambda entry: value\n")
        loaded.append(load_plugin("make", {}, file=path))
    assert [each._convert(None) for each in loaded] == [0, 1]


def test_check_warns_of_a_file_that_everybody_may_write(shop):
    source = shop()
    assert not [said for said in warnings(source) if "everybody" in said]
    source.plugin_file.chmod(0o666)
    assert [said for said in warnings(source) if "plug/shop.py: every user of this machine may write" in said]


def test_the_record_cannot_be_changed_not_even_its_headers():
    headers = [("a", b"1")]

    def convert(given):
        for name in ("offset", "topic", "value"):
            with pytest.raises(AttributeError):
                setattr(given.record, name, "changed")
        with pytest.raises(AttributeError):
            given.record.headers.append(("b", b"2"))

    given = entry({}, headers=headers)
    check_transform(Plugin("mine", convert), [given])
    assert given.record.headers == [("a", b"1")]


def test_a_refusal_says_where_in_the_plug_in(shop):
    refusal = build_converter(shop(), {})(record("{}")).refusal
    assert re.fullmatch(r"plug-in orders raised KeyError at shop\.py:\d+", refusal.reason)
