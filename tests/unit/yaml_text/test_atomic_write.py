"""Atomic writes: the whole text or nothing, no change of somebody else is lost, and the file keeps its other properties."""

from __future__ import annotations

from codecs import BOM_UTF8

import pytest

from pipeline.errors import UsageError
from pipeline.yaml_text.atomic_write import replace_file


@pytest.mark.parametrize("mark", [b"", BOM_UTF8])
def test_a_mark_ends_of_lines_permissions_and_links_stay(tmp_path, mark):
    path, link = tmp_path / "a.yaml", tmp_path / "link.yaml"
    path.write_bytes(mark + "a: 店\r\n".encode())
    path.chmod(0o640)
    link.symlink_to(path)
    replace_file(link, "a: 1\r\nb: 2\n", "a: 店\r\n")
    assert path.read_bytes() == mark + b"a: 1\r\nb: 2\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert set(tmp_path.iterdir()) == {path, link}


@pytest.mark.parametrize(("there", "was"), [("b: 1\n", "a: 1\n"), ("b: 1\n", None), (None, "a: 1\n")])
def test_what_somebody_else_has_written_meanwhile_is_not_lost(tmp_path, there, was):
    path = tmp_path / "a.yaml"
    if there is not None:
        path.write_text(there)
    with pytest.raises(
        UsageError,
        match=r"a\.yaml: found it changed by somebody else since it was read; expected the same command again",
    ):
        replace_file(path, "c: 1\n", was)
    assert (path.read_text() if path.exists() else None) == there


def test_a_text_that_is_there_already_is_not_written(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")
    before = path.stat()
    replace_file(path, "a: 1\n", "a: 1\n")
    assert path.stat() == before


def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.yaml"
    path.mkdir()
    for place, was in ((path, "x"), (tmp_path / "none" / "a.yaml", None), (tmp_path / ("a" * 300), None)):
        with pytest.raises(UsageError, match="found a place that cannot be written"):
            replace_file(place, "a: 1\n", was)
    assert list(tmp_path.iterdir()) == [path]
