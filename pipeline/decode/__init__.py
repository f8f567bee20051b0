"""From a record's bytes to its fields. A new format is one module and one row in `DECODERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

from pipeline.contracts.interfaces import Decoder
from pipeline.decode.access_log.decoder import ApacheOptions, NginxOptions, build_apache, build_nginx
from pipeline.decode.avro.decoder import build_avro
from pipeline.decode.avro.options import AvroOptions
from pipeline.decode.chain import FieldStep, chained, field_step
from pipeline.decode.connect.connect import ConnectOptions, build_connect, read_connect
from pipeline.decode.connect.debezium import DebeziumOptions, build_debezium, read_debezium
from pipeline.decode.context import DecodeContext
from pipeline.decode.delimited import CsvOptions, TsvOptions, build_csv
from pipeline.decode.grok.decoder import GrokOptions, build_grok
from pipeline.decode.java.decoder import JavaOptions, build_java
from pipeline.decode.json.decoder import JsonOptions, build_json
from pipeline.decode.key_value import KeyValueOptions, build_key_value
from pipeline.decode.limits import DecodeLimits
from pipeline.decode.logfmt import LogfmtOptions, build_logfmt
from pipeline.decode.regex import RegexOptions, build_regex
from pipeline.decode.settings import DecodeSettings, DecodeStep
from pipeline.decode.syslog import SyslogOptions, build_syslog
from pipeline.decode.unpack import unpacked
from pipeline.decode.xml import XmlOptions, build_xml

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
    """A source file names a format that no decoder reads."""


class DecoderKind(NamedTuple):
    """One format: the model of its options, what builds its decoder from them and the limits, and a line on what it reads.

    `read`: what makes a reader of objects that an earlier step has decoded, where the format has such. One that looks beyond a record's value
    takes the context too, both when its options are validated and when it is built.
    """

    options: type[BaseModel]
    build: Callable[..., Decoder]
    description: str
    read: Callable[[Any, DecodeLimits], FieldStep] | None = None
    takes_context: bool = False


DECODERS: Mapping[str, DecoderKind] = MappingProxyType(
    {
        "json": DecoderKind(
            JsonOptions,
            build_json,
            "JSON: one object a record, an array of them, or one after the other",
            lambda _options, _limits: lambda fields: fields,
        ),
        "nginx": DecoderKind(NginxOptions, build_nginx, "nginx access log lines: combined, or any log_format"),
        "apache": DecoderKind(
            ApacheOptions, build_apache, "Apache access log lines: common, combined, or any LogFormat"
        ),
        "regex": DecoderKind(RegexOptions, build_regex, "lines of text taken apart by a pattern with named groups"),
        "grok": DecoderKind(GrokOptions, build_grok, "lines of text taken apart by expressions of well-known patterns"),
        "logfmt": DecoderKind(LogfmtOptions, build_logfmt, 'logfmt: `level=info msg="order paid"`'),
        "key_value": DecoderKind(KeyValueOptions, build_key_value, "keys and values with separators of your own"),
        "csv": DecoderKind(CsvOptions, build_csv, "rows of columns with commas, or another delimiter, between them"),
        "tsv": DecoderKind(TsvOptions, build_csv, "rows of columns with tabs between them"),
        "syslog": DecoderKind(SyslogOptions, build_syslog, "syslog: RFC 5424 with structured data, and RFC 3164"),
        "java": DecoderKind(JavaOptions, build_java, "logs of Logback and Log4j 2 by their layout, with stack traces"),
        "avro": DecoderKind(
            AvroOptions,
            build_avro,
            "Avro, with a Schema Registry, a schema in a file or in the record",
            takes_context=True,
        ),
        "xml": DecoderKind(XmlOptions, build_xml, "one XML element, such as a WeChat callback"),
        "connect": DecoderKind(
            ConnectOptions,
            build_connect,
            "rows of Kafka Connect, such as its JDBC source's, with or without schema",
            read_connect,
        ),
        "debezium": DecoderKind(
            DebeziumOptions,
            build_debezium,
            "Debezium's change events, whole or flattened, with or without schema",
            read_debezium,
        ),
    }
)


_NOWHERE = DecodeContext()


def build_chain(steps: Sequence[DecodeStep], limits: DecodeLimits, context: DecodeContext = _NOWHERE) -> Decoder:
    """Build what a source file's `decode:` key asks for. Raises as `build_decoder` and `field_step` do."""
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
    return None if kind.read is None else kind.read(kind.options.model_validate(step.options), limits)


def build_decoder(
    format_name: str, options: Mapping[str, Any], limits: DecodeLimits, context: DecodeContext = _NOWHERE
) -> Decoder:
    """Build one format's decoder.

    Raises `UnknownFormatError`, or pydantic's `ValidationError` that lists every wrong option; both are `ValueError`. Raises `UsageError`
    where a secret that it needs is not there.
    """
    kind = DECODERS.get(format_name)
    if kind is None:
        near = get_close_matches(format_name, DECODERS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownFormatError(f"unknown format {format_name!r}{hint} There are: {', '.join(DECODERS)}")
    validated = kind.options.model_validate(dict(options), context=context)
    return kind.build(validated, limits, context) if kind.takes_context else kind.build(validated, limits)
