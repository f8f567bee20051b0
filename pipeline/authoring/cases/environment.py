"""Invented variables and secrets for a source file under test.

The real environment is never read, so a test has the same result everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config.source_file import SourceFile
from pipeline.setting_types.secret import SecretSource
from pipeline.yaml_text.interpolate import required_variables

VALID_VALUES: Mapping[tuple[str, str], str] = {
    ("kafka", "bootstrap_servers"): "localhost:9092",
    ("report", "endpoint"): "https://localhost",
    ("report", "region"): "cn-shanghai",
}
"""Values for the keys that accept only certain texts. Nothing ever connects to them."""


def made_up_environment(content: Any, given: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each variable that has no default in the source file: the given value, or the variable's own name."""
    made_up = {
        name: VALID_VALUES.get((str(location[0]), str(location[1])) if len(location) > 1 else ("", ""), name)
        for name, location in required_variables(content)
    }
    return made_up | dict(given)


def with_made_up_keys(source: SourceFile, given: Mapping[str, str]) -> tuple[SourceFile, dict[str, str]]:
    """Return the source file with its `keys` read from an environment, and that environment: for each key the given secret, or its own name."""
    keys = {name: SecretSource(env=name) for name in source.keys}
    return source.model_copy(update={"keys": keys}), {name: given.get(name, name) for name in keys}
