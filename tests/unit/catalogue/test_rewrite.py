"""Edits of catalogue files in every style of YAML: the intended part changes, and every other character stays."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalogue import edits
from pipeline.catalogue.file import parse_catalogue
from pipeline.catalogue.rewrite import rewritten
from pipeline.yaml_text.yaml_layout import NotEditable
from schemas.catalogue import Catalogue, Channel, EventDefinition, EventProperty, MarketingTask
from tests.support.catalogue_text import CatalogueText
from tests.support.examples import examples

TEXTS = st.sampled_from(["a", "b", "订单", "Order paid", "it's", 'say "hi"', "yes", "12", "- x", "a: b", "a #b", "[x]", "商城　App", "😀", "~", "null", "e\u0301"])  # fmt: skip
KINDS = st.sampled_from(["text", "numeric"])


@st.composite
def catalogues(draw):
    channels = [
        Channel(name=name, application_type="web", app_key=f"key {place}")
        if place % 2
        else Channel(name=name, application_type="app", quick_tracking=True, platform_type="iOS")
        for place, name in enumerate(draw(st.lists(TEXTS, max_size=3, unique=True)))
    ]
    shared = draw(st.booleans())
    events = []
    for code in draw(st.lists(TEXTS, max_size=4, unique=True)) if channels else ():
        channel = draw(st.sampled_from(channels))
        properties = [EventProperty(id=each, name=draw(TEXTS), type=draw(KINDS)) for each in draw(st.lists(TEXTS, max_size=3, unique=True))]  # fmt: skip
        if shared and channel.quick_tracking:
            properties.append(EventProperty(id="uid", name="User", type="text", scope="global"))
        events.append(EventDefinition(code=code, name=draw(TEXTS), channel=channel.name, properties=properties))
    codes = [each.code for each in events]
    used = draw(st.lists(st.sampled_from(codes), max_size=2, unique=True)) if codes else []
    tasks = [MarketingTask(name=name, events=used) for name in draw(st.lists(TEXTS, max_size=2))]
    return Catalogue(channels=channels, events=events, tasks=tasks)


def written(catalogue, chance, **style):
    made = CatalogueText(catalogue, chance, **style)
    file = parse_catalogue(Path("x.yaml"), made.text)
    assert file.catalogue == catalogue  # the generator of the test is right
    return made


def after(made, old, new):
    """Return the text after an edit. It is read as the intended catalogue."""
    text = rewritten(made.text, old, new)
    assert parse_catalogue(Path("x.yaml"), text).catalogue == new
    if made.newline == "\r\n":
        assert "\n" not in text.replace("\r\n", "")
    return text


def replaced_only(made, text, locations):
    """Assert that only these values changed, and that quotes stay."""
    pattern, place = "", 0
    for begin, end in sorted(made.spans[each] for each in locations):
        quote = made.text[begin] if made.text[begin] in "'\"" else ""
        pattern += re.escape(made.text[place:begin]) + (f"{quote}.*{quote}" if quote else ".*")
        place = end
    assert re.fullmatch(pattern + re.escape(made.text[place:]), text, re.DOTALL), text


def alike(one, other):
    """Return the length of the common beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (here, there) in pairs if here != there), min(len(one), len(other)))


def keeps_all(made, text, location):
    """Assert that no character is lost, except the brackets of an empty list, and that the new text is one piece."""
    begin, end = made.spans.get((*location, "empty"), (0, 0))
    without = made.text[:begin] + made.text[end:]
    kept = without if "#" not in made.text[begin:end] and not one_piece(made.text, text) else made.text
    assert one_piece(kept, text), text


def one_piece(small, text):
    return alike(small, text) + alike(small[::-1], text[::-1]) >= len(small)


def is_part(small, text):
    rest = iter(text)
    return all(each in rest for each in small)


@given(st.data(), catalogues(), st.randoms(use_true_random=False), TEXTS)
def test_another_name_of_an_event_or_property_is_all_that_changes(data, old, chance, name):
    made = written(old, chance)
    if not old.events:
        return
    place = data.draw(st.integers(0, len(old.events) - 1))
    event = old.events[place]
    text = after(made, old, edits.with_event_edited(old, event.code, name=name))
    replaced_only(made, text, [("events", place, "name")] * (name != event.name))
    for one in event.properties:
        text = after(made, old, edits.with_event_edited(old, event.code, property_names={one.id: name}))
        meant = [
            ("events", at, "properties", other.properties.index(same), "name")
            for at, other in enumerate(old.events)
            if other is event or (one.scope == "global" and other.channel == event.channel)
            for same in [other.property_of(one.id)]
        ]
        replaced_only(made, text, meant if name != one.name else [])


@given(catalogues(), st.randoms(use_true_random=False))
def test_another_name_of_a_channel_changes_it_and_its_events(old, chance):
    made = written(old, chance)
    for place, channel in enumerate(old.channels):
        if channel.quick_tracking:
            continue
        text = after(made, old, edits.with_channel_renamed(old, channel.name, "new: name"))
        events = [("events", at, "channel") for at, each in enumerate(old.events) if each.channel == channel.name]
        replaced_only(made, text, [("channels", place, "name"), *events])


@given(catalogues(), st.randoms(use_true_random=False), TEXTS)
def test_what_is_added_is_added_and_nothing_lost(old, chance, name):
    made = written(old, chance)
    text = after(made, old, edits.with_channel(old, Channel(name=f"{name} new", application_type="web", app_key="new")))
    keeps_all(made, text, ("channels",))
    own = [
        EventProperty(id=f"{name} 1", name=name, type="text"),
        EventProperty(id=f"{name} 2", name=name, type="numeric"),
    ]
    for place, event in enumerate(old.events):
        text = after(made, old, edits.with_event_edited(old, event.code, new_properties=own))
        keeps_all(made, text, ("events", place, "properties"))
        added = EventDefinition(code=f"{name} new", name=name, channel=event.channel, properties=own)
        keeps_all(made, after(made, old, edits.with_event(old, added)), ("events",))
        if old.channel_of(event).quick_tracking:
            shared = [EventProperty(id="shared", name=name, type="text", scope="global")]
            text = after(made, old, edits.with_event_edited(old, event.code, new_properties=shared))
            assert is_part(re.sub(r" (\[ *\]|~)", "", made.text), text)


@given(catalogues(), st.randoms(use_true_random=False))
def test_what_is_deleted_goes_with_its_lines_and_nothing_else(old, chance):
    old = old.model_copy(update={"tasks": []})
    made = written(old, chance)
    for place, event in enumerate(old.events):
        deleted_only(made, after(made, old, edits.without_event(old, event.code)), ("events", place), old.events)
    for place, channel in enumerate(old.channels):
        if not channel.quick_tracking and not old.events_of(channel.name):
            text = after(made, old, edits.without_channel(old, channel.name))
            deleted_only(made, text, ("channels", place), old.channels)


COMMA = re.compile(r"(?:\s|#[^\n]*+)*+,")


def deleted_only(made, text, location, listed):
    assert is_part(text, made.text)
    lines = made.spans.get((*location, "lines"))
    if lines is not None:  # a block: one piece is removed, its own lines and one blank line before them
        begin, end = lines
        blank = len(made.newline) if made.text[:begin].endswith(made.newline * 2) else 0
        assert alike(made.text, text) >= begin - blank
        assert text.endswith(made.text[end:])
        return
    for other in range(len(listed)):
        begin, end = made.spans[(location[0], other, "element")]
        if other != location[1]:
            assert made.text[begin:end] in text
    own = made.text[slice(*made.spans[(*location, "element")])]
    notes = [each for each in re.findall(r"# note \d+,", made.text) if each not in own]
    assert [each for each in notes if each in text] == notes
    if location[1] == len(listed) - 1 > 0 and not COMMA.match(made.text, made.spans[(*location, "element")][1]):
        before = made.text[slice(*made.spans[(location[0], location[1] - 1, "element")])]
        assert not COMMA.match(
            text, text.index(before) + len(before)
        )  # no trailing comma is left that was not there before


@examples(times=0.3)  # an edit among anchors is tried in many ways
@given(st.data(), catalogues(), st.randoms(use_true_random=False))
def test_with_anchors_an_edit_is_right_or_refused_with_its_line(data, old, chance):
    made = written(old, chance, anchors=True)
    if not old.events:
        return
    event = data.draw(st.sampled_from(old.events))
    new = data.draw(
        st.sampled_from(
            [
                edits.with_event_edited(old, event.code, name="new"),
                edits.with_event_edited(
                    old, event.code, new_properties=[EventProperty(id="new", name="new", type="text")]
                ),
                edits.with_event(old, EventDefinition(code="new", name="new", channel=event.channel)),
            ]
        )
    )
    try:
        text = rewritten(made.text, old, new)
    except NotEditable as refused:
        line = refused.line
    else:
        line = 0
    if line:
        assert line <= made.text.count("\n") + 1
        assert "*" in made.text
        return
    assert parse_catalogue(Path("x.yaml"), text).catalogue == new
    assert is_part(re.findall(r"# [^\r\n]*", made.text), re.findall(r"# [^\r\n]*", text))


@given(catalogues(), st.sampled_from([None, 2]), st.booleans())
def test_a_catalogue_that_is_json_stays_json(old, indent, ascii_only):
    old = old.model_copy(update={"tasks": []})
    text = json.dumps(old.model_dump(mode="json", exclude_defaults=True), indent=indent, ensure_ascii=ascii_only)
    for event in old.events:
        for new in (
            edits.with_event_edited(old, event.code, name="new"),
            edits.with_event_edited(old, event.code, new_properties=[EventProperty(id="new", name="new", type="text")]),
            edits.with_event(old, EventDefinition(code="new", name="new", channel=event.channel)),
            edits.without_event(old, event.code),
        ):
            assert Catalogue.model_validate(json.loads(rewritten(text, old, new))) == new
