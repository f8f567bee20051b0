"""One catalogue file: read whole, with every fault at once, and written back with what was not edited left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.catalogue.rewrite import rewritten
from pipeline.catalogue.rules import Placed, rule_faults
from pipeline.config.faults import ConfigFault, errors_in, from_pydantic
from pipeline.config.file_writing import replace_file
from pipeline.config.yaml_file import FileKind, UnreadableYaml, YamlFile, parse_yaml, read_yaml
from pipeline.config.yaml_layout import NotEditable
from pipeline.errors import UsageError
from schemas.catalogue import Catalogue, Channel, EventDefinition, MarketingTask

CATALOGUE_FILE = FileKind("a catalogue file", "one mapping that begins with `channels:`", 16 << 20, 500_000)

EMPTY = """\
# The channels and events of one workspace of Quick Audience, as its Event Management has them.
# `log2mq events --help` lists what can be done with this file; it may as well be written by hand.
channels: []
events: []
"""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A catalogue that is right, and the text that it was read from."""

    path: Path
    catalogue: Catalogue
    text: str

    def save(self, new: Catalogue) -> None:
        """Write another catalogue into the file: comments, order and whatever did not change stay. All of it is written, or nothing.

        Raises:
            UsageError: the new catalogue breaks a rule, the file is written in a way that cannot be edited in place, or cannot be written.
        """
        try:
            text = rewritten(self.text, self.catalogue, new)
            made = _checked(parse_yaml(self.path, text, CATALOGUE_FILE)).catalogue
        except (NotEditable, UnreadableYaml):
            made = None
        except UsageError as error:
            raise UsageError(f"{self.path}: not written, since it would be wrong then:\n{error}") from None
        if made != new:
            raise UsageError(
                f"{self.path}: found anchors, aliases or tags at what is to be changed; expected them written out, or the change made by hand"
            )
        replace_file(self.path, text)


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
    """Read a catalogue, or begin one where there is none. Raises as `read_catalogue` does."""
    return read_catalogue(path) if path.exists() else parse_catalogue(path, EMPTY)


def parse_catalogue(path: Path, text: str) -> CatalogueFile:
    """Read the text of a catalogue. Raises as `read_catalogue` does."""
    try:
        return _checked(parse_yaml(path, text, CATALOGUE_FILE))
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None


def read_as_far_as_valid(path: Path) -> tuple[Catalogue, list[str]]:
    """Read a catalogue that may break rules between its parts, and return those faults too, a line each.

    Raises:
        UsageError: it is no catalogue file, or a part is wrong by itself.
    """
    try:
        written = read_yaml(path, CATALOGUE_FILE)
        faults = list(map(str, catalogue_faults(written)))
        return Catalogue.model_validate(written.content), faults
    except UnreadableYaml as unreadable:
        raise UsageError(str(unreadable.fault)) from None
    except ValidationError:
        raise UsageError("\n".join(faults)) from None


def _checked(written: YamlFile) -> CatalogueFile:
    faults = catalogue_faults(written)
    if faults:
        raise UsageError("\n".join(map(str, faults)))
    return CatalogueFile(written.path, Catalogue.model_validate(written.content), written.text)


def catalogue_faults(written: YamlFile) -> list[ConfigFault]:
    """Return every fault of a catalogue, in the file's order. What is wrong by itself does not hide what is wrong between the others."""
    content = written.content
    try:
        Catalogue.model_validate(content)
        found = []
    except ValidationError as error:
        found = [from_pydantic(each, Catalogue, content) for each in errors_in(error)]
    channels = _valid(content, "channels", Channel)
    found += rule_faults(
        channels,
        _valid(content, "events", EventDefinition),
        _valid(content, "tasks", MarketingTask),
        [str(each.get("name")) for each in _listed(content, "channels") if isinstance(each, Mapping)],
    )
    return written.placed(found)


def _listed(content: Any, key: str) -> list[Any]:
    listed = content.get(key)
    return listed if isinstance(listed, list) else []


def _valid(content: Any, key: str, model: type[Model]) -> Placed[Model]:
    valid = []
    for place, each in enumerate(_listed(content, key)):
        with suppress(ValidationError):
            valid.append(((key, place), model.model_validate(each)))
    return valid
