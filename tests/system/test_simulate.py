"""The dry run as a user runs it: files in, rows and figures in SQLite out."""

import json
import signal
import sqlite3

import pytest

from labctl.cli.main import main
from labctl.cli.terminal.dry_run import interruptions
from labctl.run import simulate as simulating
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal

CELL = """\
labctl_cell: 1
name: M1
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
SYMMETRIC = """\
labctl_cell: 1
name: S1
kind: symmetric
area: 1 cm2
nominal: {capacity: 5 mAh/cm2}
limits: {voltage: [-5 V, 5 V], current: [-10 mA, 10 mA]}
model: phl-symmetric
"""
CCCV = """\
labctl: 1
name: CC-CV
params: {top: 4.1 V}
record: {every: 10 s, dV: 2 mV}
steps:
  - rest: 10 min
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 0.5 A, to: $top, hold_until: "current < 50 mA", for: 10 h}
      - discharge: {current: 0.5 A, to: 3.2 V, for: 10 h}
"""


EMPTY = """\
labctl: 1
name: discharged first
steps:
  - repeat: 2
    cycle: true
    steps:
      - discharge: {current: C/2, to: 3 V, for: 8 h}
      - charge: {current: C/2, to: 4.2 V, for: 8 h}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "symmetric.yaml").write_text(SYMMETRIC)
    (tmp_path / "cccv.yaml").write_text(CCCV)
    return tmp_path


def simulate(files, protocol="cccv.yaml", cell="cell.yaml", *more):
    name = str(files / protocol) if protocol.endswith(".yaml") else protocol
    return main(["simulate", name, "--cell", str(files / cell), "--db", f"sqlite:///{files / 'x.db'}", *more])


def rows(files, query):
    with sqlite3.connect(files / "x.db") as database:
        found = database.execute(query).fetchall()
    database.close()
    return found


def test_cccv_comes_to_its_end_with_every_row_stored(files, capsys):
    assert simulate(files, "cccv.yaml", "cell.yaml", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["end_reason"] == "done"
    ((count, last),) = rows(files, "SELECT count(*), max(record_index) FROM samples")
    assert count == said["rows"] == last + 1
    steps = rows(files, "SELECT step_type, end_reason FROM steps ORDER BY step_count")
    assert steps == [("rest", "for")] + [("charge", "to"), ("hold", "until"), ("discharge", "to")] * 3
    cycles = rows(files, "SELECT coulombic_efficiency, retention FROM cycles ORDER BY cycle_count")
    assert cycles[1] == pytest.approx((1.0, 1.0), abs=1e-6)
    assert rows(files, "SELECT activity, end_reason FROM runs") == [("done", "done")]


def test_the_charge_in_a_step_is_current_times_time(files):
    assert simulate(files) == 0
    for kind, seconds, charged, discharged in rows(
        files, "SELECT step_type, step_time_second, charging_capacity_ah, discharging_capacity_ah FROM steps"
    ):
        if kind in {"charge", "discharge"}:
            assert charged + discharged == pytest.approx(0.5 * seconds / 3600.0, rel=1e-9)


def test_the_same_seed_gives_the_same_bits(files):
    assert simulate(files, "cccv.yaml", "cell.yaml", "--seed", "7") == 0
    assert simulate(files, "cccv.yaml", "cell.yaml", "--seed", "7") == 0
    assert simulate(files, "cccv.yaml", "cell.yaml", "--seed", "8") == 0
    columns = (
        "record_index, test_time_second, voltage_volt, current_ampere, charging_capacity_ah, discharging_capacity_ah"
    )
    one, two, three = (rows(files, f"SELECT {columns} FROM samples WHERE run_id = {run}") for run in (1, 2, 3))
    assert one == two
    assert one != three


def test_a_parameter_is_set_from_the_command_line(files):
    assert simulate(files, "cccv.yaml", "cell.yaml", "--set", "top=4.0 V") == 0
    ((volts,),) = rows(files, "SELECT last_voltage_volt FROM steps WHERE step_type = 'charge' LIMIT 1")
    assert volts == pytest.approx(4.0, abs=1e-4)


def test_a_shipped_protocol_runs_on_a_symmetric_cell(files, capsys):
    assert simulate(files, "ccd-time-constant", "symmetric.yaml") == 0
    assert "run 1: done" in capsys.readouterr().out
    assert rows(files, "SELECT count(*) FROM cycles")[0][0] > 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.yaml", "cell.yaml"], "found none"),
        (["cccv.yaml", "nowhere.yaml"], "found none"),
        (["cccv.yaml", "cell.yaml", "--set", "top"], "wanted NAME=VALUE"),
        (["cccv.yaml", "symmetric.yaml"], "symmetric"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(files, capsys, words, message):
    assert simulate(files, *words) in {1, 2}
    assert message in capsys.readouterr().err
    assert not (files / "x.db").exists()


def test_an_unknown_model_is_refused_with_those_there_are(files, capsys):
    (files / "cell.yaml").write_text(CELL.replace("marquis2019", "marquis"))
    assert simulate(files) == 1
    assert "marquis2019" in capsys.readouterr().err


def test_names_and_texts_are_those_of_their_pass(files):
    (files / "named.yaml").write_text(
        "labctl: 1\nlimits: {voltage: [2.6 V, 4.2 V], current: [-1 A, 1 A]}\nsteps:\n  - rest: 10 s\n  - each: {v: [3.8 V, 3.9 V]}\n"
        "    steps:\n      - name: to $v\n        hold: {voltage: $v, for: 10 s}\n      - mark: reached $v\n  - rest: 10 s\n"
    )
    assert simulate(files, "named.yaml") == 0
    assert [
        row[0] for row in rows(files, "SELECT step_name FROM steps ORDER BY step_count") if row[0].startswith("to")
    ] == [
        "to 3.8 V",
        "to 3.9 V",
    ]
    marks = [
        json.loads(row[0])["text"] for row in rows(files, "SELECT data FROM events WHERE kind = 'mark' ORDER BY seq")
    ]
    assert marks == ["reached 3.8 V", "reached 3.9 V"]


def test_what_the_readme_simulates_folds_again_to_the_same_bits(tmp_path, capsys):
    """Its last row is a voltage that rounds to minus zero, which no store keeps."""
    db = f"sqlite:///{tmp_path / 'x.db'}"
    assert main(["simulate", "ccd-time-constant", "--cell", "phlt-symmetric", "--db", db]) == 0
    assert main(["replay", "1", "--db", db]) == 0, capsys.readouterr().err


WRONG_CELL = """\
labctl: 1
name: wrong open circuit
requires: {ocv: [4.0 V, 4.2 V]}
steps:
  - rest: 10 min
  - discharge: {current: 0.3 A, for: 1 h}
"""


def test_simulate_hides_why(files, capsys):
    (files / "ocv.yaml").write_text(WRONG_CELL)
    assert simulate(files, "ocv.yaml") == 1
    shown = capsys.readouterr().out
    assert "the open circuit is at 3.8" in shown
    assert "wanted 4 V to 4.2 V" in shown
    assert "nobody answers" in shown
    ((why,),) = rows(files, "SELECT end_why FROM runs")
    assert why.startswith("it asked: the open circuit is at 3.8")


def test_a_cell_assembled_discharged_has_no_efficiency_in_a_first_cycle_that_begins_by_discharging(files):
    (files / "empty.yaml").write_text(EMPTY)
    main(["simulate", str(files / "empty.yaml"), "--cell", "phlt-lfp", "--db", f"sqlite:///{files / 'x.db'}"])
    first, second = rows(
        files, "SELECT charging_capacity_ah, discharging_capacity_ah, coulombic_efficiency FROM cycles"
    )
    assert first[1:] == (0.0, None)
    assert second[2] == pytest.approx(second[1] / first[0])


@pytest.mark.parametrize(("number", "by"), [(signal.SIGINT, "the keyboard"), (signal.SIGTERM, "SIGTERM")])
def test_an_interrupted_dry_run_ends_as_stopped_with_its_rows(files, monkeypatch, number, by):
    monkeypatch.setattr(simulating, "COMMIT", 100)
    shown, before = [], signal.getsignal(number)

    def interrupt(progress):
        shown.append(progress)
        if len(shown) == 1:
            signal.raise_signal(number)

    simulation = Simulation(DryRunRequest(str(files / "cccv.yaml"), str(files / "cell.yaml")))
    with Journal.open(f"sqlite:///{files / 'x.db'}") as journal, interruptions() as interrupted:
        ended = simulation.run(journal, interrupt, interrupted)
    assert (ended.reason, ended.why) == ("stopped", f"stopped by {by}")
    ((count, reason),) = rows(files, "SELECT (SELECT count(*) FROM samples), end_reason FROM runs")
    assert (count, reason) == (ended.rows, "stopped")
    assert signal.getsignal(number) is before
