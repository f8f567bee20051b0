"""The models of this package as Avro schemas, one file each.

A schema describes what `EventMessage.wire` and `CustomerMessage.wire` return; an absent field is null.
"""

from __future__ import annotations

from importlib.resources import files

MODELS = ("EventMessage", "CustomerMessage")
"""The models that have an Avro schema."""


def schema_text(model: str) -> str:
    """Return the Avro schema of a model, as JSON.

    Raises:
        KeyError: no model of `MODELS` has that name.
    """
    if model not in MODELS:
        raise KeyError(model)
    return (files(__name__) / f"{model}.avsc").read_text(encoding="utf-8")
