import pytest

from labctl.plan.check import check
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import read

BASE = "labctl_cell: 1\nname: c\n"
FULL = (
    BASE
    + "kind: full\narea: 1 cm2\nnominal: {capacity: 1 mAh}\nlimits: {voltage: [2.5 V, 4.2 V], current: [-5 mA, 5 mA]}\nreference: Li\n"
)
METAL = BASE + "kind: symmetric\narea: 1 cm2\nlimits: {voltage: [-1 V, 1 V]}\n"


def codes(steps, cell=FULL, head=""):
    text = f"labctl: 1\n{head}steps:\n" + "".join(f"  {line}\n" for line in steps.splitlines())
    found = check(read(text, "f.yaml"), load_cell(cell, "c.yaml"))
    return [finding.code for finding in found if finding.code != "plan.unbounded"]  # METAL has no limit of current


def test_what_fits_the_cell_is_accepted():
    assert (
        codes(
            "- rest: 1 h\n- charge: {current: C/10, to: 4.2 V, for: 15 h}\n- discharge: {current: 1 mA/cm2, to: 2.5 V}"
        )
        == []
    )


@pytest.mark.parametrize(
    ("step", "cell", "code"),
    [
        ("charge: {current: 1 mA, for: 1 h}", METAL, "cell.kind"),
        ("strip: {current: 1 mA, for: 1 h}", FULL, "cell.kind"),
        ("charge: {current: 1 mA, to: 4.3 V, for: 1 h}", FULL, "limit.cut_off"),
        ("charge: {current: 10 mA, to: 4 V}", FULL, "limit.set_point"),
        ("charge: {current: 6C, to: 4 V}", FULL, "limit.set_point"),
        ("hold: {voltage: 4.3 V, for: 1 h}", FULL, "limit.set_point"),
        ("charge: {current: 1 mA, for: 3 h}", FULL, "limit.charge"),
        ("charge: {current: 1 mA/g, to: 4 V}", FULL, "cell.missing"),
        ("charge: {current: 1 mA, capacity: 5 uAh/cm2/um}", FULL, "cell.missing"),
        ("hold: {voltage: 3 V vs Na, for: 1 h}", FULL, "cell.reference"),
        ("charge: {current: 1 mA, for: 1 h}", BASE + "kind: full\n", "safety.voltage"),
        ("hold: {voltage: 0.5 V, for: 1 h}", METAL, "safety.current"),
        ("lsv: {from: 0 V, to: 0.5 V, rate: 1 mV/s}", METAL, "safety.current"),
        ("cv: {from: 0 V, to: 0.5 V, rate: 1 mV/s}", METAL, "safety.current"),
        ("eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV, at: 0.1 V}", METAL, "safety.current"),
        ("strip: {current: 1 mA, to: 0.5 V}", METAL, "safety.end"),
    ],
)
def test_what_does_not_fit_the_cell_is_refused(step, cell, code):
    assert codes(f"- {step}", cell) == [code]


@pytest.mark.parametrize(
    "step",
    [
        "hold: {voltage: 0.5 V, current: 1 mA, for: 1 h}",
        "eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 uA}",
        "strip: {current: 1 mA, until: time > 1 h}",
        "strip: {current: 1 mA, capacity: 1 mAh/cm2, to: 1 V}",
        "hold: {voltage: 0 V, current: 1 mA, for: 1 h}",
    ],
)
def test_what_is_safe_enough_is_accepted(step):
    assert codes(f"- {step}", METAL) == []


def test_limits_of_the_file_count_too():
    limits = "limits: {voltage: [3 V, 4 V], capacity: 0.5 mAh/cm2}\n"
    assert codes("- charge: {current: 1 mA, capacity: 0.6 mAh}", head=limits) == ["limit.cut_off"]
    assert codes("- hold: {voltage: 0.1 V, for: 1 h}", METAL, "limits: {current: [-1 mA, 1 mA]}\n") == []


def test_requires_must_hold():
    assert codes("- rest: 1 h", METAL, "requires: {cell: [full, half_cathode]}\n") == ["cell.kind"]


def test_a_capacity_limit_makes_an_end_sure():
    assert codes("- strip: {current: 1 mA, to: 0.5 V}", METAL, "limits: {capacity: 3 mAh/cm2}\n") == []


def test_results_of_metal_cells():
    steps = "- repeat: 2\n  cycle: true\n  stop_if: short\n  steps: [{strip: {current: 1 mA, for: 1 h}}]"
    assert codes(steps, METAL) == []


def test_voltage_limits_that_no_cell_has_are_the_one_thing_told():
    text = "labctl: 1\nlimits: {voltage: [2500 V, 4250 V]}\nsteps:\n  - rest: 10 min\n"
    text += "  - charge: {current: C/10, to: 4.1 V, for: 15 h}\n  - eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}\n"
    (found,) = check(read(text, "f.yaml"), load_cell(FULL, "c.yaml"))
    assert (found.code, found.mark.column, found.hint) == ("limit.empty", 20, "is 2500 mV meant?")


def test_nothing_is_told_that_may_follow_from_a_line_that_was_not_read():
    loop = "- repeat: 5\n  steps:\n    - charge: {current: 1 mA, to: 4.1 V, for: 3 h}\n    - Discharge at 1C until 3 V"
    assert codes(loop) == ["step.form"]


def first(text, cell, reader=lambda name: None):
    found = check(read(text, "f.yaml", reader), load_cell(cell, "c.yaml"))
    return next(one for one in found if one.code != "cell.together")


@pytest.mark.parametrize(
    ("cell", "step", "named"),
    [
        (METAL.replace("1 cm2", "113 cm2"), "plate: {current: 1 mA/cm2, for: 1 h}", "area: 113 cm2 (c.yaml:4)"),
        (
            BASE + "kind: full\ndiameter: 12 cm # inner\nactive_mass: 11 mg/cm2\nlimits: {voltage: [2 V, 5 V]}\n",
            "charge: {current: 20 mA/g, to: 4 V, for: 1 h}",
            "active_mass: 11 mg/cm2 (c.yaml:5), diameter: 12 cm (c.yaml:4)",
        ),
    ],
)
def test_a_current_beyond_the_limits_names_the_lines_by_which_it_is_reckoned(cell, step, named):
    text = f"labctl: 1\nlimits: {{current: [-5 mA, 5 mA]}}\nsteps:\n  - rest: 1 min\n  - {step}\n"
    found = first(text, cell)
    assert found.code == "limit.set_point"
    assert found.hint.endswith(f"t is reckoned by {named}: is that right?")


def test_what_does_not_fit_a_cell_file_names_its_line():
    text = "labctl: 1\nrequires: {cell: half_anode}\nsteps:\n  - rest: 1 min\n"
    assert first(text, FULL).hint.endswith("if the cell file is wrong, correct there kind: full (c.yaml:3)")
    text = "labctl: 1\nsteps:\n  - charge: {current: 1 mA, to: 4 V vs Na, for: 1 h}\n"
    assert first(text, FULL).hint.endswith("if the cell file is wrong, correct there reference: Li (c.yaml:7)")


def test_a_limit_of_zero_is_told_at_the_line_that_uses_a_file():
    inner = "labctl: 1\nparams: {rate: C/5}\nsteps:\n  - discharge: {current: $rate, to: 3 V, for: 1 h}\n"
    text = "labctl: 1\nlimits: {current: [0 A, 5 mA]}\nsteps:\n  - rest: 1 min\n  - use: part\n    with: {rate: C/10}\n"
    found = first(text, FULL, {"part.yaml": inner}.get)
    assert (found.mark.file, found.mark.line, found.mark.column) == ("f.yaml", 6, 12)
    assert found.message.endswith("in discharge (part.yaml:4)")
    assert "a limit of 0" in found.hint
    assert first(text.replace("\n    with: {rate: C/10}", ""), FULL, {"part.yaml": inner}.get).mark.line == 5


@pytest.mark.parametrize("j", ["{from: 0.1 mA/cm2, to: 2 A/cm2, by: 0.1 mA/cm2}", "[0.1 mA/cm2, 2 A/cm2]"])
def test_a_density_that_no_cell_has_is_told_where_it_is_written(j):
    text = f"labctl: 1\nsteps:\n  - each: {{j: {j}}}\n    steps:\n      - plate: {{current: $j, for: 1 h}}\n"
    found = first(text, METAL)
    assert (found.code, found.mark.line, found.hint) == ("plan.rate", 3, "is mA/cm2 meant?")
    assert found.mark.column == text.splitlines()[2].index("2 A/cm2") + 1


def test_a_mark_of_two_words_is_pointed_at():
    text = "labctl: 1\nsteps:\n  - rest: 1 min\n  - mark: fully charged\n"
    text += "  - discharge: {current: C/3, until: net since full <= -10 %, to: 3 V, for: 2 h}\n"
    assert "in line 4 write - mark: full, not fully charged" in first(text, FULL).hint


def test_one_value_of_a_used_file_is_told_once():
    inner = (
        "labctl: 1\nparams: {rate: C/5}\nsteps:\n"
        + 2 * "  - discharge: {current: $rate, to: 3 V, for: 1 h}\n  - rest: 1 min\n"
    )
    text = "labctl: 1\nlimits: {current: [0 A, 5 mA]}\nsteps:\n  - rest: 1 min\n  - use: part\n"
    found = check(read(text, "f.yaml", {"part.yaml": inner}.get), load_cell(FULL, "c.yaml"))
    assert [(one.code, one.mark.line) for one in found] == [("limit.set_point", 5)]


def test_a_discharge_to_the_voltage_of_the_charge_before_it_is_told_at_its_own_line():
    text = "labctl: 1\nlimits: {voltage: [2.5 V, 4.25 V]}\nsteps:\n  - charge: {current: C/10, to: 4.2 V, for: 15 h}\n"
    found = first(text + "  - discharge: {current: C/10, to: 4.2 V, for: 15 h}\n", FULL)
    assert (found.code, found.mark.line, found.hint) == ("plan.crossed", 5, "is 4.2 V meant in both?")
    loop = "labctl: 1\nlimits: {voltage: [2.5 V, 4.25 V]}\nsteps:\n  - repeat: 2\n    steps:\n      - charge: {current: C/10, to: 4.2 V, for: 15 h}\n"
    assert first(loop + "      - discharge: {current: C/10, to: 4.2 V, for: 15 h}\n", FULL).mark.line == 7


def test_a_parameter_without_its_value_is_one_error_on_a_cell_too():
    assert codes("- charge: {current: $rate, to: 4.2 V, for: 2 h}", head="params: {rate: }\n") == ["text.empty"]
