"""Changes the text of one catalogue to that of another: replaces names, appends elements and removes elements. The rest of the text stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.catalogue.matching import pair_channels
from pipeline.yaml_text.yaml_editor import YamlEditor
from schemas.catalogue import Catalogue, EventDefinition
from transforms.fault import KeyPath


def rewritten(text: str, old: Catalogue, new: Catalogue) -> str:
    """Return the text of `new`, made from `text`, which is that of `old`. New elements come after the existing ones.

    Raises:
        NotEditable: a part to be changed is written with anchors or aliases.
    """
    editor = YamlEditor(text)
    pairs = pair_channels(old.channels, new.channels)
    _rename(
        editor,
        ("channels",),
        [(one.name, pairs[place].name if place in pairs else None) for place, one in enumerate(old.channels)],
    )
    kept = {id(each) for each in pairs.values()}
    editor.append(("channels",), [_written(each) for each in new.channels if id(each) not in kept])
    for place, event in enumerate(old.events):
        after = new.events_by_code.get(event.code)
        if after is None:
            editor.remove(("events", place))
        else:
            _event(editor, ("events", place), event, after)
    editor.append(("events",), [_written(each) for each in new.events if each.code not in old.events_by_code])
    return editor.text


def _event(editor: YamlEditor, here: KeyPath, old: EventDefinition, new: EventDefinition) -> None:
    for key in ("name", "channel"):
        if getattr(old, key) != getattr(new, key):
            editor.replace((*here, key), getattr(new, key))
    for place, each in enumerate(old.properties):
        after = new.property_of(each.id)
        if after is not None and after.name != each.name:
            editor.replace((*here, "properties", place, "name"), after.name)
    added = [_written(each) for each in new.properties if old.property_of(each.id) is None]
    editor.append((*here, "properties"), added)


def _rename(editor: YamlEditor, here: KeyPath, names: list[tuple[str, str | None]]) -> None:
    for place, (before, after) in enumerate(names):
        if after is None:
            editor.remove((*here, place))
        elif after != before:
            editor.replace((*here, place, "name"), after)


def _written(model: BaseModel) -> Mapping[str, Any]:
    """Return a model as a person would write it, without defaults."""
    return model.model_dump(mode="json", exclude_defaults=True)
