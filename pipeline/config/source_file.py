"""The source file as validated models. The tables of `docs/source-file.md` are made from these models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema

from pipeline.catalogue.settings import CatalogueSettings, as_catalogue_settings
from pipeline.config.fragments import Fragment, Origins, RuleOfFragments, location_in_file
from pipeline.config.sections import (
    CommitSettings,
    DeadLetterSettings,
    FarOffSettings,
    LimitSettings,
    ObserveSettings,
    StopSettings,
    TransformSettings,
)
from pipeline.config.table_files import TableFile
from pipeline.decode.settings import DecodeSettings
from pipeline.dedup.settings import DedupSettings
from pipeline.kafka_io.settings import KafkaSettings
from pipeline.report.settings import ReportSettings
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


class SourceFile(BaseModel):
    """One log source: the topics of its records, the mapping of records to events, and the destination of the events."""

    model_config = ConfigDict(
        **_STRICT, json_schema_extra={"anyOf": [{"required": [key]} for key in ("events", "users", "transform")]}
    )

    source: Annotated[
        str,
        AfterValidator(_name),
        WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"}),
        Field(
            description="The name of the source: lower-case letters, digits, dots, dashes and underscores. "
            "The consumer group, the dead letters and the dedup store are named after it."
        ),
    ]
    kafka: KafkaSettings
    decode: Annotated[
        DecodeSettings,
        Field(
            description="The name of the decoder, or a mapping with its options, or a list of several steps: see [decoders](decoders.md)."
        ),
    ]
    keys: dict[str, SecretSource] = Field(
        default_factory=dict, description="The secrets of the function `hmac`, by name."
    )
    tables: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Lookup tables for the function `lookup`: by the table's name, value to value.",
    )
    table_files: dict[str, TableFile] = Field(
        default_factory=dict,
        description="Lookup tables in files of their own, by name: see [tables](mapping.md#tables).",
    )
    fragments: dict[str, Fragment] = Field(
        default_factory=dict,
        description="[Shared parts](mapping.md#shared-parts) of rules, by the name that rules give under `use`.",
    )
    events: list[Annotated[EventRule, RuleOfFragments()]] = Field(
        default_factory=list, description="The rules that make events of log entries: see [mapping](mapping.md)."
    )
    users: list[Annotated[UserRule, RuleOfFragments()]] = Field(
        default_factory=list,
        description="The rules that make identities of users of log entries: see [mapping](mapping.md).",
    )
    transform: Annotated[
        TransformSettings | None, Field(description="A [plug-in](plugins.md) instead of the mapping.")
    ] = None
    match: Annotated[
        Literal["all", "first"],
        Field(description="Which event rules apply: `all` whose condition holds, or only the `first` of these."),
    ] = "all"
    otherwise: Annotated[
        Literal["skip", "dead_letter"],
        Field(
            description="What happens to records that no rule matches: `skip` them, or write them to the dead letters."
        ),
    ] = "skip"
    identities: IdentitySettings = IdentitySettings()
    event_times: FarOffSettings = FarOffSettings()
    time_zone: Annotated[
        str, Field(description="The time zone of [times](mapping.md#times) that name none, as an IANA name.")
    ] = "Asia/Shanghai"
    catalogue: Annotated[
        CatalogueSettings | None,
        BeforeValidator(
            as_catalogue_settings, json_schema_input_type=Annotated[str, Field(min_length=1)] | CatalogueSettings | None
        ),
        Field(
            description="The [event catalogue](catalogue.md) that events are checked against: the name of its file, or a mapping with settings."
        ),
    ] = None
    dedup: DedupSettings = DedupSettings()
    report: ReportSettings
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    limits: LimitSettings = LimitSettings()
    commit: CommitSettings = CommitSettings()
    stop: StopSettings = StopSettings()
    observe: ObserveSettings = ObserveSettings()

    _path: Path = PrivateAttr(default=Path())
    _lines: Mapping[KeyPath, int] = PrivateAttr(default_factory=dict)
    _origins: Origins = PrivateAttr(default_factory=dict)
    _events_known: Catalogue | None = PrivateAttr(default=None)
    _catalogue_warnings: tuple[Finding, ...] = PrivateAttr(default=())

    @property
    def path(self) -> Path:
        """The path that the source file was read from."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder of the source file. Paths in the file are relative to it, so that file and folder can be moved together."""
        return self._path.parent

    @property
    def plugin_file(self) -> Path | None:
        """The Python file of the plug-in; None if the plug-in is an installed one, or if there is no plug-in."""
        return self.folder / self.transform.file if self.transform is not None and self.transform.file else None

    def read_from(self, path: Path, lines: Mapping[KeyPath, int], origins: Origins) -> Self:
        """Return the same file with its path, the line of each key, and the origins of the parts that came from fragments."""
        placed = self.model_copy()
        placed._path, placed._lines, placed._origins = path, lines, origins  # noqa: SLF001 - a copy of itself
        return placed

    @property
    def used_fragments(self) -> frozenset[str]:
        """The names of the fragments that at least one rule uses."""
        return frozenset(str(origin[1]) for origin in self._origins.values() if origin[0] == "fragments")

    def warning(self, location: KeyPath, text: str) -> str:
        """Return a warning with its place in the file: `shop.yaml:12: events[0].out_biz_id: ...`."""
        here = location_in_file(location, self._origins)
        if here[:2] != location[:2]:  # it is in a fragment, which several rules may use: name the rule
            text = f"in {dotted(location[:2])}: {text}"
        return str(Diagnostic(str(self._path), line_of(here, self._lines), dotted(here), text, ""))

    @property
    def events_known(self) -> Catalogue | None:
        """The event catalogue that `catalogue.file` names, as it was when the source file was loaded."""
        return self._events_known

    @property
    def catalogue_warnings(self) -> tuple[Finding, ...]:
        """Differences between the mapping and the catalogue that the settings only warn of."""
        return self._catalogue_warnings

    def with_catalogue(self, catalogue: Catalogue, catalogue_warnings: Sequence[Finding]) -> Self:
        """Return the same file with its event catalogue."""
        known = self.model_copy()
        known._events_known, known._catalogue_warnings = catalogue, tuple(catalogue_warnings)  # noqa: SLF001 - a copy of itself
        return known

    @property
    def mapping(self) -> MappingSettings:
        """The part of the file that is the declarative mapping."""
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
