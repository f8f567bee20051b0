"""What every Kafka client of the job shares: its settings, the first connection, and messages for kafka-python's exceptions."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from threading import Timer
from typing import Any, TypeVar

from kafka import errors
from kafka.net.compat import KafkaNetClient

from pipeline.contracts.deadline import Deadline
from pipeline.contracts.log_events import LogEvent, log_event
from pipeline.errors import SourceUnavailable, UsageError
from pipeline.kafka_io.bounded_network import BoundedNetwork
from pipeline.kafka_io.diagnosis import diagnose
from pipeline.kafka_io.settings import KafkaSettings, SecuritySettings

LOG_AFTER_S = 3.0
"""The time without a connection after which the log says so; what the servers answer is found out in at most `diagnosis.LIMIT_S` more."""

RETRY_PAUSE_S = 0.2

LASTING_ERRORS: tuple[type[Exception], ...] = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.InvalidGroupIdError,
    errors.FencedInstanceIdError,
    errors.InconsistentGroupProtocolError,
    errors.InvalidSessionTimeoutError,
    errors.GroupMaxSizeReachedError,
    errors.InvalidTopicError,
    errors.UnsupportedVersionError,
    errors.UnsupportedCodecError,
)
"""Errors that do not end by waiting."""

AnyClient = TypeVar("AnyClient")

NO_DEADLINE = Deadline()
"""For a command that asks: a signal ends it at once."""

_log = logging.getLogger("log2mq.kafka")


def client_settings(settings: KafkaSettings, environment: Mapping[str, str], client_id: str) -> dict[str, Any]:
    """Return the kafka-python settings that the consumer, the producer and the admin client have in common.

    Raises:
        UsageError: a password, a certificate or a key cannot be read.
    """
    security = settings.security
    chosen: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": client_id,
        "security_protocol": security.protocol,
        "bootstrap_timeout_ms": settings.connect_timeout,
        "reconnect_backoff_max_ms": 2_000,
    }
    if settings.api_version is not None:
        chosen["api_version"] = tuple(map(int, settings.api_version.split(".")))
    if security.protocol.endswith("SSL"):
        chosen["ssl_context"] = _tls(security, environment)
    if security.mechanism is not None and security.password is not None:
        chosen["sasl_mechanism"] = security.mechanism
        chosen["sasl_plain_username"] = security.username
        chosen["sasl_plain_password"] = security.password.read(environment).reveal()
    return chosen


def _tls(security: SecuritySettings, environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates of the machine, or only those of `ca_file`. It sends the client's certificate if one is set."""
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"kafka.security.ca_file: {security.ca_file} cannot be read as certificates ({type(error).__name__}); expected PEM"
        ) from None
    context.check_hostname = security.check_hostname
    if security.certificate_file is not None:
        password = security.key_password.read(environment).reveal() if security.key_password is not None else ""
        try:
            # Always give a password: without one OpenSSL asks for it on the terminal.
            context.load_cert_chain(security.certificate_file, security.key_file, password)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"kafka.security.certificate_file: {security.certificate_file} and its key cannot be used ({type(error).__name__}); expected "
                "a certificate and its own key as PEM, and kafka.security.key_password where the key has one"
            ) from None
    return context


def open_client(make: Callable[..., AnyClient], deadline: Deadline = NO_DEADLINE, **chosen: Any) -> AnyClient:
    """Return a new client of kafka-python, whose calls all end. `deadline` is that of the job.

    A client that finds no broker is closed, since it would keep its thread and its sockets for ever.

    Raises:
        kafka.errors.KafkaError: no broker answers, or the login is refused.
    """
    clients: list[KafkaNetClient] = []

    def connect(**more: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(net=BoundedNetwork(deadline, **more), **more))
        return clients[-1]

    try:
        return make(**chosen, kafka_client=connect)
    except errors.KafkaError:
        for each in clients:
            each.close()
        raise


def connect_with_retries(settings: KafkaSettings, connect: Callable[[int], AnyClient]) -> AnyClient:
    """Call `connect` until a broker answers, for at most `kafka.give_up_after`, and return the client.

    The argument of `connect` is the time that it may take, in ms. A signal handler that raises ends the wait. A refused login is tried for the
    same time: the brokers close the connection, and kafka-python does not see the reason.

    Raises:
        SourceUnavailable: no broker answered in that time, or an error of `LASTING_ERRORS`.
    """
    limit_s = settings.give_up_after / 1000
    until_s = time.monotonic() + limit_s
    logged: list[str] = []

    def log_once(reason: str) -> None:
        if reason not in logged:
            logged.append(reason)
            answered = diagnose(settings)
            text = f"{reason}; trying for {limit_s:.0f} s; {answered}"
            log_event(_log, logging.WARNING, LogEvent.BROKERS_AWAY, text, reason=reason, answered=answered)

    late = Timer(LOG_AFTER_S, log_once, (str(unavailable(settings, errors.KafkaTimeoutError(), "connecting")),))
    late.daemon = True
    late.start()
    try:
        while True:
            left_ms = int((until_s - time.monotonic()) * 1000)
            try:
                client = connect(max(1, min(settings.connect_timeout, left_ms)))
            except SourceUnavailable as error:
                if not error.may_pass or time.monotonic() >= until_s:
                    raise
                log_once(str(error))
                time.sleep(RETRY_PAUSE_S)
            else:
                if logged:
                    log_event(_log, logging.WARNING, LogEvent.BROKERS_BACK, "the brokers answer")
                return client
    finally:
        late.cancel()


def unavailable(settings: KafkaSettings, error: Exception, doing: str) -> SourceUnavailable:
    """Return the error for an exception of kafka-python. Its message names the brokers, the action (`doing`), the reason, and the settings to check."""
    servers = ", ".join(settings.bootstrap_servers)
    match error:
        case (
            errors.SaslAuthenticationFailedError()
            | errors.UnsupportedSaslMechanismError()
            | errors.IllegalSaslStateError()
        ):
            why = "the login is refused; see kafka.security (mechanism, username, password)"
        case errors.TopicAuthorizationFailedError():
            why = "access to the topic is denied; the user needs READ on it"
        case errors.GroupAuthorizationFailedError():
            why = f"access to the consumer group {settings.group} is denied; the user needs READ on it"
        case errors.FencedInstanceIdError():
            why = (
                f"another process has joined the group {settings.group} with the same kafka.instance_id, and has the partitions now; "
                "give each process an ID of its own"
            )
        case errors.InconsistentGroupProtocolError():
            why = (
                f"the members of the group {settings.group} share partitions in a way that log2mq does not know; "
                "set kafka.group to a name that no other program uses"
            )
        case errors.InvalidSessionTimeoutError():
            why = (
                "the brokers do not allow kafka.session_timeout; "
                "expected a time between their group.min.session.timeout.ms and group.max.session.timeout.ms"
            )
        case errors.GroupMaxSizeReachedError():
            why = f"the group {settings.group} has as many members as the brokers allow; see group.max.size"
        case errors.KafkaTimeoutError() | errors.KafkaConnectionError() | errors.NodeNotReadyError():
            # kafka-python retries a refused login until its time limit, and then raises only a timeout.
            login = ", or the login is refused" if settings.security.mechanism is not None else ""
            if settings.security.protocol.endswith("SSL"):
                login += ", or the certificate of the broker is not trusted (ca_file, check_hostname) or that of the client is refused"
            why = f"no broker answers{login}; see kafka.bootstrap_servers and kafka.security"
        case errors.LeaderNotAvailableError():
            why = "a partition has no leader; see kafka-topics.sh --describe"
        case errors.UnsupportedCodecError():
            why = "the topic is compressed with a codec that this installation cannot read"
        case _:
            why = f"{type(error).__name__}"
    return SourceUnavailable(f"Kafka at {servers}, {doing}: {why}", may_pass=not isinstance(error, LASTING_ERRORS))
