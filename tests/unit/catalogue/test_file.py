"""The catalogue file: every rule of the vendor's page, and each fault with its line and key."""

from __future__ import annotations

import json
import re

import pytest

from pipeline.catalogue.file import read_catalogue
from pipeline.errors import UsageError
from schemas.catalogue import Origin
from tests.support.good_files import GOOD_CATALOGUE, GOOD_SOURCE, faults_of


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "shop.catalogue.yaml"
        path.write_text(text, encoding="utf-8")
        return read_catalogue(path).catalogue

    return read


def test_the_origin_of_an_event_is_what_its_channel_says(read):
    catalogue = read(GOOD_CATALOGUE)
    assert {each.code: catalogue.origin_of(each) for each in catalogue.events} == {
        "pay_order": Origin.CUSTOM,
        "app_start": Origin.QUICK_TRACKING,
        "app_stop": Origin.QUICK_TRACKING,
        "follow": Origin.SYSTEM,
    }


@pytest.mark.parametrize("text", ["channels:\nevents:\n", "channels: []\n", "events: []\ntasks:\n"])
def test_a_catalogue_may_be_empty(read, text):
    assert read(text).events == []


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        # shapes
        ("name: Shop app", "nme: Shop app", 2, "channels[0].nme: found unknown key 'nme'; did you mean 'name'?"),
        ("type: numeric", "type: number", 17, "events[0].properties[0].type: found 'number'; expected one of 'text' or 'numeric'"),
        ("application_type: third_party_system", "application_type: till", 6, "channels[1].application_type: found 'till'; expected one of 'app', 'mini_program', 'web' or 'third_party_system'"),
        ("scope: global", "scope: all", 23, "events[1].properties[0].scope: found 'all'; expected one of 'event' or 'global'"),
        ("origin: system", "origin: sys", 32, "events[3].origin: found 'sys'; expected one of 'quick_tracking', 'custom' or 'system'"),
        ("code: pay_order", "code: 17", 13, "events[0].code: found 17; expected a text (in quotes if it looks like a number)"),
        ("code: pay_order", "code: 'pay_order '", 13, "events[0].code: found 'pay_order '; expected a text of one line"),
        ("name: Order paid", "name: ''", 14, "events[0].name: found ''; expected a text that is not empty"),
        ("quick_tracking: true", "quick_tracking: 'yes'", 10, "channels[2].quick_tracking: found 'yes'; expected true or false"),
        ("    name: Order paid\n", "", 13, "events[0].name: found nothing; expected a value"),
        # channels
        ("app_key: till", "app_key: shop-app", 7, "channels[1].app_key: found 'shop-app' a second time; expected each APP_KEY once"),
        ("name: Till", "name: Shop app", 5, "channels[1].name: found 'Shop app' a second time"),
        ("    app_key: till\n", "", 5, "channels[1].app_key: found nothing; expected the APP_KEY"),
        ("app_key: till", "app_key: till\n    quick_tracking: true", 8, "channels[1].quick_tracking: found true for a third-party system"),
        ("    platform_type: iOS\n", "", 8, "channels[2].platform_type: found nothing; expected the platform type"),
        ("app_key: till", "app_key: till\n    platform_type: iOS", 8, "channels[1].platform_type: found 'iOS'; expected it only for an app or a mini program that Quick Tracking collects"),
        ("app_key: shop-app", "app_key: shop-app\n    platform_type: iOS", 5, "channels[0].platform_type: found 'iOS'; expected it only"),
        ("application_type: app\n    quick_tracking", "application_type: web\n    quick_tracking", 11, "channels[2].platform_type: found 'iOS'; expected it only"),
        # events
        ("code: app_stop", "code: app_start", 24, "events[2].code: found 'app_start' a second time; expected each event code once"),
        ("id: title", "id: amount", 18, "events[0].properties[1].id: found 'amount' a second time; expected each property ID of this event once"),
        ("channel: Shop app", "channel: Shop ap", 15, "events[0].channel: found 'Shop ap', a channel that is not listed; expected a channel of the file (did you mean 'Shop app'?), or origin: system"),
        ("channel: Social Interaction", "channel: Till", 31, "events[3].channel: found the channel 'Till' for an event of origin system; expected the name of a feature module"),
        ("channel: Shop app\n", "channel: Shop app\n    origin: quick_tracking\n", 16, "events[0].origin: found quick_tracking; expected custom, since Quick Tracking does not collect the channel 'Shop app'"),
        ("name: App started", "name: App started\n    origin: custom", 21, "events[1].origin: found custom; expected quick_tracking"),
        ("title, name: Title, type: text", "title, name: Title, type: text, scope: global", 18, "events[0].properties[1].scope: found global; expected event, or no scope: only channels that Quick Tracking collects have global properties"),
        ("origin: system", "origin: system\n    properties: [{id: a, name: a, type: text, scope: global}]", 33, "events[3].properties[0].scope: found global"),
        ("    channel: Shop on iOS\n    properties:\n      - {id: uid, name: User, type: text, scope: global}\n  - code: follow", "    channel: Shop on iOS\n  - code: follow", 24, "events[2].properties: found no property 'uid', which is global on the channel 'Shop on iOS' (app_start has it); expected it on every event of the channel"),
        ("- code: app_stop\n    name: App stopped\n    channel: Shop on iOS\n    properties:\n      - {id: uid, name: User, type: text", "- code: app_stop\n    name: App stopped\n    channel: Shop on iOS\n    properties:\n      - {id: uid, name: User, type: numeric", 28, "events[2].properties[0]: found 'uid' with other values than on app_start, whose global property it is"),
        ("id: amount", "id: outBizId", 17, "events[0].properties[0].type: found outBizId of type numeric; expected text"),
        # tasks
        ("events: [pay_order]", "events: [pay_ordr]", 34, "tasks[0].events[0]: found 'pay_ordr', an event that is not listed; expected an event of the file (did you mean 'pay_order'?)"),
        ("channels:", "chanels:", 1, "chanels: found unknown key 'chanels'; did you mean 'channels'?"),
    ],
)  # fmt: skip
def test_a_fault_has_its_line_its_key_and_what_would_be_right(read, old, new, line, says):
    assert old in GOOD_CATALOGUE
    found = faults_of(read, GOOD_CATALOGUE.replace(old, new, 1))
    assert any(says in each for each in found), found
    assert any(f"shop.catalogue.yaml:{line}: " in each for each in found if says in each), found


@pytest.mark.parametrize("name", ["商城　App", "a\u00a0b", "支付 [新] 😀"])
def test_a_name_may_have_any_characters_that_show(read, name):
    assert read(GOOD_CATALOGUE.replace("Order paid", f"'{name}'")).events[0].name == name


def test_halves_of_a_character_belong_together(read):
    assert read(GOOD_CATALOGUE.replace("Order paid", '"\\ud83d\\ude00"')).events[0].name == "😀"
    found = faults_of(read, GOOD_CATALOGUE.replace("Order paid", '"\\ud83d"'))
    assert any("events[0].name: found half of a surrogate pair; expected text" in each for each in found), found


@pytest.mark.parametrize("name", ["a\u200bb", "a\u2028b", "a\u3000"])
def test_what_nobody_sees_is_said(read, name):
    found = faults_of(read, GOOD_CATALOGUE.replace("Order paid", json.dumps(name)))
    assert any("or characters that do not show" in each for each in found), found


def test_all_faults_are_said_at_once_in_the_files_order(read):
    text = GOOD_CATALOGUE.replace("type: numeric", "type: number").replace("app_key: till", "app_key: shop-app")
    text = text.replace("code: app_stop", "code: app_start").replace("[pay_order]", "[nothing]")
    lines = [int(re.search(r":(\d+): ", each)[1]) for each in faults_of(read, text)]
    assert lines == sorted(lines)
    assert {7, 17, 24, 34} <= set(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "expected one mapping that begins with `channels:`"), ("- a", "no mapping"), ("a: [", "YAML")],
)
def test_what_is_no_catalogue_is_one_sentence(read, text, says):
    assert any(says in each for each in faults_of(read, text))


@pytest.mark.parametrize(("text", "kind"), [(GOOD_SOURCE, "a source file"), ("# cases\ncases: []\n", "test cases")])
def test_another_kind_of_file_is_one_sentence(read, text, kind):
    (said,) = faults_of(read, text)
    assert f"found {kind}; expected an event catalogue, such as NAME.catalogue.yaml" in said


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be opened .*expected a catalogue file"):
        read_catalogue(tmp_path / "none.yaml")


def test_some_thousand_values_are_read(read):
    events = "".join(
        f"  - {{code: e{number}, name: e, channel: a, properties: [{{id: a, name: a, type: text}}]}}\n"
        for number in range(300)
    )
    text = f"channels: [{{name: a, application_type: app, app_key: a}}]\nevents:\n{events}"
    assert len(read(text).events) == 300
