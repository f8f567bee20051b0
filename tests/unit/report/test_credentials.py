"""Where the AccessKey comes from, and that no text shows it."""

from __future__ import annotations

import json
import logging

import pytest

from pipeline.errors import UsageError
from pipeline.report.credentials import CredentialsSource
from pipeline.report.settings import CredentialsSettings

ENVIRONMENT = {"SCA_AK_ENV": "testid", "SCA_SK_ENV": "testsecret"}


def from_file(path):
    return CredentialsSource(CredentialsSettings(file=str(path)), {})


def write(path, text):
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def shown(credentials):
    token = credentials.security_token
    return credentials.access_key_id, credentials.secret.reveal(), token.reveal() if token else None


def test_the_environment_gives_key_secret_and_token():
    assert shown(CredentialsSource(None, ENVIRONMENT).current()) == ("testid", "testsecret", None)
    with_token = ENVIRONMENT | {"SCA_STS_TOKEN": "sts+token/=="}
    assert shown(CredentialsSource(None, with_token).current()) == ("testid", "testsecret", "sts+token/==")


@pytest.mark.parametrize("name", ["SCA_AK_ENV", "SCA_SK_ENV"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(name, value):
    environment = {key: kept for key, kept in (ENVIRONMENT | {name: value}).items() if kept is not None}
    with pytest.raises(UsageError, match=name):
        CredentialsSource(None, environment)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"access_key_id": "testid", "access_key_secret": "testsecret", "security_token": "token"}),
        "access_key_id=testid\naccess_key_secret=testsecret\nsecurity_token=token\n",
        "# a = b\nexport ACCESS_KEY_ID='testid'\n\naccess_key_secret = \"testsecret\"\nsecurity_token=token",
        "\ufeffaccess_key_id=testid\r\naccess_key_secret=testsecret\r\nsecurity_token=token\r\n",
    ],
)
def test_a_file_is_json_or_lines(tmp_path, text):
    write(tmp_path / "key", text)
    assert shown(from_file(tmp_path / "key").current()) == ("testid", "testsecret", "token")


def test_a_base64_secret_with_equals_signs_survives_the_lines_form(tmp_path):
    write(tmp_path / "key", "access_key_id=testid\naccess_key_secret=a=b==\n")
    assert from_file(tmp_path / "key").current().secret.reveal() == "a=b=="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"access_key_id": "testid"}',
        '{"access_key_id": "testid", "access_key_secret": 7}',
        "access_key_id=testid\naccess_key_secret=",
        "access_key_id=testid\naccess_key_secret=open sesame",
        "access_key_id=testid\naccess_key_secret=opensesame\x01",
        '{"a":' * 10_000,
    ],
)
def test_a_file_without_usable_credentials_is_a_usage_error_that_keeps_the_secret(tmp_path, text):
    write(tmp_path / "key", text)
    with pytest.raises(UsageError, match="key") as caught:
        from_file(tmp_path / "key")
    assert "sesame" not in str(caught.value)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    for name in ("missing-file", "a\0file"):
        with pytest.raises(UsageError, match=name):
            from_file(tmp_path / name)


def test_a_changed_file_is_read_again(tmp_path):
    write(tmp_path / "key", "access_key_id=one\naccess_key_secret=first\n")
    source = from_file(tmp_path / "key")
    assert source.current().access_key_id == "one"
    write(tmp_path / "new", "access_key_id=two\naccess_key_secret=other\n")
    (tmp_path / "new").replace(tmp_path / "key")
    assert source.current().access_key_id == "two"


def test_a_file_that_turns_bad_leaves_the_known_credentials_and_warns(tmp_path, caplog):
    write(tmp_path / "key", "access_key_id=one\naccess_key_secret=first\n")
    source = from_file(tmp_path / "key")
    write(tmp_path / "key", "half-writ")
    with caplog.at_level(logging.WARNING):
        assert source.current().access_key_id == "one"
    assert "stay in use" in caplog.text
    write(tmp_path / "key", "access_key_id=two\naccess_key_secret=other\n")
    assert source.current().access_key_id == "two"
    (tmp_path / "key").unlink()
    assert source.current().access_key_id == "two"


def test_refresh_reads_even_when_nothing_seems_changed():
    environment = dict(ENVIRONMENT)
    source = CredentialsSource(None, environment)
    environment["SCA_SK_ENV"] = "renewed"
    assert source.current().secret.reveal() == "testsecret"
    assert source.refresh().secret.reveal() == "renewed"


def test_a_file_that_others_can_read_is_warned_of(tmp_path, caplog):
    write(tmp_path / "key", "access_key_id=one\naccess_key_secret=first\n")
    with caplog.at_level(logging.WARNING):
        from_file(tmp_path / "key")
        assert not caplog.records
        (tmp_path / "key").chmod(0o644)
        from_file(tmp_path / "key")
    assert "chmod 600" in caplog.text


def test_credentials_do_not_print_their_secret():
    credentials = CredentialsSource(None, ENVIRONMENT | {"SCA_STS_TOKEN": "token-text"}).current()
    assert "testsecret" not in f"{credentials} {credentials!r}"
    assert "token-text" not in f"{credentials} {credentials!r}"
