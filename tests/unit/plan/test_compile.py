import math
import time
from dataclasses import replace

import pytest

from labctl.driver import Bounds, Capabilities, RecordRule
from labctl.errors import CellError, ProtocolError
from labctl.plan.check import check
from labctl.plan.codec import plan_from_json, plan_to_json
from labctl.plan.description import rows
from labctl.plan.index import blocks, index, walk
from labctl.plan.program import NOMINAL, mode_for
from labctl.plan.step import Block, ByPass, End, Line, Relative, TextByPass, VersusOcv
from labctl.protocol.load import read


def lines(plan):
    return [line for _, line in walk(plan.root)]


def compared(end: End):
    term = end.condition.any_of[0][0]
    return end.kind, term.quantity, term.comparison, term.value


@pytest.mark.parametrize(
    ("current", "amperes"),
    [
        ("1 mA", 1e-3),
        ("5 uA/cm2", 5e-6),
        ("0.5 A/g", 5e-4),
        ("C/10", 1e-4),
        ("0.1C", 1e-4),
        ("2 C", 2e-3),
    ],
)
def test_a_relative_current_becomes_amperes_by_the_cell(plan, current, amperes):
    charge, discharge = lines(
        plan(f"- charge: {{current: {current}, for: 1 min}}\n- discharge: {{current: {current}, for: 1 min}}")
    )
    assert charge.settings["current"] == pytest.approx(amperes, rel=1e-12)
    assert discharge.settings["current"] == pytest.approx(-amperes, rel=1e-12)


@pytest.mark.parametrize(
    ("capacity", "coulombs"),
    [("1 mAh", 3.6), ("50 %", 1.8), ("0.5 mAh/cm2", 1.8), ("10 uAh/cm2/um", 0.0108), ("100 mAh/g", 0.36)],
)
def test_a_relative_capacity_becomes_coulombs_by_the_cell(plan, capacity, coulombs):
    (line,) = lines(plan(f"- charge: {{current: 1 mA, capacity: {capacity}}}"))
    kind, quantity, comparison, value = compared(line.ends[0])
    assert (kind, quantity, comparison) == ("capacity", "capacity", ">=")
    assert value == pytest.approx(coulombs, rel=1e-12)


@pytest.mark.parametrize(
    ("current", "field"),
    [("5 uA/cm2", "area"), ("0.5 A/g", "active_mass"), ("C/10", "nominal")],
)
def test_what_the_cell_lacks_is_named(plan, current, field):
    with pytest.raises(CellError) as caught:
        plan(f"- charge: {{current: {current}, for: 1 h}}", "bare", head="limits: {voltage: [2 V, 4 V]}\n")
    (finding,) = caught.value.findings
    assert finding.code == "cell.missing"
    assert field in finding.message
    assert (finding.mark.file, finding.mark.line) == ("test.yaml", 4)
    assert current in finding.line


def test_every_error_is_found_at_its_own_place(refused):
    found = refused(
        "- charge: {current: 1 A, to: 5 V, for: 1 h}\n- discharge: {current: 1 mA, to: 1 V, for: 1 h}\n- strip: {current: 1 mA, for: 1 h}"
    )
    assert [(one.code, one.mark.line, one.mark.column) for one in found] == [
        ("limit.set_point", 3, 21),
        ("limit.cut_off", 3, 30),
        ("limit.cut_off", 4, 34),
        ("cell.kind", 5, 3),
    ]
    assert "10 mA (limits of the cell full cell), found 1 A" in found[0].message


def test_ends_are_in_the_order_in_which_they_are_asked(plan):
    (line,) = lines(
        plan("- charge: {current: 1 mA, for: 2 h, until: temperature > 55 degC, capacity: 1 mAh, to: 4.2 V}")
    )
    assert [compared(end) for end in line.ends] == [
        ("to", "voltage", ">=", 4.2),
        ("capacity", "capacity", ">=", 3.6),
        ("until", "temperature", ">", 328.15),
        ("for", "time", ">=", 7200.0),
    ]


def test_discharge_and_plate_end_below(plan):
    (line,) = lines(plan("- discharge: {current: 1 mA, to: 2.5 V}"))
    assert compared(line.ends[0]) == ("to", "voltage", "<=", 2.5)


def test_cc_cv_is_two_lines_in_a_fused_block_with_a_budget(plan):
    made = plan(
        "- name: filling\n  charge: {current: 1 mA, to: 4.2 V, hold_until: current < C/20, hold_for: 1 h, for: 5 h, capacity: 1.5 mAh}"
    )
    (block,) = made.root.children
    assert isinstance(block, Block)
    assert (block.fused, block.name, block.cycle) == (True, "filling", None)
    assert [end.kind for end in block.ends] == ["capacity", "for"]
    charge, hold = block.children
    assert (charge.verb, charge.mode, [end.kind for end in charge.ends]) == ("charge", "Galvanostatic", ["to"])
    assert (hold.verb, hold.mode, hold.settings) == ("hold", "Potentiostatic", {"voltage": 4.2, "most": 1e-3})
    assert [compared(end)[1:] for end in hold.ends] == [("current", "<", 5e-5), ("time", ">=", 3600.0)]


def test_cp_cv_holds_with_the_current_that_flowed(plan):
    made = plan("- charge: {power: 4 mW, to: 4 V, hold_for: 1 h}")
    assert lines(made)[1].settings == {"voltage": 4.0, "most": 1e-3}


def test_a_load_discharges(plan):
    (line,) = lines(plan("- discharge: {resistance: 10 kOhm, for: 1 h}"))
    assert (line.mode, line.settings) == ("ConstantLoad", {"resistance": 10_000.0})


def test_a_cv_that_comes_back_to_its_begin_is_one_block_of_two_sweeps(plan):
    (block,) = plan("- cv: {from: 2.5 V, to: 4 V, rate: 1 mV/s, cycles: 3}").root.children
    assert (block.passes, block.cycle, block.fused) == (3, "cv", True)
    assert [line.settings for line in block.children] == [
        {"start": 2.5, "end": 4.0, "rate": 1e-3},
        {"start": 4.0, "end": 2.5, "rate": 1e-3},
    ]


def test_a_cv_that_comes_back_elsewhere_goes_on_from_there(plan):
    (block,) = plan("- cv: {from: 3 V, to: 4 V, back: 2.5 V, rate: 1 mV/s, cycles: 3}").root.children
    first, others = block.children
    assert (block.cycle, first.cycle, others.cycle) == (None, "cv", "cv")
    assert (first.passes, others.passes) == (1, 2)
    assert [line.settings["start"] for line in (*first.children, *others.children)] == [3.0, 4.0, 2.5, 4.0]


def test_a_cv_in_a_cycle_block_leaves_the_count_to_it(plan):
    made = plan("- repeat: 2\n  cycle: true\n  steps:\n  - cv: {from: 3 V, to: 4 V, rate: 1 mV/s, cycles: 3}")
    assert [block.cycle for block in blocks(made.root)] == [None, "true", None]


def test_a_voltage_against_the_open_circuit_is_kept(plan):
    made = plan("- rest: 1 min\n- hold: {voltage: 20 mV vs ocv, for: 1 h}\n- hold: {voltage: ocv, for: 1 h}")
    assert [line.settings["voltage"] for line in lines(made)[1:]] == [VersusOcv(0.02), VersusOcv(0.0)]


@pytest.mark.parametrize(
    "steps",
    [
        "- hold: {voltage: ocv, for: 1 h}\n- rest: 1 min",
        "- if: voltage > 3 V\n  steps:\n  - rest: 1 min\n- hold: {voltage: ocv, for: 1 h}",
        "- repeat: 3\n  steps:\n  - hold: {voltage: ocv, for: 1 h}\n  - rest: 1 min",
    ],
)
def test_a_voltage_against_the_open_circuit_needs_a_rest_before_it(refused, steps):
    assert [one.code for one in refused(steps)] == ["ocv.rest"]


def test_loops_stay_loops_and_hold_a_table_of_what_differs(plan):
    made = plan(
        "- each: {j: {from: 0.1 mA/cm2, to: 0.3 mA/cm2, by: 0.1 mA/cm2}}\n  steps:\n"
        "  - repeat: 4\n    cycle: true\n    steps:\n    - charge: {current: $j, for: $(charge / j)}\n    - discharge: {current: 0.1 mA, for: 1 h}",
        head="params: {charge: 0.1 mAh/cm2}\n",
    )
    charge, discharge = lines(made)
    assert charge.settings["current"].blocks == (1,)
    assert charge.settings["current"].values == pytest.approx((1e-4, 2e-4, 3e-4))
    assert charge.ends[0].condition.any_of[0][0].value.values == pytest.approx((3600.0, 1800.0, 1200.0))
    assert discharge.settings["current"] == -1e-4
    assert made.root.children[0].variables == {"j": ("0.1 mA/cm2", "0.2 mA/cm2", "0.3 mA/cm2")}


def test_nested_variables_give_a_table_over_both_blocks(plan):
    made = plan(
        "- each: {j: [1 mA, 2 mA]}\n  steps:\n  - each: {t: [1 min, 2 min, 3 min]}\n    steps:\n"
        "    - charge: {current: $(j * t / hour), for: $t}",
        head="params: {hour: 1 h}\n",
    )
    (line,) = lines(made)
    current, seconds = line.settings["current"], line.ends[0].condition.any_of[0][0].value
    assert (current.blocks, current.shape) == ((1, 2), (2, 3))
    assert current.values == pytest.approx([j * t / 60 for j in (1e-3, 2e-3) for t in (1, 2, 3)])
    assert (seconds.blocks, seconds.values) == ((2,), (60.0, 120.0, 180.0))


def test_a_range_of_an_inner_loop_may_depend_on_the_outer(plan):
    made = plan(
        "- each: {top: [2 mA, 3 mA]}\n  steps:\n  - each: {j: [$top, $(top / 2)]}\n    steps:\n    - charge: {current: $j, for: 1 min}"
    )
    assert lines(made)[0].settings["current"] == ByPass((1, 2), (2, 2), (2e-3, 1e-3, 3e-3, 1.5e-3))


def test_an_inner_loop_whose_length_depends_on_the_outer_is_refused(refused):
    found = refused(
        "- each: {top: [2 mA, 3 mA]}\n  steps:\n  - each: {j: {from: 1 mA, to: $top, by: 1 mA}}\n    steps:\n    - charge: {current: $j, for: 1 min}"
    )
    assert [one.code for one in found] == ["each.length"]


def test_texts_differ_between_passes_too(plan):
    made = plan("- each: {p: [1 MPa, 5 MPa]}\n  steps:\n  - prompt: {say: Press with $p, state: {pressure: $p}}")
    (line,) = lines(made)
    assert line.options["say"] == TextByPass((1,), (2,), ("Press with 1 MPa", "Press with 5 MPa"))
    assert line.options["state"] == {"pressure": ByPass((1,), (2,), (1e6, 5e6))}


def test_an_each_over_nothing_is_never_done(plan):
    made = plan(
        "- each: {j: $currents}\n  steps:\n  - charge: {current: $j, for: 1 min}", head="params: {currents: []}\n"
    )
    (block,) = made.root.children
    assert (block.passes, block.children[0].settings["current"].values) == (0, ())


def test_record_rules_come_from_the_nearest_place(plan):
    made = plan(
        "- rest: 1 min\n- rest: 1 min\n  record: [{every: 0.1 s, for: 10 s}, {every: 1 s, for: 1 min}, {every: 10 s, dV: 2 mV}]\n"
        "- record: {dI: 1 uA}\n  repeat: 2\n  steps:\n  - rest: 1 min",
        head="record: {every: 5 s}\n",
    )
    found = [line.record for line in lines(made)]
    assert found == [
        (RecordRule(every=5.0),),
        (RecordRule(every=0.1, until=10.0), RecordRule(every=1.0, until=70.0), RecordRule(every=10.0, voltage=2e-3)),
        (RecordRule(current=1e-6),),
    ]
    assert lines(plan("- rest: 1 min"))[0].record == (RecordRule(every=10.0, voltage=5e-3),)


def test_bounds_are_the_tightest_of_file_cell_and_channel(plan):
    made = plan(
        "- charge: {current: 1 mA, for: 1 h}",
        head="limits: {voltage: [1 V, 4.1 V], capacity: 2 mAh}\n",
        channel=Bounds(voltage=(0.0, 5.0), current=(-2e-3, 2e-3), temperature=(250.0, 330.0)),
    )
    assert lines(made)[0].bounds == Bounds((2.0, 4.1), (-2e-3, 2e-3), (250.0, 330.0), 7.2)


def test_one_step_may_pass_twice_the_nominal_capacity_unless_said_otherwise(plan):
    assert lines(plan("- rest: 1 min"))[0].bounds.charge == 7.2


def test_an_inserted_file_has_its_own_rules_inside_both_limits(plan):
    files = {
        "formation.yaml": "labctl: 1\nname: Formation\nparams: {rate: C/20, times: 2}\nrequires: {cell: full, ocv: [2.5 V, 3.6 V]}\n"
        "limits: {voltage: [2.4 V, 4.25 V]}\nrecord: {every: 1 min}\nanalyse: [retention]\nsteps:\n"
        "- repeat: $times\n  cycle: formation\n  steps:\n  - charge: {current: $rate, to: 4.2 V}\n  - discharge: {current: $rate, to: 2.5 V}\n"
    }
    made = plan(
        "- each: {r: [C/10, C/5]}\n  steps:\n  - use: formation\n    with: {rate: $r}\n- rest: 1 min",
        head="limits: {voltage: [2 V, 4.2 V]}\nanalyse: [capacity]\n",
        files=files,
    )
    charge, _, rest = lines(made)
    assert charge.settings["current"] == ByPass((1,), (2,), (1e-4, 2e-4))
    assert charge.bounds.voltage == (2.4, 4.2)
    assert charge.record == (RecordRule(every=60.0),)
    assert charge.where == "formation.yaml:12"
    assert rest.bounds.voltage == (2.0, 4.2)
    assert made.ocv == (2.5, 3.6)
    assert [name for name, _ in made.analyses] == ["capacity", "retention"]
    assert [name for name, _ in made.sources] == ["test.yaml", "formation.yaml", "cell.yaml"]
    assert [block.name for block in blocks(made.root)][2] == "Formation"


def test_an_inserted_file_that_wants_another_cell_is_refused(refused):
    files = {"other.yaml": "labctl: 1\nrequires: {cell: symmetric}\nsteps: [{rest: 1 min}]\n"}
    (finding,) = refused("- use: other", files=files)
    assert (finding.code, str(finding.mark)) == ("cell.kind", "test.yaml:3:3")
    assert "which other.yaml requires" in finding.message


def test_the_text_of_an_end_has_the_value_of_a_parameter(plan):
    made = plan(
        "- charge: {current: 1 mA, to: $top, capacity: $(2 * q), for: $t}\n- each: {v: [4 V, 4.1 V]}\n  steps:\n"
        "  - charge: {current: 1 mA, to: $v}",
        head="params: {top: 4.2 V, q: 0.5 mAh, t: 1 h}\n",
    )
    first, second = lines(made)
    assert [end.condition.text for end in first.ends] == ["to 4.2 V", "capacity 1 mAh", "for 1 h"]
    assert [end.condition.text for end in second.ends] == ["to $v"]


def test_a_block_carries_its_condition_ends_and_cycle(plan):
    made = plan(
        "- repeat: 5\n  cycle: check\n  name: checkup\n  stop_if: retention of max < 80 % or discharge_capacity < 50 %\n"
        "  abort_if: temperature > 60 degC\n  for: 3 d\n  steps:\n  - charge: {current: 1 mA, for: 1 h}\n- if: cycle >= 2\n  steps:\n  - rest: 1 min"
    )
    checkup, conditional = made.root.children
    assert (checkup.passes, checkup.cycle, checkup.name) == (5, "check", "checkup")
    assert [end.kind for end in checkup.ends] == ["abort_if", "stop_if", "for"]
    (retention,), (discharge,) = checkup.ends[1].condition.any_of
    assert (retention.reference, retention.value, retention.cycles) == ("max", 0.8, 1)
    assert (discharge.value, discharge.cycles) == (1.8, 1)
    assert conditional.condition.text == "cycle >= 2"


def test_results_of_ordinary_cycles_must_come_twice(plan):
    made = plan(
        "- repeat: 5\n  cycle: true\n  stop_if: coulombic_efficiency < 90 %\n  steps:\n  - charge: {current: 1 mA, for: 1 h}"
    )
    assert made.root.children[0].ends[0].condition.any_of[0][0].cycles == 2


def test_slopes_are_per_second_over_their_window(plan):
    made = plan("- rest: {for: 2 h, until: abs(dV/dt) < 3.6 mV/h over 10 min or dV/dt > 1 mV/s}")
    (slow,), (fast,) = lines(made)[0].ends[0].condition.any_of
    assert (slow.quantity, slow.slope, slow.absolute, slow.over) == ("voltage", True, True, 600.0)
    assert slow.value == pytest.approx(1e-6)
    assert (fast.over, fast.absolute) == (60.0, False)


def test_a_spectrum_has_its_frequencies_with_both_ends(plan):
    made = plan(
        "- rest: 1 min\n- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 10 mV rms}\n- eis: {from: 100 Hz, to: 30 Hz, amplitude: 1 mA, per_decade: 5}"
    )
    potentiostatic, galvanostatic = (line.settings for line in lines(made)[1:])
    assert len(potentiostatic["frequencies"]) == 71
    assert (potentiostatic["frequencies"][0], potentiostatic["frequencies"][-1]) == (1e6, 0.1)
    assert potentiostatic["amplitude"] == pytest.approx(0.01 * math.sqrt(2))
    assert (potentiostatic["potentiostatic"], potentiostatic["bias"]) == (True, None)
    assert (galvanostatic["potentiostatic"], galvanostatic["bias"], len(galvanostatic["frequencies"])) == (
        False,
        0.0,
        4,
    )


def test_a_bias_must_be_of_the_kind_that_is_controlled(refused):
    assert [
        one.code for one in refused("- rest: 1 min\n- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: 1 mA}")
    ] == ["eis.bias"]


def test_a_profile_is_a_table_in_si(plan):
    files = {"drive.csv": "time / s,current / C\n0,0.5\n10,-1\n20,0\n"}
    made = plan("- profile: {file: drive.csv, positive: discharge, scale: 2, for: 15 s}", files=files)
    (line,) = lines(made)
    assert line.settings["times"] == (0.0, 10.0, 20.0)
    assert line.settings["values"] == pytest.approx((-1e-3, 2e-3, 0.0))
    assert ("drive.csv") in [name for name, _ in made.sources]


@pytest.mark.parametrize(
    ("table", "peak", "values"),
    [
        ("time / s,current / mA\n0,1\n10,-4\n20,0\n", "2C", (-5e-4, 2e-3)),  # 1C is 1 mA
        ("time / s,current / C\n0,1\n10,-4\n20,9\n", "2 mA", (-5e-4, 2e-3)),  # the last row only ends it
        ("time / s,power / W\n0,1\n10,2\n20,0\n", "8 mW", (-4e-3, -8e-3)),
    ],
)
def test_a_profile_is_scaled_by_its_peak(plan, table, peak, values):
    made = plan(f"- profile: {{file: drive.csv, positive: discharge, peak: {peak}}}", files={"drive.csv": table})
    assert lines(made)[0].settings["values"][:2] == pytest.approx(values, rel=1e-12)


def test_a_peak_that_differs_or_is_of_a_measured_capacity_is_kept_beside_the_table(plan):
    files = {"drive.csv": "time / s,current / mA\n0,1\n10,-4\n20,0\n"}
    made = plan(
        "- each: {k: [1C, 2C]}\n  steps:\n  - profile: {file: drive.csv, positive: charge, peak: $k}", files=files
    )
    scale = lines(made)[0].settings["scale"]
    assert isinstance(scale, ByPass)
    assert scale.values == pytest.approx((0.25, 0.5))
    measured = (
        "- cycle: true\n  steps:\n  - charge: {current: 1C, to: 4 V, for: 2 h}\n  - discharge: {current: 1C, to: 3 V, for: 2 h}\n"
        "- nominal: {from: discharge_capacity, within: [80 %, 120 %]}\n- profile: {file: drive.csv, positive: charge, peak: 2C}"
    )
    assert lines(plan(measured, files=files))[-1].settings["scale"] == Relative(pytest.approx(0.5), (0.8, 1.2))


@pytest.mark.parametrize(
    ("beside", "words"),
    [("peak: 2 W", "wanted a peak that is a current"), ("peak: 2C, scale: 2", "wanted one of scale and peak")],
)
def test_a_peak_of_another_quantity_or_beside_a_scale_is_refused(plan, beside, words):
    with pytest.raises(ProtocolError, match=words):
        plan(
            f"- profile: {{file: drive.csv, positive: charge, {beside}}}",
            files={"drive.csv": "time / s,current / mA\n0,1\n9,0\n"},
        )


def test_a_scale_that_differs_is_kept_beside_the_table(plan):
    files = {"drive.csv": "time / s,current / mA\n0,1\n10,0\n"}
    made = plan(
        "- each: {k: [1, 2]}\n  steps:\n  - profile: {file: drive.csv, positive: charge, scale: $k}", files=files
    )
    assert lines(made)[0].settings["scale"] == ByPass((1,), (2,), (1.0, 2.0))


def test_stage_chamber_and_person(plan):
    made = plan(
        "- bend: {angle: 90 deg, radius: 5 mm, times: 100}\n- temperature: {to: 45 degC, within: 0.5 K, soak: 30 min, for: 2 h}\n"
        "- prompt: {say: Degas, for: 1 h}\n- mark: beam on"
    )
    bend, chamber, prompt, mark = lines(made)
    assert bend.settings == {"angle": pytest.approx(math.pi / 2), "radius": pytest.approx(5e-3), "times": 1} | {
        "times": 100
    }
    assert chamber.settings == {"temperature": 318.15, "within": 0.5, "soak": 1800.0}
    assert chamber.options == {"for": 7200.0}
    assert (prompt.mode, prompt.options) == ("Rest", {"say": "Degas", "for": 3600.0})
    assert (mark.mode, mark.options) == ("Rest", {"text": "beam on"})


def test_values_given_on_the_command_line(plan, refused):
    steps, head = "- charge: {current: $j, for: 1 h}", "params: {j: 1 mA}\n"
    assert lines(plan(steps, head=head, values={"j": "C/2"}))[0].settings["current"] == pytest.approx(5e-4)
    assert [one.code for one in refused(steps, head=head, values={"j": "2 V"})] == ["params.kind"]
    assert [one.code for one in refused(steps, head=head, values={"k": "2 V"})] == ["params.unknown"]


def test_the_reference_must_be_the_cells(plan, refused):
    assert lines(plan("- charge: {current: 1 mA, to: 4 V vs Li}"))[0].ends[0].condition.any_of[0][0].value == 4.0
    (other,) = refused("- charge: {current: 1 mA, to: 4 V vs Na}")
    assert other.code == "cell.reference"
    assert other.hint.startswith("write 4 V vs Li if that is meant")


def test_what_an_outage_does(plan):
    assert plan("- rest: 1 min").interruption.continue_within == 600.0
    made = plan("- rest: 1 min", head="on_interruption: {continue_within: 1 h, else: stop}\n")
    assert (made.interruption.continue_within, made.interruption.otherwise) == (3600.0, "stop")


def test_the_open_circuit_must_lie_in_what_is_required_or_in_the_limits(plan):
    assert plan("- rest: 1 min").ocv == (2.0, 4.3)
    assert plan("- rest: 1 min", head="requires: {ocv: [3 V, 3.5 V]}\n").ocv == (3.0, 3.5)


def test_figures_of_the_cell_and_accuracy_of_the_channel_go_along(plan):
    made = plan("- rest: 1 min", capabilities=Capabilities(voltage_accuracy=2e-3, current_accuracy=1e-7))
    assert (made.cell.nominal, made.cell.efficiency, made.cell.retention) == (3.6, "discharge/charge", "discharge")
    assert made.accuracy == (2e-3, 1e-7)


def test_ids_count_in_the_order_of_the_text(plan):
    made = plan(
        "- rest: 1 min\n- repeat: 2\n  steps:\n  - charge: {current: 1 mA, to: 4 V, hold_for: 1 h}\n  - rest: 1 min\n- rest: 1 min"
    )
    assert list(index(made).lines) == [1, 2, 3, 4, 5]
    assert list(index(made).blocks) == [0, 1, 2]


def test_ten_thousand_cycles_are_a_few_kilobytes_and_milliseconds(plan, full):
    steps = (
        "- repeat: 10000\n  cycle: true\n  stop_if: retention < 80 %\n  steps:\n"
        "  - charge: {current: 1C, to: 4.2 V, hold_until: current < C/20}\n  - rest: 10 min\n  - discharge: {current: 1C, to: 2.5 V}"
    )
    begin = time.perf_counter()
    made = plan(steps)
    assert time.perf_counter() - begin < 1.0  # generous: a plan that unrolls its loops takes minutes
    assert len(plan_to_json(made)) < 5000


def test_a_table_has_a_most(refused):
    steps = (
        "- each: {a: {from: 1 mA, to: 2 mA, by: 0.005 mA}}\n  steps:\n  - each: {b: {from: 1 min, to: 11 min, by: 0.05 min}}\n    steps:\n"
        "    - charge: {current: $(a * b / b), for: $b}"
    )
    assert [one.code for one in refused(steps)] == ["each.size"]


def test_one_wrong_value_in_a_loop_is_found_once(refused):
    found = refused(
        "- each: {j: [1 mA, 1 A, 2 A]}\n  steps:\n  - repeat: 3\n    steps:\n    - charge: {current: $j, for: 1 s}"
    )
    assert [(one.code, one.mark.line) for one in found] == [("limit.set_point", 3)]
    assert "found $j = 1 A" in found[0].message


def test_a_file_error_shows_the_line_and_a_caret(plan, full):
    with pytest.raises(ProtocolError, match=r"(?s)test.yaml:3:21: error\[limit.set_point\].*\^"):
        plan("- charge: {current: 1 A, for: 1 s}", replace(full))


def test_line_is_a_line(plan):
    assert all(isinstance(child, Line) for child in plan("- rest: 1 min\n- mark: x").root.children)


def test_a_block_may_be_named_by_its_own_variables(plan):
    made = plan("- name: at $v\n  each: {v: [3 V, 3.1 V]}\n  steps:\n  - hold: {voltage: $v, current: 1 uA, for: 1 h}")
    assert made.root.children[0].name == "at $v"
    made = plan("- name: at $v\n  each: {v: [3 V]}\n  steps:\n  - hold: {voltage: $v, current: 1 uA, for: 1 h}")
    assert made.root.children[0].name == "at 3 V"


# --- results of cycles ------------------------------------------------------------------------------------------------

CYCLE = "\n  - charge: {current: 1 mA, for: 1 h}\n  - discharge: {current: 1 mA, for: 1 h}"
BOTH = (
    "- repeat: 3\n  stop_if: %s\n  steps:\n  - cycle: true\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]\n"
    "  - cycle: check\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]"
)


def asked(plan, condition, key="stop_if", cycle="true"):
    made = plan(f"- repeat: 9\n  cycle: {cycle}\n  {key}: {condition}\n  steps:{CYCLE}")
    (terms,) = made.root.children[0].ends[0].condition.any_of
    return terms[0]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("retention < 80 %", {"kind": "cycles", "cycles": 2}),
        ("retention < 80 % for 1 cycle", {"cycles": 1}),
        ("coulombic_efficiency < 90 % for 3 cycles", {"cycles": 3}),
        ("retention of max of cycles < 80 %", {"reference": "max", "kind": "cycles"}),
        ("spread of discharge_capacity over 3 < 3 %", {"figure": "spread", "among": 3, "cycles": 1, "value": 0.03}),
        ("change of charge_capacity over 5 cycles > -1 mAh", {"figure": "change", "among": 5, "value": -3.6}),
        ("cycle >= 3", {"kind": "run", "cycles": 1}),
        ("cycle of block >= 3", {"kind": "block"}),
        ("cycle in [3, 5]", {"members": (3, 5), "comparison": "in"}),
    ],
)
def test_a_result_says_of_which_cycles_and_how_many_running(plan, condition, expected):
    term = asked(plan, condition)
    assert (
        {name: getattr(term, name) for name in expected} == pytest.approx(expected)
        if "value" in expected
        else {name: getattr(term, name) for name in expected} == expected
    )


def test_one_check_is_enough_and_an_if_asks_the_last_cycle_alone(plan):
    term = asked(plan, "retention < 80 %", cycle="check")
    assert (term.kind, term.cycles) == ("check", 1)
    made = plan(f"- cycle: true\n  steps:{CYCLE}\n- if: discharge_capacity > 1 mAh\n  steps: [{{mark: much}}]")
    assert made.root.children[1].condition.any_of[0][0].cycles == 1


def test_a_result_in_a_block_with_checks_and_others_says_which_it_means(plan, refused):
    assert [one.code for one in refused(BOTH % "retention < 80 %")] == ["condition.which"]
    assert refused(BOTH % "retention of check < 80 % or discharge_capacity of cycles < 1 mAh") == []
    one = f"- repeat: 9\n  cycle: true\n  stop_if: retention of check < 80 %\n  steps:{CYCLE}"
    assert [one.code for one in refused(one)] == ["condition.which"]


def test_results_inside_a_cycle_are_watched_by_nothing(refused):
    steps = "- repeat: 9\n  cycle: true\n  steps:\n  - %s: discharge_capacity < 1 mAh\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]"
    assert [one.code for one in refused(steps % "stop_if")] == ["condition.inside"]
    assert refused(steps % "if") == []


def test_a_stop_after_more_than_a_number_of_cycles_is_a_warning():
    text = f"labctl: 1\nsteps:\n- repeat: 9\n  cycle: true\n  stop_if: cycle > 3\n  steps:{CYCLE}"
    assert [(one.code, one.severity) for one in check(read(text, "t.yaml"))] == [("condition.more", "warning")]


# --- charge since a place ---------------------------------------------------------------------------------------------


def test_charge_is_counted_since_a_mark_a_cycle_or_a_block(plan):
    steps = (
        "- mark: full\n- repeat: 3\n  cycle: true\n  steps:\n"
        "  - discharge: {current: 1 mA, until: discharged since full >= 10 % or net since cycle < -0.1 mAh or charged since block > 1 mAh}"
    )
    (block,) = [block for block in blocks(plan(steps).root) if block.cycle]
    terms = [terms[0] for terms in block.children[0].ends[0].condition.any_of]
    assert [(term.quantity, term.since, term.value) for term in terms] == [
        ("discharged", "full", pytest.approx(0.36)), ("net", "cycle", pytest.approx(-0.36)), ("charged", "block 1", 3.6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "accepted"),
    [
        ("- mark: full\n- rest: {for: 1 h, until: net since full < 1 mAh}", True),
        ("- rest: {for: 1 h, until: net since full < 1 mAh}\n- mark: full", False),
        ("- if: voltage > 3 V\n  steps: [{mark: full}]\n- rest: {for: 1 h, until: net since full < 1 mAh}", False),
        ("- repeat: 2\n  stop_if: net since full < 1 mAh\n  steps: [{rest: 1 h}, {mark: full}]", True),
        ("- rest: {for: 1 h, until: net since cycle < 1 mAh}", False),
        ("- rest: {for: 1 h, until: net since block < 1 mAh}", True),
        ("- mark: fully\n- rest: {for: 1 h, until: net since full < 1 mAh}", False),
    ],
)
def test_what_charge_is_counted_since_must_be_sure_to_have_come(refused, steps, accepted):
    assert [one.code for one in refused(steps)] == ([] if accepted else ["condition.since"])


def test_missing_energy_end_and_missing_temperature_slope_and_dwell(plan):
    steps = (
        "- discharge: {current: 1 mA, energy: 2 mWh, for: 3 h}\n- charge: {current: 1 mA, for: 1 h, "
        "until: dT/dt > 1 K/min over 2 min or voltage > 4.1 V for 10 s or energy >= 1 mWh}"
    )
    first, second = lines(plan(steps))
    assert next((end.kind, end.condition.any_of[0][0].value) for end in first.ends) == ("energy", pytest.approx(7.2))
    slope, lasting, energy = (terms[0] for terms in second.ends[0].condition.any_of)
    assert (slope.quantity, slope.slope, slope.value, slope.over) == ("temperature", True, pytest.approx(1 / 60), 120.0)
    assert (lasting.quantity, lasting.dwell) == ("voltage", 10.0)
    assert (energy.quantity, energy.value) == ("energy", pytest.approx(3.6))


def test_an_if_asks_one_row(refused):
    assert [one.code for one in refused("- if: voltage > 3 V for 10 s\n  steps: [{rest: 1 s}]")] == ["condition.over"]


# --- cells and limits -------------------------------------------------------------------------------------------------


def test_a_voltage_against_another_reference_is_converted_by_the_cell_file(plan, full, refused):
    cell = replace(full, reference="In/InLi", references={"Li": 0.62}, limits=Bounds((1.4, 3.7), (-0.01, 0.01)))
    (line,) = lines(plan("- charge: {current: 1 mA, to: 3.8 V vs Li, for: 1 h}", cell))
    assert line.ends[0].condition.any_of[0][0].value == pytest.approx(3.18)
    assert plan("- rest: 1 min", cell).cell.reference == "In/InLi, 620 mV vs Li"
    assert [one.code for one in refused("- charge: {current: 1 mA, to: 3.8 V vs Na, for: 1 h}", cell)] == [
        "cell.reference"
    ]


@pytest.mark.parametrize(
    ("step", "limit", "codes"),
    [
        ("charge: {current: 1 mA, for: 1 h}", "{max: 4.2 V}", []),
        ("charge: {current: 1 mA, for: 1 h}", "{min: 2 V}", ["safety.voltage"]),
        ("discharge: {current: 1 mA, for: 1 h}", "{max: 4.2 V}", ["safety.voltage"]),
        ("hold: {voltage: 4 V, current: 1 mA, for: 1 h}", "{max: 4.2 V}", ["safety.voltage"]),
        ("charge: {current: 1 mA, to: 4.3 V, for: 1 h}", "{max: 4.2 V}", ["limit.cut_off"]),
    ],
)
def test_a_side_that_is_open_in_file_and_cell_refuses_what_drives_towards_it(refused, step, limit, codes):
    head = f"limits: {{voltage: {limit}}}\n"
    assert [one.code for one in refused(f"- {step}", "bare", head=head)] == codes
    if codes == ["safety.voltage"]:
        assert refused(f"- {step}", head=head) == []  # the cell file has the other side


def test_one_side_of_a_limit_tightens_that_side_alone(plan):
    made = plan("- charge: {current: 1 mA, for: 1 h}", head="limits: {voltage: {max: 4.1 V}}\n")
    assert made.root.children[0].bounds.voltage == (2.0, 4.1)
    known = Capabilities(modes=frozenset({"Galvanostatic"}), voltage=(-1.0, 6.0))
    open_ = plan(
        "- charge: {current: 1 mA, for: 1 h}", "bare", head="limits: {voltage: {max: 4.1 V}}\n", capabilities=known
    )
    assert open_.root.children[0].bounds.voltage == (-1.0, 4.1)  # no limit of anybody's, but all that can be held


def test_the_open_circuit_is_that_of_a_prompt_or_a_soak_too(refused):
    assert refused("- prompt: Ready?\n- lsv: {from: ocv, to: 4 V, rate: 1 mV/s}") == []
    assert refused("- temperature: {to: 30 degC, soak: 1 h}\n- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}") == []


def test_a_capacitor_is_charged_and_discharged_and_its_discharge_counts(plan, full):
    cell = replace(full, kind="capacitor")
    made = plan("- repeat: 9\n  cycle: true\n  stop_if: retention < 80 %\n  steps:" + CYCLE, cell)
    assert (made.cell.retention, made.cell.efficiency) == ("discharge", "discharge/charge")


@pytest.mark.parametrize(("area", "warned"), [(1e-4, False), (1e-6, True), (1e-8, True), (1.0, True)])
def test_an_area_that_does_not_fit_the_capacity_is_a_warning(full, area, warned):
    text = "labctl: 1\nsteps:\n- rest: 1 min\n"
    found = check(read(text, "t.yaml"), replace(full, area=area))
    assert {one.code for one in found} == ({"cell.together"} if warned else set())


# --- the measured capacity --------------------------------------------------------------------------------------------

MEASURED = "- cycle: true\n  steps:" + CYCLE + "\n- nominal: {from: discharge_capacity, within: [80 %, 120 %]}\n"


def test_what_is_relative_to_a_measured_capacity_is_held_against_limits_at_both_ends(plan, refused):
    made = plan(MEASURED + "- charge: {current: 2C, to: 4.1 V}")
    line = lines(made)[-1]
    assert line.settings["current"] == Relative(pytest.approx(2e-3), (0.8, 1.2))
    assert mode_for(line, {NOMINAL: 1.1}, None).current == pytest.approx(2.2e-3)
    assert plan_from_json(plan_to_json(made)) == made
    assert [row.setting for row in rows(made.root) if row.word == "charge"][-1] == "1.6 mA to 2.4 mA"
    (finding,) = refused(MEASURED + "- charge: {current: 9C, to: 4.1 V}")
    assert (finding.code, finding.hint.rpartition(": ")[2]) == ("limit.set_point", "[80 %, 111 %]")


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("- nominal: {from: discharge_capacity, within: [80 %, 120 %]}", "nominal.from"),
        (MEASURED.replace("discharge_capacity", "retention"), "nominal.from"),
        (MEASURED.replace("[80 %, 120 %]", "[110 %, 120 %]"), "nominal.within"),
        (MEASURED + "- each: {j: [1C, 1 mA]}\n  steps: [{charge: {current: $j, for: 1 min}}]", "nominal.mixed"),
    ],
)
def test_a_measure_is_a_capacity_of_a_cycle_around_the_nominal_one(refused, steps, code):
    assert {one.code for one in refused(steps)} == {code}


def test_missing_bdf_as_profile_and_one_direction_of_it_too(plan):
    """Battery Data Format as `export` writes it: two rows of one time at the end of a step, and more columns than two."""
    data = "test_time_second,voltage_volt,current_ampere,power_watt\n5.0,3.8,0.001,0.0038\n15,3.9,0.001,0.1\n15,3.7,-0.002,0.1\n25,3.7,0,0\n"
    (line,) = lines(plan("- profile: {file: run.bdf.csv, positive: charge}", files={"run.bdf.csv": data}))
    assert (line.settings["times"], line.settings["values"]) == ((0.0, 10.0, 20.0), (0.001, -0.002, 0.0))
    (line,) = lines(
        plan("- profile: {file: run.bdf.csv, positive: charge, only: discharge}", files={"run.bdf.csv": data})
    )
    assert mode_for(line, {}, None).values == (0.0, -0.002, 0.0)
    arbin = "Test_Time(s);Current(A)\n0;1\n1;0\n"
    (line,) = lines(plan("- profile: {file: a.csv, positive: discharge, scale: 0.001}", files={"a.csv": arbin}))
    assert line.settings["values"] == pytest.approx((-0.001, 0.0))
