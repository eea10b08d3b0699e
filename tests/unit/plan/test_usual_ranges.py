from dataclasses import replace

import pytest

from labctl.driver import Bounds, Capabilities
from labctl.plan.check import check
from labctl.plan.compile import compile_plan, compiled_for
from labctl.plan.estimate import estimate
from labctl.protocol.cell import Cell
from labctl.protocol.cellfile import read_cell
from labctl.protocol.load import load, read
from tests.unit.plan.conftest import FULL, SYMMETRIC, protocol_text

BARE = Cell("bare collector", "asymmetric", area=1e-4, limits=Bounds((-1.0, 3.5), (-0.01, 0.01)))
CHARGE = "- {}\n  steps:\n  - charge: {{current: C/5, to: 4.2 V, for: 8 h}}\n  - rest: 1 h"
PLATE = "- plate: {current: 1 mA, capacity: 1 mAh}\n- strip: "
FULL_CELL = (
    "labctl_cell: 1\nname: c\nkind: full\narea: 1 cm2\nnominal: {capacity: 2 mAh}\n"
    "limits: {voltage: [2.5 V, 4.3 V], current: [-5 mA, 5 mA]}\nreference: Li\n"
)
FILM = FULL_CELL.replace("2 mAh", "20 uAh") + "film_thickness: 300 nm\n"


@pytest.mark.parametrize(
    ("steps", "cell", "wanted", "hint"),
    [
        ("- bend: {radius: 20 m}", FULL, "plan.range", "is 20 mm meant?"),
        ("- bend: {radius: 5 mm}", FULL, "", ""),
        ("- temperature: {to: 45 degC, soak: 30 d}", FULL, "plan.range", ""),
        ("- temperature: {to: 45 degC, within: 25 K, soak: 1 h}", FULL, "plan.range", ""),
        ("- rest: 10 ms", FULL, "plan.range", "is 10 s meant?"),
        ("- rest: 36.000 s", FULL, "plan.range", "is 36000 s (10 h) meant? else write 36 s"),
        ("- {rest: 36.000 s, record: {every: 1 s}}", FULL, "", ""),
        ("- prompt: {say: Press, state: {pressure: 500 GPa}}", FULL, "plan.range", "is 500 MPa meant?"),
        ("- {hold: {voltage: 4 V, for: 1 h}, record: {every: 10 s, dV: 5 V}}", FULL, "plan.record", "is 5 mV meant?"),
        ("- charge: {current: C/5, capacity: 0.9 mAh, for: 1 h}", FULL, "plan.time_first", ""),
        ("- charge: {current: C/5, capacity: 0.1 mAh, for: 1 h}", FULL, "", ""),
        ("- rest: {for: 1 h, until: current < 1 mA}", FULL, "end.never", ""),
        (CHARGE.format("abort_if: current > 0.1 mA"), FULL, "end.at_once", ""),
        (CHARGE.format("abort_if: current > 1 mA"), FULL, "", ""),
        (CHARGE.format("abort_if: current < 1 uA"), FULL, "end.at_once", ""),
        (PLATE + "{current: 1 mA, to: 1 mV, for: 2 h}", BARE, "end.at_once", "is 1 V meant?"),
        (PLATE + "{current: 1 mA, to: 0.5 V, for: 2 h}", BARE, "", ""),
        (PLATE + "{current: 1 mA, to: 0.5 V, for: 30 min}", BARE, "plan.time_first", ""),
        ("- rest: 1 h\n- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 10 uV}", FULL, "eis.amplitude", ""),
        ("- hold: {voltage: 4 V, current: 1 mA, until: current < 1 nA, for: 99 h}", FULL, "end.never", ""),
        ("- charge: {current: 1 mA, until: energy > 500 Wh, to: 4.2 V, for: 2 h}", FULL, "end.never", ""),
        ("- charge: {current: 1 mA, until: power > 5 W, to: 4.2 V, for: 2 h}", FULL, "end.never", "is 5 mW meant?"),
        (
            "- repeat: 2\n  abort_if: abs(voltage) > 1 uV\n  steps:\n  - strip: {current: 1 mA, for: 1 h}",
            SYMMETRIC,
            "end.at_once",
            "is 1 mV meant?",
        ),
        (
            CHARGE.format("cycle: true\n  repeat: 2\n  stop_if: coulombic_efficiency < 100 %")
            + "\n  - discharge: {current: C/5, to: 3 V, for: 8 h}",
            FULL,
            "end.at_once",
            "",
        ),
        ("- strip: {current: 1 mA, to: 0.1 mV, for: 2 h}", SYMMETRIC, "end.at_once", "is 100 mV meant?"),
    ],
)
def test_what_is_usual_in_its_place(steps, cell, wanted, hint):
    found = check(read(protocol_text(steps), "t.yaml"), cell)
    assert [one.code for one in found] == ([wanted] if wanted else [])
    assert not hint or found[0].hint == hint


WIDE = replace(FULL, limits=Bounds((2.5, 4.3), (-0.01, 0.01)))
PULSES = "- repeat: 300\n  stop_if: voltage >= 4.2 V\n  steps:\n  - charge: {current: C/20, for: %s, to: 4.2 V}\n  - rest: {for: %s, until: abs(dV/dt) < 0.5 mV/h over 10 min}"
CYCLES = "- repeat: %s\n  cycle: true%s\n  steps:\n  - charge: {current: C/5, to: 4.2 V, for: 8 h}\n  - discharge: {current: C/5, to: 3 V, for: 8 h}"
MARKED = "- charge: {current: C/5, to: 4.2 V, for: 8 h}\n- mark: full\n- discharge: {current: C/5, to: 3 V, until: discharged since full >= %s, for: 12 h}"


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("- charge: {current: C/5, to: 2.7 V, for: 8 h}", "end.wrong_side"),
        ("- charge: {current: C/5, to: 3 V, for: 8 h}", ""),
        ("- if: voltage < 2.6 V\n  steps:\n  - charge: {current: C/5, to: 2.7 V, for: 8 h}", ""),
        ("- rest: 1 h\n- discharge: {current: C/5, to: 4.1 V, for: 8 h}", "end.wrong_side"),
        ("- charge: {current: C/5, to: 4.2 V, for: 8 h}\n- discharge: {current: C/5, to: 4.1 V, for: 8 h}", ""),
        (PULSES % ("2 h", "10 min"), "plan.range"),
        (PULSES % ("10 min", "2 h"), ""),
        (PULSES.replace("300", "20") % ("10 min", "2 h"), "plan.passes"),
        (PULSES.replace("300", "$many") % ("10 min", "2 h"), "plan.passes"),
        (CYCLES % (99, "\n  stop_if: cycle >= 1"), "end.at_once"),
        (CYCLES % (99, "\n  stop_if: cycle >= 2"), ""),
        (CYCLES % (99, "\n  stop_if: retention < 100 %"), "end.at_once"),
        (CYCLES % (99, "\n  stop_if: retention < 99.9 %"), "end.at_once"),
        (CYCLES % (99, "\n  stop_if: retention < 99 %"), ""),
        (MARKED % "110 %", "end.never"),
        (MARKED % "100 %", ""),
        (CYCLES.replace("3 V,", "3 V, until: discharged since cycle > 120 %%,") % (9, ""), "end.never"),
        (CYCLES.replace("3 V,", "3 V, until: discharged since cycle > 80 %%,") % (9, ""), ""),
        ("- {rest: 3 d, record: {every: 1 ms}}", "plan.record"),
        ("- {rest: 3 d, record: [{every: 1 ms, for: 10 s}, {every: 10 s}]}", ""),
        ("- {rest: 3 d, record: {every: 1 min, dV: 5 uV}}", "plan.record"),
        ("- rest: 1 h\n- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 2 mA}", "eis.amplitude"),
        ("- rest: 1 h\n- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 50 uA}", ""),
    ],
)
def test_what_is_hardly_meant(steps, wanted):
    head = "params: {many: 20}\n" if "$many" in steps else ""
    assert [one.code for one in check(read(protocol_text(steps, head), "t.yaml"), WIDE)] == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("ocv", "meant"), [("3 mV, 4 mV", "3 V to 4 V"), ("3000 V, 4000 V", "3 V to 4 V"), ("3 V, 4 V", "")]
)
def test_an_open_circuit_with_another_prefix(ocv, meant):
    found = check(read(protocol_text("- rest: 1 h", f"requires: {{ocv: [{ocv}]}}\n"), "t.yaml"), WIDE)
    assert [(one.code, one.hint) for one in found] == ([("limit.unusual", f"is {meant} meant?")] if meant else [])


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (CYCLES % (1000000, ""), ["plan.long"]),
        (CYCLES % (1000000, "\n  stop_if: retention < 80 %"), []),
        (CYCLES % (3, "\n  for: 2 h"), ["plan.time_first"]),
        (CYCLES % (3, "\n  for: 24 h"), []),
    ],
)
def test_times_that_the_estimate_knows(steps, wanted):
    protocol = read(protocol_text(steps), "folder/t.yaml")
    assert protocol.protocol is not None
    assert [one.code for one in estimate(compile_plan(protocol.protocol, WIDE, None, None, {})).warnings] == wanted
    found = check(protocol, WIDE)
    assert [(one.code, one.mark.file) for one in found] == [(code, "folder/t.yaml") for code in wanted]


CUT_OFFS = "labctl: 1\nparams: {low: 3 V, high: 4.2 V}\nsteps:\n- charge: {current: C/5, to: $high, for: 8 h}\n- discharge: {current: C/5, to: $low, for: 8 h}"


@pytest.mark.parametrize("given", ["low: 4.2 V, high: 3 V", "low: 4.3 V"])
def test_swapped_voltages_are_told_where_they_are_given(given):
    (found,) = check(
        read(protocol_text(f"- use: inner\n  with: {{{given}}}"), "t.yaml", {"inner.yaml": CUT_OFFS}.get), WIDE
    )
    assert (found.code, found.mark.file, found.mark.line) == ("plan.crossed", "t.yaml", 4)


@pytest.mark.parametrize(("step", "codes"), [("50 uV", ["channel.resolution"]), ("200 uV", [])])
def test_rows_by_less_voltage_than_the_channel_tells_apart(step, codes):
    protocol = load(protocol_text(f"- {{rest: 1 d, record: {{every: 1 min, dV: {step}}}}}"), "t.yaml")
    found = compiled_for(protocol, WIDE, {}, Capabilities(voltage_accuracy=5e-3)).findings
    assert [one.code for one in found] == codes


def test_values_of_the_command_line_are_told_there():
    protocol = read(CUT_OFFS.replace("C/5", "$r").replace("params: {", "params: {r: C/5, "), "t.yaml")
    (found,) = check(protocol, WIDE, {"low": "4.2 V", "high": "3 V"})
    assert (found.code, found.mark.file) == ("plan.crossed", "--set low=4.2 V")
    assert "(--set r=60C)" in check(protocol, WIDE, {"r": "60C"})[0].message


def test_a_value_of_a_loop_beyond_limits_is_told_with_its_line():
    steps = "- each: {r: [C/5, 60C]}\n  steps:\n  - charge: {current: $r, to: 4.2 V, for: 8 h}"
    (found,) = check(read(protocol_text(steps), "t.yaml"), WIDE)
    assert "found $r = 60 mA (60C of line 3) in charge" in found.message


def test_hints_at_what_lies_beyond_limits():
    steps = "- rest: 1 h\n- discharge: {current: C/5, to: 2.8 mV, for: 8 h}"
    (found,) = check(read(protocol_text(steps), "t.yaml"), FULL)
    assert found.hint == "is 2.8 V meant?"
    head = "limits: {temperature: [10 degC, 45 degC]}\n"
    (found,) = check(read(protocol_text("- temperature: 60 degC", head), "t.yaml"), FULL)
    assert found.hint.startswith("lower it to 45 degC, or widen the limits of t.yaml")


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("300 nm", "300 um", "is film_thickness: 300 nm"),
        ("[2.5 V, 4.3 V]", "[2.5 mV, 4.3 mV]", "is [2.5 V, 4.3 V] meant?"),
        ("[2.5 V, 4.3 V]", "[2.5 mV, 4.3 V]", "is 2.5 V meant?"),
        ("[2.5 V, 4.3 V]", "[4.1 V, 4.25 V]", "are both limits meant?"),
        ("[2.5 V, 4.3 V]", "[0 V, 2 V]", "is kind: half_anode meant?"),
        ("[2.5 V, 4.3 V]", "[-1 V, 1 V]", "is kind: symmetric meant?"),
        ("[-5 mA, 5 mA]", "[1 mA, 5 mA]", "write [-5 mA, 5 mA]"),
        ("[-5 mA, 5 mA]", "[0 mA, 5 mA]", "write [-5 mA, 5 mA]"),
        ("[-5 mA, 5 mA]", "[-5 mA, 0 mA]", "write [-5 mA, 5 mA]"),
        ("current:", "temperature: [25 K, 60 K], current:", "is 25 degC meant?"),
        ("reference: Li", "reference: {name: Ag, vs: {Li: 3200 V}}", "is 3.2 V meant?"),
        ("reference: Li", "reference: Li\nmodel: chen2020\nstate: {soc: 0.8 %}", "is 80 % meant?"),
        ("reference: Li", "reference: Li\nelectrolyte_thickness: 5 nm", "is 5 um meant?"),
        ("kind: full", "kind: asymmetric", "write -0.5 V or less as the first value"),
    ],
)
def test_a_cell_file_with_a_number_that_no_cell_has(right, wrong, hint):
    base = FILM if right == "300 nm" else FULL_CELL
    assert read_cell(base, "c.yaml")[1] == ()
    found = read_cell(base.replace(right, wrong), "c.yaml")[1]
    assert [(one.code, one.hint.startswith(hint)) for one in found] == [("cell.together", True)]


STRIPPED = "\n  cycle: true\n  steps:\n  - strip: {current: $j, for: 1 h}\n  - plate: {current: $j, for: 1 h}"
FOIL = Cell("foil", "symmetric", area=1.539e-4, limits=Bounds((-5.0, 5.0), (-0.02, 0.02)))


@pytest.mark.parametrize(
    ("loop", "found", "hint"),
    [
        ("{from: 0.1 mA/cm2, to: 20 mA/cm2, by: 0.1 mA/cm2}", "to: 20 mA/cm2 = 30.78 mA", "write to: 2 mA/cm2 if that is meant, else to: 12.9 mA/cm2 or less"),
        ("{from: 20 mA, to: 30 mA, by: 1 mA}", "to: 30 mA", "write to: 20 mA or less"),
        ("{from: 50 mA, to: 2 mA, by: -1 mA}", "from: 50 mA", "write from: 5 mA if that is meant"),
        ("[0.1 mA/cm2, 20 mA/cm2]", "$j = 30.78 mA (20 mA/cm2 of line 3)", "lower the current"),
    ],
)  # fmt: skip
def test_a_loop_beyond_limits_is_told_once_at_its_own_value(loop, found, hint):
    (one,) = check(read(protocol_text(f"- each: {{j: {loop}}}{STRIPPED}"), "t.yaml"), FOIL)
    assert (one.code, one.mark.line) == ("limit.set_point", 3)
    assert f"found {found} in strip" in one.message
    assert one.hint.startswith(hint)


@pytest.mark.parametrize(
    ("loop", "found", "hint"),
    [
        ("[4.1 V, 42 V]", "found $v = 42 V (42 V of line 3)", "is 4.2 V meant?"),
        ("{from: 3.8 V, to: 4.9 V, by: 0.1 V}", "found to: 4.9 V", "write to: 4.3 V or less"),
    ],
)
def test_a_cut_off_of_a_loop_beyond_limits_is_told_once_at_its_own_value(loop, found, hint):
    steps = f"- each: {{v: {loop}}}\n  steps:\n  - charge: {{current: C/5, to: $v, for: 8 h}}\n  - hold: {{voltage: $v, for: 1 h}}"
    one, *more = [each for each in check(read(protocol_text(steps), "t.yaml"), WIDE) if each.severity == "error"]
    assert (one.code, one.mark.line, more) == ("limit.cut_off", 3, [])
    assert found in one.message
    assert one.hint.startswith(hint)
