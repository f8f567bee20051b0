"""One catalogue file. Reading reports every fault at once; writing changes only the edited parts of the text."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.catalogue.rewrite import rewritten
from pipeline.catalogue.rules import Model, Placed, rule_faults
from pipeline.errors import UsageError
from pipeline.yaml_text.atomic_write import replace_file
from pipeline.yaml_text.diagnostics import Diagnostic, Finding, dotted, errors_in, from_pydantic
from pipeline.yaml_text.yaml_file import FileKind, UnreadableYaml, YamlFile, parse_yaml, read_yaml
from pipeline.yaml_text.yaml_layout import NotEditable
from schemas.catalogue import Catalogue, Channel, EventDefinition, MarketingTask

_KEYS = tuple(Catalogue.model_fields)
CATALOGUE_FILE = FileKind("a catalogue file", "one mapping that begins with `channels:`", 16 << 20, 500_000, _KEYS)

EMPTY = """\
# The channels and events of one workspace of Quick Audience, as its Event Management has them.
# `log2mq events --help` lists the commands for this file. You can also edit it by hand.
channels: []
events: []
"""

_OTHER_KINDS = {"source": "a source file", "kafka": "a source file", "cases": "test cases"}


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A valid catalogue, and the text that it was read from. With `is_new`, the text is in no file yet."""

    path: Path
    catalogue: Catalogue
    text: str
    is_new: bool = False

    def save(self, new: Catalogue) -> None:
        """Write another catalogue into the file, whole or not at all. Comments, order and every part that did not change stay.

        Raises:
            UsageError: the new catalogue breaks a rule, the text cannot be edited in place, the file was changed since it was read, or it cannot be
                written.
        """
        channels, events, tasks = new.channels, new.events, new.tasks
        broken = rule_faults(
            _placed("channels", channels), _placed("events", events), _placed("tasks", tasks), new.channels_by_name
        )
        if broken:
            raise UsageError(*(f"{self.path}: not written: {_named(each, new)}" for each in broken))
        try:
            text = rewritten(self.text, self.catalogue, new)
            edited = parse_catalogue(self.path, text).catalogue
        except NotEditable as found:
            raise UsageError(
                f"{self.path}:{found.line}: found {found}; expected it written out, or the change made by hand"
            ) from None
        except UsageError:
            edited = None
        if edited != new:
            raise UsageError(
                f"{self.path}: found YAML that cannot be changed at this place alone; expected it written plainly, or the change made by hand"
            )
        replace_file(self.path, text, None if self.is_new else self.text)


def read_catalogue(path: Path) -> CatalogueFile:
    """Read a catalogue.

    Raises:
        UsageError: its message has a line for every fault there is.
    """
    try:
        return _checked(read_yaml(path, CATALOGUE_FILE))
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None


def read_or_new(path: Path) -> CatalogueFile:
    """Read a catalogue, or return an empty one if there is no file. Raises as `read_catalogue` does."""
    if os.path.lexists(path):
        return read_catalogue(path)
    return replace(parse_catalogue(path, EMPTY), is_new=True)


def parse_catalogue(path: Path, text: str) -> CatalogueFile:
    """Read the text of a catalogue. Raises as `read_catalogue` does."""
    try:
        return _checked(parse_yaml(path, text, CATALOGUE_FILE))
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None


def read_as_far_as_valid(path: Path) -> tuple[Catalogue, list[str]]:
    """Read a catalogue that may break rules between its parts. Return it and these faults, a line for each.

    Raises:
        UsageError: the file is no catalogue file, or one of its parts is wrong by itself.
    """
    try:
        written = read_yaml(path, CATALOGUE_FILE)
        faults = list(map(str, catalogue_faults(written)))
        return Catalogue.model_validate(written.content), faults
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    except ValidationError:
        raise UsageError(*faults) from None


def _checked(written: YamlFile) -> CatalogueFile:
    faults = catalogue_faults(written)
    if faults:
        raise UsageError(*map(str, faults))
    return CatalogueFile(written.path, Catalogue.model_validate(written.content), written.text)


def catalogue_faults(written: YamlFile) -> list[Diagnostic]:
    """Return every fault of a catalogue, in the order of the file. For another kind of file, return only that one fault, and quote nothing of the file."""
    if "channels" not in written.content:
        for key, kind in _OTHER_KINDS.items():
            if key in written.content:
                return written.placed(
                    [((key,), f"found {kind}", "expected an event catalogue, such as NAME.catalogue.yaml")]
                )
        if not any(difflib.get_close_matches(key, _KEYS, n=1) for key in written.content):
            return written.placed([((), "found another kind of file", f"expected {CATALOGUE_FILE.content}")])
    return written.placed(content_faults(written.content))


def content_faults(content: Any) -> list[Finding]:
    """Return every fault of a catalogue's content. A part that is wrong by itself does not hide broken rules between the other parts."""
    try:
        Catalogue.model_validate(content)
        found = []
    except ValidationError as error:
        found = [from_pydantic(each, Catalogue, content) for each in errors_in(error)]
    channels = _valid(content, "channels", Channel)
    return found + rule_faults(
        channels,
        _valid(content, "events", EventDefinition),
        _valid(content, "tasks", MarketingTask),
        [str(each.get("name")) for each in _listed(content, "channels") if isinstance(each, Mapping)],
    )


def _placed(key: str, listed: Sequence[Model]) -> Placed[Model]:
    return [((key, place), each) for place, each in enumerate(listed)]


def _named(found: Finding, catalogue: Catalogue) -> str:
    """Return the text of a fault in a catalogue that is in no file yet. It has names instead of line and key."""
    (kind, place, *rest), what, expected = found
    if kind == "events":
        event = catalogue.events[int(place)]
        here = f"event {event.code!r}"
        if rest[0] == "properties" and len(rest) > 1:
            here += f": property {event.properties[int(rest[1])].id!r}"
            del rest[:2]
    else:
        named = catalogue.channels if kind == "channels" else catalogue.tasks
        here = f"{str(kind).removesuffix('s')} {named[int(place)].name!r}"
    return ": ".join(each for each in (here, dotted(rest), f"{what}; {expected}") if each)


def _listed(content: Any, key: str) -> list[Any]:
    listed = content.get(key)
    return listed if isinstance(listed, list) else []


def _valid(content: Any, key: str, model: type[Model]) -> Placed[Model]:
    valid = []
    for place, each in enumerate(_listed(content, key)):
        with suppress(ValidationError):
            valid.append(((key, place), model.model_validate(each)))
    return valid
