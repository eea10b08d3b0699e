"""Analyses of which the steps leave nothing, or less than they are asked for."""

from dataclasses import replace

import pytest

from labctl.analysis import gitt, pulse, standing
from labctl.driver import Bounds
from labctl.plan.check import check
from labctl.plan.lint import analyses, analyses_held, pulse_rows
from labctl.protocol.cell import Cell
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, SYMMETRIC, protocol_text

BARE = Cell("Li-Cu", "asymmetric", area=1e-4, limits=Bounds((-1.0, 1.0), (-0.01, 0.01)))
BLOCKING = Cell("SS", "blocking", area=1e-4, electrolyte_thickness=2e-5, limits=Bounds((-1.0, 1.0), (-0.01, 0.01)))
BOTH = "  - charge: {current: C/5, to: 4.2 V, for: 8 h}\n  - discharge: {current: C/5, to: 3 V, for: 8 h}\n"
CYCLES = "- repeat: 9\n  cycle: true\n  steps:\n" + BOTH
STORAGE = "- cycle: true\n  steps:\n" + BOTH.replace("\n", "\n  - rest: 7 d\n", 1)
DISCHARGE_FIRST = "- cycle: true\n  steps:\n  - rest: 72 h\n" + "".join(
    f"{half}\n" for half in reversed(BOTH.splitlines())
)
STAIRS = (
    "- each: {{j: {}}}\n  cycle: true\n  stop_if: short\n  steps:\n"
    "  - strip: {{current: $j, for: 1 h}}\n  - plate: {{current: $j, for: 1 h}}\n"
)
PULSE = "- rest: 1 h\n- discharge: {{current: 1C, for: {}, to: 3 V}}\n  record: {{every: 0.1 s}}\n- rest: 40 s\n"
TITRATION = (
    "- repeat: 99\n  stop_if: voltage >= 4.2 V\n  steps:\n  - charge: {{current: C/10, for: 10 min, to: 4.2 V}}\n"
    "    record: {{every: 1 s}}\n  - rest: {}\n"
)
SPECTRUM = "- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 10 mV}\n"
POLARISED = "- rest: 1 h\n{}- hold: {{voltage: {} vs ocv, current: 1 mA, for: 10 h}}\n{}"
RESERVOIR = (
    "- plate: {{current: 1 mA, capacity: {}}}\n- repeat: 10\n  cycle: true\n  steps:\n"
    "  - strip: {{current: 1 mA, capacity: {}, to: 1 V}}\n  - plate: {{current: 1 mA, capacity: {}}}\n"
)
STRIPPED = "- strip: {current: 1 mA, to: 1 V, for: 20 h}\n"
SWEEPS = "- each: {{v: {}}}\n  steps:\n  - rest: 1 h\n  - cv: {{from: ocv, to: 4 V, back: 3 V, rate: $v}}\n"


STEPPED = "- each: {v: {from: 3 V, to: 4 V, by: 50 mV}}\n  steps: [{hold: {voltage: $v, until: current < C/100, for: 10 h}}]\n"
BENT = (
    "- each: {a: [0 deg, 90 deg]}\n  steps:\n  - bend: {angle: $a}\n  - repeat: 9\n    cycle: true\n    steps:\n"
    + BOTH.replace("  - ", "    - ")
)


def found(steps, analyse, cell=FULL):
    text = f"{protocol_text(steps)}analyse: {analyse}\n"
    return [one for one in check(read(text, "t.yaml"), cell) if one.code == "analyse.steps"]


@pytest.mark.parametrize(
    ("steps", "analyse", "words"),
    [
        (CYCLES, "[capacity, retention]", ""),
        (CYCLES.replace("  cycle: true\n", ""), "[retention]", "write cycle: true beside repeat: 9"),
        (CYCLES.replace("  cycle: true\n", ""), "[capacity]", "write cycle: true beside repeat: 9"),
        (CYCLES.replace("true", "formation"), "[retention]", "write cycle: true"),
        (CYCLES.replace("- repeat: 9\n  cycle", "- cycle"), "[retention]", "repeat: the cycle"),
        (CYCLES, "[rate]", "go through them with each"),
        (
            CYCLES.replace("repeat: 9", "each: {r: [C/5, 1C]}").replace("C/5,", "$r,").replace("$r, 1C", "C/5, 1C"),
            "[rate]",
            "",
        ),
        (CYCLES, "[self_discharge]", "has - rest: 7 d before its discharge"),
        (CYCLES + STORAGE, "[self_discharge]", ""),
        (CYCLES + DISCHARGE_FIRST, "[self_discharge]", ""),
        (STORAGE, "[self_discharge]", "a cycle without the rest"),
        (PULSE.format("10 min"), "[dcir]", "or write {dcir: {longest: 10 min}}"),
        (PULSE.format("10 min"), "[{dcir: {longest: 10 min}}]", ""),
        (PULSE.format("10 s"), "[{dcir: {at: [2 s, 30 s]}}]", "write times up to 10 s"),
        (PULSE.format("30 s"), "[{dcir: {at: [2 s, 30 s]}}]", ""),
        (PULSE.format("30 s") + PULSE.format("30 s").partition("\n")[2], "[dcir]", ""),
        (
            PULSE.format("30 s").replace("- rest: 1 h", "- rest: 1 h\n- charge: {current: C/5, to: 4.2 V, for: 3 h}"),
            "[dcir]",
            "add - rest: 1 h",
        ),
        (TITRATION.format("1 h").replace("C/10", "10C"), "[gitt]", "is C/10 meant?"),
        (TITRATION.format("20 s"), "[gitt]", "such as rest: 40 min"),
        (TITRATION.format("1 h"), "[gitt]", ""),
        (TITRATION.format("{for: 4 h, until: abs(dV/dt) < 1 mV/h}"), "[gitt]", ""),
        (TITRATION.format("3 s"), "[interruption]", "rest for 10 s"),
        (SWEEPS.format("[1 mV/s, 2 mV/s]"), "[b_value]", "go through them with each"),
        (SWEEPS.format("[1 mV/s, 2 mV/s, 5 mV/s]"), "[b_value]", ""),
        ("- hold: {voltage: 4 V, for: 2 h}\n", "[leakage]", "lengthen for: of the hold"),
        ("- hold: {voltage: 4 V, for: 20 h}\n", "[leakage]", ""),
        (CYCLES, "[leakage]", "add - hold:"),
        (
            TITRATION.format("1 h").replace("  - rest: 1 h\n", "") + "- rest: 2 h\n",
            "[gitt]",
            "add - rest: 40 min behind it",
        ),
        (TITRATION.format("1 h"), "[pitt]", "and - hold: {voltage: $v"),
        (STEPPED, "[pitt]", ""),
        (CYCLES, "[capacitance]", "did you mean capacity?"),
        ("- hold: {voltage: 4 V, until: current < C/20, for: 48 h}\n", "[leakage]", "leave until out of the hold"),
        (CYCLES, "[{retention: {of: 200}}]", "write first, max or the number"),
        (CYCLES, "[{retention: {of: 9}}]", ""),
        ("- bend: {angle: 90 deg}\n" + CYCLES, "[bending]", "each: {angle:"),
        (BENT, "[bending]", ""),
    ],
)
def test_what_an_analysis_of_a_full_cell_needs(steps, analyse, words):
    hints = [one.hint for one in found(steps, analyse)]
    assert len(hints) == bool(words)
    assert all(words in hint for hint in hints)


@pytest.mark.parametrize(
    ("steps", "analyse", "cell", "words"),
    [
        (STAIRS.format("{from: 0.1 mA, to: 1 mA, by: 0.1 mA}"), "[ccd]", SYMMETRIC, ""),
        (STAIRS.format("[1 mA, 1 mA]"), "[ccd]", SYMMETRIC, "life tells"),
        (STAIRS.format("[1 mA, 1 mA]"), "[life]", SYMMETRIC, ""),
        (STAIRS.format("[1 mA, 1 mA]"), "[life]", replace(SYMMETRIC, area=None), "area: 1 cm2"),
        (POLARISED.format(SPECTRUM, "10 mV", SPECTRUM), "[transference]", SYMMETRIC, ""),
        (POLARISED.format(SPECTRUM, "10 mV", ""), "[transference]", SYMMETRIC, "after the hold"),
        (POLARISED.format("", "10 mV", SPECTRUM), "[transference]", SYMMETRIC, "before the hold"),
        (POLARISED.format(SPECTRUM, "500 mV", SPECTRUM), "[transference]", SYMMETRIC, "10 mV is usual"),
        ("- rest: 1 h\n- lsv: {from: ocv, to: 1 V, rate: 1 mV/s}\n", "[window]", SYMMETRIC, "asymmetric or blocking"),
        ("- rest: 1 h\n- lsv: {from: ocv, to: 1 V, rate: 1 mV/s}\n", "[window]", BARE, ""),
        ("- rest: 1 h\n- lsv: {from: ocv, to: 100 mV vs ocv, rate: 1 mV/s}\n", "[exchange_current]", SYMMETRIC, "from: -100 mV"),
        ("- rest: 1 h\n- lsv: {from: -100 mV vs ocv, to: 100 mV vs ocv, rate: 1 mV/s}\n", "[exchange_current]", SYMMETRIC, ""),
        (RESERVOIR.format("5 mAh", "1 mAh", "1 mAh") + STRIPPED, "[reservoir]", BARE, ""),
        (RESERVOIR.format("1 mAh", "5 mAh", "5 mAh") + STRIPPED, "[reservoir]", BARE, "are the two swapped?"),
        (RESERVOIR.format("5 mAh", "1 mAh", "1 mAh"), "[reservoir]", BARE, "behind them"),
        ("- hold: {voltage: 0.5 V, for: 10 s}\n", "[electronic]", BLOCKING, "10 h is usual"),
        ("- hold: {voltage: 0.5 V, for: 10 h}\n", "[electronic]", BLOCKING, ""),
        ("- rest: 1 h\n" + SPECTRUM, "[conductivity]", BLOCKING, ""),
        ("- rest: 1 h\n" + SPECTRUM, "[conductivity]", replace(BLOCKING, electrolyte_thickness=None), "electrolyte_thickness: 20 um"),
        ("- rest: 1 h\n" + SPECTRUM, "[activation]", BLOCKING, "soak: 1 h"),
    ],
)  # fmt: skip
def test_what_an_analysis_of_other_cells_needs(steps, analyse, cell, words):
    hints = [one.hint for one in found(steps, analyse, cell)]
    assert len(hints) == bool(words)
    assert all(words in hint for hint in hints)


def test_analyses_of_one_kind_of_cell_say_so_of_another():
    (one,) = found(POLARISED.format(SPECTRUM, "10 mV", SPECTRUM), "[transference]")
    assert "of kind full" in one.message
    told = found("- hold: {voltage: 0.1 V, for: 10 h}\n", "[electronic]", SYMMETRIC)
    assert "take a blocking cell" in told[0].hint


@pytest.mark.parametrize("name", ["gitt", "pitt", "interruption"])
def test_a_diffusion_coefficient_wants_a_length(name):
    steps = STEPPED if name == "pitt" else TITRATION.format("1 h")
    thick = replace(FULL, film_thickness=None)
    assert [one.message for one in found(steps, f"[{name}]")] == []
    assert ["wanted a length" in one.message for one in found(steps, f"[{name}]", thick)] == [True]
    if name == "gitt":
        unrested = TITRATION.format("1 h").replace("  - rest: 1 h\n", "") + "- rest: 2 h\n"
        assert len(found(unrested, f"[{name}]", thick)) == 2  # neither is told in place of the other
    assert found(steps, f"[{{{name}: {{length: 2 um}}}}]", thick) == []


@pytest.mark.parametrize(
    ("record", "warned"),
    [
        ("{every: 1 s}", False),
        ("{every: 5 s}", False),
        ("{every: 10 s}", True),
        ("{every: 10 s, dV: 5 mV}", True),
        ("{every: 10 s, dV: 1 mV}", False),
        ("[{every: 1 s, for: 10 s}, {every: 10 s}]", True),
        ("[{every: 1 s, for: 30 s}, {every: 10 s}]", False),
    ],
)
def test_a_titration_wants_rows_where_its_line_is_laid(record, warned):
    text = f"{protocol_text(TITRATION.format('1 h').replace('{every: 1 s}', record))}analyse: [gitt]\n"
    told = [one.code for one in check(read(text, "t.yaml"), FULL)]
    assert ("plan.record" in told) == warned


HALF = "- discharge: {current: C/10, to: 3 V, for: 15 h}\n  record: RECORD\n"
VOLTAMMOGRAM = "- rest: 1 h\n- cv: {from: ocv, to: 4 V, back: 3 V, rate: 1 mV/s}\n  record: RECORD\n"
TIP = "- plate: {current: 1 mA, capacity: 1 mAh}\n  record: RECORD\n"


@pytest.mark.parametrize(
    ("analyse", "steps", "cell", "record", "warned"),
    [
        ("differential", HALF, FULL, "{every: 1 min}", False),
        ("differential", HALF, FULL, "{every: 10 min}", True),
        ("differential", HALF, FULL, "{every: 10 min, dV: 5 mV}", False),
        ("differential", HALF, FULL, "{every: 10 min, dV: 50 mV}", True),
        ("differential", HALF, FULL, "[{every: 1 s, for: 1 min}, {every: 10 min}]", False),  # its finest rule is asked
        ("capacity", HALF, FULL, "{every: 10 min}", False),
        ("voltammetry", VOLTAMMOGRAM, FULL, "{every: 10 s}", False),
        ("voltammetry", VOLTAMMOGRAM, FULL, "{every: 20 s}", True),
        ("voltammetry", VOLTAMMOGRAM, FULL, "{every: 20 s, dV: 5 mV}", False),
        ("voltammetry", VOLTAMMOGRAM, FULL, "{dV: 20 mV}", True),
        ("nucleation", TIP, BARE, "{every: 10 s}", False),
        ("nucleation", TIP, BARE, "{every: 1 min}", True),
        ("nucleation", TIP, BARE, "{every: 1 min, dV: 1 mV}", False),
        ("reservoir", TIP, BARE, "{every: 1 min}", False),
    ],
)
def test_a_curve_wants_rows_from_which_it_is_seen(analyse, steps, cell, record, warned):
    text = f"{protocol_text(steps.replace('RECORD', record))}analyse: [{analyse}]\n"
    told = [one.message for one in check(read(text, "t.yaml"), cell) if one.code == "plan.record"]
    assert len(told) == warned, told


def test_of_a_cell_that_is_not_known_only_the_steps_are_told():
    assert found(STAIRS.format("[1 mA, 2 mA]"), "[ccd, life]", None) == []


def test_a_long_loop_that_counts_no_cycle_is_told_beside_short_ones_that_do():
    two = CYCLES.replace("repeat: 9", "repeat: 2").replace("true", "formation")
    loop = CYCLES.replace("repeat: 9", "repeat: 200").replace("  cycle: true\n", "")
    assert [one.hint for one in found(two + loop, "[capacity]")] == ["write cycle: true beside repeat: 200"]
    assert found(two + CYCLES, "[capacity]") == []


@pytest.mark.parametrize("analyse", ["ccd", "life"])
def test_what_looks_for_a_failure_ends_at_one(analyse):
    endless = STAIRS.format("[1 mA, 2 mA]").replace("  stop_if: short\n", "")
    (told,) = found(endless, f"[{analyse}]", SYMMETRIC)
    assert "through a short" in told.message
    for ended in (
        endless.replace("  steps:", "  abort_if: abs(voltage) > 0.5 V\n  steps:"),
        endless.replace("for: 1 h", "for: 1 h, until: abs(voltage) > 0.5 V"),
    ):
        assert found(ended, f"[{analyse}]", SYMMETRIC) == []


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_a_staircase_that_falls_is_told_once(kind):
    text = f"{protocol_text(STAIRS.format('{from: 1 mA, to: 0.1 mA, by: -0.1 mA}'))}analyse: [ccd]\n"
    told = [one.code for one in check(read(text, "t.yaml"), replace(SYMMETRIC, kind=kind))]
    assert told.count("plan.range") == 1
    assert "analyse.steps" not in told


def test_what_is_asked_of_the_steps_is_what_the_analyses_go_by():
    assert analyses.PULSE == pulse.LONGEST
    assert analyses.STORED == 3600.0 * standing.STORED
    assert analyses_held.SETTLED == 3600.0 * standing.FLOAT
    assert (pulse_rows.WINDOW, pulse_rows.FITTED) == (gitt.WINDOW, gitt.FEWEST)
