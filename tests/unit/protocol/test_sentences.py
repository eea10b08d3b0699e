"""Steps as other programs write them, and the step that is proposed for them, which is one."""

import pytest

from labctl.plan.check import check
from labctl.protocol.load import read
from labctl.protocol.sentences import step_of


@pytest.mark.parametrize(
    ("sentence", "step"),
    [
        ("Discharge at C/10 for 10 hours or until 3.3 V", "discharge: {current: C/10, to: 3.3 V, for: 10 h}"),
        ("Charge at 1 A until 4.1 V", "charge: {current: 1 A, to: 4.1 V}"),
        ("Hold at 4.1 V until 50 mA", "hold: {voltage: 4.1 V, until: current < 50 mA, for: ...}"),
        ("Hold at 4.1 V for 30 minutes", "hold: {voltage: 4.1 V, for: 30 min}"),
        ("Rest for 1 hour", "rest: 1 h"),
        ("discharge at 10 W for 1 h", "discharge: {power: 10 W, for: 1 h}"),
        ("Plate with 1 mA/cm2 for 1 h", "plate: {current: 1 mA/cm2, for: 1 h}"),
        ("Charge at foo", ""),
        ("Charge at 1 A until the cows come home", ""),
        ("Drive cycle (A)", ""),
    ],
)
def test_a_sentence_is_a_step_or_none(sentence, step):
    assert step_of(sentence) == step


@pytest.mark.parametrize(
    "wrong",
    [
        "Discharge at C/10 for 10 hours or until 3.3 V",
        "{step: CC_Chg, current: 1 mA, voltage: 4.1 V, time: 5 h}",
        "cc_charge: {current: 1 mA, cutoff_voltage: 4.1 V, duration: 5 h}",
        "constant_voltage: {voltage_V: 4.1, current: 1 mA, until_current_mA: 0.1, until_time_s: 3600}",
        "cccv: {current: 1 mA, voltage: 4.1 V, cutoff: C/20, time: 5 h}",
        "PEIS: {Ei: 1 MHz, Ef: 0.1 Hz, Va: 10 mV}",
    ],
)
def test_the_step_that_a_hint_proposes_is_accepted_as_it_stands(wrong):
    head = "labctl: 1\nlimits: {voltage: [2.5 V, 4.2 V], current: [-5 mA, 5 mA]}\nsteps:\n  - rest: 1 min\n"
    (finding,) = check(read(f"{head}  - {wrong}\n", "x.yaml"))
    step = finding.hint.partition("write ")[2].removeprefix("one step: ").partition("}: ")[0]
    step += "}" if "{" in step and not step.endswith("}") else ""
    assert [str(each) for each in check(read(f"{head}  - {step}\n", "x.yaml")) if each.severity == "error"] == []
