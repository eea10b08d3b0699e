"""Files of other makers become runs: real files, our own exports read back, and files that are damaged in every way."""

import contextlib
import importlib
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from NewareNDA import read as read_by_newarenda

from benchmarks import ndax
from labctl.cli.main import main
from labctl.exchange.find import FORMATS, recordings_of
from labctl.exchange.formats.bdf import named
from labctl.exchange.import_run import COMMIT, INTERRUPTED, completed, import_run
from labctl.exchange.jet import JetFile
from labctl.exchange.steps import renumbered, steps_of
from labctl.exchange.vendor_test import VERBS, VendorFileError, accumulated, integrated, split_by_sign
from labctl.report.run_data import record_of
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify

VENDOR = Path(__file__).parents[2] / "vendor"
FILES = sorted(path for path in VENDOR.iterdir() if path.suffix != ".md")
ANALYSED = [path for path in FILES if path.suffix != ".pssession"]  # whose spectrum is fitted as EC-Lab's is
CELL = """\
labctl_cell: 1
name: M1
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
CCCV = """\
labctl: 1
name: CC-CV
record: {every: 60 s, dV: 5 mV}
steps:
  - rest: 10 min
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 0.5 A, to: 4.1 V, hold_until: "current < 50 mA", for: 10 h}
      - discharge: {current: 0.5 A, to: 3.2 V, for: 10 h}
"""
RESTING = """\
labctl: 1
name: rests around cycles
record: {every: 60 s}
steps:
  - rest: 10 min
  - repeat: 3
    cycle: true
    steps:
      - discharge: {current: 1C, for: 12 min}
      - charge: {current: 1C, for: 12 min}
  - rest: 20 min
"""


def only(file):
    return completed(recordings_of(file)[1][0][1], file.name)


def stored(tmp_path, file, name="j.db"):
    """Import a file through the command line and return a reader of the journal."""
    assert main(["import", str(file), "--db", str(tmp_path / name)]) == 0
    return Reader(tmp_path / name)


# --- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ANALYSED, ids=lambda path: path.name)
def test_a_real_file_is_a_run_that_verify_show_analyse_and_report_take(file, tmp_path, capsys):
    with stored(tmp_path, file) as reader:
        run = reader.run(1)
        assert run.end_reason == "done"
        assert run.rows == len(only(file))
        assert run.imported == file.name
    assert verify(tmp_path / "j.db").whole
    db = ["--db", str(tmp_path / "j.db")]
    assert main(["show", "1", *db]) == 0
    assert f"imported from {file.name}" in capsys.readouterr().out
    assert main(["analyse", "1", *db]) == 0
    assert main(["report", "1", "-o", str(tmp_path / "run.html"), *db]) == 0
    assert file.name in (tmp_path / "run.html").read_text()
    assert main(["replay", "1", *db]) != 0
    assert "nothing to fold again" in capsys.readouterr().err


def test_neware_is_what_a_second_reader_finds():
    file = VENDOR / "46_1_5_60_bts16.ndax"  # it does not know version 8 of .nda
    ours, theirs = only(file), read_by_newarenda(str(file), log_level="CRITICAL")
    np.testing.assert_allclose(ours.voltage, theirs["Voltage"], atol=1e-4)
    np.testing.assert_allclose(ours.current, theirs["Current(mA)"] * 1e-3, atol=1e-7)
    by_step = theirs.groupby("Step")[["Charge_Capacity(mAh)", "Discharge_Capacity(mAh)"]].max().sum() * 1e-3
    assert ours.charging_ah[-1] == pytest.approx(by_step.iloc[0], abs=1e-7)
    assert ours.discharging_ah[-1] == pytest.approx(by_step.iloc[1], abs=1e-7)
    assert len(steps_of(ours)) == theirs["Step"].nunique()


def test_a_long_neware_file_has_what_was_written_to_it(tmp_path):
    """The file by which the speed of an import is measured; the rows between those with times are the reader's."""
    one = only(ndax.write(tmp_path / "long.ndax", 9_003))
    steps = steps_of(one)
    assert [step.verb for step in steps] == ["rest", "charge", "rest", "discharge"] * 2 + ["rest", "charge"]
    assert [(step.first, step.last) for step in steps[-2:]] == [(8_000, 8_999), (9_000, 9_002)]
    assert one.time[-1] == pytest.approx(9 * 999 + 2)  # a step begins when the one before has ended
    passed = 0.5 * 999 / 3600.0
    assert one.discharging_ah[-1] == pytest.approx(2 * passed, rel=2e-3)
    assert one.charging_ah[7_999] == pytest.approx(2 * passed, rel=2e-3)


def test_maccor_has_the_figures_of_its_last_rows():
    steps = steps_of(one := only(VENDOR / "maccor.txt"))
    assert [step.verb for step in steps[:7]] == ["rest", "discharge", "rest", "charge", "charge", "rest", "discharge"]
    rows = [line.split("\t") for line in (VENDOR / "maccor.txt").read_text().splitlines()[4:]]
    last = {int(row[2]): row for row in rows}  # of each step, as the file has it
    charged = sum(float(row[5]) for row in last.values() if row[9] == "C")
    discharged = sum(float(row[5]) for row in last.values() if row[9] == "D")
    assert one.charging_ah[-1] == pytest.approx(charged, abs=1e-9)
    assert one.discharging_ah[-1] == pytest.approx(discharged, abs=1e-9)
    assert one.current[one.verb == VERBS.index("discharge")].max() < 0
    assert one.began == pytest.approx(1607689332)  # 12/11/2020 12:22:12


def test_an_eclab_spectrum_lies_between_its_rows(tmp_path):
    with stored(tmp_path, VENDOR / "eclab-modulo-bat.mpr") as reader:
        (spectrum,) = record_of(reader, reader.run(1)).spectra()
    assert len(spectrum.frequency) == 64
    assert (spectrum.impedance.imag < 0).mean() > 0.5  # capacitive is negative here
    assert spectrum.frequency[0] > spectrum.frequency[-1]


def test_a_spectrum_of_palmsens_is_capacitive_where_its_admittance_is(tmp_path):
    """Its own columns of the admittance, whose imaginary part is positive where it is capacitive, say which sign is which."""
    with stored(tmp_path, VENDOR / "eis-dummy-cell.pssession") as reader:
        run = reader.run(1)
        (spectrum,) = record_of(reader, run).spectra()
    session = json.JSONDecoder().raw_decode((VENDOR / "eis-dummy-cell.pssession").read_bytes().decode("utf-16"))[0]
    arrays = {each["Description"]: each["DataValues"] for each in session["Measurements"][0]["DataSet"]["Values"]}
    admittance = np.array([real["V"] + 1j * imag["V"] for real, imag in zip(arrays["YRe"], arrays["YIm"], strict=True)])
    np.testing.assert_allclose(1.0 / spectrum.impedance, admittance, rtol=1e-4)
    assert run.began_unix_time == pytest.approx(1_487_019_739.6, abs=1)


def session(*measurements):
    text = json.dumps({"type": "PalmSens.DataFiles.SessionFile", "measurements": list(measurements)})
    return b"\xff\xfe" + (text + "\ufeff").encode("utf-16-le")


def measurement(technique, *arrays, title="scan"):
    units = {0: "Time", 1: "Volt", 2: "MicroAmpere", 30: "Volt"}
    values = [
        {
            "arraytype": kind,
            "description": words,
            "unit": {"type": f"PalmSens.Units.{units[kind]}"},
            "datavalues": [{"v": v} for v in row],
        }
        for kind, words, row in arrays
    ]
    return {"title": title, "method": f"#x\r\nMETHOD_ID={technique}\r\n", "dataset": {"values": values}}


ROWS = ((0, "time", [0.0, 0.5, 1.0]), (1, "potential", [0.1, 0.2, 0.1]), (2, "current", [5.0, 6.0, -5.0]))


def test_scans_of_palmsens_are_cycles_and_pulses_are_left_out_by_name(tmp_path):
    scans = measurement("cv", *ROWS, *ROWS[1:])
    (tmp_path / "x.pssession").write_bytes(session(measurement("dpv", *ROWS), scans))
    one = only(tmp_path / "x.pssession")
    assert one.time.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert one.cycle.tolist() == [1, 1, 1, 2, 2, 2]
    assert one.current[:3].tolist() == pytest.approx([5e-6, 6e-6, -5e-6])
    assert {step.verb for step in steps_of(one)} == {"cv"}
    assert "measurement 1 is left out: of dpv" in one.notes[0]
    assert "go on every 0.5 s" in one.notes[1]
    (tmp_path / "x.pssession").write_bytes(session(measurement("pot", *ROWS)))
    assert [step.verb for step in steps_of(only(tmp_path / "x.pssession"))] == ["charge", "discharge"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (session(measurement("swv", *ROWS)), "found swv"),
        (session(measurement("ad", *ROWS[:2], (2, "current", [1.0]))), "as many rows of time, potential and current"),
        (session(measurement("cv", *ROWS[:1], (1, "scan1channel1", [1, 2, 3]), (2, "scan1channel2", [1, 2, 3]))), "one channel"),
        (session(measurement("ad", *ROWS)).replace("MicroAmpere".encode("utf-16-le"), "NanoAmpere".encode("utf-16-le")), "found NanoAmpere"),
        (session(), "found none"),
        (session(measurement("ad", *ROWS)) + "x".encode("utf-16-le"), "found more"),
    ],
)  # fmt: skip
def test_what_of_palmsens_is_not_known_is_refused_by_name(tmp_path, capsys, data, words):
    assert words in refused(tmp_path, capsys, "x.pssession", data)


def test_arbin_has_what_the_tester_says_of_its_first_cycle():
    """Its own table of cycles, its counters beside the sum over the rows, and the steps of its schedule."""
    one, file = only(VENDOR / "arbin.res"), VENDOR / "arbin.res"
    database = JetFile(file.read_bytes(), file.name)
    cycles = database.table("Test_ID", "Data_Point", "Vmax_On_Cycle")
    first = one.cycle == 1
    assert np.count_nonzero(first) == database.numbers(cycles, "Data_Point")[0]
    assert one.voltage[first].max() == pytest.approx(database.numbers(cycles, "Vmax_On_Cycle")[0], abs=1e-3)
    passed = integrated(one.time, one.current, one.voltage)
    for ours, summed in zip(
        (one.charging_ah, one.discharging_ah, one.discharging_wh), passed[:2] + passed[3:], strict=True
    ):
        assert ours[-1] == pytest.approx(summed[-1], rel=2e-3)
    driven = [step for step in steps_of(one) if step.last - step.first > 100]
    assert [(step.number, step.verb, step.cycle) for step in driven] == [
        (1, "rest", 1), (3, "discharge", 1), (6, "charge", 1), (3, "discharge", 2)
    ]  # fmt: skip
    assert one.title == "20160805_sic006_45_cc_01-01-003"
    assert one.facts["Schedule_File_Name"].endswith("24h_rest_3cyc_C20_100cyc_c10_MR.sdu")
    assert one.began == pytest.approx(1_470_413_783, abs=1)  # 5 August 2016, 16:16:23


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-4096], "rows with Test_ID, found|wanted a table with"),
        (lambda data: data[:-100], "whole pages of 4096 bytes"),
        (lambda data: data[:0x14] + b"\0" + data[0x15:], "an older one"),
        (
            lambda data: data.replace("Voltage".encode("utf-16-le"), "Voltaic".encode("utf-16-le")),
            "a table with Test_ID.*Voltage",
        ),
    ],
)
def test_a_database_that_lacks_something_is_refused(tmp_path, capsys, change, words):
    said = refused(tmp_path, capsys, "x.res", change((VENDOR / "arbin.res").read_bytes()))
    assert re.search(words, said)


# --- our own exports --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A simulated run and its exports."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "cell.yaml").write_text(CELL)
    (folder / "cccv.yaml").write_text(CCCV)
    db = f"sqlite:///{folder / 'x.db'}"
    assert main(["simulate", str(folder / "cccv.yaml"), "--cell", str(folder / "cell.yaml"), "--db", db]) == 0
    for kind, name in (("bdf-csv", "x.bdf.csv"), ("bdf-parquet", "x.parquet")):
        assert main(["export", "1", "--format", kind, "-o", str(folder / name), "--db", db]) == 0
    return folder


@pytest.mark.parametrize("name", ["x.bdf.csv", "x.parquet"])
def test_a_run_that_was_exported_comes_back_with_its_figures(measured, tmp_path, name):
    words = ["import", str(measured / name), "--db", str(tmp_path / "j.db"), "--cell", str(measured / "cell.yaml")]
    assert main(words) == 0
    with Reader(measured / "x.db") as before, Reader(tmp_path / "j.db") as after:
        one, other = record_of(before, before.run(1)), record_of(after, after.run(1))
        rows, again = before.rows(1), after.rows(1)
    for column in ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "discharging_wh"):
        np.testing.assert_allclose(getattr(again, column), getattr(rows, column), rtol=1e-9, atol=1e-12)
    for column in ("charging_capacity_ah", "discharging_capacity_ah", "coulombic_efficiency", "retention", "complete"):
        np.testing.assert_allclose(other.cycles[column], one.cycles[column], rtol=1e-9)
    driven = [list(record.steps["step_type"]) for record in (one, other)]
    assert driven[0] == driven[1]
    np.testing.assert_allclose(other.steps["step_time_second"], one.steps["step_time_second"], atol=1e-6)


def test_the_same_test_is_taken_once(measured, tmp_path, capsys):
    words = ["import", str(measured / "x.parquet"), "--db", str(tmp_path / "j.db")]
    assert [main(words), main(words), main([*words, "--again"])] == [0, 0, 0]
    assert "holds test 1" in capsys.readouterr().out
    with Reader(tmp_path / "j.db") as reader:
        assert len(reader.runs()) == 2


# --- damaged files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.bdf.csv", "x.parquet"])
def test_what_lies_outside_of_the_cycles_of_an_exported_run_is_in_none_of_the_imported(tmp_path, name):
    where = f"sqlite:///{tmp_path / 'x.db'}"
    (tmp_path / "resting.yaml").write_text(RESTING)
    assert main(["simulate", str(tmp_path / "resting.yaml"), "--cell", "marquis2019", "--db", where]) == 0
    assert main(["export", "1", "-o", str(tmp_path / name), "--db", where]) == 0
    with Reader(tmp_path / "x.db") as before, stored(tmp_path, tmp_path / name) as after:
        one, other = record_of(before, before.run(1)), record_of(after, after.run(1))
        assert "counted anew" not in after.run(1).options["import_notes"]
    assert list(one.cycles["cycle_count"]) == list(other.cycles["cycle_count"]) == [1, 2, 3]
    for column in ("charging_capacity_ah", "discharging_capacity_ah", "complete"):
        np.testing.assert_allclose(other.cycles[column], one.cycles[column], rtol=1e-9)
    assert list(other.steps["cycle_count"]) == list(one.steps["cycle_count"])


def lines_of(measured):
    return (measured / "x.bdf.csv").read_text().splitlines()


def refused(tmp_path, capsys, name, data):
    """Import what is damaged, make sure that nothing was written, and return what was said."""
    (tmp_path / name).write_bytes(data)
    assert main(["import", str(tmp_path / name), "--db", str(tmp_path / "none.db")]) == 1
    assert not (tmp_path / "none.db").exists()
    said = capsys.readouterr().err
    assert name in said
    assert "defect" not in said
    return said


def test_two_tests_in_a_file_are_said_and_can_be_taken_one_by_one(measured, tmp_path, capsys):
    lines = lines_of(measured)
    data = "\n".join([*lines, *lines[1:]]).encode() + b"\n"
    assert "--test 1 to 2" in refused(tmp_path, capsys, "two.csv", data)
    db = str(tmp_path / "j.db")
    assert main(["import", str(tmp_path / "two.csv"), "--db", db, "--test", "2"]) == 0
    assert main(["import", str(tmp_path / "two.csv"), "--db", db, "--test", "all"]) == 0
    with Reader(db) as reader:
        assert [run.rows for run in reader.runs()] == [len(lines) - 1] * 2


def test_a_clock_that_went_back_is_said_with_its_row(measured, tmp_path, capsys):
    lines = lines_of(measured)
    at = len(lines) // 2
    cells = lines[at].split(",")
    lines[at] = ",".join([str(float(cells[0]) * 0.7), *cells[1:]])
    said = refused(tmp_path, capsys, "clock.csv", "\n".join(lines).encode() + b"\n")
    assert f"row {at + 1}" in said
    assert "clock" in said


def test_a_file_of_no_known_kind_lists_those_that_are_known(tmp_path, capsys):
    said = refused(tmp_path, capsys, "x.txt", b"hello\n")
    assert all(one.name in said for one in FORMATS)
    assert "an empty file" in refused(tmp_path, capsys, "x.csv", b"")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_read_whole_or_refused(file, data, tmp_path_factory):
    """No cut ends in a defect; a text may end with a line, else what is missing is said."""
    whole = file.read_bytes()
    cut = tmp_path_factory.mktemp("cut") / file.name
    most = len(whole) - (3 if file.suffix == ".pssession" else 1)  # whose last character is a mark without a meaning
    cut.write_bytes(whole[: data.draw(st.integers(0, most))])
    if file.suffix in {".txt", ".nda"}:  # neither says how many rows it should have
        with contextlib.suppress(VendorFileError):
            assert len(recordings_of(cut)[1][0][1]) <= len(only(file))
    else:
        with pytest.raises(VendorFileError, match=re.escape(file.name)):
            recordings_of(cut)


def test_garbage_inside_an_eclab_binary_is_refused(tmp_path, capsys):
    data = bytearray((VENDOR / "eclab-modulo-bat.mpr").read_bytes())
    at = data.index(b"VMP data") - 6 + 57
    struct.pack_into("<I", data, at, 10**6)
    assert "cut off while it was written" in refused(tmp_path, capsys, "more.mpr", bytes(data))
    struct.pack_into("<IBH", data, at, 150, 35, 9999)
    assert "number 9999" in refused(tmp_path, capsys, "column.mpr", bytes(data))


def test_an_import_that_is_cut_short_is_a_failed_run(tmp_path, monkeypatch):
    recording = only(VENDOR / "maccor.txt")
    with Journal.open(tmp_path / "j.db") as journal:
        commit, calls = journal.commit, []

        def failing(entries):
            calls.append(len(entries))
            if len(calls) == 1:
                raise OSError(28, "No space left on device")
            return commit(entries)

        monkeypatch.setattr(journal, "commit", failing)
        with pytest.raises(OSError, match="space"):
            import_run(journal, recording, VENDOR / "maccor.txt", {"imported": "maccor.txt"})
    with Reader(tmp_path / "j.db") as reader:
        (run,) = reader.runs()
    assert (run.end_reason, run.end_why, run.rows) == ("failed", INTERRUPTED, 0)


def test_an_import_that_was_killed_is_ended_by_the_next(tmp_path, capsys):
    write = importlib.import_module("labctl.exchange.import_run")
    with Journal.open(tmp_path / "j.db") as journal:
        plan = write.plan_of_import(only(VENDOR / "maccor.txt"), write._unknown_cell("x"))
        new = write.NewRun(write.plan_to_json(plan), write.digest(plan), 0.0, options={"imported": "x"})
        journal.create_run(new)
    with stored(tmp_path, VENDOR / "maccor.txt") as reader:
        assert [run.end_reason for run in reader.runs()] == ["failed", "done"]
    assert "ended as failed" in capsys.readouterr().out


# --- the pure parts ---------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1)), min_size=1, max_size=30))
def test_a_counter_that_restarts_adds_up(pieces):
    """Steps that each pass some charge in a few rows add up to all that passed."""
    counter, restart, total = [], [], 0.0
    for number, (charge, more) in enumerate(pieces):
        rows = np.linspace(0.0, charge, 3 + more)
        counter += rows.tolist()
        restart += [number] * len(rows)
        total += charge
    column, steps = np.array(counter), np.array(restart)
    assert accumulated(column, steps)[-1] == pytest.approx(total)
    up, down = split_by_sign(column, steps % 2 == 0, steps)
    assert up[-1] + down[-1] == pytest.approx(total)
    assert (np.diff(up) >= 0).all()


def test_cycles_that_come_again_are_counted_anew():
    assert renumbered(np.array([1, 1, 2, 1, 1])).tolist() == [1, 1, 2, 3, 3]
    assert renumbered(np.array([1, 1, 2, 4])).tolist() == [1, 1, 2, 4]


def test_rows_outside_of_cycles_stay_outside_however_often_they_come():
    assert renumbered(np.array([0, 1, 1, 0, 2, 0])).tolist() == [0, 1, 1, 0, 2, 0]
    assert renumbered(np.array([0, 1, 2, 0, 1, 0])).tolist() == [0, 1, 2, 0, 3, 0]


@pytest.mark.parametrize(
    ("header", "meaning"),
    [("voltage_volt", ("voltage", 1.0)), ("Current / mA", ("current", 1e-3)), ("Test Time / h", ("time", 3600.0)),
     ("Charging Capacity / mAh", ("charge", 1e-3)), ("labctl_quality", ("", 1.0))],
)  # fmt: skip
def test_headers_of_both_kinds_are_known(header, meaning):
    assert named(header) == meaning


def test_a_unit_that_is_not_known_is_refused():
    with pytest.raises(VendorFileError, match="furlong"):
        named("Voltage / furlong")


def test_a_long_step_is_stored_in_pieces(tmp_path):
    count = 2 * COMMIT + 5
    rows = "\n".join(f"{row},3.7,0.001" for row in range(count))
    (tmp_path / "long.csv").write_text("Test Time / s,Voltage / V,Current / A\n" + rows + "\n")
    with stored(tmp_path, tmp_path / "long.csv") as reader:
        assert reader.run(1).rows == count
        assert reader.rows(1).charging_ah[-1] == pytest.approx(0.001 * (count - 1) / 3600)
