"""The exceptions that stop the job, grouped by remedy, each with its exit code.

    Log2mqError
    ├── CasesFailed           1   a case of `log2mq test` found something else than it expects, or a rule is not reached
    ├── MappingsDiffer        1   `log2mq replay --diff` found a message that the two files make differently
    ├── UsageError            2   the source file, an option or an argument is wrong: mend it, nothing has connected yet
    ├── SourceUnavailable     3   Kafka: no broker, no such topic, no access, offsets gone
    ├── DestinationHalt       4   Quick Audience: credentials, organisation, endpoint, clock, or an error nobody knows
    ├── StoreUnavailable      5   the dedup store cannot be opened, read or written, or does not know the group's work
    ├── DeadLetterUnavailable 6   the dead-letter topic is missing or refuses
    ├── TooManyDeadLetters    7   the share of dead letters passed `dead_letters.stop_above`
    ├── WorkerFailed          8   a worker process kept dying
    ├── ComponentMissing      9   a part that must be installed or fetched is not there (an extra, Java, the Kafka artifacts)
    ├── RegistryUnavailable  10   the Schema Registry stays away, or does not let the job in
    └── WorkUnfinished       11   a signal stopped a replay before its range was read, or a job before it had finished what was in flight

A record that cannot be converted or reported is no exception but a `schemas.refusal.Refusal`.
"""

from __future__ import annotations

import os

EXIT_FAULT = 70
"""A fault in log2mq itself (EX_SOFTWARE of sysexits.h): any error that is not of this page."""

EXIT_INTERRUPTED = 130
"""Left by Ctrl-C where there was no job to stop, or at once on a second signal: as a shell reports SIGINT."""


class Log2mqError(Exception):
    """Stops the job. Each of `lines` is a sentence for a person: what was found, and what would be right; no secret, no identifier."""

    exit_code = 1

    def __init__(self, *lines: str, may_pass: bool = False) -> None:
        """Most errors are one line; a source file has a line for each fault. A line may name a thing from outside, so it is never split into several.

        `may_pass`: it may pass by itself, so that trying again makes sense.
        """
        super().__init__(*lines)
        self.lines = lines
        self.may_pass = may_pass

    def __str__(self) -> str:
        return "\n".join(self.lines)


class CasesFailed(Log2mqError):
    """A test case found something else than it expects, or no case reaches a rule that one must reach."""

    exit_code = 1


class MappingsDiffer(Log2mqError):
    """The two source files of `replay --diff` make different messages of the same records."""

    exit_code = 1


class UsageError(Log2mqError):
    """The source file, an option or an argument is wrong."""

    exit_code = 2


class SourceUnavailable(Log2mqError):
    """Kafka cannot be read: no broker answers, the topic is missing, access is denied, or offsets are gone."""

    exit_code = 3


class DestinationHalt(Log2mqError):
    """Quick Audience said that no batch can succeed until a person mends something."""

    exit_code = 4


class StoreUnavailable(Log2mqError):
    """The dedup store cannot be opened, read or written, or it is not the one with which the group worked."""

    exit_code = 5

    def __init__(self, *lines: str, may_pass: bool = False) -> None:
        """`may_pass`: the store may answer later, so that trying again makes sense."""
        super().__init__(*lines)
        self.may_pass = may_pass


class DeadLetterUnavailable(Log2mqError):
    """The dead-letter topic is missing or refuses records."""

    exit_code = 6


class TooManyDeadLetters(Log2mqError):
    """The share of dead letters passed its limit, so the mapping or the source is wrong rather than a record."""

    exit_code = 7


class WorkerFailed(Log2mqError):
    """A worker process kept dying after restarts."""

    exit_code = 8


class ComponentMissing(Log2mqError):
    """A part that must be installed or fetched is not there."""

    exit_code = 9


class RegistryUnavailable(Log2mqError):
    """The Schema Registry stays away, or does not let the job in, so that records cannot be read."""

    exit_code = 10


class WorkUnfinished(Log2mqError):
    """A signal stopped a replay before its range was finished, or a job whose records in flight were not finished within `stop.grace`.

    What is finished is committed; the rest is read again.
    """

    exit_code = 11


def fault_sentence(error: BaseException) -> str:
    """Return the sentence for a fault in log2mq itself. With LOG2MQ_TRACEBACK set, its traceback is printed too.

    The sentence names only the class of the error: the text may hold anything. A `KeyError` holds the key, perhaps a customer's ID.
    """
    if os.environ.get("LOG2MQ_TRACEBACK"):
        from traceback import print_exception  # noqa: PLC0415 - every command loads this file, and few need it

        print_exception(error)
    return f"a fault in log2mq itself ({type(error).__name__}). Set LOG2MQ_TRACEBACK=1 and try again to see where; please report it"
