"""What `start` accepts the channel can do to the end: translated beforehand, watched in time, and rows that cannot come said."""

from pathlib import Path

import pytest

from labctl.driver import Bounds, Capabilities
from labctl.errors import FileError
from labctl.plan.compile import compile_plan, compile_plans
from labctl.plan.outside import Outside
from labctl.plan.runnable import longest_alone, runnable, seen_by_daemon
from labctl.protocol.cell import Cell
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from labctl_drivers.biologic import BioLogic
from labctl_drivers.keithley import Keithley2450
from labctl_drivers.neware import Neware
from labctl_drivers.palmsens import PalmSens

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "reference" / "worked-examples.md"
CELL = Cell("lco", "full", area=1e-2, nominal=2450.0, limits=Bounds((2.8, 4.3), (-1.0, 1.0)))
FILM = Cell("film", "half_cathode", area=1e-4, nominal=0.07, limits=Bounds((1.9, 4.0), (-1e-3, 1e-3)))


def neware():
    return Neware(host="-", channels={"1": "27-1-1"}, folder=".")


def palmsens():
    return PalmSens("-")


def findings(driver, steps, cell=CELL, record="{every: 30 s, dV: 5 mV}"):
    protocol = load(f"labctl: 1\nrecord: {record}\nsteps:\n{steps}\n", "made.yaml", None)
    capabilities = driver.capabilities("1")
    plan = compile_plan(protocol, cell, capabilities, None, {})
    translate = driver.translate if hasattr(driver, "translate") else None
    return plan, runnable(plan, capabilities, None if translate is None else lambda program: translate("1", program))


NEWARE_STEPS = [
    "  - rest: {for: 1 h, until: voltage < 3.9 V}",
    "  - discharge: {power: 1 W, to: 3.1 V, for: 1 h}",
    "  - discharge: {resistance: 10 Ohm, until: voltage < 3.5 V, for: 1 h}",
    "  - rest: {for: 1 h, until: time > 5 min and abs(dV/dt) < 5 mV/h over 5 min}",
    "  - hold: {voltage: 3.8 V, current: C/2, until: abs(dI/dt) < 10 mA/h over 5 min, for: 1 h}",
    "  - charge: {current: C/2, until: power > 5 W, for: 20 min}",
]
PALMSENS_STEPS = [
    "  - eis: {from: 10 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 5}",
    "  - eis: {from: 10 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 5, at: ocv}",
    "  - discharge: {current: 100 uA/cm2, capacity: 2 uAh/cm2, for: 1 h}",
    "  - charge: {current: 100 uA/cm2, to: 3.8 V, hold_until: current < 20 uA/cm2, for: 12 h}",
    "  - cv: {from: ocv, to: 3.85 V, back: 3.2 V, rate: 2 mV/s, cycles: 2}",
]


@pytest.mark.parametrize("step", NEWARE_STEPS)
def test_neware_fails_after_start_every_such_step_runs(step):
    _, found = findings(neware(), f"  - rest: 10 min\n{step}")
    assert found == ()


def biologic():
    return BioLogic("EClib64.dll", "192.109.209.220", ".")


@pytest.mark.parametrize("row", ["B1", "B2", "B3"])
def test_a_potentiostat_can_do_the_spectra_and_sweeps_of_a_film(row):
    """The points of a spectrum come as they are measured, not by the record rule: an end in it is seen in time."""
    path = ROOT / "protocols" / "papers" / "voc1" / f"{row}.yaml"
    cell = ROOT / "protocols" / "cells" / "vo-atfb.yaml"
    made = biologic()
    loaded = load(path.read_text(encoding="utf-8"), str(path), reading)
    plan = compile_plan(
        loaded, load_cell(cell.read_text(encoding="utf-8"), str(cell)), made.capabilities("1"), None, {}
    )
    found = runnable(plan, made.capabilities("1"), lambda program: made.translate("1", program))
    assert [finding for finding in found if finding.severity == "error"] == []


def reading(name):
    return (ROOT / "protocols" / f"{name.removesuffix('.yaml')}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", PALMSENS_STEPS)
def test_palmsens_fails_mid_run_every_such_step_runs(step):
    _, found = findings(palmsens(), f"  - rest: 2 min\n{step}", FILM)
    assert [each.code for each in found] == (["channel.compliance"] if "hold_until" in step else [])


@pytest.mark.parametrize("name", ["gitt", "dcir", "cccv-cycling", "rate-test", "ccd-time-constant", "stripping-life"])
@pytest.mark.parametrize("driver", [neware, palmsens, Keithley2450, biologic])
def test_what_start_accepts_of_the_library_the_channel_can_do(name, driver):
    made = Keithley2450("TCPIP0::-::1::SOCKET") if driver is Keithley2450 else driver()
    cell = "phl-symmetric" if name.startswith(("ccd", "stripping")) else "marquis2019"
    path = ROOT / "protocols" / f"{name}.yaml"
    values = {"low": "3.1 V", "high": "4.1 V"} if name == "gitt" else {}
    capabilities = made.capabilities("1")
    cell_path = ROOT / "protocols" / "cells" / f"{cell}.yaml"
    try:
        loaded = load(path.read_text(encoding="utf-8"), str(path), lambda _: None)
        plan = compile_plan(
            loaded, load_cell(cell_path.read_text(encoding="utf-8"), str(cell_path)), capabilities, None, values
        )
    except FileError:
        return  # refused, as a current beyond the channel
    translate = getattr(made, "translate", None)
    errors = [
        finding
        for finding in runnable(
            plan, capabilities, None if translate is None else lambda program: translate("1", program)
        )
        if finding.severity == "error"
    ]
    assert errors == []


def test_a_hold_that_nothing_holds_back_is_told_at_start():
    """Between charge and hold a module rests for a poll or two: the hold's first current is what the cell gives, and may trip."""
    _, found = findings(palmsens(), "  - charge: {current: 50 mA, to: 4.1 V, hold_until: current < 5 mA, for: 9 h}")
    (finding,) = found
    assert (finding.code, finding.severity, finding.mark.line) == ("channel.compliance", "warning", 4)
    assert "beyond -200 mA to 200 mA trips the run" in finding.message
    _, found = findings(palmsens(), "  - charge: {current: 190 mA, to: 4.1 V, hold_until: current < 5 mA, for: 9 h}")
    (finding,) = found  # the hold begins with what the charge ended with, and no limit is to be reached by that
    assert (finding.code, finding.severity) == ("channel.compliance", "error")
    assert "at least 570 mA" in finding.hint
    _, found = findings(neware(), "  - charge: {current: 50 mA, to: 4.1 V, hold_until: current < 5 mA, for: 9 h}")
    assert found == ()


def test_hppc_runs_on_a_cycler_that_gives_a_row_in_half_a_minute():
    """Its currents are relative to a measured capacity: held against them, not against the limits of current."""
    text = EXAMPLES.read_text(encoding="utf-8").partition("name: HPPC")[2].partition("```")[0]
    driver = neware()
    capabilities = driver.capabilities("1")
    plan = compile_plan(load("labctl: 1\nname: HPPC" + text, "hppc.yaml", None), CELL, capabilities, None, {})
    found = runnable(plan, capabilities, lambda program: driver.translate("1", program))
    assert [each for each in found if each.severity == "error"] == []


def test_an_end_that_is_seen_too_late_says_how_often_to_record():
    _, found = findings(
        neware(), "  - charge: {current: C/2, until: power > 5 W, for: 20 min}", record="{every: 10 min}"
    )
    (finding,) = found
    assert finding.hint == "write record: {every: 1 min 40 s} beside charge, or less"
    _, found = findings(
        neware(), "  - charge: {current: C/2, until: power > 5 W, for: 20 min}", record="{every: 1 min 40 s}"
    )
    assert found == ()


def test_what_neither_can_end_is_refused_with_its_line_and_reason():
    _, found = findings(neware(), "  - rest: 1 min\n  - discharge: {current: 0.9 A, until: power > 5 W, for: 1 h}",
                        record="{every: 10 min}")  # fmt: skip
    (finding,) = found
    assert (finding.code, finding.severity, finding.mark.line) == ("channel.late", "error", 5)
    assert "power > 5 W" in finding.message


@pytest.mark.parametrize("seed", [1.0, 2.0, 3.0])
def test_what_is_refused_does_not_hang_on_what_is_drawn(seed):
    """One of the ten values that may be drawn passes too much until the daemon sees its end: no start does it, whatever it draws."""
    text = (
        "labctl: 1\nrecord: {every: 1 min}\nlimits: {capacity: 1 mAh}\nsteps:\n"
        "  - each: {j: {pick: [10 mA, 11 mA, 12 mA, 13 mA, 14 mA, 15 mA, 16 mA, 17 mA, 18 mA, 900 mA], times: 1}}\n    steps:\n"
        "      - charge: {current: $j, until: power > 5 W, for: 2 s}\n"
    )
    driver = neware()
    capabilities = driver.capabilities("1")
    protocol = load(text, "made.yaml", None)
    plan, *draws = compile_plans(protocol, CELL, capabilities, None, {}, Outside(seed=seed))
    found = runnable(plan, capabilities, lambda program: driver.translate("1", program), draws=draws)
    assert [(each.code, str(each.mark)) for each in found if each.severity == "error"] == [
        ("channel.late", "made.yaml:7:1")
    ]


def test_a_step_that_cannot_be_said_to_the_instrument_is_refused_with_its_line_of_the_file():
    driver = Neware(host="-", channels={"1": "27-1-1"}, folder=".", most_current=0.5)
    plan = compile_plan(load("labctl: 1\nsteps:\n  - rest: 1 min\n  - charge: {current: 0.8 A, for: 1 h}\n", "made.yaml", None),
                        CELL, None, None, {})  # fmt: skip
    (finding,) = runnable(plan, driver.capabilities("1"), lambda program: driver.translate("1", program))
    assert (finding.code, str(finding.mark)) == ("channel.program", "made.yaml:4:1")
    assert finding.message.endswith("wanted 0.8 A, the device gives 0.5 A")


def test_record_faster_than_poll_is_told_at_start():
    _, found = findings(
        Keithley2450("TCPIP0::-::1::SOCKET"), "  - discharge: {current: C/20, for: 3 s}", record="{every: 0.001 s}"
    )
    (finding,) = found
    assert (finding.code, finding.severity) == ("channel.record", "warning")
    assert "one every 0.05 s at most" in finding.message


def test_the_daemon_watches_what_the_instrument_cannot_and_says_how_late():
    plan, _ = findings(neware(), "  - rest: {for: 1 h, until: voltage < 3.9 V}\n  - charge: {current: C/2, for: 1 h}")
    (seen,) = seen_by_daemon(plan, neware().capabilities("1"))
    assert (seen.line, seen.text, seen.late) == (1, "voltage < 3.9 V", 50.0)
    assert seen_by_daemon(plan, Capabilities()) == ()


def alone(driver, steps):
    plan, _ = findings(driver, steps)
    return longest_alone(plan, driver.capabilities("1"))


def test_how_long_an_instrument_goes_on_with_nobody_listening():
    """A program is bounded by the times of its steps, loops included; nothing that a source meter does outlives its daemon."""
    assert alone(neware(), "  - charge: {current: C/2, to: 4.1 V, for: 20 min}") == (1, 1200.0)
    line, seconds = alone(
        neware(),
        """\
  - repeat: 3
    steps:
      - charge: {current: C/2, to: 4.1 V, for: 20 min}
      - rest: 5 min
      - discharge: {current: C/2, to: 3.1 V, for: 30 min}""",
    )
    assert (line, seconds) == (1, 3 * 55 * 60.0)
    assert alone(Keithley2450("-"), "  - charge: {current: C/20, to: 4.1 V, for: 20 min}") is None


def test_after_a_measured_capacity_the_instrument_still_locates_voltages():
    """The current is not known yet, but its direction is, which is all that an end by voltage hangs on."""
    steps = (
        "  - rest: 1 min\n  - cycle: check\n    steps:\n      - charge: {current: C/3, to: 4.1 V, for: 5 h}\n"
        "      - discharge: {current: C/3, to: 3 V, for: 5 h}\n  - nominal: {from: discharge_capacity, within: [60 %, 140 %]}\n"
        "  - charge: {current: C/3, to: 4.1 V, hold_until: current < C/20, for: 8 h}\n  - discharge: {current: C/3, to: 3 V, for: 5 h}"
    )
    _, found = findings(neware(), steps)
    assert found == ()


@pytest.mark.parametrize(
    ("step", "roles", "severity"),
    [
        ("temperature: 45 degC", (), "warning"),
        ("temperature: 45 degC", ("stage", "chamber"), None),
        ("bend: {angle: 90 deg}", ("chamber",), "warning"),
        ("bend: {angle: 90 deg, confirm: true}", (), None),
        ("profile: {file: t.csv}", (), "error"),
        ("profile: {file: t.csv}", ("chamber",), None),
    ],
)
def test_what_no_part_of_the_channel_does_a_person_is_asked_for(step, roles, severity):
    """One step at a time; a table of temperatures would ask at each of its rows, and is refused."""
    table = "time / s,temperature / degC\n0,25\n60,45\n120,25\n"
    protocol = load(f"labctl: 1\nsteps:\n  - {step}\n", "made.yaml", {"t.csv": table}.get)
    capabilities = neware().capabilities("1")
    plan = compile_plan(protocol, CELL, capabilities, None, {})
    found = [one for one in runnable(plan, capabilities, None, ("cell", *roles)) if one.code == "channel.role"]
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all("channel without one" in one.message for one in found)
