import pytest

from labctl.driver import Bounds
from labctl.plan.check import check
from labctl.protocol.cell import Cell
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, protocol_text

PULSES = "- {}\n  stop_if: {}\n  steps:\n  - charge: {{current: C/10, for: 10 min, to: 4.2 V}}\n  - rest: 1 h"
BARE = Cell("bare collector", "asymmetric", area=1e-4, limits=Bounds((-1.0, 3.5), (-0.01, 0.01)))
CYCLES = "- repeat: 3\n  cycle: true\n  steps:\n"


def found(steps, cell=FULL, head=""):
    return [(one.code, one.mark.line - 2) for one in check(read(protocol_text(steps, head), "t.yaml"), cell)]


@pytest.mark.parametrize(
    ("repeat", "watch", "wanted"),
    [
        ("repeat: 20", "voltage >= 4.2 V", [("plan.passes", 1)]),
        ("repeat: 100", "voltage >= 4.2 V", []),
        ("repeat: 100", "voltage > 4.25 V", [("end.never", 2)]),
        ("repeat: 100", "voltage < 4.2 V", [("end.at_once", 2)]),
        ("repeat: 100", "voltage < 3 V", [("end.never", 2)]),
        ("repeat: 200", "temperature > 60 degC", []),
    ],
)
def test_passes_and_what_stops_them(repeat, watch, wanted):
    assert found(PULSES.format(repeat, watch)) == wanted


def test_a_loop_that_goes_on_at_its_voltage():
    pulses = PULSES.format("repeat: 200", "voltage >= 4.2 V").replace("\n  stop_if: voltage >= 4.2 V", "")
    assert found(pulses) == [("plan.passes", 1)]
    assert found(pulses.replace("200", "100")) == []
    assert found(pulses.replace("200", "20")) == [("plan.passes", 1)]
    assert found(pulses.replace("200", "5")) == []
    assert found(pulses.replace("200", "20").replace("10 min", "10 s")) == []


@pytest.mark.parametrize(
    ("until", "wanted"),
    [("voltage < 4.2 V", "end.at_once"), ("voltage > 4.25 V", "end.never"), ("voltage < 4.1 V", None)],
)
def test_a_rest_relaxes_away_from_where_the_drive_before_it_ended(until, wanted):
    charged = f"- charge: {{current: C/5, to: 4.2 V, for: 8 h}}\n- rest: {{for: 8 h, until: {until}}}"
    assert found(charged) == ([(wanted, 2)] if wanted else [])
    swapped = (
        until.translate(str.maketrans("<>", "><")).replace("4.2 V", "3 V").replace("4.25", "2.95").replace("4.1", "3.1")
    )
    discharged = f"- discharge: {{current: C/5, to: 3 V, for: 8 h}}\n- rest: {{for: 8 h, until: {swapped}}}"
    assert found(discharged) == ([(wanted, 2)] if wanted else [])


def test_passes_that_are_a_parameter_are_for_any_cell():
    pulses = PULSES.format("repeat: $many", "voltage >= 4.2 V")
    assert found(pulses, head="params: {many: 20}\n") == []


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("- temperature: 45 degC\n- repeat: 2\n  abort_if: temperature > 40 degC\n  steps: [{rest: 1 h}]", ("end.at_once", 3)),
        ("- repeat: 2\n  abort_if: temperature > 40 degC\n  steps:\n  - temperature: 45 degC\n  - rest: 1 h", ("end.at_once", 2)),
        ("- temperature: 45 degC\n- repeat: 2\n  abort_if: temperature > 60 degC\n  steps: [{rest: 1 h}]", None),
        ("- temperature: 45 degC\n- rest: {for: 1 h, until: temperature > 40 degC}", ("end.at_once", 2)),
        ("- temperature: 45 degC\n- temperature: 25 degC\n- rest: {for: 1 h, until: temperature > 40 degC}", None),
        ("- repeat: 2\n  stop_if: temperature > 40 degC\n  steps: [{rest: 1 h}]\n- temperature: 45 degC", None),
        (f"{CYCLES}  - charge: {{current: C/5, until: net since cycle < 50 %, to: 4.2 V, for: 6 h}}", ("end.never", 4)),
        ("- mark: m\n- discharge: {current: C/5, until: net since m >= 50 %, to: 3 V, for: 6 h}", ("end.never", 2)),
        ("- mark: m\n- discharge: {current: C/5, until: net since m <= -50 %, to: 3 V, for: 6 h}", None),
        ("- rest: 1 h\n- cv: {from: ocv, to: 4.2 V, back: 3 V, rate: 1 mV/s, cycles: 2}", None),
        ("- hold: {voltage: 2.5 V, for: 1 h}\n- cv: {from: 2.5 V, to: 3.5 V, back: 4.2 V, rate: 1 mV/s}", ("plan.turn", 2)),
        ("- each: {v: [3 V, 4 V]}\n  steps:\n  - hold: {voltage: 3 V, for: 1 h}", ("each.unused", 1)),
        ("- each: {v: [3 V, 4 V]}\n  steps:\n  - each: {w: [1 h, 2 h]}\n    steps: [{hold: {voltage: $v, for: $w}}]", None),
        ("- each: {v: [3 V, 4 V]}\n  name: at $v\n  steps:\n  - hold: {voltage: 3 V, for: 1 h}", None),
    ],
)  # fmt: skip
def test_what_is_true_at_once_or_never_or_used_nowhere(steps, wanted):
    assert found(steps) == ([wanted] if wanted else [])


@pytest.mark.parametrize(("written", "meant"), [("net since m <= 90 %", ">= 90 %"), ("net since m >= 90 %", ">= 90 %")])
def test_charge_out_of_a_full_cell_is_told_as_a_count_that_grows(written, meant):
    steps = f"- mark: m\n- discharge: {{current: C/10, until: {written}, to: 3 V, for: 15 h}}"
    (one,) = check(read(protocol_text(steps, ""), "t.yaml"), FULL)
    assert one.hint.endswith(f"write discharged since m {meant}")


def test_nothing_is_stripped_before_it_is_plated():
    strip, plate = (
        "  - strip: {current: 1 mA, to: 0.9 V, for: 4 h}\n",
        "  - plate: {current: 1 mA, capacity: 1 mAh, for: 2 h}\n",
    )
    assert found(CYCLES + strip + plate, BARE) == [("end.at_once", 4)]
    assert found(CYCLES + plate + strip, BARE) == []
    assert found(CYCLES + strip, BARE) == [("plan.one_way", 4)]


SETTLED = "end.at_once"


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ("- rest: {for: 12 h, until: abs(dV/dt) > 1 mV/h}", SETTLED),
        ("- rest: {for: 12 h, until: change of voltage over 1 h > 1 mV}", SETTLED),
        ("- rest: {for: 12 h, until: abs(dV/dt) < 1 mV/h}", None),
        ("- hold: {voltage: 4 V, for: 1 h, until: abs(dI/dt) > 1 uA/h}", SETTLED),
        ("- charge: {current: C/2, to: 4.2 V, hold_until: abs(dI/dt) > 1 uA/h, for: 9 h}", SETTLED),
        ("- charge: {current: C/2, until: voltage > 4.2 V and current < C/20, for: 5 h}", "end.constant"),
        ("- discharge: {current: C/2, until: current < C/20 and voltage < 3 V, for: 5 h}", "end.constant"),
        ("- charge: {current: C/2, until: voltage > 4.2 V and time > 1 h, for: 5 h}", "end.tied"),
        (
            f"{CYCLES}  - charge: {{current: C/3, to: 4.2 V, for: 5 h}}\n- discharge: {{current: C/3, to: 3 V, for: 5 h}}",
            "plan.one_way",
        ),
    ],
)
def test_one_finding_for_each_cause(steps, wanted):
    assert [code for code, _ in found(steps)] == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("asked", "record", "told"),
    [
        ("dcir", "{every: 1 min, dV: 50 mV}", [("plan.record", 3), ("plan.record", 5)]),
        ("dcir", "{every: 5 s}", [("plan.record", 3), ("plan.record", 5)]),
        ("gitt", "{every: 1 min}", [("plan.record", 3), ("plan.record", 5)]),
        ("interruption", "{every: 10 s}", [("plan.record", 4)]),
        ("dcir", "{every: 1 min, dV: 5 mV}", []),
        ("dcir", "{every: 0.1 s}", []),
        ("dcir", "[{every: 0.01 s, for: 0.1 s}, {every: 1 s}]", []),
        ("half_cycles", "{every: 5 s}", []),
    ],
)
def test_pulses_have_the_rows_that_their_analysis_needs(asked, record, told):
    pulses = "- rest: 10 min\n- discharge: {current: 1C, for: 10 s, to: 2.8 V}\n- rest: 40 s\n- charge: {current: 0.75C, for: 10 s, to: 4.2 V}"
    assert found(f"{pulses}\nanalyse: [{asked}]", head=f"record: {record}\n") == told
