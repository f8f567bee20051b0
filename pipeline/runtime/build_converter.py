"""Builds the part of a job that does no I/O: decoders, transform, and the check against the event catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.catalogue.message_check import MessageCheck
from pipeline.config.source_file import SourceFile
from pipeline.decode import DecodeContext, DecodeLimits, build_chain
from pipeline.errors import UsageError
from pipeline.job.converter import Converter, Identity
from transforms.base import Transform
from transforms.mapping import compile_mapping
from transforms.plugins.plugin import load_plugin


def build_transform(source: SourceFile, environment: Mapping[str, str]) -> Transform:
    """Return the transform of a source file: its mapping, with the secrets that the mapping names, or its plug-in.

    Raises:
        UsageError: a secret is missing.
    """
    if source.transform is not None:
        plugin = source.transform
        return load_plugin(plugin.plugin, plugin.options, file=source.plugin_file, most_ms=plugin.timeout)
    return compile_mapping(source.mapping, {name: _key(source, name, environment) for name in source.keys})


def _key(source: SourceFile, name: str, environment: Mapping[str, str]) -> bytes:
    try:
        return source.keys[name].read(environment).reveal().encode()
    except UsageError as error:
        raise UsageError(source.warning(("keys", name), str(error))) from None


def build_converter(
    source: SourceFile,
    environment: Mapping[str, str],
    schemas: Mapping[int, str] | None = None,
    give_up_after_ms: int | None = None,
) -> Converter:
    """Return the converter of records to messages. Raises the errors of `build_transform`.

    `schemas` are the texts of Avro schemas by ID; with them no registry is asked. `give_up_after_ms` is for callers that wait with `wait.wait_for_answer`.
    """
    written = source.limits
    limits = DecodeLimits(depth=written.depth, digits=written.digits, unpacked=written.record, entries=written.entries)
    known = source.events_known
    return Converter(
        build_chain(source.decode, limits, DecodeContext(source.folder, environment, schemas, give_up_after_ms)),
        build_transform(source, environment),
        Identity(source.report.organization_id, source.report.workspace_id or ""),
        scope=source.dedup.scope,
        users_once=source.dedup.unchanged_users == "drop",
        without_value=source.kafka.without_value,
        most_record_bytes=source.limits.record,
        most_message_bytes=source.report.batch.bytes,
        check=MessageCheck(known, source.catalogue) if known is not None and source.catalogue is not None else None,
    )
