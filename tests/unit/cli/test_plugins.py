"""`log2mq plugins`: what there is and what it does; what is broken costs a line, not the list."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pipeline.cli.plugins import plugins
from pipeline.errors import UsageError
from transforms.plugins import description as plugin_description

CODE = '''from __future__ import annotations

print("hello from the import")

from typing import Literal

from pydantic import BaseModel, Field

class Options(BaseModel):
    channel: Literal["app", "h5"]
    skus: list[str] | None = None
    words: dict[str, int] = Field(default_factory=dict, description="words for numbers")

class Nothing(BaseModel):
    """No options."""

def orders(options: Options):
    """Orders as events.

    And more.
    """

def plain(options):
    pass

def none(options: Nothing):
    pass

def converts(entry):
    pass

def _own(options):
    pass

def two(options, more):
    pass

def missing(options: Absent):
    pass
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    (tmp_path / "listed_transforms.py").write_text(CODE)
    (tmp_path / "endless_transforms.py").write_text("while True:\n    pass\n")
    points = ["orders = listed_transforms:orders", "absent = not_there:at_all", "endless = endless_transforms:any", "twice = listed_transforms:plain"]  # fmt: skip
    for name, lines in (("listed", points), ("other", ["twice = listed_transforms:none"])):
        folder = tmp_path / f"{name}-1.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (folder / "entry_points.txt").write_text("\n".join(["[log2mq.transforms]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugin_description, "MOST_IMPORTING_S", 0.3)


def test_each_is_listed_with_what_it_does_or_why_it_cannot(installed):
    done = CliRunner().invoke(plugins)
    assert done.exit_code == 0
    blocks = {block.partition(" ")[0]: block for block in done.stdout.strip().split("\n\n")}
    assert list(blocks) == ["absent", "endless", "orders", "twice"]
    assert (
        "cannot be used: the plug-in 'absent', which cannot be imported (ModuleNotFoundError): No module named 'not_there'"
        in blocks["absent"]
    )
    assert "which cannot be imported (it takes longer than 0.3 s)" in blocks["endless"]
    assert "cannot be used: there are 2 plug-ins of this name" in blocks["twice"]
    assert blocks["orders"].splitlines() == [
        "orders (listed_transforms:orders, listed 1.2)",
        "  Orders as events.",
        "  options:",
        "    channel  one of app, h5, required",
        "    skus     list[str] | None, default null",
        "    words    dict[str, int], default made by the plug-in  words for numbers",
    ]
    assert "hello" not in done.stdout
    assert "Traceback" not in done.output


def test_the_factories_of_a_file_are_listed(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text(CODE)
    lines = CliRunner().invoke(plugins, ["--file", str(path)]).stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [f"{name} ({path})" for name in ("orders", "plain", "none", "missing")]  # fmt: skip
    assert "  options: it has no model that would say which" in lines
    assert "  options: none" in lines
    assert any("whose parameters cannot be read (NameError)" in line for line in lines)


def test_a_file_that_cannot_be_imported_is_an_error_of_usage(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text("raise ValueError")
    done = CliRunner().invoke(plugins, ["--file", str(path)])
    assert isinstance(done.exception, UsageError)
    assert "which cannot be imported (ValueError at shop.py:1)" in str(done.exception)


def test_nothing_installed_and_nothing_in_a_file_is_said(tmp_path):
    assert "no plug-in is installed" in CliRunner().invoke(plugins).output
    path = tmp_path / "shop.py"
    path.write_text("x = 1")
    assert "there is no function that takes the options" in CliRunner().invoke(plugins, ["--file", str(path)]).output
