"""A data folder is one station's, on one machine, in one place: serve-takes-other-journal, and copies."""

import shutil
from dataclasses import replace

import pytest

from labctl.errors import StoreError
from labctl.store.identity import FILE, FolderIdentity, claim


def test_a_folder_is_claimed_once_and_stays_its_station_s(tmp_path):
    folder = tmp_path / "data"
    assert claim(folder, "rackA") is False
    assert claim(folder, "rackA") is False
    assert FolderIdentity.read(folder).station == "rackA"


def test_serve_takes_other_journal_only_where_told_to(tmp_path):
    claim(tmp_path, "rackA")
    with pytest.raises(StoreError, match=r"journal of station 'rackA', and this is station 'rackB'.*--take-over"):
        claim(tmp_path, "rackB")
    assert FolderIdentity.read(tmp_path).station == "rackA"
    assert claim(tmp_path, "rackB", take_over=True) is False
    assert claim(tmp_path, "rackB") is False


def test_a_copy_asks_as_long_as_the_first_is_there(tmp_path):
    first, copy = tmp_path / "data", tmp_path / "copy"
    claim(first, "rackA")
    shutil.copytree(first, copy)
    with pytest.raises(StoreError, match=f"{copy} is a copy of {first}"):
        claim(copy, "rackA")
    assert claim(first, "rackA") is False
    assert claim(copy, "rackA", take_over=True) is True
    assert claim(copy, "rackA") is False, "it has a life of its own now"


def test_a_folder_that_was_moved_or_restored_goes_on(tmp_path):
    claim(tmp_path / "data", "rackA")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert claim(tmp_path / "moved", "rackA") is False
    shutil.copytree(tmp_path / "moved", tmp_path / "restored")
    shutil.rmtree(tmp_path / "moved")
    assert claim(tmp_path / "restored", "rackA") is False


def test_another_machine_s_folder_asks(tmp_path):
    claim(tmp_path, "rackA")
    replace(FolderIdentity.read(tmp_path), machine="other").write(tmp_path)
    with pytest.raises(StoreError, match="on another machine"):
        claim(tmp_path, "rackA")
    assert claim(tmp_path, "rackA", take_over=True) is True


def test_what_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / FILE).write_text("{")
    assert FolderIdentity.read(tmp_path) is None
    assert claim(tmp_path, "rackA") is False
