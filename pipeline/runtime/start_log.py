"""The first line in the log of a job: what begins, and with which configuration."""

from __future__ import annotations

import logging

from pipeline.config.source_file import SourceFile
from pipeline.contracts.log_events import LogEvent, log_event

_log = logging.getLogger("log2mq.command")


def log_start(source: SourceFile, config_hash: str, workers: int) -> None:
    """Log that a job begins. `workers` is the number of its processes that report."""
    topics = list(source.kafka.topics) if source.kafka.topics else [f"/{source.kafka.topic_pattern}/"]
    store = f"lmdb in {source.dedup.path}" if source.dedup.store == "lmdb" else source.dedup.store
    counted = f"{workers} workers" if workers > 1 else "1 worker"
    text = (
        f"{source.source} begins: configuration {config_hash}, group {source.kafka.group}, topics {', '.join(topics)}, "
        f"dedup store {store}, dead letters {source.dead_letters.topic}, {counted}"
    )
    log_event(
        _log,
        logging.INFO,
        LogEvent.START,
        text,
        source=source.source,
        config_hash=config_hash,
        group=source.kafka.group,
        topics=topics,
        store=store,
        dead_letter_topic=source.dead_letters.topic,
        workers=workers,
    )
