"""LAND's files: read by the published facts, refused by name where those end, and followed while they grow."""

import os
import re
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

from labctl.cli.main import main
from labctl.errors import StoreError
from labctl.exchange.find import recordings_of
from labctl.exchange.follow import GrowingFolders
from labctl.exchange.formats.land import AMPERE, FRAME, VOLT, recording_of
from labctl.exchange.steps import steps_of
from labctl.exchange.vendor_test import VERBS, VendorFileError
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.exchange import cex

WHOLE = cex.Test()
DATA = WHOLE.bytes()
BEGIN = len(cex.header(WHOLE.started, WHOLE.channel))  # of events and steps
DAY = 86_400.0


def refused(data, growing=False):
    with pytest.raises(VendorFileError, match=r"x\.cex") as found:
        recording_of(data, "x.cex", growing=growing)
    return str(found.value)


def at(data, mark, nth=0):
    """Return the byte at which a mark comes for the nth time."""
    return [found.start() for found in re.finditer(re.escape(mark), data)][nth]


def changed(at, fmt, value):
    data = bytearray(DATA)
    struct.pack_into(fmt, data, at, value)
    return bytes(data)


# --- one file ---------------------------------------------------------------------------------------------------------


def test_steps_cycles_counters_and_time_are_those_of_the_file(tmp_path):
    (tmp_path / "x.cex").write_bytes(DATA)
    kind, ((_, one),) = recordings_of(tmp_path / "x.cex")
    assert kind.name == "LAND"
    steps = steps_of(one)
    assert [(step.number, step.cycle) for step in steps] == WHOLE.steps()
    assert [step.verb for step in steps[:3]] == ["rest", "discharge", "charge"]
    rows = WHOLE.records(2, 0)
    discharge = one.verb == VERBS.index("discharge")
    np.testing.assert_allclose(one.current[discharge], -WHOLE.counts * AMPERE)
    np.testing.assert_allclose(one.voltage[steps[1].first : steps[1].last + 1], rows["v"] * VOLT)
    assert one.discharging_ah[-1] == pytest.approx(WHOLE.passes * rows["q"][-1], rel=1e-6)
    assert one.charging_wh[-1] == pytest.approx(WHOLE.passes * WHOLE.records(3, 0)["e"][-1], rel=1e-6)
    assert (one.began, one.title) == (WHOLE.started, "unit 1 channel 11")
    assert one.facts["recipe"].endswith("2 discharge 0.04 mA to <= 0.8 V; 3 charge 0.04 mA to >= 1.8 V")
    assert one.notes == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DATA[:40], "cut off"),
        (DATA[: BEGIN - 4], "found the end: the file was cut off"),
        (DATA[:-5], f"byte {len(DATA) - 16}, found 11.*cut off there.*--follow"),
        (changed(0x20, "<I", 7), "the header with checksum.*damaged"),
        (changed(0x40 + FRAME + 20, "<I", 7), "the information with checksum"),
        (changed(BEGIN - FRAME - 100, "<I", 7), "the recipe with checksum"),
        (changed(0x40 + 4, "<H", 0xAB), "end of block 0xab"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1) + 8, "<B", 5), r"known in step 2 at byte \d+ .*0x70 rest.*found 0x05"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1) + 9, "<B", 6), r"5 V and 10 mA in step 2 .*found 0x06"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1) + 4, "<H", 1), "begin of a step at byte"),
        (changed(at(DATA, b"\xcc\xcc\xff\xff", 2) + 4, "<B", 0x55), r"event that is known at byte \d+ .*found 0x55"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1), "<I", 0xFFFFCCCE), r"step or an event at byte \d+, found ce cc ff ff: damaged"),
        (WHOLE.but(scale=2.0).bytes(), "charge is what the tester counted.*not of 5 V and 10 mA"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1) + 3 * FRAME, "<I", 5), "row 15: wanted a time that does not go back|begins again"),
        (changed(at(DATA, b"\xcd\xcc\xff\xff", 1) + 3 * FRAME + 8, "<I", 0x7FC00000), "found no number"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_not_known_is_refused_by_name_and_place(data, words):
    assert re.search(words, refused(data))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (WHOLE.but(clock=(0, 0, -3600)), "clock of the tester goes back 1 times, first at step 3"),
        (WHOLE.but(modes=(cex.REST, cex.CHARGE, cex.DISCHARGE), counts=0), "steps 2, 3 are not of the kind"),
        (WHOLE.but(passes=1, rows=2), "too little was charged"),
    ],
)
def test_what_a_person_should_know_is_noted(file, words):
    assert words in "; ".join(recording_of(file.bytes(), "x.cex").notes)


def test_a_count_of_the_loop_that_goes_astray_gives_way_to_the_steps():
    one = recording_of(changed(at(DATA, b"\xcc\xcc\xff\xff", 4) + 14, "<H", 40), "x.cex")
    assert "count of the loop" in "; ".join(one.notes)
    assert [step.cycle for step in steps_of(one)] == [1, 1, 1, 2, 2, 3, 3]


def test_a_file_cut_anywhere_is_the_begin_of_the_whole_or_refused():
    """A file has no end of its own: cut between two records it reads as one that still grows."""
    whole = recording_of(DATA, "x.cex")
    for end in range(0, len(DATA), 7):
        try:
            one = recording_of(DATA[:end], "x.cex", growing=True)
        except VendorFileError:
            assert end < BEGIN
        else:
            np.testing.assert_array_equal(one.charging_ah, whole.charging_ah[: len(one)])


# --- files that grow --------------------------------------------------------------------------------------------------


class Folder:
    """A folder that is followed, on a clock of its own."""

    def __init__(self, path):
        self.path, self.now, self.ticks = path / "land", 0.0, 0
        self.path.mkdir()
        self.db = path / "j.db"
        self.open()

    def open(self):
        self.journal = Journal.open(self.db)
        self.follower = GrowingFolders(self.journal, [self.path], lambda _: None, DAY)

    def close(self):
        self.journal.close()

    def write(self, data, name="x.cex"):
        (self.path / name).write_bytes(data)
        self.ticks += 1
        os.utime(self.path / name, ns=(self.ticks, self.ticks))

    def look(self, seconds=10.0):
        self.now += seconds
        return list(self.follower.look(self.now))

    def runs(self):
        with Reader(self.db) as reader:
            return [(run.rows, run.end_reason) for run in reader.runs()]

    def stored(self, run_id=1):
        with Reader(self.db) as reader:
            events = [(each.event.kind, each.event.record_index, each.event.data) for each in reader.events(run_id)]
            return reader.rows(run_id), [event for event in events if event[0] != "run_ended"]


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("kills", [False, True], ids=["one life", "a kill after every look"])
def test_a_file_that_grows_is_the_run_that_its_whole_is(folder, tmp_path, kills):
    """However it grows, with a daemon that dies after every look, and inside a record: the same rows, steps and cycles."""
    for end in [*range(100, len(DATA), 333), len(DATA)]:
        folder.write(DATA[:end])
        folder.look()
        if kills:
            folder.close()
            folder.open()
    assert folder.runs() == [(len(recording_of(DATA, "x.cex")), None)]
    with Reader(folder.db) as reader:
        assert reader.run(1).activity == "running"
    folder.look()
    assert "run 1 has ended" in " ".join(folder.look(DAY))
    assert folder.look() == []
    folder.close()
    assert main(["import", str(folder.path / "x.cex"), "--db", str(tmp_path / "whole.db")]) == 0
    with Reader(tmp_path / "whole.db") as reader:
        events = [(each.event.kind, each.event.record_index, each.event.data) for each in reader.events(1)]
        rows = reader.rows(1)
    grown, told = folder.stored()
    assert told == [event for event in events if event[0] != "run_ended"]
    for column in ("time", "voltage", "current", "charging_ah", "discharging_wh"):
        np.testing.assert_array_equal(getattr(grown, column), getattr(rows, column))
    assert verify(folder.db).whole


def test_a_whole_import_knows_a_test_that_was_followed_and_the_other_way_round(folder, capsys):
    folder.write(DATA)
    folder.look()
    folder.look(DAY)
    folder.close()
    words = ["import", str(folder.path / "x.cex"), "--db", str(folder.db)]
    assert main(words) == 0
    assert "run 1 holds test 1" in capsys.readouterr().out
    folder.open()
    assert "holds its test already" in " ".join(folder.look())
    assert len(folder.runs()) == 1


def test_an_import_beside_it_leaves_a_run_that_grows_alone(folder, capsys):
    folder.write(DATA[: len(DATA) // 2])
    folder.look()
    folder.close()
    (folder.path / "y.cex").write_bytes(WHOLE.but(channel=3).bytes())
    assert main(["import", str(folder.path / "y.cex"), "--db", str(folder.db)]) == 0
    folder.open()
    assert [end for _, end in folder.runs()] == [None, "done"]


def test_what_becomes_of_files_and_their_runs(folder):
    """A later test of a channel, another test in a file, a copy, a file that is damaged behind us, and one that is gone."""
    folder.write(DATA[:-300])
    assert "run 1 begins, unit 1 channel 11" in folder.look()[0]
    folder.write(DATA[:-300], "copy.cex")
    assert "another file's" in folder.look()[0]
    folder.write(WHOLE.but(started=WHOLE.started + 9999).bytes(), "next.cex")
    assert [line.partition(": ")[2] for line in folder.look()] == [
        "run 2 begins, unit 1 channel 11",
        f"run 1 has ended with {folder.runs()[0][0]} rows: a later test has begun on unit 1 channel 11",
    ]
    folder.write(DATA)
    assert "has changed since its run 1 ended" in folder.look()[0]
    folder.write(WHOLE.but(started=WHOLE.started + 99_999).bytes(), "next.cex")
    assert "another test was written to its file" in folder.look()[0]
    (folder.path / "next.cex").unlink()
    assert folder.look() == []
    assert "run 3 has ended" in folder.look(DAY)[0]
    folder.write(other := WHOLE.but(channel=5).bytes(), "last.cex")
    folder.look()
    damaged = bytearray(other)
    damaged[-12] ^= 1
    folder.write(bytes(damaged), "last.cex")
    assert folder.look() == []  # it may have been caught as it was written
    assert "run 4 failed" in folder.look()[0]
    assert "changed, not continued" in Reader(folder.db).run(4).end_why
    assert folder.look() == []
    assert [end for _, end in folder.runs()] == ["done", "done", "done", "failed"]


def test_a_run_whose_file_vanished_in_another_life_ends(folder):
    folder.write(DATA)
    folder.look()
    folder.close()
    (folder.path / "x.cex").unlink()
    folder.open()
    assert folder.look() == []
    assert "is gone" in folder.look(DAY)[0]


def test_what_cannot_be_taken_is_said_once_and_taken_when_it_can(folder):
    unknown = changed(at(DATA, b"\xcd\xcc\xff\xff", 6) + 8, "<B", 5)
    folder.write(unknown)
    assert folder.look() == []
    folder.write(unknown + unknown[-FRAME:])
    assert "is not taken: x.cex: wanted a mode that is known" in folder.look()[0]
    assert folder.look() == []
    folder.write(DATA)
    assert "run 1 begins" in folder.look()[0]


def test_a_full_disk_ends_it_and_the_next_life_goes_on(folder, monkeypatch):
    folder.write(DATA[: len(DATA) // 2])
    folder.look()
    folder.write(DATA)

    def full(_):
        raise StoreError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(folder.journal, "commit", full)
        with pytest.raises(StoreError):
            folder.look()
    folder.look()
    assert folder.runs() == [(len(recording_of(DATA, "x.cex")), None)]


def test_the_verb_follows_until_it_is_told_to_end(folder, tmp_path):
    folder.close()
    folder.write(DATA)
    words = [sys.executable, "-m", "labctl", "import", "--follow", str(folder.path), "--db", str(folder.db)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        told += process.stdout.readlines()
    assert process.returncode == 0
    assert "nothing is driven" in told[0]
    assert "run 1 begins" in told[1]
    assert "go on with the same command" in told[-1]
    assert main(["import", "--follow", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize(
    ("words", "dropped"),
    [
        (["--follow", "--look"], "with --follow, found --look"),
        (["--every", "1 s"], "with files alone, found --every"),
        (["--protocol", "out.yaml", "--follow", "--cell", "vo"], "with --protocol, found --cell, --follow"),
    ],
)
def test_an_option_that_would_say_nothing_is_refused(tmp_path, monkeypatch, capsys, words, dropped):
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(tmp_path), *words]) == 2
    assert f"wanted options that have an effect {dropped}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
