"""What every Kafka client of the job shares: its configuration, and kafka-python's exceptions as sentences."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from threading import Timer
from typing import Any, TypeVar

from kafka import errors
from kafka.net.compat import KafkaNetClient

from pipeline.errors import SourceUnavailable, UsageError
from pipeline.kafka_io.settings import KafkaSettings, SecuritySettings

SAY_AFTER_S = 5.0
TRY_AGAIN_S = 0.2

MENDS_ITSELF_NOT: tuple[type[Exception], ...] = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.InvalidGroupIdError,
    errors.InvalidTopicError,
    errors.UnsupportedVersionError,
    errors.UnsupportedCodecError,
)
"""What waiting does not help against."""

Made = TypeVar("Made")

_log = logging.getLogger("log2mq.kafka")


def client_settings(settings: KafkaSettings, environment: Mapping[str, str], client_id: str) -> dict[str, Any]:
    """Return the configuration that consumer, producer and admin client have in common.

    Raises:
        UsageError: a password cannot be read, or certificates or the key cannot.
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
    """Trust the well-known authorities, or those of `ca_file` alone; show our own certificate where there is one."""
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
            # A password is always given: without one OpenSSL would ask the terminal.
            context.load_cert_chain(security.certificate_file, security.key_file, password)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"kafka.security.certificate_file: {security.certificate_file} and its key cannot be used ({type(error).__name__}); expected "
                "a certificate and its own key as PEM, and kafka.security.key_password where the key has one"
            ) from None
    return context


def opened(make: Callable[..., Made], **chosen: Any) -> Made:
    """Make a client of kafka-python. One that finds no broker is closed: it would keep its thread and its sockets for ever."""
    clients: list[KafkaNetClient] = []

    def connect(**more: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(**more))
        return clients[-1]

    try:
        return make(**chosen, kafka_client=connect)
    except errors.KafkaError:
        for each in clients:
            each.close()
        raise


def connected(settings: KafkaSettings, connect: Callable[[int], Made]) -> Made:
    """Connect a job: try again while no broker answers, for `kafka.give_up_after`, as a later outage is waited out.

    `connect` is given how long it may take, in ms. A signal handler that raises ends the waiting. A refused login is tried as long: the brokers
    close the connection, and kafka-python does not see why.

    Raises:
        SourceUnavailable: no broker answered in that time, or what waiting does not help against.
    """
    limit_s = settings.give_up_after / 1000
    until_s = time.monotonic() + limit_s
    said: list[str] = []

    def say(what: str) -> None:
        if what not in said:
            said.append(what)
            _log.warning("%s; trying for %.0f s", what, limit_s)

    late = Timer(SAY_AFTER_S, say, (str(unavailable(settings, errors.KafkaTimeoutError(), "connecting")),))
    late.daemon = True
    late.start()
    try:
        while True:
            left_ms = int((until_s - time.monotonic()) * 1000)
            try:
                made = connect(max(1, min(settings.connect_timeout, left_ms)))
            except SourceUnavailable as error:
                if not error.may_pass or time.monotonic() >= until_s:
                    raise
                say(str(error))
                time.sleep(TRY_AGAIN_S)
            else:
                if said:
                    _log.warning("the brokers answer")
                return made
    finally:
        late.cancel()


def unavailable(settings: KafkaSettings, error: Exception, doing: str) -> SourceUnavailable:
    """Turn an exception of kafka-python into a sentence that names the brokers and what to look at."""
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
        case errors.KafkaTimeoutError() | errors.KafkaConnectionError() | errors.NodeNotReadyError():
            # kafka-python tries a refused login again until its time is up, and then says only that.
            login = ", or the login is refused" if settings.security.mechanism is not None else ""
            if settings.security.protocol.endswith("SSL"):
                login += ", or its certificate is not trusted (ca_file, check_hostname) or ours not taken"
            why = f"no broker answers{login}; see kafka.bootstrap_servers and kafka.security"
        case errors.LeaderNotAvailableError():
            why = "a partition has no leader; see kafka-topics.sh --describe"
        case errors.UnsupportedCodecError():
            why = "the topic is compressed with a codec that cannot be read here"
        case _:
            why = f"{type(error).__name__}"
    return SourceUnavailable(f"Kafka at {servers}, {doing}: {why}", may_pass=not isinstance(error, MENDS_ITSELF_NOT))
