"""What a protocol says is what a simulated cell undergoes: protocols that once did something else, one a case."""

import json
import sqlite3
from pathlib import Path

import pytest

from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal

FULL = (
    "labctl_cell: 1\nname: full-lco\nkind: full\narea: 283.59 cm2\nnominal: {capacity: 680.616 mAh}\n"
    "limits: {voltage: [2.5 V, 4.5 V], current: [-10 A, 10 A]}\nmodel: marquis2019\n"
)
HEAD = "labctl: 1\nrecord: {every: 1 min, dV: 10 mV}\n"


@pytest.fixture
def simulate(tmp_path: Path):
    """Run steps on a cell, and return why the run ended with a reader of its journal by SQL."""

    def run(steps: str, cell: str = FULL, head: str = HEAD, **files: str):
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
        (tmp_path / "p.yaml").write_text(f"{head}steps:\n{steps}", encoding="utf-8")
        (tmp_path / "c.yaml").write_text(cell, encoding="utf-8")
        with Journal.open(f"sqlite:///{tmp_path / 'x.db'}") as journal:
            ended = Simulation(DryRunRequest(str(tmp_path / "p.yaml"), str(tmp_path / "c.yaml"))).run(journal)

        def ask(sql: str):
            with sqlite3.connect(tmp_path / "x.db") as stored:
                return stored.execute(sql).fetchall()

        return ended, ask

    return run


def test_cccv_skipped_by_ir(simulate):
    """A fast charge that begins above its voltage by the current's own drop holds it, like the hold alone does."""
    before = (
        "  - rest: 10 min\n  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 6 h}\n  - rest: 30 min\n"
        "  - discharge: {current: C/2, for: 6 min}\n  - rest: 30 min\n"
    )
    _, ask = simulate(
        before + "  - hold: {voltage: 4.1 V, current: 4C, until: current < C/20, for: 3 h}\n  - rest: 10 min\n"
    )
    ((seconds, charge),) = ask("select step_time_second, charging_capacity_ah from steps where step_count = 7")
    assert charge > 0.03
    ended, ask = simulate(
        before + "  - charge: {current: 4C, to: 4.1 V, hold_until: current < C/20, for: 3 h}\n  - rest: 10 min\n"
    )
    assert ended.reason == "done"
    drive, held = ask(
        "select step_type, end_reason, step_time_second, charging_capacity_ah from steps "
        f"where run_id = {ended.run_id} and step_count in (7, 8)"
    )
    assert drive == ("charge", "to", 0.0, 0.0)
    assert held[:2] == ("hold", "until")
    assert held[2:] == pytest.approx((seconds, charge), rel=1e-9)
    assert (
        ask(f"select max(voltage_volt) from samples where run_id = {ended.run_id}")[0][0] < 4.101
    )  # the instrument holds `to`: no row lies beyond


def test_a_charge_on_its_limit_from_above_it_holds_it(simulate):
    """The limit is 4.1 V and so is the cut-off; the cell rests 20 mV above: the hold drives it back in."""
    steps = (
        "  - rest: 1 min\n  - charge: {current: C/2, to: 4.12 V, hold_until: current < C/50, for: 9 h}\n"
        "  - use: second\n"
    )
    second = "labctl: 1\nlimits: {voltage: [2.5 V, 4.1 V]}\nsteps:\n  - charge: {current: C/5, to: 4.1 V, hold_until: current < C/50, for: 1 h}\n"
    ended, ask = simulate(steps, second_yaml=second)
    assert ended.reason == "done"
    assert [row[0] for row in ask("select end_reason from steps order by step_count")] == [
        "for",
        "to",
        "until",
        "to",
        "until",
    ]
    assert ask("select count(*) from events where kind = 'reversed'")[0][0] == 1


def test_a_hold_is_held_back_at_the_current_limit(simulate):
    """Far from the open circuit a hold that says no current draws what the limits allow; it does not trip them."""
    steps = "  - rest: 10 min\n  - hold: {voltage: 3.5 V, for: 10 min}\n  - hold: {voltage: 4.1 V, for: 10 min}\n"
    ended, ask = simulate(steps, FULL.replace("[-10 A, 10 A]", "[-0.5 A, 0.7 A]"))
    assert ended.reason == "done"
    ((least, most),) = ask("select min(current_ampere), max(current_ampere) from samples")
    assert (least, most) == pytest.approx((-0.5, 0.5), rel=1e-4)


def test_a_run_that_did_nothing_says_so(simulate):
    ended, _ = simulate("  - rest: 1 min\n  - charge: {current: C/2, to: 3.5 V, for: 1 h}\n  - rest: 1 min\n")
    assert (ended.reason, ended.why) == ("done", "the plan is done; no charge passed; 1 step did nothing: 2")


FILM = (
    "labctl_cell: 1\nname: film\nkind: half_cathode\narea: 1 cm2\nfilm_thickness: 300 nm\nnominal: {capacity: 19.5 uAh/cm2}\n"
    "limits: {voltage: [1.9 V, 4.0 V], current: [-1 mA, 1 mA]}\nreference: Li\nmodel: voc1-atfb\n"
)
ONE = "      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 12 h}\n      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 12 h}\n"


@pytest.mark.parametrize(("behind", "later"), [("", 1), (" for 1 cycle", 0), (" for 3 cycles", 2)])
def test_stop_if_needs_two_cycles_and_retention_two_cycles(simulate, behind, later):
    """The first cycle below the value ends nothing by itself, unless that is said."""
    steps = (
        f"  - rest: 10 min\n  - repeat: 30\n    cycle: true\n    stop_if: retention < 99.5 %{behind}\n    steps:\n{ONE}"
    )
    _, ask = simulate(steps, FILM)
    retention = dict(ask("select cycle_count, retention from cycles"))
    first = min(number for number, value in retention.items() if value < 0.995)
    assert max(retention) == first + later


def test_if_after_one_cycle(simulate):
    """One completed cycle decides an `if` on it, one way or the other."""
    steps = (
        f"  - rest: 10 min\n  - cycle: true\n    steps:\n{ONE}"
        "  - if: discharge_capacity > 10 uAh\n    steps: [{mark: more}]\n"
        "  - if: discharge_capacity < 10 uAh\n    steps: [{mark: less}]\n"
        "  - if: coulombic_efficiency > 50 %\n    steps: [{mark: efficient}]\n"
    )
    _, ask = simulate(steps, FILM)
    marks = [json.loads(data)["text"] for (data,) in ask("select data from events where kind = 'mark' order by seq")]
    assert marks == [
        "more"
    ]  # the film is discharged first: what cycle 1 gives was put in before it, so it has no efficiency
    _, ask = simulate(steps.replace("  - cycle: true", "  - repeat: 2\n    cycle: true"), FILM)
    marks = [json.loads(data)["text"] for (data,) in ask("select data from events where kind = 'mark' order by seq")]
    assert marks[-2:] == ["more", "efficient"]


def test_missing_every_nth_cycle(simulate):
    """A check after every third cycle and a mark after the cycles in a list; checks do not count as one of the three."""
    steps = (
        f"  - rest: 10 min\n  - repeat: 7\n    steps:\n    - cycle: true\n      steps:\n{ONE}"
        "    - if: every 3 cycles\n      steps:\n      - mark: every third\n      - cycle: check\n        steps: [{discharge: {current: 1 uA, for: 1 min}}]\n"
        "    - if: cycle in [1, 2]\n      steps: [{mark: early}]\n"
    )
    _, ask = simulate(steps, FILM)
    assert ask("select kind from cycles order by cycle_count") == [
        (kind,) for kind in ("true", "true", "true", "check", "true", "true", "true", "check", "true")
    ]
    marks = [json.loads(data)["text"] for (data,) in ask("select data from events where kind = 'mark' order by seq")]
    assert marks == ["early", "early", "every third", "every third"]


def test_every_counts_formation_and_a_loop_in_a_loop_does_not(simulate):
    """With two formation cycles `every 3 cycles` comes after one other; three passes of an inner loop are three others."""
    check = "      - cycle: check\n        steps: [{discharge: {current: 1 uA, for: 1 min}}]\n"
    inner = ONE.replace("      -", "          -")
    formation = f"  - rest: 10 min\n  - repeat: 2\n    cycle: formation\n    steps:\n{ONE}"
    asked = f"  - repeat: 4\n    steps:\n    - cycle: true\n      steps:\n{ONE}    - if: every 3 cycles\n      steps:\n{check}"
    looped = f"  - repeat: 2\n    steps:\n      - repeat: 3\n        cycle: true\n        steps:\n{inner}{check}"
    _, ask = simulate(formation + asked, FILM)
    kinds = "".join(kind[0] for (kind,) in ask("select kind from cycles order by cycle_count"))
    assert kinds == "fftctttc"
    _, ask = simulate(formation + looped, FILM)
    kinds = "".join(kind[0] for (kind,) in ask("select kind from cycles where run_id = 2 order by cycle_count"))
    assert kinds == "fftttctttc"


def test_a_stop_by_the_number_of_cycles_is_of_completed_ones(simulate):
    steps = f"  - rest: 10 min\n  - cycle: formation\n    steps:\n{ONE}  - repeat: 9\n    cycle: true\n    stop_if: %s >= 3\n    steps:\n{ONE}"
    _, ask = simulate(steps % "cycle", FILM)
    assert ask("select max(cycle_count) from cycles") == [(3,)]
    _, ask = simulate(steps % "cycle of block", FILM)
    assert ask("select max(cycle_count) from cycles where run_id = 2") == [(4,)]


def test_a_hold_ends_where_its_current_has_changed_little_within_a_time(simulate):
    """Less than 20 % within ten minutes of what flows at the end of them: by the stored rows, at the end and not a minute before."""
    steps = (
        "  - rest: {for: 2 h, until: change of voltage over 20 min < 1 mV}\n"
        "  - charge: {current: 0.3 A, to: 4.0 V, hold_until: change of current over 10 min < 20 %, for: 9 h}\n"
    )
    ended, ask = simulate(steps, head="labctl: 1\nrecord: {every: 10 s}\n")
    assert ended.reason == "done"
    (rest, seconds), _, (hold, _) = ask("select end_reason, step_time_second from steps order by step_count")
    assert (rest, hold) == ("until", "until")
    assert seconds == pytest.approx(1200.0, abs=20.0)  # the cell is at rest: as soon as the window is full
    rows = ask("select step_time_second, current_ampere from v_samples where step_count = 3 order by record_index")

    def share(last: float) -> float:
        """The change within the window that ends then, by the line through its rows."""
        inside = [(time, current) for time, current in rows if last - 600.0 <= time <= last]
        times, currents = zip(*inside, strict=True)
        mean = sum(times) / len(times)
        level = sum(currents) / len(currents)
        slope = sum((time - mean) * (current - level) for time, current in inside)
        return abs(slope / sum((time - mean) ** 2 for time in times)) * 600.0 / currents[-1]

    end = rows[-1][0]
    assert share(end) < 0.201
    assert share(end - 60.0) > 0.199


def test_a_formation_ends_by_the_spread_of_its_last_cycles(simulate):
    steps = (
        "  - rest: 10 min\n  - repeat: 20\n    cycle: formation\n    stop_if: spread of discharge_capacity over 3 < 3 %\n"
        f"    steps:\n{ONE}"
    )
    _, ask = simulate(steps, FILM)
    capacity = [value for (value,) in ask("select discharging_capacity_ah from cycles order by cycle_count")]

    def spread(values):
        return (max(values) - min(values)) / (sum(values) / 3)

    assert 3 <= len(capacity) < 20
    assert spread(capacity[-3:]) < 0.03
    assert len(capacity) == 3 or spread(capacity[-4:-1]) >= 0.03


def test_states_of_charge_are_reached_by_account(simulate):
    """Ten per cent less each time, counted from full, whatever the pulses between have passed."""
    pulses = (
        "      - discharge: {current: 1C, for: 30 s}\n      - rest: 1 min\n      - charge: {current: C/2, for: 30 s}\n"
    )
    steps = (
        "  - rest: 1 min\n  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 6 h}\n  - mark: full\n"
        "  - each: {q: [-10 %, -20 %, -30 %]}\n    steps:\n"
        "      - discharge: {current: C/3, until: net since full <= $q, for: 2 h}\n      - rest: 5 min\n"
        f"{pulses}      - rest: 5 min\n"
    )
    ended, ask = simulate(steps)
    assert ended.reason == "done"
    ((at,),) = ask("select record_index from events where kind = 'mark'")
    counters = "select charging_capacity_ah - discharging_capacity_ah from samples where record_index = "
    ((full,),) = ask(f"{counters}{at}")
    ends = ask(
        "select last_record, end_reason from steps where step_type = 'discharge' and end_reason = 'until' order by step_count"
    )
    nets = [ask(f"{counters}{record}")[0][0] - full for record, _ in ends]
    assert nets == pytest.approx([-0.0680616, -0.1361232, -0.2041848], rel=1e-9)


def test_missing_measured_capacity(simulate):
    """What a cycle gave becomes what 1C and 100 % mean, within what the file allows; else the run asks."""
    steps = (
        "  - rest: 10 min\n  - cycle: true\n    steps:\n      - discharge: {current: C/2, to: 3.1 V, for: 5 h}\n"
        "      - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}\n"
        "  - nominal: {from: charge_capacity, within: [50 %%, %s]}\n"
        "  - discharge: {current: C/2, capacity: 10 %%, to: 3 V, for: 1 h}\n"
    )
    ended, ask = simulate(steps % "150 %")
    assert ended.reason == "done"
    ((capacity,),) = ask("select charging_capacity_ah from cycles")
    assert ask("select value from results where name = 'nominal_capacity'") == [(capacity,)]
    current, charge = ask(
        "select last_current_ampere, discharging_capacity_ah from steps order by step_count desc limit 1"
    )[0]
    assert (-current, charge) == pytest.approx((capacity / 2, capacity / 10), rel=1e-6)
    assert capacity != pytest.approx(0.680616, rel=1e-2)
    ended, _ = simulate(steps % "101 %")
    assert "of the cell file's nominal capacity, wanted 50% to 101%" in ended.why


def test_passes_begin_an_hour_after_each_other_whatever_they_take(simulate):
    """Hourly pulses: the rest between is what is left of the hour, and a pass that takes longer is said."""
    steps = (
        "  - rest: 1 min\n  - each: {t: [10 min, 20 min, 70 min, 5 min]}\n    every: 1 h\n    steps:\n"
        "      - discharge: {current: C/10, for: $t}\n  - rest: 1 min\n"
    )
    ended, ask = simulate(steps)
    assert ended.reason == "done"
    begins = ask("select begin_test_time_second from steps where step_type = 'discharge' order by step_count")
    assert [begin for (begin,) in begins] == pytest.approx([60.0, 3660.0, 7260.0, 11460.0])
    rests = ask("select step_time_second, end_text from steps where step_type = 'rest' order by step_count")
    assert [seconds for seconds, _ in rests] == pytest.approx([60.0, 3000.0, 2400.0, 60.0])
    (late,) = [json.loads(data) for (data,) in ask("select data from events where kind = 'late'")]
    assert late["late_second"] == pytest.approx(600.0)


def test_a_charge_that_begins_above_its_voltage_does_not_discharge(simulate):
    steps = (
        "  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 6 h}\n  - rest: 10 min\n"
        "  - charge: {current: C/3, to: 3.9 V, for: 1 h}\n  - rest: 1 min\n"
    )
    ended, ask = simulate("  - rest: 10 min\n" + steps)
    assert ended.reason == "done"
    ((current, reason),) = ask("select last_current_ampere, end_reason from steps where step_id = 5")
    assert abs(current) < 1e-6
    assert reason == "to"
