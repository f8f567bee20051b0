"""The metrics: the closed set of their names, kinds and labels. `docs/metrics.md` is made from it.

Names follow Prometheus (https://prometheus.io/docs/practices/naming/): one prefix, base units, and `_total` behind a counter. Each metric has the
label `source` beside its own labels.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

PREFIX = "log2mq_"
SOURCE = "source"


class MetricKind(StrEnum):
    """The kinds of metrics that log2mq has."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric. `name` is without prefix, and a counter's without `_total`. `labels` are those beside `source`."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        """The name as a query writes it; a histogram has `_bucket`, `_sum` and `_count` behind it."""
        return f"{PREFIX}{self.name}" + ("_total" if self.kind is MetricKind.COUNTER else "")


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.GAUGE, text, labels)


def _histogram(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, text, labels)


# --- records and messages --------------------------------------------------------------------------------------------------------

RECORDS_READ = _counter("records_read", "Records read from the topics. A record that is read again counts again.")
RECORDS_FINISHED = _counter(
    "records_finished", "Records finished: reported, duplicate, redelivered, filtered or dead_lettered.", "outcome"
)
RECORDS_RETURNED = _counter(
    "records_returned", "Records that were in flight when their partition went to another process, or a process ended."
)
RECORDS_LOST = _counter(
    "records_lost", "Offsets that were gone before they were read: by retention, or a truncation of the log."
)
IN_FLIGHT_RECORDS = _gauge("in_flight_records", "Records read and not finished.")
IN_FLIGHT_BYTES = _gauge(
    "in_flight_bytes", "The size of the records in flight and of their messages, as limits.in_flight counts it."
)
MESSAGES = _counter(
    "messages",
    "Messages that ended, by kind (event or user), event code and outcome: reported, duplicate, redelivered or refused. "
    "Event codes beyond the first 100 count as `other`.",
    "kind",
    "event_code",
    "outcome",
)
MESSAGES_HELD = _gauge(
    "messages_held", "Messages that the API refuses while it accepts no other (report.unknown_hold).", "operation"
)
MESSAGES_ELSEWHERE = _gauge("messages_waiting_elsewhere", "Messages whose key another process has claimed.")
DELIVERY_LATENCY = _histogram(
    "delivery_latency_seconds",
    "The time from Kafka's time of a record to the report of each of its messages.",
    "operation",
)
CATALOGUE_WARNINGS = _counter(
    "catalogue_warnings", "Messages reported although they differ from the event catalogue, by reason code.", "reason"
)
DEAD_LETTERS = _counter(
    "dead_letters",
    "Records that ended as dead letters, by stage and reason code; one whose dead letter is from earlier counts, too.",
    "stage",
    "reason",
)
DEAD_LETTER_RATIO = _gauge(
    "dead_letter_ratio", "The share of dead letters in the last dead_letters.window, from 0 to 1."
)

# --- partitions ------------------------------------------------------------------------------------------------------------------

LAG_RECORDS = _gauge("lag_records", "Records of a partition that are not read yet.", "topic", "partition")
LAG_SECONDS = _gauge(
    "lag_seconds",
    "The age of the oldest unfinished record of a partition, by Kafka's time of it.",
    "topic",
    "partition",
)
HEAD_AGE = _gauge(
    "head_age_seconds",
    "How long the lowest unfinished offset of a partition has been the same; the largest of all partitions.",
)
PARTITIONS = _gauge("partitions_owned", "Partitions that the workers of this process own.")
PARTITIONS_PAUSED = _gauge(
    "partitions_paused", "Partitions that are not read for now, by reason. A partition may have several.", "reason"
)
STALLS = _counter("stalls", "Partitions that stood still although they had records, and were read again.")
COMMITS = _counter("commits", "Commits that the brokers took, or failed to take.", "outcome")
REBALANCES = _counter("rebalances", "Rebalances that brought partitions to a worker, or took some away.")
BROKERS_UP = _gauge("brokers_up", "1 while the brokers answer all workers, 0 in an outage.")
DEAD_LETTER_TOPIC_UP = _gauge("dead_letter_topic_up", "0 while dead letters wait and their topic takes none, else 1.")

# --- calls -----------------------------------------------------------------------------------------------------------------------

API_CALLS = _counter(
    "api_calls",
    "Calls answered, by operation (events or users), class (accepted, throttled, away, in_doubt, refused, retried, halt, unsent) and code.",
    "operation",
    "class",
    "code",
)
API_CALL_DURATION = _histogram(
    "api_call_duration_seconds", "The time from a call to its whole answer, or to its failure.", "operation"
)
BATCH_MESSAGES = _histogram("api_batch_messages", "Messages in a call.", "operation")
API_RETRIES = _counter("api_retries", "Batches that were kept for another call after a failure.")
BATCHES_HALVED = _counter("batches_halved", "Batches that were halved to find a bad message.")
RESENT_IN_DOUBT = _counter(
    "messages_resent_in_doubt", "Messages sent again although a lost answer may have been a yes."
)
BATCHES_WAITING = _gauge("batches_waiting", "Batches that wait to be sent, or to be sent again.")
DESTINATION_UP = _gauge("destination_up", "0 while the API is away or its answers are lost, else 1.", "operation")
DESTINATION_AWAY = _gauge(
    "destination_away_seconds", "How long the API has been away; 0 while it answers.", "operation"
)
API_CALLS_NOW = _gauge("api_calls_in_flight", "Calls under way.", "operation")
API_CALLS_ALLOWED = _gauge("api_calls_allowed", "Calls that may be under way at the same time now.", "operation")
API_RATE_ALLOWED = _gauge(
    "api_calls_per_second_allowed",
    "Calls a second that are sent at most while the API throttles; absent while it does not.",
    "operation",
)
API_WAITED = _counter(
    "api_waited_seconds",
    "The time in which batches had to wait although a sender was idle, by reason.",
    "operation",
    "reason",
)

# --- dedup store -----------------------------------------------------------------------------------------------------------------

DEDUP_UP = _gauge("dedup_up", "0 while a worker waits for the dedup store, else 1.")
DEDUP_KEYS = _gauge("dedup_keys", "Keys in the dedup store; on a server all keys of its database.")
DEDUP_USED = _gauge("dedup_used_bytes", "The size of the dedup store; on a server its memory.")
DEDUP_LIMIT = _gauge("dedup_limit_bytes", "The size at which the dedup store is full; absent where it has no limit.")
DEDUP_DURATION = _histogram(
    "dedup_duration_seconds", "The time of one question to the dedup store: claim, confirm or sync.", "verb"
)

# --- workers ---------------------------------------------------------------------------------------------------------------------

WORKERS = _gauge("workers", "Workers that this process keeps running.")
WORKERS_UP = _gauge("workers_up", "Workers whose process runs and has told its status.")
WORKER_RESTARTS = _counter("worker_restarts", "Worker processes that were started in the place of one that ended.")
WORKER_LAST_TURN = _gauge(
    "worker_last_turn_seconds",
    "How long ago the loop of a worker told its status; it does so twice a second.",
    "worker",
)
READY = _gauge("ready", "1 while /readyz answers 200, else 0.")
CONFIG = _gauge("config_info", "Always 1; the label `hash` names the configuration that runs.", "hash")
CONFIG_RELOADS = _counter(
    "config_reloads", "SIGHUPs after which the source file was taken, or refused because it is wrong.", "outcome"
)
CONFIG_CURRENT = _gauge(
    "config_current", "0 while the changed source file is refused and the job goes on with the one before, else 1."
)
BUILD = _gauge("build_info", "Always 1; the labels name the version of log2mq and of Python.", "version", "python")
START_TIME = _gauge("start_time_seconds", "When the command began, in Unix seconds.")

METRICS: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All metrics, in the order above."""
