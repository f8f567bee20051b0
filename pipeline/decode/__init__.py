"""Decoders: they turn a record's bytes into fields. A new format is one module and one row in `DECODERS`. They know neither Kafka, nor the mapping, nor the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from pipeline.contracts.interfaces import Decoder
from pipeline.decode.chain import FieldStep, chained, field_step
from pipeline.decode.context import DecodeContext
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.settings import DecodeSettings, DecodeStep
from pipeline.decode.unpack import unpacked

__all__ = [
    "DECODERS",
    "DecodeContext",
    "DecodeLimits",
    "DecodeSettings",
    "DecodeStep",
    "DecoderKind",
    "UnknownFormatError",
    "build_chain",
    "build_decoder",
]


class UnknownFormatError(ValueError):
    """A source file names a format that has no decoder."""


@dataclass(frozen=True, slots=True)
class DecoderKind:
    """One format: a module within `pipeline.decode`, names of that module, and a line that describes the format.

    The module is imported when one of its names is needed: a source file names few formats, and some formats need large packages.
    A format that `takes_context` needs more than a record's value: its options are validated, and its decoder is built, with the context too.
    """

    module: str
    options_name: str
    build_name: str
    description: str
    read_name: str | None = None
    takes_context: bool = False

    @property
    def options(self) -> type[BaseModel]:
        """Return the model of the format's options."""
        model: type[BaseModel] = self._named(self.options_name)
        return model

    @property
    def build(self) -> Callable[..., Decoder]:
        """Return the function that builds the decoder from the options and the limits."""
        function: Callable[..., Decoder] = self._named(self.build_name)
        return function

    @property
    def read(self) -> Callable[[Any, DecodeLimits], FieldStep] | None:
        """Return the function that makes a reader of objects which an earlier step has decoded; None where the format has none."""
        if self.read_name is None:
            return None
        function: Callable[[Any, DecodeLimits], FieldStep] = self._named(self.read_name)
        return function

    def _named(self, name: str) -> Any:
        return resolve_name(f"pipeline.decode.{self.module}:{name}")


DECODERS: Mapping[str, DecoderKind] = MappingProxyType(
    {
        "json": DecoderKind(
            "json.decoder",
            "JsonOptions",
            "build_json",
            "JSON: one object a record, an array of them, or one after the other",
            "read_json",
        ),
        "nginx": DecoderKind(
            "access_log.decoder",
            "NginxOptions",
            "build_nginx",
            "nginx access log lines: combined, or any log_format",
        ),
        "apache": DecoderKind(
            "access_log.decoder",
            "ApacheOptions",
            "build_apache",
            "Apache access log lines: common, combined, or any LogFormat",
        ),
        "regex": DecoderKind(
            "regex", "RegexOptions", "build_regex", "lines of text, read by a pattern with named groups"
        ),
        "grok": DecoderKind(
            "grok.decoder",
            "GrokOptions",
            "build_grok",
            "lines of text, read by expressions of well-known patterns",
        ),
        "logfmt": DecoderKind("logfmt", "LogfmtOptions", "build_logfmt", 'logfmt: `level=info msg="order paid"`'),
        "key_value": DecoderKind(
            "key_value", "KeyValueOptions", "build_key_value", "keys and values with separators of your own"
        ),
        "csv": DecoderKind(
            "delimited",
            "CsvOptions",
            "build_csv",
            "rows of columns with commas, or another delimiter, between them",
        ),
        "tsv": DecoderKind("delimited", "TsvOptions", "build_csv", "rows of columns with tabs between them"),
        "syslog": DecoderKind(
            "syslog", "SyslogOptions", "build_syslog", "syslog: RFC 5424 with structured data, and RFC 3164"
        ),
        "java": DecoderKind(
            "java.decoder",
            "JavaOptions",
            "build_java",
            "logs of Logback and Log4j 2 by their layout, with stack traces",
        ),
        "avro": DecoderKind(
            "avro.decoder",
            "AvroOptions",
            "build_avro",
            "Avro, with a Schema Registry, a schema in a file or in the record",
            takes_context=True,
        ),
        "xml": DecoderKind("xml", "XmlOptions", "build_xml", "one XML element, such as a WeChat callback"),
        "connect": DecoderKind(
            "connect.connect",
            "ConnectOptions",
            "build_connect",
            "rows of Kafka Connect, such as its JDBC source's, with or without schema",
            "read_connect",
        ),
        "debezium": DecoderKind(
            "connect.debezium",
            "DebeziumOptions",
            "build_debezium",
            "Debezium's change events, whole or flattened, with or without schema",
            "read_debezium",
        ),
    }
)


_NO_CONTEXT = DecodeContext()


def build_chain(steps: Sequence[DecodeStep], limits: DecodeLimits, context: DecodeContext = _NO_CONTEXT) -> Decoder:
    """Build the decoder of a source file's `decode:` key. Raises the errors of `build_decoder` and `field_step`."""
    first, *further = [
        unpacked(build_decoder(step.format, step.options, limits, context), step, limits) for step in steps
    ]
    fields = [
        field_step(
            decoder, step.source or "", step.into, required=step.required, read_object=_object_reader(step, limits)
        )
        for step, decoder in zip(steps[1:], further, strict=True)
    ]
    return chained(first, fields, limits)


def _object_reader(step: DecodeStep, limits: DecodeLimits) -> FieldStep | None:
    kind = DECODERS[step.format]
    return None if (read := kind.read) is None else read(kind.options.model_validate(step.options), limits)


def build_decoder(
    format_name: str, options: Mapping[str, Any], limits: DecodeLimits, context: DecodeContext = _NO_CONTEXT
) -> Decoder:
    """Build one format's decoder.

    Raises:
        UnknownFormatError: no decoder has this name. It is a `ValueError`.
        ValidationError: an option is wrong. It is pydantic's, lists every wrong option, and is a `ValueError` too.
        UsageError: a secret that the decoder needs is missing.
    """
    kind = DECODERS.get(format_name)
    if kind is None:
        near = get_close_matches(format_name, DECODERS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownFormatError(f"unknown format {format_name!r}{hint} There are: {', '.join(DECODERS)}")
    validated = kind.options.model_validate(dict(options), context=context)
    return kind.build(validated, limits, context) if kind.takes_context else kind.build(validated, limits)
