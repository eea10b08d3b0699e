"""Voltages and open circuits that a cell of its kind has or has not."""

from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.plan.check import check
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, SYMMETRIC, protocol_text

ANODE = replace(FULL, kind="half_anode", limits=Bounds((0.0, 2.5), (-0.01, 0.01)))
CATHODE = replace(FULL, kind="half_cathode")
BARE = replace(SYMMETRIC, kind="asymmetric")
BLOCKING = replace(SYMMETRIC, kind="blocking")
CHARGE, DISCHARGE = (
    "    - charge: {current: C/10, to: 1.5 V, for: 15 h}\n",
    "    - discharge: {current: C/10, to: 10 mV, for: 15 h}\n",
)
CYCLES = "- rest: 1 h\n- repeat: 9\n  cycle: true\n  steps:\n"


def codes(steps, cell, head=""):
    return [one.code for one in check(read(protocol_text(steps, head), "t.yaml"), cell)]


@pytest.mark.parametrize(
    ("step", "warned"),
    [
        ("hold: {voltage: 3.8 V, for: 1 h}", True),
        ("hold: {voltage: -3.8 V, for: 1 h}", True),
        ("hold: {voltage: 0.1 V, for: 1 h}", False),
        ("lsv: {from: ocv, to: 5 V, rate: 1 mV/s}", True),
        ("lsv: {from: ocv, to: 0.5 V, rate: 1 mV/s}", False),
        ("eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV}", False),
    ],
)
def test_two_equal_electrodes_have_no_voltage_of_a_full_cell(step, warned):
    assert codes(f"- rest: 1 h\n- {step}", SYMMETRIC) == (["plan.range"] if warned else [])
    assert codes(f"- rest: 1 h\n- {step}", BLOCKING) == []


def test_a_spectrum_between_equal_electrodes_has_no_bias_of_a_full_cell():
    steps = (
        "- rest: 1 h\n- hold: {voltage: $v, for: 1 h}\n- eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV, at: $v}".replace
    )
    assert codes(steps("$v", "3.8 V"), SYMMETRIC) == ["plan.range", "plan.range"]
    assert codes(steps("$v", "50 mV"), SYMMETRIC) == []


@pytest.mark.parametrize(
    ("cell", "ocv", "warned"),
    [
        (SYMMETRIC, "2.5 V, 4.2 V", True),
        (SYMMETRIC, "-50 mV, 50 mV", False),
        (BLOCKING, "2.5 V, 4.2 V", False),  # lithium against steel is described so as well
        (BARE, "2.5 V, 3.5 V", False),
        (CATHODE, "0 V, 1 V", True),
        (CATHODE, "2.5 V, 3.5 V", False),
        (FULL, "0 V, 2.5 V", False),
    ],
)
def test_an_open_circuit_at_which_no_cell_of_its_kind_rests(cell, ocv, warned):
    assert codes("- rest: 1 h", cell, f"requires: {{ocv: [{ocv}]}}\n") == (["limit.unusual"] if warned else [])


@pytest.mark.parametrize(
    ("steps", "ocv", "warned"),
    [
        (CHARGE + DISCHARGE, "0 V, 3.5 V", True),
        (DISCHARGE + CHARGE, "0 V, 3.5 V", False),
        (CHARGE + DISCHARGE, "0 V, 1 V", False),  # a lithiated one
        (CHARGE + DISCHARGE, "", False),  # nobody knows
        (CHARGE.replace("1.5 V", "2.5 V") + DISCHARGE, "0 V, 3.5 V", False),
    ],
)
def test_cycles_of_a_fresh_anode_begin_with_its_discharge(steps, ocv, warned):
    head = f"requires: {{ocv: [{ocv}]}}\n" if ocv else ""
    assert codes(CYCLES + steps, ANODE, head) == (["end.at_once"] if warned else [])
    assert codes(CYCLES + steps, replace(ANODE, kind="full"), head) == []
