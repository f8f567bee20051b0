"""The whole source file as validated models. `docs/source-file.md` has every key; a test keeps the two the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from pipeline.catalogue.settings import CatalogueSettings
from pipeline.config.fragments import Fragment, Origins, placed_at
from pipeline.config.table_files import TableFile
from pipeline.decode.settings import DecodeSettings
from pipeline.dedup.settings import DedupSettings
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.report.settings import ReportSettings
from pipeline.setting_types.quantity import ByteSize, Duration, Share
from pipeline.setting_types.secret import SecretSource
from pipeline.yaml_text.diagnostics import Diagnostic, Finding, dotted, line_of
from schemas.catalogue import Catalogue
from transforms.fault import KeyPath
from transforms.mapping.models import EventRule, EventTimeSettings, IdentitySettings, MappingSettings, UserRule

_STRICT = ConfigDict(frozen=True, extra="forbid")

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def _name(source: str) -> str:
    if NAME.fullmatch(source) is None:
        raise ValueError("expected lower-case letters, digits, dots, dashes and underscores, a letter or digit first")
    return source


class TransformSettings(BaseModel):
    """A Python plug-in instead of the declarative mapping."""

    model_config = _STRICT

    plugin: Annotated[str, Field(min_length=1)]
    file: Annotated[str | None, Field(min_length=1, max_length=1_000)] = None
    options: dict[str, Any] = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=10, le=60_000)] = 500


class FarOffSettings(BaseModel):
    """How far an event's time may lie from Kafka's time of its record: what lies further is refused."""

    model_config = _STRICT

    before: Duration | None = None
    after: Duration | None = None


class DeadLetterSettings(BaseModel):
    """Where refused records go, and how many are too many."""

    model_config = _STRICT

    topic: Annotated[str, Field(max_length=249)] = ""
    stop_above: Share = 0.05
    window: Annotated[int, Field(ge=10, le=10_000_000)] = 1_000


class LimitSettings(BaseModel):
    """What bounds one record, all unfinished ones, and a process."""

    model_config = _STRICT

    record: Annotated[ByteSize, Field(ge=1, le=64 << 20)] = 1 << 20
    unfinished: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    in_flight: Annotated[ByteSize, Field(ge=1 << 20)] = 32 << 20
    depth: Annotated[int, Field(ge=1, le=500)] = 64
    digits: Annotated[int, Field(ge=20, le=4_000)] = 1_000
    entries: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    cpu: Literal["one", "any"] = "one"


class CommitSettings(BaseModel):
    """How often offsets are committed: after so many records, or so much time, whichever comes first."""

    model_config = _STRICT

    records: Annotated[int, Field(ge=1)] = 20_000
    every: Annotated[Duration, Field(ge=10, le=600_000)] = 1_000


class StopSettings(BaseModel):
    """How long a stop may take to finish what is in flight."""

    model_config = _STRICT

    grace: Annotated[Duration, Field(le=3_600_000)] = 30_000


class SourceFile(BaseModel):
    """One log source: where its records are, how they become events, and where those go."""

    model_config = _STRICT

    source: Annotated[str, AfterValidator(_name)]
    kafka: KafkaSettings
    decode: DecodeSettings
    keys: dict[str, SecretSource] = Field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    table_files: dict[str, TableFile] = Field(default_factory=dict)
    fragments: dict[str, Fragment] = Field(default_factory=dict)
    events: list[EventRule] = Field(default_factory=list)
    users: list[UserRule] = Field(default_factory=list)
    transform: TransformSettings | None = None
    match: Literal["all", "first"] = "all"
    otherwise: Literal["skip", "dead_letter"] = "skip"
    identities: IdentitySettings = IdentitySettings()
    event_times: FarOffSettings = FarOffSettings()
    time_zone: str = "Asia/Shanghai"
    catalogue: CatalogueSettings | None = None
    dedup: DedupSettings = DedupSettings()
    report: ReportSettings
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    limits: LimitSettings = LimitSettings()
    commit: CommitSettings = CommitSettings()
    stop: StopSettings = StopSettings()

    _path: Path = PrivateAttr(default=Path())
    _lines: Mapping[KeyPath, int] = PrivateAttr(default_factory=dict)
    _origins: Origins = PrivateAttr(default_factory=dict)
    _events_known: Catalogue | None = PrivateAttr(default=None)
    _catalogue_warnings: tuple[Finding, ...] = PrivateAttr(default=())

    @property
    def folder(self) -> Path:
        """The folder of the source file: what a path in the file is relative to, so that the two can be moved together."""
        return self._path.parent

    @property
    def plugin_file(self) -> Path | None:
        """The Python file that holds the plug-in; None where the plug-in is an installed one, or there is none."""
        return self.folder / self.transform.file if self.transform is not None and self.transform.file else None

    def read_from(self, path: Path, lines: Mapping[KeyPath, int], origins: Origins) -> Self:
        """Return the same file as one that was read from `path`, with the line of each key, and where parts of rules stand that fragments hold."""
        placed = self.model_copy()
        placed._path, placed._lines, placed._origins = path, lines, origins  # noqa: SLF001 - its own
        return placed

    @property
    def used_fragments(self) -> frozenset[str]:
        """The fragments of which some rule has a part."""
        return frozenset(str(origin[1]) for origin in self._origins.values() if origin[0] == "fragments")

    def warning(self, location: KeyPath, text: str) -> str:
        """Return a warning with its place in the file: `shop.yaml:12: events[0].out_biz_id: ...`."""
        here = placed_at(location, self._origins)
        if here[:2] != location[:2]:  # in a fragment, which several rules may use
            text = f"in {dotted(location[:2])}: {text}"
        return str(Diagnostic(str(self._path), line_of(here, self._lines), dotted(here), text, ""))

    @property
    def events_known(self) -> Catalogue | None:
        """The event catalogue that `catalogue.file` names, as it was when the source file was loaded."""
        return self._events_known

    @property
    def catalogue_warnings(self) -> tuple[Finding, ...]:
        """What the catalogue lacks of the mapping, where that is no fault by its settings."""
        return self._catalogue_warnings

    def with_catalogue(self, catalogue: Catalogue, catalogue_warnings: Sequence[Finding]) -> Self:
        """Return the same file with its event catalogue."""
        known = self.model_copy()
        known._events_known, known._catalogue_warnings = catalogue, tuple(catalogue_warnings)  # noqa: SLF001 - its own
        return known

    @property
    def mapping(self) -> MappingSettings:
        """Return the declarative mapping's part of the file."""
        return MappingSettings(
            events=self.events,
            users=self.users,
            match=self.match,
            otherwise=self.otherwise,
            identities=self.identities,
            event_times=EventTimeSettings(before=self.event_times.before, after=self.event_times.after),
            time_zone=self.time_zone,
            tables=self.tables,
        )
