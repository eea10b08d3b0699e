"""What is complete in runs whose journal does not say so: told from what it has."""

import numpy as np

from labctl.analysis.complete import cycles_left_out, galvanostatic_cycles, settled, why
from labctl.engine.cycle import begins_with


def text(*values):
    return np.array(values, dtype=object)


def run(**cycles):
    """Two cycles of a discharge and a charge each; the charge of the second is cut by a block, and a rest follows."""
    steps = {
        "step_type": text("discharge", "charge", "discharge", "charge", "rest"),
        "cycle_count": np.array([1, 1, 2, 2, 2]),
        "begin_test_time_second": np.arange(5.0),
        "end_test_time_second": np.arange(1.0, 6.0),
        "end_reason": text("to", "for", "to", "block", "for"),
        "end_text": text("", "", "", "for 20 h", ""),
    }
    table = {
        "cycle_count": np.array([1, 2]),
        "kind": text("true", "true"),
        "begin_test_time_second": np.array([0.0, 2.0]),
        "end_test_time_second": np.array([2.0, 4.0]),
        "coulombic_efficiency": np.array([0.9, np.nan]),
        "retention": np.full(2, np.nan),
        **cycles,
    }
    return steps, table


def test_a_step_after_a_cycle_is_in_none():
    steps, _ = settled(*run(), efficient=True)
    assert steps["cycle_count"].tolist() == [1, 1, 2, 2, 0]
    assert steps["complete"].tolist() == [1, 1, 1, 0, 1]


def test_a_cycle_without_its_figures_or_with_a_cut_step_is_not_complete():
    for efficient in (True, False):
        _, cycles = settled(*run(), efficient=efficient)
        assert cycles["complete"].tolist() == [1, 0]
        assert why(cycles["end_reason"][1], cycles["end_text"][1]) == "cut by the end of a block (for 20 h)"


def test_a_cycle_in_whose_middle_a_run_was_resumed_is_not_complete():
    _, cycles = settled(*run(), efficient=True, resumed=1)
    assert cycles["complete"].tolist() == [0, 0]
    assert cycles["end_reason"][0] == "resumed"


def test_what_the_journal_says_stands():
    _, cycles = settled(*run(complete=np.array([0.0, 1.0]), end_reason=text("skip", "")), efficient=True)
    assert cycles["complete"].tolist() == [0, 1]
    assert cycles["end_reason"][0] == "skip"


def test_cycles_of_a_sweep_are_taken_only_where_there_are_no_others(record):
    sweep, plain = {"cycle_count": 1, "kind": "cv"}, {"cycle_count": 2}
    assert galvanostatic_cycles(record([], [sweep, plain])).tolist() == [False, True]
    assert galvanostatic_cycles(record([], [sweep])).tolist() == [True]
    assert "a sweep of voltage" in cycles_left_out(record([], [sweep, plain]), np.array([False, True]))[0]


def test_how_a_cycle_begins_is_told_by_its_first_wide_swing():
    assert begins_with([0.31, -0.52]) == 1
    assert begins_with([-1.0, 0.0]) == -1
    assert begins_with([0.001, 0.0, -1.0, 0.0]) == -1  # a pulse and its back-pulse before the discharge
    assert begins_with([]) == 0
    assert begins_with([0.0, 0.0]) == 0
