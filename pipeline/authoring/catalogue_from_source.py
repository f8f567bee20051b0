"""The catalogue that a mapping needs: its event codes, channels and attributes. Types are guessed, and a note names each guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.catalogue.message_check import is_number
from pipeline.config.source_file import SourceFile
from schemas.catalogue import (
    ApplicationType,
    Catalogue,
    Channel,
    EventDefinition,
    EventProperty,
    Origin,
    PropertyType,
)
from transforms.mapping import EventRule, constant_text, functions_of

NUMERIC_FUNCTIONS = frozenset(
    {"number", "integer", "round", "fixed", "abs", "add", "multiply", "divide", "sum", "min", "max", "length"}
)
"""Functions whose result is a number."""

PASSING_FUNCTIONS = frozenset({"default", "first", "last"})
"""Functions that return their argument or a part of it."""

NUMERIC_WORDS = frozenset(
    [
        "amount",
        "balance",
        "cost",
        "count",
        "discount",
        "fee",
        "num",
        "points",
        "price",
        "qty",
        "quantity",
        "score",
        "total",
    ]
)
"""Words of a property ID that mean a number. `number` and `no` are left out: most order numbers are texts."""

_ALONE = re.compile(r"\{\{[^{}]*\}\}")
_WORD = re.compile(r"[A-Za-z][a-z]*")


class ChannelDefaults(NamedTuple):
    """Values that the mapping does not give: the channel of events without one, and the application type of a new channel."""

    channel: str | None = None
    application_type: ApplicationType | None = None


NO_DEFAULTS = ChannelDefaults()


def catalogue_of(
    source: SourceFile, known: Catalogue, defaults: ChannelDefaults = NO_DEFAULTS
) -> tuple[Catalogue, list[str]]:
    """Return the catalogue of a mapping, and notes. Names come from `known` where it has them. A note names a guess, or a part that cannot be guessed."""
    return _CatalogueBuilder(source, known, defaults).build(source.events)


class _CatalogueBuilder:
    def __init__(self, source: SourceFile, known: Catalogue, defaults: ChannelDefaults) -> None:
        self._source = source
        self._known = known
        self._defaults = defaults
        self._channels: dict[str, Channel] = {}
        self._events: dict[str, EventDefinition] = {}
        self._types: dict[str, PropertyType] = {}
        self._notes: list[str] = []

    def build(self, rules: Sequence[EventRule]) -> tuple[Catalogue, list[str]]:
        for place, rule in enumerate(rules):
            code = (constant_text(rule.event_code) or "").strip()
            if code:
                try:
                    self._event(code, rule, f"events[{place}]")
                except ValidationError:
                    self._notes.append(
                        f"events[{place}]: a code or an ID of the rule is not valid: expected a text of one line without white space around it"
                    )
            else:
                self._notes.append(
                    f"events[{place}].event_code is a path: only the log tells its codes; add them by hand"
                )
        if self._types:
            numeric = ", ".join(sorted(name for name, kind in self._types.items() if kind is PropertyType.NUMERIC))
            self._notes.append(
                f"types are guessed: numeric {numeric or 'none'}, text all others; the console does not let you change a type later"
            )
        return Catalogue(channels=list(self._channels.values()), events=list(self._events.values())), self._notes

    def _event(self, code: str, rule: EventRule, here: str) -> None:
        known, earlier = self._known.events_by_code.get(code), self._events.get(code)
        if known is not None and self._known.origin_of(known) is not Origin.CUSTOM:
            self._notes.append(
                f"{here}: event {code!r} is of origin {self._known.origin_of(known)}: no rule may report it"
            )
            return
        channel = known.channel if known is not None else self._channel(rule, here)
        if earlier is not None and earlier.channel != channel:
            self._notes.append(
                f"{here}: event {code!r} has the channel {earlier.channel!r} from an earlier rule; a code has one channel only"
            )
            channel = earlier.channel
        properties = {
            each.id: each for each in [*(known.properties if known else ()), *(earlier.properties if earlier else ())]
        }
        for name, written in rule.attributes.items():
            if name not in properties:
                kind = self._types[name] = guessed_type(name, written)
                properties[name] = EventProperty(id=name, name=name, type=kind)
        self._events[code] = EventDefinition(
            code=code,
            name=known.name if known is not None else code,
            channel=channel,
            properties=list(properties.values()),
        )

    def _channel(self, rule: EventRule, here: str) -> str:
        """Return the name of the rule's channel, which is created if there is none."""
        app_key = (constant_text(rule.event_source_code) or "").strip()
        if not app_key and self._defaults.channel:
            return self._defaults.channel
        if not app_key:
            app_key = self._source.source
            why = "is a path" if rule.event_source_code is not None else "is not there"
            self._notes.append(
                f"{here}.event_source_code {why}: its channel is taken to be {app_key!r}; --channel names another"
            )
        for channel in [*self._known.channels, *self._channels.values()]:
            if channel.app_key == app_key:
                return channel.name
        kind = self._defaults.application_type
        if kind is None:
            kind = guessed_application(
                f"{app_key} {self._source.source}", [step.format for step in self._source.decode]
            )
            self._notes.append(
                f"channel {app_key!r}: its application type is taken to be {kind}; --application-type names another"
            )
        self._channels[app_key] = Channel(name=app_key, app_key=app_key, application_type=kind)
        return app_key


def guessed_type(property_id: str, written: Any) -> PropertyType:
    """Guess a property's type from its constant, from the last function that determines a type, or from the property's ID."""
    constant = constant_text(written)
    functions = [each for each in functions_of(written) if each not in PASSING_FUNCTIONS]
    words = {word.lower() for word in _WORD.findall(property_id)}
    if constant is not None:
        is_numeric = is_number(constant)
    elif functions:
        is_numeric = functions[-1] in NUMERIC_FUNCTIONS
    elif isinstance(written, str) and "{{" in written and not _ALONE.fullmatch(written):
        is_numeric = False  # a template with text around the value
    else:
        is_numeric = bool(words & NUMERIC_WORDS)
    return PropertyType.NUMERIC if is_numeric else PropertyType.TEXT


def guessed_application(name: str, formats: Sequence[str]) -> ApplicationType:
    """Guess the application type of a log from its names or its decoders."""
    words: Mapping[str, ApplicationType] = {
        "mini": ApplicationType.MINI_PROGRAM,
        "h5": ApplicationType.WEB,
        "web": ApplicationType.WEB,
        "app": ApplicationType.APP,
    }
    for word, kind in words.items():
        if word in name.lower():
            return kind
    is_access_log = bool({"nginx", "apache"} & set(formats))
    return ApplicationType.WEB if is_access_log else ApplicationType.THIRD_PARTY_SYSTEM
