"""Only `reveal` shows a secret."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from pydantic import BaseModel, ConfigDict

from pipeline.errors import UsageError
from pipeline.setting_types.secret import Secret, SecretSource

TEXT = "correct horse battery staple"


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    secret: Secret


def test_it_cannot_be_printed(caplog):
    secret = Secret(TEXT)
    logging.getLogger("test").warning("%s %r", secret, [secret])
    holder = Holder(secret=secret)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>40}",
        str({"a": secret}),
        caplog.text,
        repr(holder),
    ]
    shown += [str(holder.model_dump()), holder.model_dump_json(), json.dumps(holder.model_dump(mode="json"))]
    shown += traceback.format_exception(ValueError(secret))
    assert not any(TEXT in each for each in shown)
    assert secret.reveal() == TEXT


@pytest.mark.parametrize("taking", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_carried_off(taking):
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        taking(Secret(TEXT))


def test_it_is_compared_whole():
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret(TEXT + ".")
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT)}) == 1
    assert not Secret("")


def test_where_it_may_come_from(tmp_path):
    path = tmp_path / "secret"
    path.write_text(TEXT + "\n")
    assert SecretSource(file=str(path)).read({}).reveal() == TEXT
    assert SecretSource(env="NAME").read({"NAME": TEXT}).reveal() == TEXT
    path.write_text("\n")
    with pytest.raises(UsageError, match=rf"the file {path} is empty"):
        SecretSource(file=str(path)).read({})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"env": "NAME"}, "the environment variable NAME is empty or not set"),
        ({"file": "/nowhere/at-all"}, "the secret in the file /nowhere/at-all cannot be read"),
        ({"file": "a\0b"}, "the secret in the file a\0b cannot be read"),
        ({"file": "/dev/null"}, r"the secret in the file /dev/null cannot be read \(no regular file\)"),
    ],
)
def test_where_there_is_none(source, says):
    with pytest.raises(UsageError, match=says):
        SecretSource(**source).read({})
