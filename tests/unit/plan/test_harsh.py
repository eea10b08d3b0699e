"""Steps inside all limits that a cell is not given, that are not seen, or that come to nothing."""

from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.plan.check import check
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, SYMMETRIC, protocol_text

CELL = replace(FULL, limits=Bounds((2.5, 4.3), (-0.01, 0.01)))
CATHODE = replace(CELL, kind="half_cathode")
FILLED = "- charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n- rest: 1 h\n"
PAIR = ("charge: {current: C/3, to: 4.2 V, for: 5 h}", "discharge: {current: C/3, to: 2.6 V, for: 5 h}")
FAST = tuple(step.replace("C/3", "2C") for step in PAIR)
SPECTRUM = "- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV, at: 3.8 V}\n"


def codes(steps, cell=CELL, head=""):
    return [one.code for one in check(read(protocol_text("- rest: 1 h\n" + steps, head), "t.yaml"), cell)]


def loop(passes, *steps, head="cycle: true"):
    return f"- repeat: {passes}\n  {head}\n  steps:\n" + "".join(f"    - {step}\n" for step in steps)


def pulses(verb, voltage):
    return f"- repeat: 9\n  steps:\n    - {verb}: {{current: C/20, for: 30 min, to: {voltage}}}\n    - rest: 2 h\n"


@pytest.mark.parametrize(
    ("steps", "cell", "wanted"),
    [
        ("- temperature: {to: -20 degC, soak: 2 h}\n- charge: {current: C/2, to: 4.2 V, for: 5 h}", CELL, "plan.rate"),
        ("- temperature: {to: -20 degC, soak: 2 h}\n- charge: {current: 1C, to: 4.2 V, for: 10 s}", CELL, ""),  # a pulse
        ("- temperature: {to: -20 degC, soak: 2 h}\n- charge: {current: C/20, to: 4.2 V, for: 30 h}", CELL, ""),
        ("- temperature: {to: -20 degC, soak: 2 h}\n- charge: {current: C/2, to: 4.2 V, for: 5 h}", CATHODE, ""),
        ("- temperature: {to: -20 degC, soak: 2 h}\n- discharge: {current: C/2, to: 2.6 V, for: 5 h}", CELL, ""),
        ("- temperature: {to: -20 degC, soak: 2 h}\n- temperature: {to: 25 degC, soak: 2 h}\n- charge: {current: C/2, to: 4.2 V, for: 5 h}", CELL, ""),
        (loop(3, *FAST, head="cycle: formation"), CELL, ["plan.rate"] * 2),
        (loop(3, *PAIR, head="cycle: formation"), CELL, ""),
        (loop(3, *FAST), CELL, ""),
        ("- cv: {from: ocv, to: 4.1 V, back: 2.6 V, rate: 20 mV/s}", CELL, "plan.forestalled"),
        ("- cv: {from: ocv, to: 4.1 V, back: 2.6 V, rate: 1 mV/s}", CELL, ""),
        ("- cv: {from: ocv, to: 4.1 V, back: 2.6 V, rate: 20 mV/s}", replace(CELL, nominal=0.036), ""),
        (loop(9, *PAIR, *PAIR), CELL, "plan.twice"),
        (loop(9, *PAIR, *FAST[:1], FAST[1].replace("2.6", "2.8")), CELL, ""),
        (FILLED + pulses("charge", "4.2 V"), CELL, "end.at_once"),
        (FILLED + pulses("charge", "4.25 V"), CELL, ""),
        (FILLED + pulses("discharge", "2.6 V"), CELL, ""),
        (loop(9, *PAIR, head="cycle: true\n  stop_if: retention < 8 %"), CELL, "end.never"),
        (loop(9, *PAIR, head="cycle: true\n  stop_if: retention < 20 %"), CELL, ""),
    ],
)  # fmt: skip
def test_what_a_cell_is_not_given(steps, cell, wanted):
    assert codes(steps, cell) == ([wanted] if isinstance(wanted, str) and wanted else list(wanted))


@pytest.mark.parametrize(
    ("low", "high", "kind", "warned"),
    [
        (0.0, 5.0, "full", 1),
        (0.0, 5.0, "half_cathode", 1),
        (-1.0, 5.0, "asymmetric", 0),
        (0.0, 4.2, "full", 0),
        (2.5, 5.0, "full", 0),
    ],
)
def test_limits_that_protect_nothing(low, high, kind, warned):
    steps = "- hold: {voltage: 3.5 V, current: 1 mA, for: 1 h}"
    assert codes(steps, replace(CELL, kind=kind, limits=Bounds((low, high), (-0.01, 0.01)))) == (
        ["limit.unusual"] * warned
    )


@pytest.mark.parametrize(
    ("step", "record", "warned"),
    [
        ("hold: {voltage: 4 V, current: 1 mA, for: 10 h}", "{dV: 5 mV}", 1),
        ("hold: {voltage: 4 V, current: 1 mA, for: 10 h}", "{every: 1 min, dV: 5 mV}", 0),
        ("hold: {voltage: 4 V, current: 1 mA, for: 10 h}", "{dI: 1 uA}", 0),
        ("charge: {current: C/3, to: 4.2 V, for: 5 h}", "{dV: 5 mV}", 0),
        ("charge: {current: C/3, to: 4.2 V, for: 5 h}", "{dI: 1 uA}", 1),
        ("charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 5 h}", "{dV: 5 mV}", 1),
        ("rest: 1 d", "{dV: 5 mV}", 0),
    ],
)
def test_rows_by_the_change_of_what_is_held(step, record, warned):
    assert codes(f"- {{{step}, record: {record}}}") == ["plan.record"] * warned


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (FILLED + "- hold: {voltage: 3.8 V, current: 1 mA, for: 5 s}\n" + SPECTRUM, "ocv.old"),
        (FILLED + "- hold: {voltage: 3.8 V, current: 1 mA, for: 10 min}\n" + SPECTRUM, ""),
        (FILLED + "- hold: {voltage: 3.8 V, current: 1 mA, until: current < C/50, for: 5 h}\n" + SPECTRUM, ""),
        ("- temperature: 0 degC\n- discharge: {current: 1C, for: 10 s, to: 2.6 V}\n", "plan.soak"),
        ("- temperature: {to: 0 degC, soak: 2 h}\n- discharge: {current: 1C, for: 10 s, to: 2.6 V}\n", ""),
    ],
)
def test_what_does_not_wait_for_the_cell(steps, wanted):
    assert codes(steps) == ([wanted] if wanted else [])


STAIRS = "- each: {{j: {{{}}}}}\n  cycle: true\n  stop_if: {}\n  steps:\n    - strip: {{current: $j, for: {}}}\n    - plate: {{current: $j, for: {}}}\n"
RISING, FALLING = (
    "from: 0.1 mA/cm2, to: 2 mA/cm2, by: 0.1 mA/cm2",
    "from: 2 mA/cm2, to: 0.1 mA/cm2, by: -0.1 mA/cm2",
)


@pytest.mark.parametrize(
    ("stairs", "watch", "time", "wanted"),
    [
        (FALLING, "short", "1 h", ["plan.range"]),
        (RISING, "short", "1 h", []),
        (FALLING, "abs(voltage) > 2 V", "1 h", []),  # nobody looks for a critical current
        (RISING, "short", "10 ms", ["plan.range"] * 2),
    ],
)
def test_a_staircase_rises_and_passes_what_can_be_seen(stairs, watch, time, wanted):
    assert codes(STAIRS.format(stairs, watch, time, time), SYMMETRIC) == wanted


def test_what_is_counted_in_one_direction_is_met_at_once_by_what_was_passed_already():
    step = "- discharge: {current: C/3, until: discharged since a >= 30 %, to: 2.6 V, for: 5 h}\n"
    assert codes(f"- mark: a\n{step}- rest: 1 h\n{step}") == ["end.at_once"]
    assert codes(f"- mark: a\n{step}- rest: 1 h\n{step.replace('30 %', '60 %')}") == []


@pytest.mark.parametrize(
    ("amount", "warned"),
    [
        ("capacity: 0.1 uAh/cm2", True),
        ("capacity: 100 mAh/cm2", True),
        ("capacity: 1 mAh/cm2", False),
        ("capacity: 100 mAh/cm2, for: 1 h", False),
    ],
)
def test_cycles_of_a_metal_pass_more_than_atoms_and_less_than_foils(amount, warned):
    pair = tuple(f"{verb}: {{current: 1 mA, {amount}}}" for verb in ("strip", "plate"))
    found = [code for code in codes(loop(2, *pair), SYMMETRIC) if code == "plan.range"]
    assert found == ["plan.range"] * (2 * warned)


@pytest.mark.parametrize(
    ("hold", "wanted"),
    [
        ("{voltage: 2.8 V, current: C/100, for: 1 h}", "plan.time_first"),
        ("{voltage: 2.8 V, current: C/2, for: 3 h}", ""),
        ("{voltage: 3.6 V, current: C/100, for: 1 h}", ""),  # on a plateau that takes little
    ],
)
def test_a_hold_that_does_not_come_to_its_voltage(hold, wanted):
    assert codes(f"{FILLED}- hold: {hold}") == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ((*PAIR, PAIR[0]), True),
        ((*PAIR, PAIR[0].replace("4.2", "3.8")), False),  # for storage
        ((PAIR[1].replace("C/3", "C/10"), *PAIR), False),  # what a larger current left
    ],
)
def test_a_cycle_ends_elsewhere_than_the_next_begins(steps, warned):
    assert ("plan.twice" in codes(loop(9, *steps))) == warned


@pytest.mark.parametrize(
    ("record", "warned"), [("{every: 1 min}", True), ("{every: 5 s}", False), ("{every: 1 min, dI: 0.1 mA}", False)]
)
def test_rows_follow_a_profile(record, warned):
    rows = "".join(f"{second},{-1 - second % 2}\n" for second in range(60))
    text = protocol_text(
        f"- {{profile: {{file: d.csv, positive: charge}}, record: {record}}}", "limits: {voltage: [2.5 V, 4.3 V]}\n"
    )
    found = check(read(text, "t.yaml", {"d.csv": f"time / s,current / mA\n{rows}"}.get), CELL)
    assert [one.code for one in found] == ["plan.record"] * warned
