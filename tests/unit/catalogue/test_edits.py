"""Edits of a catalogue file: only edits that the console allows, and no other character of the file changes."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalogue import edits
from pipeline.catalogue.changes import ChangeKind, changes, refusals
from pipeline.catalogue.edits import with_fields
from pipeline.catalogue.file import parse_catalogue, read_catalogue, read_or_new
from pipeline.catalogue.rewrite import rewritten
from pipeline.errors import UsageError
from schemas.catalogue import Channel, EventDefinition, EventProperty
from tests.support.good_files import GOOD_CATALOGUE

WRITTEN = """\
# our events, by Li
channels:   # two of them
- name: "Shop app"      # the app
  application_type: app
  app_key: shop-app

# Quick Tracking's
- {name: iOS, application_type: app, quick_tracking: true, platform_type: iOS}   # on phones

# ---- events ----
events:
  # paid
  - code: pay_order
    name: >-
      Order
      paid
    channel: Shop app
    properties: [{id: amount, name: Amount, type: numeric}]   # in yuan

  # started
  - {code: app_start, name: Started, channel: iOS, properties: [{id: uid, name: User, type: text, scope: global}]}
  # refunded
  - code: refund
    channel: Shop app
    name: 'Refund'   # of all
    # no properties yet

  - code: follow
    name: Followed
    channel: Social Interaction
    origin: system
# ---- tasks ----
tasks:
  - {name: Thanks, events: [pay_order]}
# the end
"""


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "shop.catalogue.yaml"
    path.write_text(WRITTEN, encoding="utf-8")
    return read_catalogue(path)


def text_prop(name, **more):
    return EventProperty(id=name, name=name, type="text", **more)


def saved(written, new):
    written.save(new)
    return written.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "old", "new"),
    [
        (lambda c: edits.with_event_edited(c, "refund", name="Money: back"), "name: 'Refund'", "name: 'Money: back'"),
        (lambda c: edits.with_event_edited(c, "pay_order", name="Paid"), ">-\n      Order\n      paid\n", "Paid\n"),
        (lambda c: edits.with_event_edited(c, "pay_order", property_names={"amount": "金额"}), "name: Amount", "name: 金额"),
        (lambda c: edits.with_event_edited(c, "pay_order", new_properties=[text_prop("no")]), "type: numeric}]", 'type: numeric}, {id: "no", name: "no", type: text}]'),
        (lambda c: edits.with_event_edited(c, "refund", new_properties=[text_prop("no")]), "# of all\n", '# of all\n    properties:\n      - {id: "no", name: "no", type: text}\n'),
        (lambda c: edits.without_event(c, "refund"), "  - code: refund\n    channel: Shop app\n    name: 'Refund'   # of all\n", ""),
        (lambda c: edits.with_channel(c, Channel(name="Till", application_type="third_party_system", app_key="till")), "# on phones\n", "# on phones\n\n- name: Till\n  application_type: third_party_system\n  app_key: till\n"),
        (lambda c: edits.with_event(c, EventDefinition(code="cancel", name="Cancel", channel="Shop app")), "    origin: system\n", "    origin: system\n\n  - code: cancel\n    name: Cancel\n    channel: Shop app\n"),
    ],
)  # fmt: skip
def test_an_edit_changes_what_it_must_and_not_a_letter_beside(written, edit, old, new):
    assert old in WRITTEN
    assert saved(written, edit(written.catalogue)) == WRITTEN.replace(old, new, 1)


def test_a_renamed_channel_keeps_its_events(written):
    text = saved(written, edits.with_channel_renamed(written.catalogue, "Shop app", "Shop"))
    assert text == WRITTEN.replace('"Shop app"', '"Shop"').replace("channel: Shop app", "channel: Shop")


def test_a_global_property_comes_to_all_events_of_its_channel_and_to_new_ones(written):
    one = edits.with_event(written.catalogue, EventDefinition(code="stop", name="Stopped", channel="iOS"))
    assert one.events_by_code["stop"].properties == [
        text_prop("uid", scope="global").model_copy(update={"name": "User"})
    ]
    two = edits.with_event_edited(one, "stop", new_properties=[text_prop("lang", scope="global")])
    assert [each.id for each in two.events_by_code["app_start"].properties] == ["uid", "lang"]
    three = edits.with_event_edited(two, "stop", property_names={"uid": "Who"})
    assert three.events_by_code["app_start"].property_of("uid").name == "Who"
    written.save(three)
    assert read_catalogue(written.path).catalogue == three


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: edits.without_event(c, "pay_order"), "the automated marketing task 'Thanks' uses it; only an event that no task uses can be deleted"),
        (lambda c: edits.without_event(c, "follow"), "a system default event cannot be deleted"),
        (lambda c: edits.with_event_edited(c, "follow", name="x"), "a system default event cannot be edited"),
        (lambda c: edits.with_event_edited(c, "follow", new_properties=[text_prop("a")]), "a system default event cannot be edited"),
        (lambda c: edits.without_channel(c, "Shop app"), "it has the events pay_order, refund; only a channel without events can be deleted"),
        (lambda c: edits.without_channel(c, "iOS"), "it is kept in Quick Tracking"),
        (lambda c: edits.with_channel_renamed(c, "iOS", "x"), "it is kept in Quick Tracking"),
        (lambda c: edits.with_event_edited(c, "refnd", name="x"), "found none of that code (did you mean 'refund'?)"),
        (lambda c: edits.with_channel_renamed(c, "Shop", "x"), "found none of that name (did you mean 'Shop app'?)"),
        (lambda c: edits.with_event_edited(c, "pay_order", property_names={"amont": "x"}), "found no property 'amont' (did you mean 'amount'?)"),
        (lambda c: edits.with_event_edited(c, "pay_order", new_properties=[text_prop("amount")]), "found the property 'amount' already"),
        (lambda c: edits.with_event(c, EventDefinition(code="refund", name="x", channel="Shop app")), "found one of that code"),
    ],
)  # fmt: skip
def test_what_the_console_refuses_is_refused_in_a_sentence(written, edit, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        edit(written.catalogue)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: edits.with_event(c, EventDefinition(code="x", name="x", channel="nowhere")), "shop.catalogue.yaml: not written: event 'x': channel: found 'nowhere', a channel that is not listed"),
        (lambda c: edits.with_event_edited(c, "refund", new_properties=[text_prop("a", scope="global")]), "not written: event 'refund': property 'a': scope: found global; expected event"),
        (lambda c: edits.with_channel(c, Channel(name="x", application_type="web", app_key="shop-app")), "not written: channel 'x': app_key: found 'shop-app' a second time"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_not_written(written, edit, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        written.save(edit(written.catalogue))
    assert written.path.read_text(encoding="utf-8") == WRITTEN


def test_what_an_alias_repeats_is_left_to_a_person(tmp_path):
    text = """\
channels: [{name: a, application_type: web, app_key: a}]
events:
  - {code: one, name: &name One, channel: a}
  - {code: two, name: *name, channel: a}
"""
    path = tmp_path / "aliases.yaml"
    path.write_text(text)
    written = read_catalogue(path)
    with pytest.raises(
        UsageError,
        match=r"aliases\.yaml:3: found a value that an alias or << puts elsewhere too; expected it written out, or the change made by hand",
    ):
        written.save(edits.with_event_edited(written.catalogue, "two", name="Two"))
    assert path.read_text() == text


def test_a_new_file_and_one_with_other_line_ends(tmp_path):
    new = read_or_new(tmp_path / "new.yaml")
    new.save(edits.with_channel(new.catalogue, Channel(name="a", application_type="web", app_key="1")))
    with pytest.raises(UsageError, match="found it changed by somebody else"):
        new.save(edits.with_channel(new.catalogue, Channel(name="b", application_type="web", app_key="2")))
    assert 'channels:\n  - name: a\n    application_type: web\n    app_key: "1"\nevents: []\n' in new.path.read_text()
    path = tmp_path / "windows.yaml"
    path.write_bytes(BOM_UTF8 + GOOD_CATALOGUE.replace("\n", "\r\n").encode())
    written = read_catalogue(path)
    written.save(edits.with_event_edited(written.catalogue, "pay_order", new_properties=[text_prop("no")]))
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") == GOOD_CATALOGUE.count("\n") + 1
    assert path.read_bytes().startswith(BOM_UTF8)


def test_of_two_edits_at_once_none_is_lost(written):
    """Each edit is written, or reports that the file was changed meanwhile."""
    starts = Barrier(8)

    def add(number):
        file = read_catalogue(written.path)
        event = EventDefinition(code=f"code {number}", name="x", channel="Shop app")
        starts.wait()
        try:
            file.save(edits.with_event(file.catalogue, event))
        except UsageError as error:
            return str(error)
        return event.code

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(add, range(8)))
    added = [each for each in read_catalogue(written.path).catalogue.events_by_code if each.startswith("code ")]
    assert added == [each for each in said if each.startswith("code ")] != []
    assert sum("found it changed by somebody else" in each for each in said) == 7


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("code: pay_order\n    name: Order paid\n    channel: Shop app", "code: pay_order\n    name: Order paid\n    channel: Till", "event 'pay_order': channel changed from 'Shop app' to 'Till'"),
        ("amount, name: Amount, type: numeric", "amount, name: Amount, type: text", "property 'amount': type changed from numeric to text"),
        ("      - {id: title, name: Title, type: text}\n", "", "property 'title' removed: properties of an event cannot be removed"),
        ("app_key: till", "app_key: till2", ""),
        ("app_key: shop-app", "app_key: shop-app2", "channel 'Shop app': app_key changed from shop-app to shop-app2: of a channel only the name can be edited"),
        ("application_type: app\n    app_key: shop-app", "application_type: web\n    app_key: shop-app", "application_type changed from app to web"),
        ("platform_type: iOS", "platform_type: Android", "platform_type changed from iOS to Android: it is kept in Quick Tracking"),
        ("name: Followed", "name: Follows", "event 'follow': name changed from 'Followed' to 'Follows': a system default event cannot be edited"),
        ("  - code: follow\n    name: Followed\n    channel: Social Interaction\n    origin: system\n", "", "event 'follow' deleted: a system default event cannot be deleted"),
        ("name: Order paid", "name: Paid", ""),
        ("name: Amount", "name: Yuan", ""),
        ("type: numeric}\n", "type: numeric}\n      - {id: new, name: New, type: text}\n", ""),
        ("  - name: Till\n    application_type: third_party_system\n    app_key: till\n", "", ""),
        ("channel: Social Interaction\n    origin: system", "channel: Till", "event 'follow': channel changed from 'Social Interaction' to 'Till'"),
        ("quick_tracking: true\n    platform_type: iOS", "app_key: ios", "quick_tracking changed from true to false"),
        ("platform_type: iOS", "platform_type: iOS\n    app_key: learned", ""),
        ("events: [pay_order]", "events: []", ""),
        ("events: [pay_order]", "events: [pay_order, app_start]", ""),
        ("  - {name: Thanks, events: [pay_order]}\n", "  - {name: Thanks, events: [pay_order]}\n  - {name: Later}\n", ""),
        ("tasks:\n  - {name: Thanks, events: [pay_order]}\n", "", ""),
    ],
)  # fmt: skip
def test_a_difference_is_refused_as_the_console_would(tmp_path, old, new, says):
    assert old in GOOD_CATALOGUE
    before = parse_catalogue(tmp_path / "old", GOOD_CATALOGUE).catalogue
    text = GOOD_CATALOGUE.replace(old, new, 1).replace(", scope: global" if "app_key: ios" in new else "\0", "")
    after = parse_catalogue(tmp_path / "new", text).catalogue
    assert changes(before, after)
    refused = [str(each) for each in refusals(before, after)]
    assert any(says in each for each in refused) if says else not refused, refused
    assert changes(before, before) == []


def test_what_tasks_use_is_a_difference_that_nobody_refuses(tmp_path):
    before = parse_catalogue(tmp_path / "old", GOOD_CATALOGUE).catalogue
    tasks = "  - {name: Thanks, events: [app_start, follow]}\n  - {name: Later}\n"
    text = GOOD_CATALOGUE.replace("  - {name: Thanks, events: [pay_order]}\n", tasks)
    after = parse_catalogue(tmp_path / "new", text).catalogue
    said = [
        "~ task 'Thanks': uses app_start, follow",
        "~ task 'Thanks': no longer uses pay_order",
        "+ task 'Later' added",
    ]
    assert [f"{each.kind} {each}" for each in changes(before, after)] == said
    assert [f"{each.kind} {each}" for each in changes(after, before)][-1] == "- task 'Later' deleted"
    assert refusals(before, after) == refusals(after, before) == []


def test_the_order_of_things_is_no_change(tmp_path):
    catalogue = parse_catalogue(tmp_path / "old", GOOD_CATALOGUE).catalogue
    turned = with_fields(catalogue, channels=catalogue.channels[::-1], events=catalogue.events[::-1])
    assert changes(catalogue, turned) == []


NAMES = st.text(st.sampled_from("ab '\"#:,[]{}&*!|>%@-?é订"), min_size=1, max_size=8).map(str.strip).filter(bool)
"""Names with many characters that have a meaning in YAML."""


def draw_edit(data, catalogue):
    """Make one edit of a random kind. The catalogue may refuse it."""
    codes = [each.code for each in catalogue.events] or ["none"]
    channels = [each.name for each in catalogue.channels] or ["none"]
    code, channel = data.draw(st.sampled_from(codes)), data.draw(st.sampled_from(channels))
    name = data.draw(NAMES)
    scope = data.draw(st.sampled_from(["event", "event", "global"]))
    new = [EventProperty(id=each, name=name, type=data.draw(st.sampled_from(["text", "numeric"])), scope=scope) for each in data.draw(st.lists(NAMES, max_size=2, unique=True))]  # fmt: skip
    match data.draw(st.sampled_from(["add event", "edit event", "properties", "delete event", "add channel", "edit channel", "delete channel"])):  # fmt: skip
        case "add event":
            return edits.with_event(catalogue, EventDefinition(code=name, name=name, channel=channel, properties=new))
        case "edit event":
            ids = [each.id for each in catalogue.events_by_code[code].properties] if code != "none" else []
            return edits.with_event_edited(catalogue, code, name=name, property_names=dict.fromkeys(ids[:1], name))
        case "properties":
            return edits.with_event_edited(catalogue, code, new_properties=new)
        case "delete event":
            return edits.without_event(catalogue, code)
        case "add channel":
            return edits.with_channel(catalogue, Channel(name=name, application_type="web", app_key=name))
        case "edit channel":
            return edits.with_channel_renamed(catalogue, channel, name)
        case _:
            return edits.without_channel(catalogue, channel)


COMMENTS = [f"#{line.rpartition('#')[2]}" for line in WRITTEN.splitlines() if "#" in line]


@given(st.data())
def test_any_edits_keep_the_file_right_its_order_and_its_comments_and_nothing_of_them_is_refused(
    tmp_path_factory, data
):
    path = tmp_path_factory.mktemp("edits") / "edited.yaml"
    path.write_text(data.draw(st.sampled_from([WRITTEN, GOOD_CATALOGUE, "channels:\nevents: # none\n", '{"channels": [], "events": []}\n'])), encoding="utf-8")  # fmt: skip
    for _ in range(data.draw(st.integers(1, 5))):
        before = read_catalogue(path)
        try:
            new = draw_edit(data, before.catalogue)
            before.save(new)
        except UsageError:
            assert path.read_text(encoding="utf-8") == before.text  # an edit is written whole or not at all
            continue
        after = read_catalogue(path)
        assert after.catalogue == new
        assert refusals(before.catalogue, after.catalogue) == []
        assert {each.kind for each in changes(before.catalogue, after.catalogue)} <= set(ChangeKind)
        kept = [each.code for each in before.catalogue.events if each.code in new.events_by_code]
        assert [each.code for each in new.events][: len(kept)] == kept
        gone = set(before.text.splitlines()) - set(after.text.splitlines())
        deleted = len(kept) < len(before.catalogue.events) or len(new.channels) < len(before.catalogue.channels)
        if not deleted:
            assert [each for each in COMMENTS if each in before.text] == [
                each for each in COMMENTS if each in after.text
            ]
        own_lines = [line for line in gone if line.lstrip().startswith("#")]
        assert own_lines == [], own_lines  # no event here contains a comment on a line of its own


@given(st.integers(0, 10_000))
def test_whatever_goes_the_rest_stays_to_the_letter(seed):
    """Events are deleted in any order. The remaining lines are lines of the file, in their order."""
    chance = Random(seed)
    file = parse_catalogue(Path("x"), WRITTEN.replace("[pay_order]", "[]"))
    text, catalogue = file.text, file.catalogue
    codes = ["pay_order", "app_start", "refund"]
    chance.shuffle(codes)
    for code in codes:
        smaller = edits.without_event(catalogue, code)
        text, catalogue = rewritten(text, catalogue, smaller), smaller
        lines = iter(WRITTEN.replace("[pay_order]", "[]").splitlines())
        assert all(line in lines for line in text.splitlines())
        assert parse_catalogue(file.path, text).catalogue == catalogue
