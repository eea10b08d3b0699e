"""Numbers that were wrong once, each with the right value: from the files of a protocol and a cell to what `analyse` says."""

import itertools
import json
import sqlite3
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.engine.state import state_from_json
from labctl.run.resume import carried
from labctl.run.resume_point import ResumePoint
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader

FULL = """\
labctl_cell: 1
name: full-lco
kind: full
area: 283.59 cm2
nominal: {capacity: 680.616 mAh}
limits: {voltage: [2.8 V, 4.3 V], current: [-6 A, 6 A]}
model: marquis2019
"""
SYMMETRIC = """\
labctl_cell: 1
name: sym
kind: symmetric
area: 1.539 cm2
electrolyte_thickness: 50 um
limits: {voltage: [-5 V, 5 V], current: [-20 mA, 20 mA]}
reference: Li
model: phlt-symmetric
"""
BUDGET = """\
labctl: 1
name: Cycling for 20 h at most
record: {every: 30 s, dV: 5 mV}
steps:
  - rest: 10 min
  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
  - name: cycling
    repeat: 100
    cycle: true
    for: 20 h
    stop_if: retention < 80 %
    steps:
      - discharge: {current: 1C, to: 3.1 V, for: 3 h}
      - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
  - rest: 10 min
"""
STORAGE = """\
labctl: 1
name: Capacity check, then to storage
record: {every: 30 s, dV: 5 mV}
steps:
  - rest: 10 min
  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
  - repeat: 2
    cycle: true
    steps:
      - discharge: {current: C/2, to: 3.1 V, for: 5 h}
      - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
  - rest: 10 min
  - discharge: {current: C/2, capacity: 50 %, for: 3 h}
  - rest: 10 min
  - repeat: 1
    cycle: true
    steps:
      - charge: {current: C/2, to: 4.1 V, for: 5 h}
      - discharge: {current: C/2, to: 3.1 V, for: 5 h}
  - charge: {current: C/2, capacity: 50 %, for: 3 h}
"""
STAIRCASE = """\
labctl: 1
name: CCD
requires: {cell: symmetric}
record: {every: 60 s, dV: 5 mV}
limits: {voltage: [-5 V, 5 V], capacity: %s}
steps:
  - rest: 10 min
  - each: {j: {from: 0.1 mA/cm2, to: 1 mA/cm2, by: 0.1 mA/cm2}}
    cycle: true
    for: %s
    stop_if: short or abs(voltage) > 2 V
    steps:
      - strip: {current: $j, until: voltage > 3 V, for: 1 h}
      - plate: {current: $j, until: voltage < -3 V, for: 1 h}
  - rest: 1 min
"""
VOLTAMMETRY = """\
labctl: 1
name: CV, then cycling
limits: {voltage: [3.0 V, 4.2 V], current: [-3 A, 3 A]}
steps:
  - rest: 10 min
  - cv: {from: ocv, to: 4.0 V, back: 3.7 V, rate: 0.1 mV/s, cycles: 2}
  - charge: {current: 0.5C, to: 4.1 V, for: 5 h}
  - repeat: 3
    cycle: true
    steps:
      - discharge: {current: 1C, to: 3.105 V, for: 5 h}
      - charge: {current: 1C, to: 4.1 V, for: 5 h}
"""
RATES = """\
labctl: 1
name: storage
limits: {voltage: [3.0 V, 4.2 V], current: [-3 A, 3 A]}
steps:
  - rest: 10 min
  - repeat: 3
    cycle: true
    steps:
      - discharge: {current: 2C, capacity: 20 %, to: 3.105 V}
      - charge: {current: 2C, capacity: 20 %, to: 4.1 V}
  - discharge: {current: C/5, to: 3.4 V, for: 20 h}
"""
FIRST = """\
labctl: 1
name: discharge first
steps:
  - rest: 1 min
  - repeat: 4
    cycle: true
    steps:
      - discharge: {current: 5 uA/cm2, to: 2.15 V, for: 60 h}
      - charge: {current: 5 uA/cm2, to: 3.8 V, for: 60 h}
"""


class Runs:
    """A folder in which protocols are simulated, and a journal."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys
        self.db = f"sqlite:///{folder / 'x.db'}"

    def simulate(self, protocol, cell, *more):
        """Run a protocol, given as text or by name, on a cell given likewise."""
        names = []
        for text, name in ((protocol, "p.yaml"), (cell, "c.yaml")):
            if "\n" in text:
                (self.folder / name).write_text(text)
                names.append(str(self.folder / name))
            else:
                names.append(text)
        code = main(["simulate", names[0], "--cell", names[1], "--db", self.db, *more])
        self.capsys.readouterr()
        return code

    def analyse(self, *names, run=1):
        """Return the analyses of a run by name."""
        assert main(["analyse", str(run), *names, "--db", self.db, "--json"]) == 0
        return json.loads(self.capsys.readouterr().out)

    def query(self, sql):
        """Return rows of a query."""
        with sqlite3.connect(self.folder / "x.db") as database:
            rows = database.execute(sql).fetchall()
        database.close()
        return rows


def figures(analysis):
    return {figure["name"]: figure["value"] for figure in analysis["figures"]}


@pytest.fixture
def runs(tmp_path, capsys):
    return Runs(tmp_path, capsys)


def test_cut_cycle_in_analyses(runs):
    """The budget of the block cut cycle 6 after 22 min of its discharge: it is no cycle of any analysis."""
    assert runs.simulate(BUDGET, FULL) == 0
    found = runs.analyse("capacity", "retention", "rate")
    assert figures(found["retention"])["retention of cycle 1"] == pytest.approx(100.0, abs=0.01)
    assert found["retention"]["figures"][0]["cycle"] == 5
    last = [each for each in found["capacity"]["figures"] if each["name"] == "last discharge capacity"]
    assert last[0]["value"] == pytest.approx(849.0, rel=5e-3)
    assert found["rate"]["table"]["mean capacity / uAh/cm2"] == [pytest.approx(2994.0, rel=5e-3)]
    assert found["rate"]["table"]["standard deviation / uAh/cm2"] == [pytest.approx(0.0, abs=1e-3)]
    assert found["rate"]["table"]["cycles"] == [5]
    for analysis in found.values():
        assert "cycle 6 is left out: cut by the end of a block (for 20 h)" in analysis["flags"]


def test_ccd_cut_half_cycle(runs):
    """60 s of an hour at 0.5 mA/cm2 are not survived."""
    assert runs.simulate(STAIRCASE % ("3 mAh/cm2", "8 h 1 min"), SYMMETRIC) == 0
    found = runs.analyse("ccd", "life")
    assert figures(found["ccd"]) == {"last survived current density": pytest.approx(0.4)}
    assert found["ccd"]["table"]["proves"][-2:] == ["survived", "cut"]
    assert figures(found["life"])["cycles"] == 4
    assert figures(found["life"])["time"] == pytest.approx(8.0)
    for analysis in found.values():
        assert "half-cycle of step 10 is left out: cut by the end of a block (for 8 h 1 min)" in analysis["flags"]


def test_ccd_limit_trip(runs):
    """A limit of charge that trips at 49 mV says nothing about the cell."""
    assert runs.simulate(STAIRCASE % ("0.3 mAh/cm2", "100 h"), SYMMETRIC) == 1
    found = runs.analyse("ccd", "life")
    assert figures(found["ccd"]) == {"last survived current density": pytest.approx(0.3)}
    for analysis in found.values():
        assert not any(flag.startswith("failure") for flag in analysis["flags"])
        assert any("more charge than" in flag for flag in analysis["flags"])


def test_energy_efficiency_unflagged(runs):
    """Cycle 3 began half discharged: what holds for its coulombic efficiency holds for its energy efficiency and voltage gap."""
    assert runs.simulate(STORAGE, FULL) == 0
    found = runs.analyse("capacity")["capacity"]
    assert not {"energy efficiency", "voltage gap"} & figures(found).keys()
    assert found["table"]["coulombic efficiency / %"][2] is None
    assert any(flag.startswith("no coulombic efficiency of cycle 3") for flag in found["flags"])


def test_cv_cycles_are_the_retention_reference(runs):
    """They are left out: galvanostatic cycles are held against the first of their own."""
    assert runs.simulate(VOLTAMMETRY, "marquis2019") == 0
    found = runs.analyse("capacity", "retention")
    assert found["retention"]["table"]["cycle"] == [3, 4, 5]
    assert found["retention"]["table"]["retention of cycle 3 / %"] == pytest.approx([100.0, 97.4, 97.4], abs=0.5)
    assert any(flag.startswith("cycles 1, 2 are left out: a sweep") for flag in found["capacity"]["flags"])
    stored = runs.query("SELECT kind, coulombic_efficiency, retention FROM cycles ORDER BY cycle_count")
    assert stored[:2] == [("cv", None, None), ("cv", None, None)]
    assert [row[2] for row in stored[2:]] == pytest.approx([1.0, 0.974, 0.974], abs=5e-3)


def test_rate_table_after_storage_discharge(runs):
    """The discharge to storage after the last cycle is no cycle's."""
    assert runs.simulate(RATES, "marquis2019") == 0
    table = runs.analyse("rate")["rate"]["table"]
    assert table["rate / C"] == [pytest.approx(2.0, rel=1e-3)]
    assert table["cycles"] == [3]


def test_rate_test_reports_cycle_life(runs):
    """An unfaded cell at a higher rate has not reached its end; the lowest rate is where it was done first."""
    assert runs.simulate("rate-test", "phlt-ncm811") == 0
    found = runs.analyse("rate", "retention")
    assert figures(found["rate"])["capacity at the lowest rate"] == pytest.approx(230.76, abs=0.2)
    assert figures(found["rate"])["recovery"] == pytest.approx(98.8, abs=0.1)
    assert figures(found["retention"]) == {"retention of cycle 1": pytest.approx(98.6, abs=0.1)}
    assert any(flag.startswith("several currents") for flag in found["retention"]["flags"])


def test_efficiency_above_100(runs):
    """What a discharge gives was put in by the charge before it; against the charge after it, it shows more than 100 %."""
    assert runs.simulate(FIRST, "voc2") == 0
    found = runs.analyse("capacity")["capacity"]
    paired, same = found["table"]["coulombic efficiency / %"], found["table"]["of the same cycle / %"]
    assert paired[0] is None
    assert all(98.0 < value < 100.0 for value in paired[1:])
    assert all(100.0 < value < 101.0 for value in same)
    assert any("discharge first" in flag for flag in found["flags"])
    stored = runs.query("SELECT 100 * coulombic_efficiency, efficiency_cycle FROM cycles ORDER BY cycle_count")
    assert stored[0] == (None, None)
    assert [row[0] for row in stored[1:]] == pytest.approx(paired[1:])
    assert [row[1] for row in stored[1:]] == [1, 2, 3]


ENERGY = """\
labctl: 1
name: Energy by record
record: {every: %s}
steps:
  - rest: 10 min
  - cycle: true
    repeat: 2
    steps:
      - charge: {current: 1C, to: 4.1 V, hold_until: current < C/20, for: 6 h}
      - discharge: {current: 1C, to: 3.1 V, for: 6 h}
"""


def test_energy_by_record_rule(runs):
    """Energy is counted, however seldom rows are stored: the figures at one row an hour are those at one a second."""
    found = []
    for number, every in enumerate(("1 s", "10 min", "1 h"), 1):
        assert runs.simulate(ENERGY % every, FULL) == 0
        sql = "SELECT charging_energy_wh, discharging_energy_wh FROM cycles WHERE cycle_count = 2 AND run_id = "
        ((charged, discharged),) = runs.query(f"{sql}{number}")
        efficiency = figures(runs.analyse("capacity", run=number)["capacity"])["energy efficiency"]
        assert efficiency == pytest.approx(100 * discharged / charged)
        found.append((charged, discharged, efficiency))
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-5)
    volts = "SELECT voltage_volt, charging_capacity_ah FROM v_samples WHERE run_id = 1 AND cycle_count = 2"
    rows = runs.query(volts + " ORDER BY record_index")
    summed = sum((one[0] + two[0]) / 2 * (two[1] - one[1]) for one, two in itertools.pairwise(rows))
    assert found[0][0] == pytest.approx(summed, rel=1e-4)


def test_rows_after_a_cycle(runs):
    """Grouping by the number of the cycle gives what `cycles` has; what lies between cycles has the number 0."""
    assert runs.simulate(STORAGE, FULL) == 0
    cycles = runs.query("SELECT cycle_count, charging_capacity_ah, discharging_capacity_ah FROM cycles ORDER BY 1")
    names = "sum(charging_capacity_ah), sum(discharging_capacity_ah)"
    steps = runs.query(f"SELECT cycle_count, {names} FROM steps WHERE cycle_count > 0 GROUP BY 1 ORDER BY 1")
    names = "max(cycle_charging_capacity_ah), max(cycle_discharging_capacity_ah)"
    rows = runs.query(f"SELECT cycle_count, {names} FROM v_samples WHERE cycle_count > 0 GROUP BY 1 ORDER BY 1")
    for one, two, three in zip(cycles, steps, rows, strict=True):
        assert two == pytest.approx(one)
        assert three == pytest.approx(one, abs=1e-6)  # the charge after the last row until the next confirmation
    outside = "FROM v_samples WHERE cycle_count = 0"
    assert runs.query(f"SELECT count(cycle_charging_capacity_ah) {outside}") == [(0,)]
    assert runs.query(f"SELECT DISTINCT cycles_completed {outside} ORDER BY 1") == [(0,), (2,), (3,)]
    falls = """SELECT count(*) FROM v_samples a JOIN v_samples b ON b.run_id = a.run_id AND b.record_index = a.record_index + 1
        AND b.cycle_count = a.cycle_count WHERE b.cycle_charging_capacity_ah < a.cycle_charging_capacity_ah"""
    assert runs.query(falls) == [(0,)]


def test_sql_withholds_what_the_analyses_do(runs):
    assert runs.simulate(STORAGE, FULL) == 0
    columns = "complete, end_reason, coulombic_efficiency, efficiency_cycle"
    assert runs.query(f"SELECT {columns} FROM cycles ORDER BY cycle_count") == [
        (1, "done", None, None),  # discharged first, and no cycle before it
        (1, "done", pytest.approx(1.0, abs=1e-3), 1),
        (1, "done", None, None),  # begun half discharged
    ]


def test_a_cut_cycle_says_why_it_ended(runs):
    assert runs.simulate(BUDGET, FULL) == 0
    columns = "complete, end_reason, end_text, coulombic_efficiency, retention"
    assert runs.query(f"SELECT {columns} FROM cycles WHERE cycle_count = 6") == [(0, "block", "for 20 h", None, None)]
    assert runs.query("SELECT complete, end_reason FROM steps WHERE cycle_count = 6") == [(0, "block")]


FADE = """\
labctl: 1
name: fade
record: {every: 60 s, dV: 5 mV}
steps:
  - rest: 10 min
  - repeat: 5
    cycle: true
    steps:
      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 12 h}
      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 12 h}
"""
FILM = """\
labctl_cell: 1
name: film
kind: half_cathode
area: 1 cm2
film_thickness: 300 nm
nominal: {capacity: 19.5 uAh/cm2}
limits: {voltage: [1.9 V, 4.0 V], current: [-1 mA, 1 mA]}
reference: Li
model: voc1-atfb
"""


def test_resumed_run_retention(runs):
    """What a resumed run begins with is no reference: it goes on with the cycles and the reference of the run before."""
    assert runs.simulate(FADE, FILM) == 0
    journal = runs.folder / "x.db"
    wanted = DryRunRequest(str(runs.folder / "p.yaml"), str(runs.folder / "c.yaml"), seed=1)
    simulation = Simulation(wanted)
    with Reader(journal) as reader:
        checkpoint = reader.checkpoint(1)
        assert checkpoint is not None
        state = state_from_json(checkpoint.state)
    simulation.plan = carried(simulation.plan, state, ResumePoint.from_json(None), 2)
    new_run = simulation._new_run()
    simulation._new_run = lambda: replace(new_run, resumed_from=1)
    with Journal.open(journal) as opened:
        simulation.run(opened)
    sql = "SELECT cycle_count, complete, end_reason, discharging_capacity_ah, retention FROM cycles WHERE run_id = "
    before, after = runs.query(f"{sql}1 ORDER BY 1"), runs.query(f"{sql}2 ORDER BY 1")
    assert [row[0] for row in after] == [6, 7, 8, 9, 10]
    assert after[0][1:3] == (0, "resumed")
    assert after[0][4] is None
    found = runs.analyse("retention", run=2)["retention"]
    assert "cycle 6 is left out: begun in the middle, where a run was resumed" in found["flags"]
    retention = 100 * after[-1][3] / before[0][3]
    assert figures(found) == {"retention of cycle 1": pytest.approx(retention)}
    assert after[-1][4] == pytest.approx(retention / 100)
    assert 97.0 < retention < 101.0
    assert figures(runs.analyse("retention", run=1)["retention"]).keys() == {"retention of cycle 1"}


HEATING = """\
labctl: 1
name: heating
limits: {voltage: [-5 V, 5 V]}
steps:
  - rest: 10 min
  - each: {T: [25 degC, 45 degC]}
    steps:
      - temperature: {to: $T, within: 0.5 K, soak: 30 min, for: 5 h}
      - repeat: 2
        cycle: true
        stop_if: short
        steps:
          - plate: {current: 0.1 mA/cm2, for: 1 h}
          - strip: {current: 0.1 mA/cm2, for: 1 h}
"""


@pytest.mark.parametrize("cell", ["na-bare", "phlt-symmetric"])
def test_heating_is_a_short(runs, cell):
    """A healthy cell that is only warmer is none."""
    assert runs.simulate(HEATING, cell) == 0
    assert runs.query("SELECT count(*) FROM results") == [(0,)]
    found = runs.analyse("life")["life"]
    assert found["flags"] == ["no failure"]
    assert figures(found)["cycles"] == 4
