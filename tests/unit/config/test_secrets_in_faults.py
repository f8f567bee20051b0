"""A password that stands in a URL of a source file is in no line that a command prints of that file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.options import kafka_settings
from pipeline.config.load import load_source
from pipeline.errors import UsageError
from pipeline.yaml_text.diagnostics import without_password
from tests.support.good_files import GOOD_SOURCE, faults_of

PASSWORD = "hunter2-Pa/ss@w?rd"


@pytest.fixture
def load(tmp_path):
    def load(text, environment=None):
        path = tmp_path / "shop.yaml"
        path.write_text(text, encoding="utf-8")
        return load_source(path, environment or {})

    return load


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("report.endpoint", "region: cn-shanghai", "endpoint: 'https://me:{}@qa.example'"),
        ("report.endpoint", "region: cn-shanghai", "endpoint: 'http://{}@127.0.0.1:8099/'"),
        ("report.endpoint", "region: cn-shanghai", "endpoint: 'https://qa.example/?token={}'"),
        ("report.endpoint", "region: cn-shanghai", "endpoint: 'https://qa.example/a/b#{}'"),
        ("report.region", "region: cn-shanghai", "region: 'https://me:{}@qa.example'"),
        ("report.proxy", "region: cn-shanghai", "region: cn-shanghai\n  proxy: 'http://me:{}@proxy.example:3128'"),
        ("decode.registry", "decode: json", "decode: {format: avro, registry: 'https://me:{}@registry.example'}"),
        ("decode.registry.url", "decode: json", "decode: {format: avro, registry: {url: ['https://me:{}@registry.example']}}"),
        ("decode.registry.url", "decode: json", "decode: {format: avro, registry: {url: 'https://registry.example/?basic.auth={}'}}"),
        ("kafka.bootstrap_servers", "localhost:9092", "me:{}@broker.example:9092"),
        ("kafka.bootstrap_servers", "localhost:9092", "a:9092,SASL_SSL://me:{}@broker.example:9092"),
        ("dedup.url", "report:", "dedup: {store: redis, url: 'redis://:{}@host/0'}\nreport:"),
        ("dedup.url", "report:", "dedup: {store: redis, url: 'https://me:{}@host/0'}\nreport:"),
        ("dedup.url", "report:", "dedup: {store: redis, url: 'redis://host/0?password={}'}\nreport:"),
        ("dedup.keep", "report:", "dedup: {keep: 'redis://me:{}@host/0'}\nreport:"),
        ("transform.options", "report:", "transform: {plugin: 'http://me:{}@host/0'}\nreport:"),
    ],
)  # fmt: skip
def test_no_fault_repeats_a_password_of_a_url(load, key, old, new):
    assert old in GOOD_SOURCE
    text = GOOD_SOURCE.replace(old, new.replace("{}", PASSWORD), 1)
    for said, environment in (
        (faults_of(load, text), {}),
        (faults_of(load, text.replace(PASSWORD, "${SECRET}"), {"SECRET": PASSWORD}), "from a variable"),
    ):
        assert any(key.split(".")[0] in each for each in said), said
        assert not any("hunter2" in each or "w?rd" in each for each in said), (said, environment)


def test_the_rest_of_a_url_is_shown(load):
    text = GOOD_SOURCE.replace("region: cn-shanghai", "endpoint: 'https://me:secret@qa.example:444/a?b=c'")
    (said,) = faults_of(load, text)
    assert "found 'https://***@qa.example:444/a?***'; expected a URL of scheme, host and port only" in said


def test_a_fault_of_an_option_does_not_repeat_a_password():
    with pytest.raises(UsageError, match=r"--bootstrap-servers: found '\*\*\*@broker:9092'"):
        kafka_settings("me:hunter2@broker:9092", "log", "--to")


@pytest.mark.parametrize(
    "text", ["$.@timestamp", "{{ $.a }}:{{ @timestamp }}", "found '@timestamp'", "host:9092", "http://host:1/a", "a@b"]
)
def test_a_text_without_a_login_stays(text):
    assert without_password(text) == text


@given(st.text())
def test_whatever_a_password_holds_it_is_not_shown(noise):
    shown = without_password(f"https://me:q{noise}z@host.example:9092")
    assert shown.startswith("https://***@")
    assert f"q{noise}z" not in shown
