"""The catalogue in other forms: written to CSV and read again, and made from a mapping."""

from __future__ import annotations

import csv
import io
import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.authoring.catalogue_from_source import ChannelDefaults, catalogue_of, guessed_application, guessed_type
from pipeline.catalogue.changes import changes
from pipeline.catalogue.file import parse_catalogue, read_or_new
from pipeline.catalogue.merge import merged
from pipeline.catalogue.table import COLUMNS, table_text
from pipeline.catalogue.table_reader import read_table
from pipeline.cli.main import cli
from pipeline.config.load import load_source
from pipeline.errors import UsageError
from schemas.catalogue import ApplicationType, Catalogue, Channel, EventDefinition, EventProperty
from tests.support.good_files import GOOD_CATALOGUE

LINES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")) | st.just(" "), min_size=1, max_size=12)
LINES = LINES.map(str.strip).filter(bool)
CATALOGUES = st.builds(
    lambda names, codes, kinds, ids: Catalogue(
        channels=[
            Channel(name=name, application_type=kinds[place % 4], app_key=None if quick else name, quick_tracking=quick, platform_type="iOS" if quick else None)
            for place, name in enumerate(names)
            for quick in [place % 4 < 2 and place % 3 == 1]
        ],
        events=[
            EventDefinition(
                code=code,
                name=code[::-1].strip() or code,
                channel="模块" if place % 4 == 3 else names[place % len(names)],
                origin="system" if place % 4 == 3 else None,
                properties=[EventProperty(id=each, name=each, type="numeric" if place % 2 else "text") for each in ids[: place % 3]],
            )
            for place, code in enumerate(codes)
        ],
    ),
    st.lists(LINES.filter(lambda each: each != "模块"), min_size=1, max_size=4, unique=True),
    st.lists(LINES, max_size=6, unique=True),
    st.permutations(list(ApplicationType)[:2]).map(lambda two: [*two, *list(ApplicationType)[2:]]),
    st.lists(LINES.filter(lambda each: each != "outBizId"), min_size=3, max_size=3, unique=True),
)  # fmt: skip


def by_name(catalogue):
    return sorted(catalogue.channels, key=lambda each: each.name)


@given(CATALOGUES, st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]))
def test_a_catalogue_comes_back_from_a_table_as_it_was(tmp_path_factory, catalogue, charset):
    path = tmp_path_factory.mktemp("table") / "events.csv"
    path.write_bytes(table_text(catalogue).encode(charset))
    read = read_table(path, charset)
    assert by_name(read) == by_name(catalogue)
    assert [(each.code, each.name, each.channel, each.properties) for each in read.events] == [
        (each.code, each.name, each.channel, each.properties) for each in catalogue.events
    ]
    assert list(map(read.origin_of, read.events)) == list(map(catalogue.origin_of, catalogue.events))
    new, kept = merged(Catalogue(), read)
    assert kept == []
    assert changes(catalogue, new) == []


@given(CATALOGUES)
def test_a_catalogue_comes_back_from_json_as_it_was(tmp_path_factory, catalogue):
    path = tmp_path_factory.mktemp("json") / "events.yaml"
    new = read_or_new(path)
    new.save(merged(Catalogue(), catalogue)[0])
    exported = CliRunner().invoke(cli, ["events", "export", str(path), "--format", "json"])
    assert exported.exit_code == 0, exported.output
    assert changes(catalogue, parse_catalogue(path, exported.stdout).catalogue) == []


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("rows", "line", "says"),
    [
        (["channl,event_code"], 1, "channl: found an unknown column; did you mean 'channel'?"),
        (["event_code,event_name"], 1, "found no column `channel`"),
        (["channel,channel"], 1, "channel: found a column a second time; expected each once"),
        ([HEADER, "a,till,k,,,,,,,,,"], 2, "application_type: found 'till'; expected one of"),
        ([HEADER, "a,web,,,,,,,,,,"], 2, "app_key: found nothing; expected the APP_KEY"),
        ([HEADER, "a,web,k,maybe,,,,,,,,"], 2, "quick_tracking: found 'maybe'; expected true or false"),
        ([HEADER, "a,web,k,,,e,E,,p,P,number,"], 2, "property_type: found 'number'; expected one of"),
        ([HEADER, "b,,,,,e,E,,,,,"], 2, "channel: found 'b', a channel that is not listed"),
        ([HEADER, "a,web,k,,,e,E,,p,P,text,", "a,,,,,e,F,,q,Q,text,"], 3, "event_name: found 'F'; expected 'E', as an earlier row of the same event has"),
        ([HEADER, "a,web,k,,,e,E,,p,P,text,", "a,,k2,,,e,E,,q,Q,text,"], 3, "app_key: found 'k2'; expected 'k', as an earlier row of the same channel has"),
        ([HEADER, "a,web,k,,,e,E,,p,P,text,", "a,,,,,e,,,p,P,text,"], 3, "property_id: found 'p' a second time"),
        ([HEADER, "a,web,k,,,,E,,,,,"], 2, "event_code: found nothing"),
        ([HEADER, "a,web,k,,,e,E,,,,,,x,y"], 2, "found 14 cells; expected 12"),
        ([HEADER, '"a'], 2, "found text that is no CSV"),
    ],
)  # fmt: skip
def test_a_fault_of_a_table_has_its_line_and_what_would_be_right(tmp_path, rows, line, says):
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(UsageError) as found:
        read_table(path, "utf-8")
    said = str(found.value).split("\n")
    assert any(f"events.csv:{line}: {says}" in each for each in said), said


@given(CATALOGUES, st.sampled_from("\t;"), st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]))
def test_a_spreadsheet_may_write_tabs_or_semicolons_empty_cells_and_a_mark(
    tmp_path_factory, catalogue, delimiter, charset
):
    path = tmp_path_factory.mktemp("table") / "events.csv"
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    for row in csv.reader(io.StringIO(table_text(catalogue), newline="")):
        writer.writerow([*row, "", ""])
    path.write_bytes(("\ufeff" + stream.getvalue()).encode(charset.removesuffix("-sig")))
    assert changes(catalogue, read_table(path, charset)) == []


def test_rows_of_one_channel_or_event_say_it_together(tmp_path):
    path = tmp_path / "events.csv"
    rows = ["a,,,,,e,,,p,P,text,", "a,web,k,,,e,E,custom,q,Q,numeric,", "a,,,,,,,,,,,"]
    path.write_text("\n".join([HEADER, *rows]))
    read = read_table(path, "utf-8")
    assert [(each.name, each.app_key, each.application_type) for each in read.channels] == [("a", "k", "web")]
    assert [(each.name, each.origin, [one.id for one in each.properties]) for each in read.events] == [
        ("E", None, ["p", "q"])
    ]


def test_a_table_may_have_the_words_of_the_console(tmp_path):
    path = tmp_path / "events.csv"
    rows = [
        "a,Mini Program,,YES,WeChat,e,E,Collected by Quick Tracking,p,P,Numeric,Global Property",
        "b,Third-party System,k,No,,f,F,Custom Event,q,Q,Text,Event Property",
        "Social Interaction,,,,,g,G,System Default Event,,,,",
    ]
    path.write_text("\n".join([HEADER, *rows]))
    read = read_table(path, "utf-8")
    assert [each.application_type for each in read.channels] == ["mini_program", "third_party_system"]
    assert [str(read.origin_of(each)) for each in read.events] == ["quick_tracking", "custom", "system"]
    assert [(one.type, one.scope) for each in read.events for one in each.properties] == [
        ("numeric", "global"),
        ("text", "event"),
    ]


def test_a_global_property_that_is_set_once_is_on_all_events_of_its_channel(tmp_path):
    path = tmp_path / "events.csv"
    rows = ["a,web,,true,,e,E,,p,P,text,", "a,,,,,f,F,,q,Q,text,global", "b,web,k,,,g,G,,,,,"]
    path.write_text("\n".join([HEADER, *rows]))
    read = read_table(path, "utf-8")
    assert {each.code: [one.id for one in each.properties] for each in read.events} == {
        "e": ["p", "q"],
        "f": ["q"],
        "g": [],
    }
    path.write_text("\n".join([HEADER, *rows, "a,,,,,h,H,,q,Other,text,"]))
    with pytest.raises(
        UsageError,
        match=r"events\.csv:5: property_id: found 'q' with other values than on e, whose global property it is",
    ):
        read_table(path, "utf-8")


def test_a_known_channel_may_stand_alone_or_with_a_part_of_what_is_known(tmp_path):
    known = parse_catalogue(tmp_path / "x", GOOD_CATALOGUE).catalogue
    path = tmp_path / "events.csv"
    for rows, kept in (("channel\nTill\n", 0), ("channel,application_type\nTill,third_party_system\n", 0), ("channel,application_type\nTill,web\n", 1)):  # fmt: skip
        path.write_text(rows)
        new, said = merged(known, read_table(path, "utf-8", known.channels))
        assert (new, len(said)) == (known, kept)


def test_all_faults_of_a_table_are_said_at_once(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(f"{HEADER}\na,web,k,,,e,E,,p,P,number,\na,,,,,e,F,,q,Q,text,\na,,,,,f,,,,,,,x\n")
    with pytest.raises(UsageError) as found:
        read_table(path, "utf-8")
    said = [each.partition("events.csv:")[2].partition("; ")[0] for each in str(found.value).split("\n")]
    assert said == ["2: property_type: found 'number'", "3: event_name: found 'F'", "4: found 13 cells"]


def test_a_column_twice_is_said_once(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("channel,channel,,event_code\n")
    with pytest.raises(UsageError) as found:
        read_table(path, "utf-8")
    assert [each.partition("events.csv")[2] for each in str(found.value).split("\n")] == [
        f":1: found a column without a name; expected some of {', '.join(COLUMNS)}",
        ":1: channel: found a column a second time; expected each once",
    ]


def test_a_table_in_another_character_set_or_none(tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes("channel\n店\n".encode("gbk"))
    with pytest.raises(UsageError, match="bytes that are not utf-8-sig; expected that, or another --charset"):
        read_table(path, "utf-8-sig")
    with pytest.raises(UsageError, match="cannot be opened"):
        read_table(tmp_path / "none.csv", "utf-8")


def test_of_a_channel_that_is_known_a_table_needs_the_name_only(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("channel,event_code,event_name\nShop app,new,New\n")
    known = parse_catalogue(tmp_path / "x", GOOD_CATALOGUE).catalogue
    more = read_table(path, "utf-8", known.channels)
    new, kept = merged(known, more)
    assert (more.channels, kept, [each.what for each in changes(known, new)]) == ([], [], ["event 'new' added"])


def test_what_is_there_stays_as_it_is_and_the_difference_is_said(tmp_path):
    known = parse_catalogue(tmp_path / "x", GOOD_CATALOGUE).catalogue
    other = parse_catalogue(
        tmp_path / "y",
        GOOD_CATALOGUE.replace("Order paid", "Paid")
        .replace("name: Shop app", "name: Shop")
        .replace("channel: Shop app", "channel: Shop")
        .replace("      - {id: title,", "      - {id: no, name: No, type: text}\n      - {id: title,")
        .replace("origin: system", "origin: system\n    properties: [{id: a, name: a, type: text}]"),
    ).catalogue
    new, kept = merged(known, other)
    assert [each.what for each in changes(known, new)] == ["event 'pay_order': property 'no' added"]
    assert "\n".join(kept).count("kept as it is") == 3


SOURCE = """\
source: h5-shop
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-log]}
decode: json
events:
  - event_code: pay_order
    event_source_code: shop-app
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes:
      paid: $.paid | number | default('0')
      no: $.no
      size: 3
      note: $.note | number | suffix(' yuan')
      order_amount: $.a
  - event_code: pay_order
    event_source_code: till
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {again: $.x}
  - event_code: view
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
  - event_code: $.type
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
  - event_code: app_start
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
report: {region: cn-shanghai, organization_id: org, access_id: access}
"""


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "h5.yaml"
    path.write_text(SOURCE)
    return load_source(path, {})


def test_what_a_mapping_uses_becomes_a_catalogue(mapping):
    made, notes = catalogue_of(mapping, Catalogue())
    assert [(each.name, each.app_key, each.application_type) for each in made.channels] == [
        ("shop-app", "shop-app", "web"),
        ("till", "till", "web"),
        ("h5-shop", "h5-shop", "web"),
    ]
    assert {each.id: each.type.value for each in made.events_by_code["pay_order"].properties} == {
        "paid": "numeric",
        "no": "text",
        "size": "numeric",
        "note": "text",
        "order_amount": "numeric",
        "again": "text",
    }
    said = "\n".join(notes)
    for part in ("events[3].event_code is a path", "events[1]: event 'pay_order' has the channel 'shop-app'", "events[2].event_source_code is not there", "channel 'till': its application type is taken to be web", "types are guessed: numeric order_amount, paid, size, text all others; the console does not let you change a type later"):  # fmt: skip
        assert part in said


def test_what_is_known_already_keeps_its_names(mapping, tmp_path):
    known = parse_catalogue(tmp_path / "x", GOOD_CATALOGUE).catalogue
    made, notes = catalogue_of(mapping, known, ChannelDefaults(channel="Till"))
    assert any("event 'app_start' is of origin quick_tracking: no rule may report it" in each for each in notes)
    new, kept = merged(known, made)
    assert kept == []
    assert [each.what for each in changes(known, new)] == [
        *(f"event 'pay_order': property {each!r} added" for each in ("paid", "no", "size", "note", "order_amount", "again")),
        "event 'view' added",
    ]  # fmt: skip
    assert new.events_by_code["view"].channel == "Till"


@pytest.mark.parametrize(
    ("name", "written", "kind"),
    [
        ("a", "$.a | divide(100)", "numeric"),
        ("amount", "$.a | lookup('level')", "text"),
        ("amount", "$.a", "numeric"),
        ("orderAmount", "$.a", "numeric"),
        ("a", "1.5", "numeric"),
        ("amount", "many", "text"),
        ("amount", "{{ $.a }} yuan", "text"),
        ("amount", "{{ $.a }}", "numeric"),
        ("a", {"first_of": ["$.a | integer", 0]}, "numeric"),
        ("discounted", "$.a", "text"),
    ],
)
def test_a_type_is_guessed_by_function_constant_or_name(name, written, kind):
    assert guessed_type(name, written) == kind


@pytest.mark.parametrize(
    ("name", "formats", "kind"),
    [("shop mini-program", ["json"], "mini_program"), ("h5", ["json"], "web"), ("shop-app", ["json"], "app"), ("x", ["nginx"], "web"), ("crm", ["csv"], "third_party_system")],
)  # fmt: skip
def test_an_application_type_is_guessed_by_names_or_decoder(name, formats, kind):
    assert guessed_application(name, formats) == kind


def test_an_attribute_that_can_be_no_property_is_said(tmp_path):
    path = tmp_path / "h5.yaml"
    path.write_text(re.sub(r"again:", '" again":', SOURCE))
    _, notes = catalogue_of(load_source(path, {}), Catalogue())
    assert any("events[1]: a code or an ID of the rule is not valid" in each for each in notes)
