"""What the doctor says of a machine: its clock, disk, permissions, ports."""

import os
import sys
import time

import pytest

from labctl.doctor import machine
from labctl.doctor.diagnosis import SUBJECTS
from labctl.doctor.examine import examine
from labctl.station.settings import InstrumentSettings, Station
from labctl.store.disk_room import WARN_BELOW
from labctl.store.journal import Journal
from tests.unit.store.making import new_run

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")


def said(found, subject):
    return [(each.state, each.mend) for each in found if each.subject == subject]


def test_a_clock_that_was_never_set_is_wrong(tmp_path):
    (found,) = machine.clock(tmp_path, now=1000.0)
    assert (found.state, found.mend) == ("wrong", "sudo timedatectl set-ntp true")


def test_a_clock_before_the_last_commit_is_wrong(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.create_run(new_run())
    now = time.time()
    assert [each.state for each in machine.clock(tmp_path, now=now)] != ["wrong"]
    (found,) = machine.clock(tmp_path, now=now - 86400.0)
    assert found.state == "wrong"
    assert "before the last commit" in found.text
    assert [each.state for each in machine.clock(tmp_path, now=now - 86400.0, real=False)] != ["wrong"]


@pytest.mark.skipif(sys.platform != "linux", reason="adjtimex is Linux's")
def test_the_kernel_says_whether_its_clock_is_kept():
    assert machine.synchronised() in {True, False}


def test_a_full_disk_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "free_room", lambda _folder: WARN_BELOW - 1)
    (found,) = machine.disk(tmp_path / "not" / "there" / "yet")
    assert found.state == "wrong"
    monkeypatch.setattr(machine, "free_room", lambda _folder: WARN_BELOW)
    assert [each.state for each in machine.disk(tmp_path)] == ["well"]


@posix
def test_a_folder_or_a_token_that_others_may_read_is_wrong_and_the_command_mends_it(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    (folder / "control.token").write_text("x")
    (folder / "control.token").chmod(0o644)
    found = list(machine.data_folder(folder))
    assert [each.state for each in found] == ["wrong", "wrong"]
    for each in found:
        assert os.system(each.mend) == 0
    assert [each.state for each in machine.data_folder(folder)] == ["well"]


def test_a_network_file_system_is_wrong(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/lab {tmp_path.resolve()} nfs4 rw 0 0\n")
    assert machine.file_system(tmp_path / "data", mounts) == "nfs4"
    assert machine.file_system(tmp_path.parent, mounts) == "ext4"
    monkeypatch.setattr(machine, "file_system", lambda _folder: "nfs4")
    (tmp_path / "data").mkdir(mode=0o700)
    assert said(machine.data_folder(tmp_path / "data"), "data folder") == [("wrong", "labctl serve --data FOLDER")]


@posix
def test_ports_are_found_in_plain_options_and_in_resources_of_visa(tmp_path):
    given = {
        "kei": InstrumentSettings("kei", "keithley2450", {"resource": "ASRL/dev/ttyNone7::INSTR"}),
        "palm": InstrumentSettings("palm", "palmsens", {"port": "/dev/null"}),
        "new": InstrumentSettings("new", "neware", {"host": "10.0.0.5"}),
    }
    found = list(machine.ports(Station(instruments=given)))
    assert [each.state for each in found] == ["wrong", "well"]
    assert "/dev/ttyNone7" in found[0].text


def test_everything_is_looked_at_and_nothing_is_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(
        "labctl_station: 1\ninstruments: {bench: {driver: simulated}}\nmqtt: {broker: none}\n"
        "channels: {S1: {cell: {instrument: bench, at: 1}}}\n"
    )
    found = list(examine(None, tmp_path / "data", tmp_path / "usual"))
    assert {each.subject for each in found} == set(SUBJECTS)
    assert [each for each in found if each.state == "wrong"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["station.yaml"]


def test_a_station_file_with_an_error_is_said_with_the_command_that_shows_it(tmp_path):
    (tmp_path / "station.yaml").write_text("labctl_station: 1\nchannel: {}\n")
    (found,) = examine(tmp_path / "station.yaml", None, tmp_path)
    assert (found.state, found.mend) == ("wrong", f"labctl check {tmp_path / 'station.yaml'}")
