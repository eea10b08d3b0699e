from dataclasses import replace

import pytest

from labctl.driver import Bounds, Capabilities

ALL = frozenset(
    {"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad", "Sweep", "Profile", "Spectrum"}
)


def codes(found):
    return [one.code for one in found]


def test_without_a_voltage_limit_in_file_or_cell_nothing_is_energised(refused):
    steps = "- charge: {current: 1 mA, for: 1 h}\n- discharge: {current: 1 mA, for: 1 h}\n- rest: 1 min"
    assert codes(refused(steps, "bare")) == ["safety.voltage"]
    assert codes(refused(steps, "bare", channel=Bounds(voltage=(0.0, 5.0)))) == ["safety.voltage"]
    assert codes(refused("- rest: 1 min", "bare")) == []


@pytest.mark.parametrize(
    "step",
    [
        "- hold: {voltage: 3 V, for: 1 h}",
        "- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}",
        "- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: 3.5 V}",
    ],
)
def test_without_a_current_limit_no_voltage_is_driven(refused, step):
    head = "limits: {voltage: [2 V, 4.2 V]}\n"
    assert codes(refused(step, "bare", head=head)) == ["safety.current"]
    assert codes(refused(step, "bare", head=head.replace("{", "{current: [-1 mA, 1 mA], "))) == []


@pytest.mark.parametrize(
    "step",
    [
        "- hold: {voltage: 3 V, current: 1 mA, for: 1 h}",
        "- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}",
        "- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: ocv}",
        "- charge: {current: 1 mA, to: 4 V, hold_for: 1 h, for: 2 h}",
    ],
)
def test_what_draws_a_known_current_needs_no_current_limit(refused, step):
    assert codes(refused(f"- rest: 1 min\n{step}", "bare", head="limits: {voltage: [2 V, 4.2 V]}\n")) == []


@pytest.mark.parametrize(
    ("step", "sure"),
    [
        ("charge: {current: 1 mA, to: 4 V}", False),
        ("charge: {current: 1 mA, to: 4 V, for: 1 h}", True),
        ("charge: {current: 1 mA, to: 4 V, capacity: 1 mAh}", True),
        ("charge: {current: 1 mA, until: voltage > 4 V or time > 3 h}", True),
        ("charge: {current: 1 mA, until: voltage > 4 V and time > 3 h}", False),
        ("charge: {current: 1 mA, to: 4 V, hold_for: 1 h}", False),
        ("charge: {current: 1 mA, to: 4 V, hold_until: current < 0.1 mA, for: 9 h}", True),
        ("hold: {voltage: 4 V, until: current < 0.1 mA}", False),
        ("lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}", True),
    ],
)
def test_one_end_must_be_sure_to_come(refused, step, sure):
    head = "limits: {voltage: [2 V, 4.2 V], current: [-5 mA, 5 mA]}\n"
    assert set(codes(refused(f"- {step}", "bare", head=head))) == (set() if sure else {"safety.end"})
    assert codes(refused(f"- {step}", "bare", head=head.replace("{v", "{capacity: 10 mAh, v"))) == []
    assert codes(refused(f"- {step}", "full", head=head)) == []


def test_the_budget_of_a_block_is_not_an_end(refused):
    steps = "- for: 3 h\n  repeat: 2\n  steps:\n  - charge: {current: 1 mA, to: 4 V}"
    assert codes(refused(steps, "bare", head="limits: {voltage: [2 V, 4.2 V]}\n")) == ["safety.end"]


@pytest.mark.parametrize(
    ("kind", "word", "fits"),
    [
        ("full", "charge", True),
        ("half_anode", "discharge", True),
        ("symmetric", "charge", False),
        ("asymmetric", "discharge", False),
        ("blocking", "charge", False),
        ("symmetric", "strip", True),
        ("asymmetric", "plate", True),
        ("full", "strip", False),
        ("blocking", "plate", False),
    ],
)
def test_a_verb_fits_a_kind_of_cell(refused, full, kind, word, fits):
    found = refused(f"- {word}: {{current: 1 mA, for: 1 h}}", replace(full, kind=kind))
    assert [code for code in codes(found) if code != "cell.together"] == ([] if fits else ["cell.kind"])


@pytest.mark.parametrize(
    ("kind", "condition", "fits"),
    [
        ("symmetric", "short", True),
        ("full", "short", False),
        ("symmetric", "retention < 80 %", False),
        ("asymmetric", "coulombic_efficiency < 90 %", True),
    ],
)
def test_a_result_fits_a_kind_of_cell(refused, full, kind, condition, fits):
    steps = f"- repeat: 3\n  cycle: true\n  stop_if: {condition}\n  steps:\n  - hold: {{voltage: 3 V, for: 1 h}}"
    found = codes(refused(steps, replace(full, kind=kind)))  # limits without 0 V are another matter
    assert [code for code in found if code != "cell.together"] == ([] if fits else ["cell.kind"])


def test_a_mode_that_the_instrument_lacks_is_refused_step_by_step(refused):
    steps = (
        "- charge: {current: 1 mA, for: 1 h}\n- hold: {voltage: 4 V, for: 1 h}\n- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}\n"
        "- bend: {angle: 90 deg}\n- temperature: {to: 30 degC}\n- prompt: Ready?"
    )
    found = refused(steps, capabilities=Capabilities())
    assert [(one.code, one.mark.line) for one in found] == [("channel.mode", 4), ("channel.mode", 5)]
    assert "constant voltage for hold, found one that does constant current" in found[0].message
    assert refused(steps, capabilities=Capabilities(modes=ALL)) == []


@pytest.mark.parametrize(("clips", "codes"), [(True, []), (False, ["channel.mode"])])
def test_an_instrument_that_clips_no_profile_is_refused(refused, clips, codes):
    step = "- profile: {file: d.csv, positive: discharge, clip: [2.8 V, 4.1 V]}"
    files = {"d.csv": "time / s,current / mA\n0,1\n60,0\n"}
    found = refused(step, capabilities=Capabilities(modes=ALL, clips=clips), files=files)
    assert [one.code for one in found] == codes


def test_what_the_channel_does_not_measure_cannot_be_a_limit_or_an_end(refused):
    steps = "- rest: {for: 1 h, until: temperature < 30 degC}"
    head = "limits: {temperature: [0 degC, 60 degC]}\n"
    known = Capabilities(modes=ALL)
    assert codes(refused(steps, head=head, capabilities=known)) == ["channel.measures", "channel.measures"]
    warm = replace(known, measures=frozenset({"voltage", "current", "temperature"}))
    assert refused(steps, head=head, capabilities=warm) == []
    assert codes(refused("- rest: 1 h", channel=Bounds(temperature=(250.0, 330.0)), capabilities=known)) == [
        "channel.measures"
    ]


def test_voltage_limits_must_lie_where_the_channel_can_measure(refused):
    known = Capabilities(modes=ALL, voltage=(0.0, 4.2))
    assert codes(refused("- rest: 1 h", capabilities=known)) == ["channel.range"]
    assert refused("- rest: 1 h", capabilities=known, head="limits: {voltage: [2 V, 4.2 V]}\n") == []


def test_a_current_that_the_channel_cannot_source_is_refused_once(refused):
    found = refused("- charge: {current: 5 mA, for: 1 min}", capabilities=Capabilities(current=(-1e-3, 1e-3)))
    assert len(found) == 1
    assert "what the channel can do" in found[0].message


def test_limits_that_leave_nothing_between_them_are_refused(refused):
    found = refused("- rest: 1 h", head="limits: {voltage: [4.4 V, 5 V]}\n")
    assert codes(found) == ["limit.empty"]
    assert "limits of test.yaml and limits of the cell full cell both allow" in found[0].message


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("charge: {current: 11 mA, for: 1 s}", "limit.set_point"),
        ("discharge: {current: 11 mA, for: 1 s}", "limit.set_point"),
        ("hold: {voltage: 4.31 V, for: 1 s}", "limit.set_point"),
        ("hold: {voltage: 4.3 V, current: 11 mA, for: 1 s}", "limit.set_point"),
        ("lsv: {from: 1.9 V, to: 4 V, rate: 1 mV/s}", "limit.set_point"),
        ("cv: {from: 3 V, to: 4.4 V, rate: 1 mV/s}", "limit.set_point"),
        ("charge: {power: 50 mW, for: 1 s}", "limit.set_point"),
        ("discharge: {resistance: 100 Ohm, for: 1 s}", "limit.set_point"),
        ("eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: 4.295 V}", "limit.set_point"),
        ("eis: {from: 1 kHz, to: 1 Hz, amplitude: 11 mA}", "limit.set_point"),
        ("charge: {current: 1 mA, to: 4.4 V}", "limit.cut_off"),
        ("charge: {current: 1 mA, until: voltage > 4.4 V}", "limit.cut_off"),
        ("charge: {current: 1 mA, capacity: 2.1 mAh}", "limit.cut_off"),
        ("hold: {voltage: 4 V, until: current > 11 mA}", "limit.cut_off"),
        ("charge: {current: 1 mA, for: 3 h}", "limit.charge"),
    ],
)
def test_what_lies_beyond_the_envelope_is_refused(refused, step, code):
    assert set(codes(refused(f"- rest: 1 min\n- {step}"))) == {code}


@pytest.mark.parametrize(
    "step",
    [
        "charge: {current: 10 mA, for: 1 min}",
        "hold: {voltage: 4.3 V, for: 1 s}",
        "lsv: {from: 2 V, to: 4.3 V, rate: 1 mV/s}",
        "discharge: {current: 1 mA, to: 2 V}",
        "charge: {current: 1 mA, capacity: 200 %}",
        "charge: {current: 1 mA, for: 2 h}",
        "charge: {current: 1 mA, to: 4 V, for: 30 h}",
    ],
)
def test_what_lies_on_the_envelope_is_allowed(refused, step):
    assert refused(f"- {step}") == []


def test_a_limit_of_zero_is_a_number(refused):
    head = "limits: {voltage: [0 V, 4.2 V], current: [0 A, 1 mA]}\n"
    assert refused("- charge: {current: 1 mA, for: 1 h}", "bare", head=head) == []
    assert codes(refused("- discharge: {current: 1 mA, to: 0 V, for: 1 h}", "bare", head=head)) == ["limit.set_point"]


def test_the_passes_of_a_loop_are_all_held_against_the_envelope(refused):
    steps = "- each: {v: [4.1 V, 4.2 V, 4.35 V]}\n  steps:\n  - charge: {current: 1 mA, to: $v}"
    (finding,) = refused(steps)
    assert (finding.code, "found $v = 4.35 V" in finding.message) == ("limit.cut_off", True)
