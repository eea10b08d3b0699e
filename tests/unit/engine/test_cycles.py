"""Cycles of the second edition: numbers outside a pass, what is complete and why not, what an efficiency is against."""

from dataclasses import replace

import pytest
from engine_world import LOCATES, Bench, charge, plan, rest, until

from labctl.driver import Bounds
from labctl.engine.cycle import paired
from labctl.engine.cycle_parts import Before, Cycle
from labctl.engine.state_parts import LastRow, SumsAtBegin
from labctl.plan.step import Block, Carried, CellFigures
from labctl.plan.taken_first import takes_first

FULL = CellFigures("cell", "full", retention="discharge", efficiency="discharge/charge")
WIDE = Bounds((0.0, 10.0), (-5.0, 5.0), None, 1e9)


def two_cycles(edition: int = 2, carried: Carried | None = None, passes: int = 2) -> Bench:
    lines = [charge(2, 0.5, until(100.0)), charge(3, -0.5, until(90.0))]
    block = Block(1, tuple(replace(line, bounds=WIDE) for line in lines), passes, "true")
    made = replace(plan(rest(1, 10.0), block, rest(4, 10.0), cell=FULL), edition=edition)
    return Bench(made if carried is None else replace(made, carried=carried), LOCATES, 10.0)


def ended(bench: Bench, kind: str) -> list[dict[str, object]]:
    return [dict(event.data) for event in bench.events if event.kind == kind]


def test_what_lies_outside_a_pass_has_the_number_0_and_says_how_many_were_completed():
    steps = ended(two_cycles().run(), "step_ended")
    assert [(step["cycle_count"], step["cycles_completed"]) for step in steps] == [
        (0, 0), (1, 0), (1, 0), (2, 1), (2, 1), (0, 2),
    ]  # fmt: skip
    attempts = ended(two_cycles().run(), "attempt")
    assert [each["cycle_begin_charging_ah"] is None for each in attempts] == [True, *[False] * 4, True]
    first = ended(two_cycles(edition=1).run(), "step_ended")
    assert [step["cycle_count"] for step in first] == [0, 1, 1, 2, 2, 2]
    assert "complete" not in first[0]


def test_a_cycle_says_that_it_is_complete_or_why_not():
    cycles = ended(two_cycles().run(), "cycle_ended")
    assert [(cycle["complete"], cycle["end_reason"], cycle["efficiency_cycle"]) for cycle in cycles] == [
        (True, "done", 1), (True, "done", 2),
    ]  # fmt: skip
    assert cycles[0]["coulombic_efficiency"] == pytest.approx(0.9)
    bench = two_cycles().start()
    while bench.state.line != 3:
        bench.step()
    bench.order("stop")
    (cut,) = ended(bench, "cycle_ended")
    assert (cut["complete"], cut["end_reason"], cut["coulombic_efficiency"]) == (False, "stop", None)


def test_a_cycle_that_lacks_a_step_is_not_complete():
    bench = two_cycles().start()
    while bench.state.line != 3:
        bench.step()
    bench.order("skip")
    bench.obey()
    cycles = ended(bench.run(), "cycle_ended")
    assert [(cycle["complete"], cycle["end_reason"]) for cycle in cycles] == [(False, "skip"), (True, "done")]
    assert bench.state.cycle.completed == 2


def test_a_cycle_in_whose_middle_a_run_is_resumed_is_not_complete():
    carried = Carried(cycle=7, start=3, completed=6, charging_wh=2.0)
    bench = two_cycles(carried=carried).run()
    cycles = ended(bench, "cycle_ended")
    assert [(cycle["cycle_count"], cycle["complete"], cycle["end_reason"]) for cycle in cycles] == [
        (8, False, "resumed"), (9, True, "done"),
    ]  # fmt: skip
    assert [cycle["cycles_completed"] for cycle in cycles] == [6, 9]


@pytest.mark.parametrize(
    ("ways", "charge", "discharge", "before", "wanted"),
    [
        ([1.0, 0.1], 1.0, 0.9, None, (0.9, 5)),  # in first, then out
        ([-0.9, 0.1], 1.0, 0.9, Before(4, 1.2, 0.9, 10.0, 10.0), (0.75, 4)),  # out first: of the charge before
        ([-0.9, 0.1], 1.0, 0.9, None, (None, None)),  # no cycle before it
        ([-0.9, 0.1], 1.0, 0.9, Before(3, 1.2, 0.9, 10.0, 10.0), (None, None)),  # not the one before
        ([-0.9, 0.1], 1.0, 0.9, Before(4, 1.2, 0.9, 9.9, 10.0), (None, None)),  # a charge to storage between
        ([0.3, -0.5], 0.3, 0.8, None, (None, None)),  # more than twice as much came out
    ],
)
def test_an_efficiency_is_against_what_was_put_in_before(ways, charge, discharge, before, wanted):
    entry = SumsAtBegin(0.0, 10.0, 10.0, 0.0, 0.0, 0)
    cycle = Cycle(5, "true", entry, ways=tuple(ways), before=before)
    figures = paired(FULL, cycle, LastRow(charging_ah=10.0 + charge, discharging_ah=10.0 + discharge))
    assert figures.efficiency == (wanted[0] and pytest.approx(wanted[0]))
    assert figures.against == wanted[1]


@pytest.mark.parametrize(
    ("verbs", "efficiency", "wanted"),
    [
        (["discharge", "rest", "charge", "hold"], "discharge/charge", True),
        (["charge", "discharge"], "discharge/charge", False),
        (
            ["discharge", "charge", "discharge"],
            "discharge/charge",
            False,
        ),  # a pulse before the cycle proper: charges tell
        (["discharge", "charge"], "charge/discharge", False),  # a half cell of an anode puts in by discharging
        (["strip", "plate"], "charge/discharge", True),
        (["discharge", "charge"], None, False),
        (["rest"], "discharge/charge", False),
    ],
)
def test_the_order_of_its_steps_says_how_a_cycle_begins(verbs, efficiency, wanted):
    assert takes_first(verbs, efficiency) is wanted


def test_a_cycle_whose_steps_take_out_first_has_no_efficiency_of_its_own_whatever_passes():
    entry = SumsAtBegin(0.0, 10.0, 10.0, 0.0, 0.0, 0)
    last = LastRow(charging_ah=11.0, discharging_ah=10.0)
    assert paired(FULL, Cycle(1, "true", entry, ways=(0.0,), takes_first=True), last).efficiency is None
    assert paired(FULL, Cycle(1, "true", entry, ways=(0.0,)), last).efficiency == 0.0  # as stored runs fold
    fading = Cycle(5, "true", entry, ways=(0.0,), before=Before(4, 1.0, 1.0, 10.0, 10.0), takes_first=True)
    assert (paired(FULL, fading, last).efficiency, paired(FULL, fading, last).against) == (0.0, 4)
