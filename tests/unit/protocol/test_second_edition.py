"""Every rule of the second edition of the language stands on the page in these words, and has the tests that hold it.

The words of a rule that has a number are made from the number of the code, so that neither can move without the other.
"""

import re
from pathlib import Path

import pytest

from labctl.engine import cycle, envelope
from labctl.plan import envelope as planned

TESTS = Path(__file__).parents[2]
PAGES = TESTS.parent / "docs" / "reference"
PAGE = " ".join((PAGES / "protocol.md").read_text(encoding="utf-8").split())
CASES, PROFILES, FOLD = "system/test_protocol_cases.py", "system/test_profiles.py", "unit/engine/test_fold.py"
COMPILE, WARNING, UNROLL = "unit/plan/test_compile.py", "unit/plan/test_warning.py", "unit/plan/test_unroll.py"
BLIND, UNSEEN = "unit/engine/test_blind_if.py", "property/engine/test_unseen_charge.py"
CORPUS = "unit/protocol/test_corpus.py"
OVER = f"{1e3 * planned.OVERSHOOT:g} mV or {100 * planned.OVERSHOOT_SHARE:g} % of the width of the limits"
BACK = f"back inside after {envelope.OVER_ROWS} rows and {envelope.OVER_WITHIN:g} s of what follows"
RULES = {
    "A plan carries the edition of the rules by which it was made, and a run that has begun is folded by those to its end": [
        "unit/plan/test_codec.py::test_a_plan_stored_before_the_second_edition_is_of_the_first_and_keeps_its_hash",
        "history/test_history.py::test_a_stored_run_folds_to_its_state",
    ],
    "names the conditions whose meaning it changed": [
        "unit/protocol/test_editions.py::test_conditions_that_meant_something_else_are_told",
    ],
    # --- a step that begins beyond its own end
    f"wins over a limit on the same side while the voltage lies beyond it by less than {OVER}, whichever is larger": [
        f"{FOLD}::test_an_own_end_on_the_limit_wins_while_it_is_overshot_by_little",
        "property/engine/test_fold.py::test_no_row_lies_beyond_a_limit_by_more_than_an_end_may_be_overshot",
    ],
    "how far it went is stored as `overshoot`": [f"{FOLD}::test_an_end_between_two_rows_says_how_late_and_how_far"],
    f"the voltage must be {BACK}": [f"{FOLD}::test_a_voltage_that_does_not_come_back_after_its_end_trips"],
    "Beyond that it is a breach: a broken sense lead reads 10 V": [f"{FOLD}::test_a_limit_switches_off_and_trips"],
    "an output that went off by itself is never the end of a step": [
        f"{FOLD}::test_an_instrument_that_ends_a_step_by_itself_is_held_safe",
    ],
    "lets no row lie beyond `to`": [f"{CASES}::test_cccv_skipped_by_ir"],
    "The hold is always entered, after a first part of 0 s if need be": [
        f"{FOLD}::test_a_hold_is_always_entered_after_a_first_part_of_no_time",
        f"{CASES}::test_cccv_skipped_by_ir",
    ],
    "The hold draws at most the current of the first part, in either direction; current against the verb is an event, `reversed`": [
        f"{FOLD}::test_a_hold_from_above_its_voltage_says_once_that_current_runs_against_the_verb",
    ],
    "A hold from outside the limits is entered only if it drives the cell back in": [
        f"{CASES}::test_a_charge_on_its_limit_from_above_it_holds_it",
        f"{FOLD}::test_a_cell_outside_its_limits_may_be_driven_back_in",
    ],
    "A held voltage draws at most its `current`; unsaid, the smaller of the two current limits": [
        f"{CASES}::test_a_hold_is_held_back_at_the_current_limit",
    ],
    # --- nothing happens without a word
    "An end that is true at once makes a step of 0 s. `check` and `plan` warn of those that they can see": [
        f"{WARNING}::test_ends_that_are_true_at_once_or_wait_for_another",
        f"{WARNING}::test_a_cut_off_on_the_far_side_of_the_open_circuit",
        f"{WARNING}::test_a_hold_on_the_near_side_of_the_charge_before_it",
    ],
    "of a voltage end that is tied to another comparison by `and`, and of ends that can never come": [
        f"{WARNING}::test_ends_that_are_true_at_once_or_wait_for_another",
        f"{WARNING}::test_retention_where_no_cycle_passes_the_charge_that_counts",
    ],
    "`simulate`, `show` and the end of the run name every step that did nothing": [
        f"{CASES}::test_a_run_that_did_nothing_says_so",
        f"{FOLD}::test_a_run_says_at_its_end_which_steps_did_nothing",
    ],
    # --- results
    "A result is of *completed* cycles: passes of a block with `cycle` that came to their end": [
        "unit/engine/test_cycles.py::test_a_cycle_says_that_it_is_complete_or_why_not",
        f"{CASES}::test_if_after_one_cycle",
    ],
    "`cycle` is the number of the last completed cycle of the run, so `stop_if: cycle >= 3` stops after three": [
        f"{CASES}::test_a_stop_by_the_number_of_cycles_is_of_completed_ones",
    ],
    "`cycle of block` counts from the begin of the block that asks": [
        f"{CASES}::test_a_stop_by_the_number_of_cycles_is_of_completed_ones",
    ],
    "acts when it is true for two cycles running": [
        f"{CASES}::test_stop_if_needs_two_cycles_and_retention_two_cycles",
        "system/test_retention_rule.py::test_retention_two_cycles",
        f"{COMPILE}::test_results_of_ordinary_cycles_must_come_twice",
    ],
    "for `check` cycles one is enough": [f"{COMPILE}::test_one_check_is_enough_and_an_if_asks_the_last_cycle_alone"],
    "`for 1 cycle` or `for 3 cycles` behind the value says otherwise": [
        f"{CASES}::test_stop_if_needs_two_cycles_and_retention_two_cycles",
    ],
    "Where a block holds `check` cycles and others, a condition says which it means": [
        f"{COMPILE}::test_a_result_in_a_block_with_checks_and_others_says_which_it_means",
    ],
    f"against the first cycle *at the cycle's own current* (within {100 * cycle.SAME:g} %) that is not formation": [
        "system/test_retention_rule.py::test_like_is_compared_with_like_everywhere",
    ],
    "A first cycle that passed less than a hundredth of a later one": [
        "system/test_retention_rule.py::test_a_first_cycle_that_passed_next_to_nothing_is_no_reference_of_any",
    ],
    "A condition on a result that a cycle does not have is false": [f"{CASES}::test_if_after_one_cycle"],
    "is (largest - smallest) / mean of the last three cycles, `change of X over 3` the last minus the first of them": [
        f"{CASES}::test_a_formation_ends_by_the_spread_of_its_last_cycles",
    ],
    "In a block inside a cycle they are errors": [f"{COMPILE}::test_results_inside_a_cycle_are_watched_by_nothing"],
    "`if` asks the last completed cycle alone, on arrival": [
        f"{COMPILE}::test_one_check_is_enough_and_an_if_asks_the_last_cycle_alone",
        f"{CASES}::test_if_after_one_cycle",
    ],
    "`every 10 cycles` is true when the number of completed cycles, `check` ones not counted": [
        f"{CASES}::test_missing_every_nth_cycle",
    ],
    "**`every` and `cycle` count the cycles of the whole run, formation among them**": [
        f"{CASES}::test_every_counts_formation_and_a_loop_in_a_loop_does_not",
    ],
    # --- charge from a named point
    "count from the last mark of that name, across steps, passes and outages": [
        f"{CASES}::test_states_of_charge_are_reached_by_account",
        f"{COMPILE}::test_charge_is_counted_since_a_mark_a_cycle_or_a_block",
    ],
    "A mark must be sure to have come before": [f"{COMPILE}::test_what_charge_is_counted_since_must_be_sure_to_have_come"],
    "Where charge passed while nobody was reading, its upper end counts": [
        f"{UNSEEN}::test_the_true_charge_lies_inside_the_interval_of_every_step_and_no_budget_is_passed",
    ],
    "An `if` that it leaves open, true for the least and false for the most, asks a person": [
        f"{BLIND}::test_a_person_decides_what_charge_does_not",
        f"{BLIND}::test_a_result_of_a_cycle_with_unseen_charge_is_an_interval",
    ],
    # --- what was measured becomes the measure
    "`nominal` makes 1C and 100 % mean what a completed cycle gave": [f"{CASES}::test_missing_measured_capacity"],
    "Outside `within`, a range of the cell file's nominal capacity around 100 %, the run asks": [
        f"{CASES}::test_missing_measured_capacity",
    ],
    "is checked against the limits over the whole of `within`, and `labctl plan` shows both ends": [
        f"{COMPILE}::test_what_is_relative_to_a_measured_capacity_is_held_against_limits_at_both_ends",
        "unit/plan/test_command.py::test_within_is_told_as_far_as_it_may_go",
    ],
    "The value is a result of the run, `nominal_capacity`": [f"{CASES}::test_missing_measured_capacity"],
    # --- time from start to start
    "each pass begins so long after the last one began, and rests meanwhile; the rest is recorded and belongs to the pass": [
        f"{CASES}::test_passes_begin_an_hour_after_each_other_whatever_they_take",
    ],
    "A pass that takes longer is an event (`late`), and the next begins at once": [
        f"{CASES}::test_passes_begin_an_hour_after_each_other_whatever_they_take",
    ],
    "`every`, `nominal` and ends `since` a mark cut its program": [
        "unit/plan/test_program.py::test_what_an_instrument_cannot_know_cuts_a_program",
        "unit/plan/test_runnable.py::test_after_a_measured_capacity_the_instrument_still_locates_voltages",
    ],
    # --- choices
    "`times` values, the same ones for the same `seed`, for ever; they are stored in the plan": [
        f"{UNROLL}::test_a_draw_is_the_same_for_the_same_seed_and_stored_in_the_plan",
        f"{PROFILES}::test_a_drawn_seed_is_stored_with_the_plan",
    ],
    "Without a `seed` one is drawn each time a plan is made": [f"{UNROLL}::test_without_a_seed_one_is_drawn_and_told"],
    "so that `start` accepts what `check` did": [f"{UNROLL}::test_whatever_may_be_drawn_is_held_against_the_limits"],
    "An `if` may ask a parameter or loop variable": [
        f"{UNROLL}::test_a_parameter_decides_about_a_block_when_the_plan_is_made",
        f"{UNROLL}::test_a_choice_inside_a_loop_is_written_out_for_each_pass",
    ],
    "Its name may have references, `file: $table` or `file: dst-$(n).csv`": [
        "unit/plan/test_named_files.py::test_a_table_is_named_by_a_loop_variable",
    ],
    "Its name may have references too, `use: $formation`": [
        "unit/plan/test_named_files.py::test_a_used_file_is_named_by_a_parameter",
    ],
    "A parameter is a quantity, a count, a number, a text, or a list of them": [
        "unit/protocol/test_binding.py::test_a_text_that_begins_with_a_digit_is_a_text_where_the_default_is_one",
    ],
    # --- profiles
    "holds the edge instead of going on beyond it": [f"{PROFILES}::test_missing_profile_held_at_voltage"],
    "Only an instrument that holds a voltage within a profile can do that": [
        "unit/plan/test_safety.py::test_an_instrument_that_clips_no_profile_is_refused",
    ],
    "`only: discharge` sets what charges to zero": [f"{PROFILES}::test_one_direction_alone_says_what_it_left_out"],
    "left out is an event, `left_out`, with its charge in Ah": [
        f"{PROFILES}::test_one_direction_alone_says_what_it_left_out",
        f"{PROFILES}::test_missing_profile_held_at_voltage",
    ],
    "An `until` is that of the whole profile, however often a block around it repeats it": [
        f"{PROFILES}::test_until_of_a_repeated_profile_is_that_of_the_whole",
    ],
    "Data that were measured are a profile too": [f"{COMPILE}::test_missing_bdf_as_profile_and_one_direction_of_it_too"],
    "constant voltages, row by row": [f"{PROFILES}::test_missing_voltage_and_temperature_profiles"],
    # --- references, limits, open circuit, the cell file
    "makes `3.8 V vs Li` 3.18 V of this cell": [
        f"{COMPILE}::test_a_voltage_against_another_reference_is_converted_by_the_cell_file",
        "unit/plan/test_command.py::test_the_page_shows_the_models_capacity_and_both_references",
    ],
    "A limit may have one side, and the other then stays that of the cell file": [
        f"{COMPILE}::test_one_side_of_a_limit_tightens_that_side_alone",
    ],
    "A side that is open in both refuses the steps that drive towards it": [
        f"{COMPILE}::test_a_side_that_is_open_in_file_and_cell_refuses_what_drives_towards_it",
    ],
    "That is the last voltage of a `rest`, of a `temperature` soak or of a `prompt`": [
        f"{COMPILE}::test_the_open_circuit_is_that_of_a_prompt_or_a_soak_too",
    ],
    "prints what the numbers mean together (mAh/cm2, mg/cm2), and warns where they do not fit": [
        f"{COMPILE}::test_an_area_that_does_not_fit_the_capacity_is_a_warning",
    ],
    "a symmetric capacitor, which is charged and discharged and whose discharge counts": [
        f"{COMPILE}::test_a_capacitor_is_charged_and_discharged_and_its_discharge_counts",
    ],
    # --- besides
    "`wait` is open circuit until a date and time": [
        f"{PROFILES}::test_missing_start_at_time_a_wait_ends_at_its_date",
        "unit/plan/test_waits.py::test_a_plan_waits_until_the_date_whenever_its_run_begins",
    ],
    "A `temperature` beside a step brings the chamber there before it": [
        f"{PROFILES}::test_a_temperature_beside_a_step_is_reached_before_it",
    ],
    "is true when every row of 10 s was below, so that one noisy row ends nothing": [
        f"{FOLD}::test_a_comparison_that_must_last_is_not_met_by_one_row",
    ],
    "| `time`, `capacity`, `energy` | of the step itself |": [f"{FOLD}::test_a_step_ends_by_its_own_energy"],
    "has the number 0, and `cycles_completed` beside it": [
        "system/test_numbers.py::test_rows_after_a_cycle",
        "unit/engine/test_cycles.py::test_what_lies_outside_a_pass_has_the_number_0_and_says_how_many_were_completed",
    ],
    "of the straight line through the rows of that time, and false until the step is that old": [
        f"{CASES}::test_a_hold_ends_where_its_current_has_changed_little_within_a_time",
    ],
    "`peak: 2C` makes the factor for you": [f"{COMPILE}::test_a_profile_is_scaled_by_its_peak"],
    "What YAML makes of a chemist's hand has hints of its own": [f"{CORPUS}::test_bad_file_has_its_messages"],
}  # fmt: skip


@pytest.mark.parametrize("words", RULES)
def test_a_rule_stands_on_the_page_and_is_held_by_tests(words):
    assert words in PAGE
    for test in RULES[words]:
        file, _, name = test.partition("::")
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


WORDS = (
    "energy: ", "dT/dt", "for 10 s", "since full", "since block", "since cycle", "net since", "nominal: ", "of check", "of cycle 3",
    "every: 1 h", "pick: ", "seed: ", "clip: ", "only: ", "vs: {Li: ", "3.8 V vs Li", "vs ocv", "max: 4.3 V", "wait: ", "temperature: 45 degC",
    "spread of", "change of", "cycle in [", "every 50 cycles", "cycle >= ", "cycle of block", "if: $mode", "file: drive-$(n).csv", "file: $table",
    "use: $first", "kind: capacitor", "for 3 cycles", "voltages.csv", "chamber.csv", "hold_until: ", "retention of max", "cycle: formation",
    "change of voltage over 1 h", "change of current over 30 min", "peak: 1.5C", "measured.bdf.csv",
)  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_what_the_second_edition_added_stands_in_an_example_that_is_checked(words):
    """Examples of the page are run by `test_docs.py`."""
    text = (PAGES / "protocol.md").read_text(encoding="utf-8")
    assert any(words in example for example in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
