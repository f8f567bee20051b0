"""A file that a source file names: only a regular one is read, and nothing is quoted of a file of another kind."""

from __future__ import annotations

import os

import pytest

from pipeline.authoring.cases.load import load_cases
from pipeline.catalogue.file import read_catalogue
from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.errors import Log2mqError, UsageError
from pipeline.report.credentials import CredentialsSource
from pipeline.report.settings import CredentialsSettings
from pipeline.setting_types.secret import SecretSource
from tests.support.good_files import GOOD_CATALOGUE, GOOD_SOURCE
from transforms.regular_file import read_regular

NAMED = {
    "catalogue": GOOD_SOURCE + "catalogue: {}\n",
    "catalogue.file": GOOD_SOURCE + "catalogue: {file: {}}\n",
    "table_files (CSV)": GOOD_SOURCE + "table_files: {t: {file: {}}}\n",
    "table_files (YAML)": GOOD_SOURCE + "table_files: {t: {file: {}}}\n",
    "transform.file": GOOD_SOURCE.partition("events:")[0] + "transform: {plugin: p, file: {}}\nreport:" + GOOD_SOURCE.partition("report:")[2],
    "decode.schema_file": GOOD_SOURCE.replace("json", "{format: avro, schema_file: {}}"),
    "decode.reader_schema_file": GOOD_SOURCE.replace("json", "{format: avro, encoding: container, reader_schema_file: {}}"),
    "kafka.security.ca_file": GOOD_SOURCE.replace("topics:", "security: {protocol: SSL, ca_file: '{}'}, topics:"),
    "report.ca_file": GOOD_SOURCE + "  ca_file: '{}'\n",
    "report.credentials.file": GOOD_SOURCE + "  credentials: {file: '{}'}\n",
}  # fmt: skip
SUFFIXES = {"table_files (CSV)": ".csv", "table_files (YAML)": ".yaml"}


def fault(tmp_path, key, target):
    """The lines with which a source file is refused that names this file under the key."""
    path = tmp_path / "shop.yaml"
    path.write_text(NAMED[key].replace("{}", str(target), 1), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_source(path, {}, with_credentials=True)
    return str(error.value)


@pytest.mark.parametrize("key", NAMED)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_regular_file_is_a_fault_at_once(tmp_path, key, kind):
    """A pipe without a writer would be waited for, and an endless device would be read for ever."""
    target = tmp_path / f"named{SUFFIXES.get(key, '')}"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("/dev/zero")
    said = fault(tmp_path, key, target)
    assert "shop.yaml:" in said or str(target) in said


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_secret_and_a_case_are_read_of_a_regular_file_too(tmp_path, kind):
    target = tmp_path / "named"
    os.mkfifo(target) if kind == "pipe" else target.symlink_to("/dev/zero")
    with pytest.raises(UsageError):
        SecretSource(file=str(target)).read({})
    with pytest.raises(UsageError):
        CredentialsSource(CredentialsSettings(file=str(target)), {})
    source, cases = tmp_path / "shop.yaml", tmp_path / "shop.test.yaml"
    source.write_text(GOOD_SOURCE, encoding="utf-8")
    cases.write_text("cases: [{name: one, file: named, events: []}]\nschemas: {1: named}\n", encoding="utf-8")
    with pytest.raises(Log2mqError) as error:
        load_cases(source, cases)
    assert "cases[0].file: found" in str(error.value)
    assert "schemas.1: found" in str(error.value)


def test_a_shell_may_give_the_source_file_itself_as_a_pipe(tmp_path):
    """`log2mq check <(...)`."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        stream.write(GOOD_SOURCE)
    try:
        assert load_source(tmp_path.__class__(f"/dev/fd/{reading}"), {}).source == "shop-app"
    finally:
        os.close(reading)


SECRET_FILES = {
    "passwords": "root:$6$hunter2:19000::\nbob:hunter2:\n",
    "variables": "A=1\nPASSWORD=hunter2\n",
    "a mapping": "password: hunter2\nhunter2: x\n",
    "an alias": "a: *hunter2\n",
    "an anchor": "a: &hunter2 b\nc: &hunter2 d\n",
    "a key twice": "hunter2: 1\nhunter2: 2\n",
    "a key that is no text": "hunter2: {{a}}\n",
    "a handle": "a: !hunter2!x b\n",
    "JSON": '"hunter2"',
    "a type": '{"type": "hunter2"}',
    "columns": "hunter2,b,c\nhunter2,x,y\nhunter2,z,y\n",
    "one column": "hunter2;b\n",
    "rows": "key,value\nhunter2,1\nhunter2,2\n",
    "a quote": 'key,value\n"hunter2"x,1\n',
    "a list": "hunter2: [$.hunter2]\n",
    "code": "hunter2 hunter2\n",
    "a certificate": "-----BEGIN hunter2\n",
}


def said_of(path):
    try:
        load_source(path, {}, with_credentials=True)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("content", SECRET_FILES)
@pytest.mark.parametrize("key", [key for key in NAMED if key != "transform.file"])  # a plug-in is run as code
def test_no_fault_quotes_a_file_of_another_kind(tmp_path, key, content):
    target = tmp_path / f"secret{SUFFIXES.get(key, '')}"
    target.write_text(SECRET_FILES[content], encoding="utf-8")
    path = tmp_path / "shop.yaml"
    path.write_text(NAMED[key].replace("{}", str(target), 1), encoding="utf-8")
    assert "hunter2" not in said_of(path)


def test_a_file_that_is_meant_as_a_catalogue_is_explained(tmp_path):
    target = tmp_path / "shop.catalogue.yaml"
    target.write_text(GOOD_CATALOGUE.replace("Order paid", "*order"), encoding="utf-8")
    assert "found undefined alias 'order'" in fault(tmp_path, "catalogue", target)
    target.write_text("chanels: []\n", encoding="utf-8")
    assert "found unknown key 'chanels'; did you mean 'channels'?" in fault(tmp_path, "catalogue", target)


def test_no_warning_of_the_reader_quotes_a_file(tmp_path, recwarn):
    target = tmp_path / "shop.catalogue.yaml"
    target.write_text("channels: []\nevents: &hunter2 []\ntasks: &hunter2 []\n", encoding="utf-8")
    read_catalogue(target)
    assert not recwarn.list


def test_what_is_no_pem_is_a_fault_with_its_name(tmp_path):
    (tmp_path / "x").write_text("certificate\n", encoding="utf-8")
    assert f"found a file that is no PEM: {tmp_path / 'x'}; expected one" in fault(
        tmp_path, "report.ca_file", tmp_path / "x"
    )


def test_a_plug_in_s_file_has_a_size(tmp_path):
    (tmp_path / "x").write_bytes(b"#" * (5 << 20))
    assert "which has more than 4 MiB" in fault(tmp_path, "transform.file", tmp_path / "x")


def test_no_more_is_read_than_is_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    assert read_regular(path, 10) == b"x" * 10
    assert len(read_regular(path, 1 << 30)) == 100_000


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_source_file_that_every_user_may_write_is_warned_of(tmp_path, what):
    """Its author runs code as the job's user: the file may name a plug-in."""
    path = tmp_path / "folder" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(GOOD_SOURCE, encoding="utf-8")
    assert of_the_file(path) == []
    (path if what == "file" else path.parent).chmod(0o777)
    (said,) = of_the_file(path)
    assert said.startswith(f"{path}:1: source: is in a file that every user of this machine may write")
    if what == "folder":
        path.parent.chmod(0o1777)  # as `/tmp` is: nobody may replace another user's file
        assert of_the_file(path) == []


def of_the_file(path):
    """The warnings of the file itself; this machine may have reasons for others."""
    return [each for each in warnings(load_source(path, {})) if ": source: " in each]
