"""The properties of the embedded broker: one small node that is broker and controller, with the requested listeners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class TlsFiles(NamedTuple):
    """The PEM files of a TLS listener: its key (PKCS #8) with its certificates, and the authorities that sign the certificates of its clients."""

    key_and_certificate: Path
    clients: Path


def further_protocols(sasl_users: Mapping[str, str], tls: TlsFiles | None) -> list[str]:
    """Return the protocols of the listeners beside the plaintext one."""
    names = ["SASL_PLAINTEXT"] if sasl_users else []
    if tls is not None:
        names += ["SSL"] + (["SASL_SSL"] if sasl_users else [])
    return names


def server_properties(
    folder: Path,
    listeners: Mapping[str, str],
    controller_port: int,
    sasl_users: Mapping[str, str],
    tls: TlsFiles | None,
) -> dict[str, str]:
    """Return the broker's properties by name.

    `folder` holds its topics. `listeners` are the addresses by protocol. `sasl_users` (name to password) may log in at listeners with SASL.
    """
    addresses = ",".join(f"{protocol}://{address}" for protocol, address in listeners.items())
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
        "log.dirs": str(folder),
        "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": addresses,
        "num.partitions": "1",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "message.max.bytes": str(16 << 20),
        "log.segment.bytes": str(64 << 20),
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "num.network.threads": "2",
        "num.io.threads": "2",
    }
    if sasl_users:
        properties["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
        known = " ".join(f'user_{name}="{password}"' for name, password in sasl_users.items())
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        for name in ("sasl_plaintext", "sasl_ssl"):
            properties[f"listener.name.{name}.plain.sasl.jaas.config"] = plain
            properties[f"listener.name.{name}.scram-sha-256.sasl.jaas.config"] = scram
            properties[f"listener.name.{name}.scram-sha-512.sasl.jaas.config"] = scram
    if tls is not None:
        properties |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(tls.key_and_certificate),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(tls.clients),
            "listener.name.ssl.ssl.client.auth": "required",
        }
    return properties
