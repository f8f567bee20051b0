"""The folder of the LMDB store: another user of the machine must not be able to change what is reported."""

from __future__ import annotations

import os
import stat

import pytest

from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.dedup.lmdb_store.ownership import doubts, why_refused
from pipeline.errors import StoreUnavailable
from tests.support.dedup_stores import claim, open_lmdb
from tests.support.good_files import GOOD_SOURCE

ME = os.geteuid()
ANOTHER = 12_345


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o722, 0o1777])
def test_a_folder_that_every_user_may_write_is_refused(tmp_path, mode):
    folder = tmp_path / "store"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(StoreUnavailable, match=rf"every user of this machine may write to .*\(mode {mode:04o}\)"):
        open_lmdb(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["confirmed", "boot"])
def test_so_is_a_folder_within_it(tmp_path, name):
    store = open_lmdb(tmp_path / "store")
    store.close()
    (inner,) = [each for each in (tmp_path / "store").iterdir() if each.is_dir() and each.name.startswith(name)]
    inner.chmod(0o777)
    with pytest.raises(StoreUnavailable, match=f"every user of this machine may write to .*{name}"):
        open_lmdb(tmp_path / "store")
    inner.chmod(0o700)
    open_lmdb(tmp_path / "store").close()


def test_a_folder_of_another_user_is_refused(tmp_path):
    assert "belongs to another user" in why_refused(tmp_path, ANOTHER) or ME == 0
    if ME == 0:
        folder = tmp_path / "store"
        folder.mkdir()
        os.chown(folder, ANOTHER, -1)
        assert why_refused(folder, ANOTHER + 1) == f"{folder} belongs to another user (ID {ANOTHER})"
        assert why_refused(folder, ANOTHER) == why_refused(folder, 0) == ""


def test_another_users_symbolic_link_is_refused_and_ones_own_is_followed(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    (real / "below").mkdir(mode=0o700)
    assert why_refused(link / "below", ME) == ""
    assert "is a symbolic link of another user" in why_refused(link, ANOTHER) or ME == 0
    if ME == 0:
        os.chown(link, ANOTHER, -1, follow_symlinks=False)
        said = f"{link} is a symbolic link of another user (ID {ANOTHER})"
        assert why_refused(link, 0) == why_refused(link / "below", 0) == said
        with pytest.raises(StoreUnavailable, match="is a symbolic link of another user"):
            open_lmdb(link / "below")


@pytest.mark.parametrize("name", ["opening.lock", "room.probe"])
def test_a_file_of_the_store_is_never_opened_through_a_link(tmp_path, name):
    """With the folder's group, or before the folder was protected, somebody may have placed a link to another file of this user."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    (folder / name).symlink_to(victim)
    with pytest.raises(StoreUnavailable):
        open_lmdb(folder)
    assert victim.read_bytes() == b"precious"


def test_what_a_link_calls_a_former_boot_is_not_read(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    (folder / "boot-x-2").symlink_to(elsewhere)
    open_lmdb(folder).close()
    assert (elsewhere / "file").read_text() == "precious"


def test_what_is_created_belongs_to_this_user_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        store = open_lmdb(tmp_path / "state" / "log2mq" / "store")
        store.confirm([claim(1)])
        store.sync()
        store.close()
    finally:
        os.umask(before)
    created = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert not [each for each in created if stat.S_IMODE(each.stat().st_mode) & 0o077]


def test_a_group_that_may_write_and_a_place_where_all_may_rename_are_doubtful(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    folder = place / "store"
    of_the_machine = list(doubts(folder, ME))  # of the folder that the tests run in
    place.chmod(0o777)
    renaming = f"every user of this machine may rename or replace what is in {place}"
    assert list(doubts(folder, ME)) == [renaming, *of_the_machine]
    folder.mkdir(mode=0o700)
    folder.chmod(0o2770)
    by_group = "its group may write to it, and so decide what is reported"
    assert list(doubts(folder, ME)) == [by_group, renaming, *of_the_machine]
    place.chmod(0o1777)
    assert list(doubts(folder, ME)) == [by_group, *of_the_machine]
    open_lmdb(folder).close()  # doubtful, and not refused


def test_check_warns_of_it_with_line_and_key(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(0o777)
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD_SOURCE + f"dedup: {{path: {place}/store}}\n", encoding="utf-8")
    (said,) = [each for each in warnings(load_source(path, {})) if f"is in {place}" in each]
    assert said.startswith(f"{path}:16: dedup.path: is {place}/store: every user of this machine may rename or replace")


def test_check_says_that_a_store_would_be_refused(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o777)
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD_SOURCE + f"dedup: {{path: {tmp_path}/store}}\n", encoding="utf-8")
    (said,) = [each for each in warnings(load_source(path, {})) if "dedup.path" in each]
    assert f"dedup.path: is {tmp_path}/store: `run` would not start: every user of this machine may write to" in said
