"""TLS to a real broker: SSL with certificates on both sides, and SASL over SSL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.emulator.kafka_broker.broker import EmbeddedBroker
from pipeline.emulator.kafka_broker.properties import TlsFiles
from tests.support import jobs

KEYS = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret", "BROKER_PASSWORD": "wonderland"}


def write_key_and_chain(path, leaf):
    """Kafka reads keys as PKCS #8 only."""
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    parts = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
    parts += [each.bytes() for each in leaf.cert_chain_pems]
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = trustme.CA(), trustme.CA()
    for name, ca in (("ca.pem", authority), ("other-ca.pem", stranger)):
        ca.cert_pem.write_to_path(str(folder / name))
    write_key_and_chain(folder / "broker.pem", authority.issue_cert("localhost"))
    client = authority.issue_cert("client")
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    client.cert_chain_pems[0].write_to_path(str(folder / "client.crt"))
    tls = TlsFiles(folder / "broker.pem", folder / "ca.pem")
    with EmbeddedBroker(sasl_users={"alice": "wonderland"}, tls=tls) as broker:
        yield SimpleNamespace(broker=broker, folder=folder)


@pytest.fixture
def made(secured, stand_in, tmp_path):
    from tests.support.jobs import RULES, Source
    from tests.support.kafka import TestKafka

    kafka = TestKafka(secured.broker.bootstrap_servers)
    topic = kafka.topic()
    kafka.write(topic, [json.dumps({"type": "paid", "ts": 1_700_000_000, "user": "u", "no": "n"}).encode()])

    def make(protocol, **security):
        written = ", ".join(f"{key}: {value}" for key, value in {"protocol": protocol, **security}.items())
        chosen = {"bootstrap_servers": secured.broker.address(protocol), "security": f"{{{written}}}"}
        return Source(kafka, stand_in, tmp_path, topic, RULES, kafka=chosen)

    return make


def run(made):
    """Run the job as a process until its first record is reported, or until it stops by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", str(made.save())],
        capture_output=True, timeout=90, check=False, env={**os.environ, **KEYS},
    )  # fmt: skip
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text
    return done.returncode, text


@pytest.mark.kafka
def test_certificates_on_both_sides(secured, made):
    folder = secured.folder
    source = made(
        "SSL", ca_file=folder / "ca.pem", certificate_file=folder / "client.crt", key_file=folder / "client.key"
    )
    assert source.run_to_end().total.reported == 1


@pytest.mark.kafka
def test_a_login_over_tls(secured, made, monkeypatch):
    monkeypatch.setitem(jobs.KEYS, "BROKER_PASSWORD", "wonderland")
    source = made(
        "SASL_SSL",
        ca_file=secured.folder / "ca.pem",
        mechanism="SCRAM-SHA-512",
        username="alice",
        password="{env: BROKER_PASSWORD}",
    )
    assert source.run_to_end().total.reported == 1


@pytest.mark.kafka
@pytest.mark.parametrize("wrong", ["other-ca.pem", "no client certificate", "name"])
def test_what_does_not_fit_is_said(secured, made, wrong):
    folder = secured.folder
    files = {"ca_file": folder / "ca.pem", "certificate_file": folder / "client.crt", "key_file": folder / "client.key"}
    if wrong == "other-ca.pem":
        files["ca_file"] = folder / wrong
    elif wrong == "no client certificate":
        del files["certificate_file"], files["key_file"]
    source = made("SSL", **files)
    source.sections["kafka"] |= {"connect_timeout": "2s", "give_up_after": "3s"}
    if wrong == "name":
        at = source.sections["kafka"]["bootstrap_servers"]
        source.sections["kafka"]["bootstrap_servers"] = at.replace("localhost", "127.0.0.1")
    code, text = run(source)
    assert code == 3
    assert (
        "the certificate of the broker is not trusted (ca_file, check_hostname) or that of the client is refused"
        in text
    )


@pytest.mark.kafka
def test_files_that_are_not_there_are_said_before_anything_connects(secured, made):
    code, text = run(made("SSL", ca_file=secured.folder / "missing.pem"))
    assert code == 2
    assert "kafka.security.ca_file" in text
    assert "missing.pem" in text


@pytest.mark.kafka
def test_a_key_that_is_not_the_certificates_is_said(secured, made):
    folder = secured.folder
    other = trustme.CA().issue_cert("client")
    other.private_key_pem.write_to_path(str(folder / "other.key"))
    code, text = run(
        made("SSL", ca_file=folder / "ca.pem", certificate_file=folder / "client.crt", key_file=folder / "other.key")
    )
    assert code == 2
    assert "expected a certificate and its own key as PEM" in text
