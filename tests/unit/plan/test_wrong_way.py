"""Ladders that go the wrong way, charge since marks that lies elsewhere, and steps that nobody sees or that come too soon."""

from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.plan.check import check
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, SYMMETRIC, protocol_text

CELL = replace(FULL, limits=Bounds((2.5, 4.3), (-0.01, 0.01)))
FAST = replace(FULL, kind="capacitor", nominal=1.0, limits=Bounds((0.0, 2.7), (-0.1, 0.1)))
COLLECTOR = replace(SYMMETRIC, kind="asymmetric")
FILLED = "- charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n- rest: 1 h\n"
EMPTIED = "- discharge: {current: C/3, to: 2.6 V, for: 5 h}\n"
SPECTRUM = "- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV}\n"


def codes(steps, cell=CELL, head=""):
    return [one.code for one in check(read(protocol_text(steps, head), "t.yaml"), cell)]


def each(values, *steps):
    return f"- each: {{{values}}}\n  steps:\n" + "".join(f"    - {step}\n" for step in steps)


def loop(passes, *steps, head="  cycle: true\n"):
    return f"- repeat: {passes}\n{head}  steps:\n" + "".join(f"    - {step}\n" for step in steps)


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (FILLED + each("v: [3.2 V, 3.5 V, 3.8 V]", "discharge: {current: C/5, to: $v, for: 6 h}", "rest: 1 h"), "end.at_once"),
        (FILLED + each("v: [3.8 V, 3.5 V, 3.2 V]", "discharge: {current: C/5, to: $v, for: 6 h}", "rest: 1 h"), ""),
        (FILLED + each("v: [3.2 V, 3.5 V, 3.8 V]", "discharge: {current: C/5, to: $v, for: 6 h}", "charge: {current: C/5, to: 4.2 V, for: 6 h}"), ""),
        (EMPTIED + each("v: [4 V, 3.8 V, 3.6 V]", "charge: {current: C/5, to: $v, for: 6 h}", "rest: 1 h"), "end.at_once"),
        (FILLED + each("r: [C/10, C/5, C/2]", "discharge: {current: $r, to: 2.8 V, for: 15 h}", "rest: 1 h"), "plan.one_way"),
        (FILLED + each("r: [C/2, C/5, C/10]", "discharge: {current: $r, to: 2.8 V, for: 15 h}", "rest: 1 h"), ""),
        (FILLED + each("t: [25 degC, 10 degC]", "temperature: {to: $t, soak: 1 h}", "discharge: {current: C/3, to: 2.8 V, for: 5 h}"), "plan.one_way"),
        (FILLED + each("t: [-10 degC, 25 degC]", "temperature: {to: $t, soak: 1 h}", "discharge: {current: C/3, to: 2.8 V, for: 5 h}"), ""),
        (FILLED + each("v: {from: 2.8 V, to: 4.2 V, by: 50 mV}", "hold: {voltage: $v, current: C/5, until: current < C/50, for: 3 h}"), "plan.jump"),
        (FILLED + each("v: {from: 4.2 V, to: 2.8 V, by: -50 mV}", "hold: {voltage: $v, current: C/5, until: current < C/50, for: 3 h}"), ""),
        (EMPTIED + each("v: {from: 2.8 V, to: 4.2 V, by: 50 mV}", "hold: {voltage: $v, current: C/5, until: current < C/50, for: 3 h}"), ""),
        (each("v: {from: 2.8 V, to: 4.2 V, by: 50 mV}", "hold: {voltage: $v, current: C/5, until: current < C/50, for: 3 h}"), ""),
        ("- charge: {current: C/3, to: 4.1 V, until: voltage > 4.15 V, for: 5 h}", "end.never"),
        ("- charge: {current: C/3, to: 4.1 V, until: voltage > 4 V, for: 5 h}", ""),
        ("- discharge: {power: 1 uW, to: 2.8 V, for: 5 h}", "plan.rate"),
        ("- discharge: {power: 1 mW, to: 2.8 V, for: 5 h}", ""),
    ],
)  # fmt: skip
def test_what_goes_the_wrong_way(steps, wanted):
    assert codes("- rest: 1 h\n" + steps) == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (loop(9, "plate: {current: 1 mA, capacity: 1 mAh}", "rest: 1 h"), "plan.one_way"),
        (loop(9, "plate: {current: 1 mA, capacity: 1 mAh}", "rest: 1 h", head=""), ""),  # deposits for a microscope
        (loop(9, "plate: {current: 1 mA, capacity: 1 mAh}", "strip: {current: 1 mA, to: 0.5 V, for: 2 h}"), ""),
        (loop(9, "plate: {current: 1 mA, to: 0.3 V, for: 1 h}", "strip: {current: 1 mA, to: 0.5 V, for: 2 h}"), "end.at_once"),
        (loop(9, "plate: {current: 1 mA, to: -50 mV, for: 1 h}", "strip: {current: 1 mA, to: 1 V, for: 2 h}"), ""),
    ],
)  # fmt: skip
def test_a_bare_collector_is_plated_below_zero_and_stripped(steps, wanted):
    assert codes(steps, COLLECTOR) == ([wanted] if wanted else [])


LADDER = each("q: {from: -10 %, to: -80 %, by: -10 %}", "discharge: {current: C/3, until: net since full <= $q, to: 2.6 V, for: 1 h}", "rest: 1 h")  # fmt: skip
DOWN = "- discharge: {current: C/5, to: 2.6 V, until: %s, for: 12 h}\n"


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (EMPTIED + "- mark: full\n" + FILLED + LADDER, "end.never"),
        (EMPTIED + FILLED + "- mark: full\n" + LADDER, ""),
        (FILLED + "- mark: full\n- discharge: {current: C/5, capacity: 30 %}\n" + LADDER, "end.at_once"),
        (FILLED + "- mark: full\n" + LADDER + "- charge: {current: C/10, until: net since full >= -50 %, to: 4.2 V, for: 6 h}", ""),
        (FILLED + "- mark: full\n" + LADDER.replace("-10 %, to", "0 %, to"), ""),  # where it begins, too
        (FILLED + "- mark: full\n" + DOWN % "discharged since full >= 110 %", "end.never"),
        (FILLED + "- mark: full\n" + DOWN % "discharged since full >= 100 %", ""),
        (FILLED + "- mark: full\n" + DOWN.replace("12 h", "1 h") % "discharged since full >= 50 %", "plan.time_first"),
        (FILLED + "- mark: full\n" + LADDER.replace("from: -10 %, to: -80 %, by: -10 %", "from: -80 %, to: -10 %, by: 10 %").replace("1 h", "9 h"), "end.at_once"),
        (FILLED + "- mark: full\n" + loop(5, "discharge: {current: C/5, until: discharged since full >= 10 %, to: 2.6 V, for: 3 h}", "rest: 1 h", head=""), "end.at_once"),
        (FILLED + loop(5, "mark: full", "discharge: {current: C/5, until: discharged since full >= 10 %, to: 2.6 V, for: 3 h}", "rest: 1 h", head=""), ""),
        (FILLED + "- mark: full\n" + loop(5, "discharge: {current: C/5, until: net since full <= -50 %, to: 2.6 V, for: 30 min}", "rest: 1 h", head=""), ""),
    ],
)  # fmt: skip
def test_charge_since_a_mark_is_reckoned_along_the_plan(steps, wanted):
    assert codes("- rest: 1 h\n" + steps) == ([wanted] if wanted else [])


PAIR = ("charge: {current: C/3, to: 4.2 V, for: 5 h}", "discharge: {current: C/3, to: 2.6 V, for: 5 h}")


@pytest.mark.parametrize(
    ("kind", "watch", "warned"),
    [
        ("formation", "retention < 80 %", True),
        ("formation", "retention of max < 80 %", True),
        ("true", "retention < 80 %", False),
        ("formation", "coulombic_efficiency < 50 %", False),
    ],
)
def test_formation_cycles_alone_have_no_retention(kind, watch, warned):
    assert codes(loop(99, *PAIR, head=f"  cycle: {kind}\n  stop_if: {watch}\n")) == (["end.never"] if warned else [])


def test_formation_before_other_cycles_of_a_watched_block_leaves_it_a_retention():
    inside = "".join(
        f"  {line}\n" for line in (loop(2, *PAIR, head="  cycle: formation\n") + loop(9, *PAIR)).splitlines()
    )
    assert "end.never" not in codes(f"- repeat: 3\n  stop_if: retention < 80 %\n  steps:\n{inside}")


@pytest.mark.parametrize(
    ("steps", "record", "cell", "warned"),
    [
        ("- cv: {from: ocv, to: 2.7 V, back: 0 V, rate: 40 mV/s, cycles: 5}", "{every: 5 min}", FAST, 1),
        ("- cv: {from: ocv, to: 2.7 V, back: 0 V, rate: 40 mV/s, cycles: 5}", "{every: 5 min, dV: 5 mV}", FAST, 0),
        ("- cv: {from: ocv, to: 2.7 V, back: 0 V, rate: 40 mV/s, cycles: 5}", "{every: 1 s}", FAST, 0),
        (loop(9, "charge: {current: 20 mA, to: 2.7 V, for: 10 min}", "discharge: {current: 20 mA, to: 0 V, for: 10 min}"), "{every: 1 min}", FAST, 2),
        (loop(9, "charge: {current: 20 mA, to: 2.7 V, for: 10 min}", "discharge: {current: 20 mA, to: 0 V, for: 10 min}"), "{every: 1 s}", FAST, 0),
        (loop(9, *PAIR), "{every: 10 min}", CELL, 0),
    ],
)  # fmt: skip
def test_steps_that_are_over_before_a_row(steps, record, cell, warned):
    assert codes(f"- rest: 1 h\n{steps}", cell, f"record: {record}\n") == ["plan.record"] * warned


@pytest.mark.parametrize(
    ("between", "wanted"),
    [
        ("- temperature: 60 degC\n", "plan.soak"),
        ("- temperature: 60 degC\n- rest: 1 min\n", "plan.soak"),
        ("- temperature: 60 degC\n- rest: 30 min\n", ""),
        ("- temperature: {to: 60 degC, soak: 30 min}\n", ""),
        ("- temperature: 25 degC\n", ""),  # that of a room
        ("- temperature: 60 degC\n- prompt: {say: Wait}\n", ""),
        (FILLED.replace("rest: 1 h", "rest: 2 s"), "ocv.old"),
        (FILLED.replace("rest: 1 h", "rest: 1 min"), ""),
    ],
)
def test_a_spectrum_waits_for_the_cell(between, wanted):
    assert codes(f"- rest: 1 h\n{between}{SPECTRUM}") == ([wanted] if wanted else [])
