"""The engine as a run sees it: steps, blocks, ends, what is asked of a person."""

from dataclasses import replace

import pytest
from engine_world import (
    BOUNDS,
    LOCATES,
    PUPPET,
    Bench,
    Cell,
    charge,
    end,
    hold,
    plan,
    prompt,
    rest,
    rows,
    until,
)  # fmt: skip

from labctl.driver import Bounds, Capabilities
from labctl.engine.fold import begin, fold
from labctl.engine.input import Apply, Began, Finish, InstrumentFault, Off, Result, StepEnded
from labctl.engine.order import orders_now
from labctl.engine.state import TABLE, state_from_json, state_to_json
from labctl.engine.state_builder import NAMES, StateBuilder
from labctl.engine.step_rules import envelope_of
from labctl.errors import InternalError
from labctl.plan.step import Block, Condition, End, Line, Term, VersusOcv


def steps(bench: Bench) -> list[tuple[object, object]]:
    return [(step["step_id"], step["end_reason"]) for step in bench.of("step_ended")]


def test_the_working_copy_has_the_fields_of_a_state():
    assert tuple(StateBuilder.__slots__)[: len(NAMES)] == NAMES


@pytest.mark.parametrize("capabilities", [PUPPET, LOCATES])
def test_a_plan_runs_to_its_end(capabilities):
    bench = Bench(plan(rest(1, 20.0), charge(2, 0.5, until(None, "voltage >= 4.1")), rest(3, 10.0)), capabilities).run()
    assert steps(bench) == [(1, "for"), (2, "to"), (3, "for")]
    assert bench.finish == Finish("done", "the plan is done")
    assert bench.kinds()[-2:] == ["run_ended", "activity"]
    assert bench.state.activity == "done"


def test_the_first_command_is_the_first_line():
    outcome = begin(plan(charge(1, 0.5, until(60.0))), PUPPET)
    (command,) = outcome.commands
    assert isinstance(command, Apply)
    assert (command.attempt, command.role, command.energises) == (1, "cell", True)
    assert outcome.state.activity == "preparing"


def test_rows_between_a_command_and_its_confirmation_count_in_the_old_step_and_end_nothing():
    bench = Bench(plan(charge(1, 0.5, until(10.0)), charge(2, -0.5, until(3.0)), rest(3, 1.0)), delay=4.0).run()
    first, second, *_ = bench.of("step_ended")
    assert first["charging_capacity_ah"] == pytest.approx(0.5 * 14 / 3600)
    assert first["overshoot"] == pytest.approx(4.0)
    assert first["late_second"] == pytest.approx(4.0)
    assert second["end_reason"] == "for"
    attempts = bench.of("attempt")
    assert [attempt["attempt_id"] for attempt in attempts] == [1, 2, 3]


def test_an_end_between_two_rows_says_how_late_and_how_far():
    bench = Bench(plan(charge(1, 0.5, until(None, "voltage >= 4.1")), rest(2, 5.0)), every=10.0).run()
    (step, *_) = bench.of("step_ended")
    rate = 1.4 / 3600 * 0.5
    assert step["overshoot"] == pytest.approx(rate * step["late_second"], rel=1e-6)
    assert 0.0 < step["late_second"] <= 10.0


def test_the_instrument_locates_ends_and_budgets_of_blocks():
    cccv = Block(1, (charge(1, 0.5, until(None, "voltage >= 4.1")), hold(2, 4.1, end("until", "current < 0.05"))),
                 ends=(end("for", "time >= 1000"),), fused=True)  # fmt: skip
    bench = Bench(plan(cccv, rest(3, 5.0)), LOCATES, every=7.0, cell=Cell(charge=2400.0)).run()
    assert steps(bench) == [(1, "to"), (2, "for"), (3, "for")]
    assert sum(step["step_time_second"] for step in bench.of("step_ended")[:2]) == pytest.approx(1000.0)


def test_a_charge_that_is_full_skips_its_hold_and_a_pass_of_such_asks():
    full = Block(
        2, (charge(1, 0.5, until(None, "voltage >= 4.1")), hold(2, 4.1, end("until", "current < 0.05"))), fused=True
    )
    bench = Bench(plan(Block(1, (full, rest(3, 5.0)), 3)), cell=Cell(charge=3500.0)).run()
    assert steps(bench) == [(1, "to"), (3, "for")]
    assert [event["step_id"] for event in bench.of("already_met")] == [1]
    assert bench.state.phase == "asking"
    assert bench.state.question.kind == "met"
    bench.order("resume")
    bench.run()
    assert steps(bench) == [(1, "to"), (3, "for")] * 2
    bench.order("skip")
    assert bench.finish is not None


def held(overshoot=(0.05, 0.05), bounds=BOUNDS, current=0.5) -> Block:
    first = charge(1, current, until(None, "voltage >= 4.1"), overshoot=overshoot)
    second = replace(hold(2, 4.1, end("until", "current < 0.05")), overshoot=overshoot)
    return Block(2, (replace(first, bounds=bounds), replace(second, bounds=bounds)), fused=True)


@pytest.mark.parametrize("capabilities", [PUPPET, LOCATES])
def test_a_hold_is_always_entered_after_a_first_part_of_no_time(capabilities):
    """A charge begun above its voltage by the current's own drop goes into the hold, as every cycler does."""
    bench = Bench(plan(held(), rest(3, 5.0), edition=2), capabilities, cell=Cell(charge=2800.0)).run()
    assert steps(bench) == [(1, "to"), (2, "until"), (3, "for")]
    first, second, _ = bench.of("step_ended")
    assert first["step_time_second"] == 0.0
    assert second["charging_capacity_ah"] > 0.0
    assert bench.finish.reason == "done"


def test_a_hold_from_above_its_voltage_says_once_that_current_runs_against_the_verb():
    tight = Bounds(voltage=(3.0, 4.1), current=(-1.0, 1.0), charge=36000.0)
    bench = Bench(plan(held(bounds=tight, current=0.1), rest(3, 5.0), edition=2), cell=Cell(charge=2880.0)).run()
    assert steps(bench) == [(1, "to"), (2, "until"), (3, "for")]
    (event,) = bench.of("reversed")
    assert (event["step_id"], event["current_ampere"] < 0.0) == (2, True)


@pytest.mark.parametrize(
    ("volts", "ends"),
    [
        ([4.1, 4.23], "to"),  # beyond the limit by less than 50 mV: the end it is
        ([4.1, 4.26], "limit"),  # a broken sense lead reads far beyond
    ],
)
def test_an_own_end_on_the_limit_wins_while_it_is_overshot_by_little(volts, ends):
    tight = Bounds(voltage=(3.0, 4.2), current=(-1.0, 1.0), charge=36000.0)
    line = replace(charge(1, 0.5, until(60.0, "voltage >= 4.2")), bounds=tight, overshoot=(0.05, 0.05))
    the_plan = plan(line, rest(2, 5.0), edition=2)
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    outcome = fold(the_plan, state, rows([0.0, 1.0], volts, 0.5))
    assert (outcome.state.leaving.ending.reason if ends == "to" else outcome.state.activity) == (
        {"to": "to"}.get(ends, "tripped")
    )
    if ends == "to":
        closed = fold(the_plan, outcome.state, Began(2, 1.5))
        (step,) = [event.data for event in closed.events if event.kind == "step_ended"]
        assert step["overshoot"] == pytest.approx(0.03)


def test_a_voltage_that_does_not_come_back_after_its_end_trips():
    tight = Bounds(voltage=(3.0, 4.2), current=(-1.0, 1.0), charge=36000.0)
    line = replace(charge(1, 0.5, until(60.0, "voltage >= 4.2")), bounds=tight, overshoot=(0.05, 0.05))
    follows = replace(hold(2, 4.2, end("for", "time >= 60")), bounds=tight, overshoot=(0.05, 0.05))
    the_plan = plan(line, follows, edition=2)

    def after(*more):
        state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
        for given in (rows([0.0, 1.0], [4.1, 4.22], 0.5), Began(2, 1.0), *more):
            state = fold(the_plan, state, given).state
        return state

    assert after(rows([2.0, 3.0, 4.0], [4.215, 4.205, 4.2], 0.2)).phase == "running"
    assert after(rows([2.0, 3.0, 4.0], [4.215, 4.212, 4.21], 0.2)).activity == "tripped"
    assert after(rows([2.0, 3.0, 4.0], [4.2, 4.2, 4.21], 0.2)).activity == "tripped"  # it was back inside


def test_a_short_timed_step_is_not_one_that_was_met_at_once():
    bench = Bench(plan(Block(1, (charge(1, 0.5, until(0.5)), rest(2, 2.0)), 2)), every=1.0).run()
    assert bench.finish is not None
    assert bench.of("already_met") == []


def test_a_limit_switches_off_and_trips():
    tight = replace(charge(1, 0.5, until(6000.0)), bounds=Bounds((3.0, 3.9), (-1.0, 1.0), None, 36000.0))
    bench = Bench(plan(rest(2, 3.0), tight)).run()
    assert bench.finish.reason == "tripped"
    assert bench.state.activity == "tripped"
    assert "voltage" in bench.of("tripped")[0]["why"]
    assert steps(bench)[-1] == (1, "limit")
    assert isinstance(bench.commands[0] if bench.commands else Off(""), Off)


def test_an_envelope_is_wider_by_the_channels_accuracy_on_both_sides():
    bounds = Bounds((3.0, 4.0), (-1.0, 2.0), (273.15, 333.15), 36.0)
    found = envelope_of(bounds, (0.01, 0.02), energised=True)
    assert found.voltage == pytest.approx((2.99, 4.01))
    assert found.current == pytest.approx((-1.02, 2.02))
    assert found.temperature == pytest.approx((0.0, 60.0))
    assert envelope_of(bounds, (0.01, 0.02), energised=False).voltage == (float("-inf"), float("inf"))


def test_a_cut_off_may_lie_on_the_limit():
    on = replace(charge(1, 0.5, until(None, "voltage >= 3.9")), bounds=Bounds((3.0, 3.9), (-1.0, 1.0), None, 36000.0))
    assert Bench(plan(on)).run().finish.reason == "done"


def test_a_cell_outside_its_limits_may_be_driven_back_in():
    bounds = Bounds((2.0, 3.6), (-1.0, 1.0), None, 36000.0)
    down = replace(charge(1, -0.5, until(None, "voltage <= 3.4")), bounds=bounds)
    assert Bench(plan(down), cell=Cell(charge=2400.0)).run().finish.reason == "done"
    up = replace(charge(1, 0.5, until(100.0)), bounds=bounds)
    assert Bench(plan(up), cell=Cell(charge=2400.0)).run().finish.reason == "tripped"


def test_more_charge_than_a_step_may_pass_trips_one_row_late_at_most():
    line = replace(charge(1, 0.5, until(1e5)), bounds=Bounds((0.0, 5.0), (-1.0, 1.0), None, 20.0))
    bench = Bench(plan(line)).run()
    assert bench.finish.reason == "tripped"
    assert bench.of("step_ended")[0]["charging_capacity_ah"] * 3600 <= 20.0 + 2 * 0.5


def test_a_capacity_end_on_the_limit_is_an_ordinary_end():
    line = replace(charge(1, 0.5, until(None, "", 20.2)), bounds=Bounds((0.0, 5.0), (-1.0, 1.0), None, 20.2))
    assert Bench(plan(line)).run().finish.reason == "done"
    assert Bench(plan(line), LOCATES, every=3.0).run().finish.reason == "done"


def test_no_temperature_is_outside_a_temperature_limit():
    line = replace(rest(1, 10.0), bounds=Bounds(temperature=(250.0, 330.0)))
    assert Bench(plan(line)).run().finish.reason == "tripped"


def test_a_current_of_the_wrong_sign_trips_at_its_second_row():
    the_plan = plan(charge(1, 0.5, until(100.0)))
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    outcome = fold(the_plan, state, rows([0, 1, 2, 3], 3.7, [0.5, -0.5, -0.5, -0.5]))
    assert outcome.taken == 3
    assert outcome.state.activity == "tripped"
    once = fold(the_plan, state, rows([0, 1, 2, 3], 3.7, [-0.5, 0.5, -0.5, 0.5]))
    assert (once.taken, once.commands) == (4, ())


def test_current_at_open_circuit_trips():
    the_plan = plan(rest(1, 100.0))
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    assert fold(the_plan, state, rows([0, 1, 2], 3.7, 0.2)).state.activity == "tripped"


def test_the_third_bad_row_running_trips():
    the_plan = plan(rest(1, 100.0))
    nan = float("nan")
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    outcome = fold(the_plan, state, rows([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [3.0, nan, nan, 3.0, nan, nan], 0.0))
    assert (outcome.taken, outcome.commands) == (6, ())
    assert [event.kind for event in outcome.events] == ["quality", "quality"]
    tripped = fold(the_plan, outcome.state, rows([0.6], nan, 0.0))
    assert tripped.state.activity == "tripped"
    slow = fold(the_plan, state, rows([0.0, 1.0, 3.0], [3.0, nan, nan], 0.0))
    assert slow.state.activity == "tripped"


def test_stop_if_ends_the_block_and_abort_if_the_run():
    inner = Block(1, (charge(1, 0.5, until(5000.0)),), 3, ends=(end("stop_if", "voltage > 4.0"),))
    bench = Bench(plan(inner, rest(2, 5.0))).run()
    assert steps(bench) == [(1, "stop_if"), (2, "for")]
    aborts = Block(1, (charge(1, 0.5, until(5000.0)),), 3, ends=(end("abort_if", "voltage > 4.0"),))
    bench = Bench(plan(aborts, rest(2, 5.0))).run()
    assert steps(bench) == [(1, "abort_if")]
    assert bench.finish == Finish("aborted", "voltage > 4.0")


def test_on_equal_rows_abort_comes_before_stop_the_outer_before_the_inner_and_budgets_last():
    condition = "time >= 5"
    line = charge(1, 0.5, until(5.0))
    inner = Block(2, (line,), ends=(end("stop_if", "voltage > 3"), end("for", condition)))
    outer = Block(1, (inner, rest(2, 1.0)), ends=(end("stop_if", "voltage > 3"),))
    assert steps(Bench(plan(outer, rest(3, 1.0))).run()) == [(1, "stop_if"), (3, "for")]
    abort = replace(outer, ends=(*outer.ends, end("abort_if", "voltage > 3")))
    assert Bench(plan(abort, rest(3, 1.0))).run().finish.reason == "aborted"
    budget = Block(1, (Block(2, (line,), ends=(end("for", condition),)), rest(2, 1.0)))
    assert steps(Bench(plan(budget)).run()) == [(1, "for"), (2, "for")]


@pytest.mark.parametrize("text", ["voltage >= 4.1", "|voltage| > 4.05", "voltage > 4 or short"])
def test_a_stop_that_is_met_with_the_end_that_the_instrument_names_comes_first(text):
    block = Block(1, (charge(1, 0.5, until(1e5, "voltage >= 4.1")), rest(2, 5.0)), 9, ends=(end("stop_if", text),))
    bench = Bench(plan(block, rest(3, 1.0)), LOCATES, cell=Cell(charge=2700.0)).start()
    if bench.state.phase == "running":
        bench.step(1)
        bench.tell(StepEnded(1, 0, bench.time, 0))
        bench.obey()
    bench.run()
    assert steps(bench) == [(1, "stop_if"), (3, "for")]


def test_a_stop_beyond_the_end_is_not_met_with_it():
    block = Block(
        1, (charge(1, 0.5, until(1e5, "voltage >= 4.1")), rest(2, 5.0)), 1, ends=(end("stop_if", "voltage > 4.2"),)
    )
    assert steps(Bench(plan(block), LOCATES).run()) == [(1, "to"), (2, "for")]


def test_a_block_budget_ends_the_block():
    block = Block(1, (charge(1, 0.5, until(10.0)), charge(2, -0.5, until(10.0))), 100, ends=(end("for", "time >= 35"),))
    bench = Bench(plan(block, rest(3, 2.0))).run()
    assert steps(bench)[-2:] == [(2, "block"), (3, "for")]


def test_if_asks_the_last_row():
    yes = Block(1, (rest(2, 2.0),), condition=end("until", "voltage > 3").condition)
    no = Block(2, (rest(3, 2.0),), condition=end("until", "voltage > 4.5").condition)
    assert steps(Bench(plan(rest(1, 2.0), yes, no)).run()) == [(1, "for"), (2, "for")]


def test_nothing_is_done_of_no_passes():
    assert steps(Bench(plan(Block(1, (rest(1, 5.0),), 0), rest(2, 2.0))).run()) == [(2, "for")]


def test_marks_are_events_and_commands_on_the_way():
    mark = Line(2, "mark", "Rest", options={"text": "light on"})
    bench = Bench(plan(rest(1, 2.0), mark, rest(3, 2.0))).run()
    assert bench.of("mark") == [{"text": "light on", "step_id": 2}]
    assert steps(bench) == [(1, "for"), (3, "for")]


def test_a_voltage_against_the_open_circuit_is_that_of_the_last_rest():
    line = Line(2, "hold", "Potentiostatic", {"voltage": VersusOcv(0.02)}, until(5.0), bounds=BOUNDS)
    bench = Bench(plan(rest(1, 2.0), line)).start()
    while bench.state.line != 2 or bench.state.phase != "running":
        bench.step()
    assert bench.program.steps[0].mode.voltage == pytest.approx(bench.state.ocv + 0.02)
    outside = replace(line, bounds=Bounds((0.0, 3.5), (-1.0, 1.0), None, 1e4))
    asks = Bench(plan(rest(1, 2.0), outside)).run()
    assert asks.state.question.kind == "set_point"
    asks.order("skip")
    assert asks.finish.reason == "done"


def test_the_open_circuit_is_looked_at_before_the_first_energised_step():
    fine = Bench(plan(charge(1, 0.5, until(5.0)), ocv=(3.0, 4.0))).run()
    assert steps(fine) == [(1, "own"), (1, "for")]
    assert fine.of("step_ended")[0]["step_type"] == "rest"
    located = Bench(plan(charge(1, 0.5, until(5.0)), ocv=(3.0, 4.0)), LOCATES).run()
    assert steps(located) == [(1, "own"), (1, "for")]
    rested = Bench(plan(rest(1, 3.0), charge(2, 0.5, until(5.0)), ocv=(3.0, 4.0))).run()
    assert steps(rested) == [(1, "for"), (2, "for")]


def test_a_wrong_cell_asks_and_is_looked_at_again():
    bench = Bench(plan(charge(1, 0.5, until(5.0)), ocv=(3.0, 3.5))).run()
    assert bench.state.question.kind == "ocv"
    assert "reversed" in bench.state.why
    bench.order("resume")
    bench.run()
    assert bench.state.question.kind == "ocv"
    bench.cell.charge = 600.0
    bench.order("resume")
    assert bench.run().finish.reason == "done"


def test_an_instrument_that_ends_a_step_by_itself_is_held_safe():
    bench = Bench(plan(charge(1, 0.5, until(50.0)), rest(2, 5.0)), LOCATES, piece=5).start()
    bench.step()
    bench.tell(StepEnded(1, 0, bench.time, None, "compliance"))
    assert bench.of("diverged")[0]["why"].endswith("compliance")
    assert bench.state.phase == "asking"
    bench.obey()
    bench.order("resume")
    bench.run()
    assert steps(bench)[-2:] == [(1, "for"), (2, "for")]
    total = next(step for step in bench.of("step_ended") if step["step_type"] == "charge")
    assert total["step_time_second"] == pytest.approx(50.0, abs=1.0)


@pytest.mark.parametrize("end_number", [7, 5000, 1003])
def test_an_end_that_the_plan_does_not_have_diverges(end_number):
    bench = Bench(plan(charge(1, 0.5, until(50.0))), LOCATES, piece=5).start()
    bench.step()
    bench.tell(StepEnded(1, 0, bench.time, end_number))
    assert bench.state.question.kind == "diverged"


def test_an_end_that_the_instrument_missed_is_taken_one_row_late():
    bench = Bench(plan(charge(1, 0.5, until(10.0)), rest(2, 1.0)), LOCATES).start()
    outcome = fold(bench.plan, bench.state, rows(range(15), 3.7, 0.5))
    assert outcome.taken == 12
    assert isinstance(outcome.commands[0], Apply)


def test_a_program_of_several_steps_goes_on_without_a_command():
    cycler = replace(LOCATES, energises=True, most_steps=50, loops=False)
    bench = Bench(plan(charge(1, 0.5, until(10.0)), charge(2, -0.5, until(10.0)), rest(3, 5.0)), cycler, piece=4).run()
    assert steps(bench) == [(1, "for"), (2, "for"), (3, "for")]
    assert [attempt["attempt_id"] for attempt in bench.of("attempt")] == [1, 2, 3]
    assert sum(isinstance(given, Began) for given in bench.told) == 1


def test_a_program_with_loops_goes_on_without_a_command():
    cycler = replace(LOCATES, energises=True, most_steps=50, loops=True)
    inner = Block(2, (charge(1, 0.5, until(10.0)), charge(2, -0.5, until(10.0))), 2, "true")
    bench = Bench(plan(Block(1, (inner, rest(3, 2.0)), 3), rest(4, 2.0)), cycler, piece=7).run()
    assert [step["step_id"] for step in bench.of("step_ended")] == [1, 2, 1, 2, 3] * 3 + [4]
    assert sum(isinstance(given, Began) for given in bench.told) == 1
    assert bench.state.cycle.count == 6


def test_rows_of_another_step_than_the_plan_says_diverge():
    cycler = replace(LOCATES, most_steps=50)
    bench = Bench(plan(charge(1, 0.5, until(10.0)), rest(2, 10.0)), cycler, piece=4).start()
    outcome = fold(bench.plan, bench.state, replace(rows([1.0, 2.0], 3.7, 0.5), step=1))
    assert outcome.taken == 1
    assert outcome.state.question.kind == "diverged"


def test_a_result_from_outside_may_end_a_block():
    block = Block(1, (charge(1, 0.5, until(100.0)),), ends=(end("stop_if", "short"),))
    bench = Bench(plan(block, rest(2, 2.0)), piece=5).start()
    bench.step()
    bench.tell(Result("short", 1.0, 0))
    bench.obey()
    bench.run()
    assert steps(bench) == [(1, "stop_if"), (2, "for")]


def test_a_fault_of_the_instrument_fails_the_run():
    bench = Bench(plan(charge(1, 0.5, until(100.0)))).start()
    bench.tell(InstrumentFault("gone", safe=False))
    assert bench.finish == Finish("failed", "gone")
    assert steps(bench) == [(1, "fault")]
    assert bench.state.activity == "failed"


def test_what_is_late_or_old_is_let_go():
    bench = Bench(plan(charge(1, 0.5, until(100.0)), rest(2, 5.0))).start()
    before = bench.state
    assert fold(bench.plan, before, Began(99, 5.0)).state == before
    assert fold(bench.plan, before, StepEnded(99, 0, 5.0, 0)).state == before


def test_unmetered_rows_are_refused():
    bench = Bench(plan(rest(1, 5.0))).start()
    with pytest.raises(InternalError, match="metered"):
        fold(bench.plan, bench.state, replace(rows([1.0], 3.7, 0.0), charging_ah=None))


def test_a_state_of_another_version_is_refused():
    text = state_to_json(begin(plan(rest(1, 5.0)), PUPPET).state)
    with pytest.raises(InternalError, match="version"):
        state_from_json(text.replace(b'"version":1', b'"version":99'))
    with pytest.raises(InternalError, match="stored state"):
        state_from_json(b"[]")


def test_moves_are_only_those_of_the_table():
    assert TABLE["ended"] == {"ended"}
    bench = Bench(plan(rest(1, 5.0))).run()
    assert orders_now(bench.state) == {"note"}
    assert fold(bench.plan, bench.state, rows([1e6], 3.7, 0.0)).state.last.record == bench.state.last.record + 1


def test_energy_is_the_trapezoid_of_voltage_over_the_counters():
    the_plan = plan(charge(1, 0.5, until(100.0)))
    state = fold(the_plan, begin(the_plan, Capabilities()).state, Began(1, 0.0)).state
    outcome = fold(the_plan, state, rows([0.0, 10.0, 20.0], [3.0, 3.2, 3.6], 0.5, [0.0, 0.001, 0.002]))
    assert outcome.state.last.charging_wh == pytest.approx(0.001 * 3.1 + 0.001 * 3.4)


def test_the_old_current_holds_until_the_confirmation():
    the_plan = plan(charge(1, 0.5, until(5.0)), rest(2, 5.0))
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    left = fold(the_plan, state, rows([0.0, 5.0], 3.5, 0.5, [0.0, 0.0007])).state
    outcome = fold(the_plan, left, Began(2, 6.0, {}, 0.0008, 0.0))
    (ended,) = (event for event in outcome.events if event.kind == "step_ended")
    assert ended.data["charging_capacity_ah"] == 0.0008
    assert ended.data["charging_energy_wh"] == pytest.approx(3.5 * 0.0008)
    assert outcome.state.step.entry.charging_ah == 0.0008


def test_a_prompt_rests_and_waits():
    bench = Bench(plan(prompt(1, "press", state={"pressure": 5e6}), rest(2, 2.0), charge(3, 0.5, until(2.0)))).run()
    assert (bench.state.activity, bench.state.why, bench.state.unblock) == ("waiting", "press", "labctl confirm")
    assert "confirm" in orders_now(bench.state)
    bench.order("confirm", "done")
    bench.run()
    assert steps(bench) == [(1, "own"), (2, "for"), (3, "for")]
    assert bench.of("step_ended")[1]["applied_pressure_pa"] == 5e6


def test_rows_from_before_the_confirmation_that_come_after_it_end_nothing():
    the_plan = plan(charge(1, 0.5, until(5.0)), charge(2, -0.5, until(9.0, "", None, "voltage > 3.9")), rest(3, 1.0))
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    state = fold(the_plan, state, rows([0.0, 5.0], 4.0, 0.5, [0.0, 0.0007])).state
    state = fold(the_plan, state, Began(2, 8.0, {}, 0.0011, 0.0)).state
    outcome = fold(the_plan, state, rows([6.0, 7.0, 8.5, 9.0], [4.0, 4.0, 3.7, 3.7], [0.5, 0.5, -0.5, -0.5], 0.0011))
    assert (outcome.taken, outcome.commands, outcome.events) == (4, (), ())
    assert outcome.state.step.first_voltage == 3.7
    assert outcome.state.last.record == 5
    breach = fold(the_plan, state, rows([6.0, 7.0], [4.0, 6.0], 0.5, 0.0011))
    assert breach.state.activity == "tripped"


def test_a_run_says_at_its_end_which_steps_did_nothing():
    full = charge(1, 0.5, until(None, "voltage >= 4.1"))
    bench = Bench(plan(full, rest(2, 5.0), charge(3, -0.5, until(5.0)), edition=2), cell=Cell(charge=3000.0)).run()
    assert bench.finish == Finish("done", "the plan is done; 1 step did nothing: 1")
    idle = Bench(plan(full, rest(2, 5.0), edition=2), cell=Cell(charge=3000.0)).run()
    assert idle.finish == Finish("done", "the plan is done; no charge passed; 1 step did nothing: 1")
    again = Block(1, (replace(full, id=2), charge(3, -0.001, until(1.0))), 20)
    many = Bench(plan(again, edition=2), cell=Cell(charge=3200.0)).run()
    assert (
        many.finish.why
        == "the plan is done; 20 steps did nothing: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23 and 8 more"
    )


def test_a_comparison_that_must_last_is_not_met_by_one_row():
    lasting = End("until", Condition("lasting", ((Term("voltage", ">", 4.0, dwell=3.0),),)))
    the_plan = plan(replace(charge(1, 0.5, until(600.0)), ends=(lasting, *until(600.0))), rest(2, 5.0), edition=2)
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    volts = [3.9, 4.1, 3.9, 4.1, 4.1, 4.1, 4.1, 4.1]
    outcome = fold(the_plan, state, rows(range(8), volts, 0.5))
    assert (outcome.taken, outcome.state.leaving.ending.reason) == (7, "until")  # true since the row at 3 s
    first = fold(the_plan, state, rows(range(5), volts[:5], 0.5))
    second = fold(the_plan, first.state, rows([5.0, 6.0, 7.0], volts[5:], 0.5))
    assert (first.taken, first.commands, second.taken) == (5, (), 2)
    assert second.state.leaving == outcome.state.leaving


@pytest.mark.parametrize("kind", ["stop_if", "abort_if"])
def test_a_comparison_that_must_last_is_not_met_by_the_end_of_a_step_beyond_it(kind):
    """The instrument ends the charge at its voltage, which has been above the watched one for a moment only."""
    lasting = End(kind, Condition("voltage > 4.05 V for 30 min", ((Term("voltage", ">", 4.05, dwell=1800.0),),)))
    block = Block(1, (charge(1, 0.5, until(1e5, "voltage >= 4.1")), rest(2, 5.0)), ends=(lasting,))
    bench = Bench(plan(block, rest(3, 1.0), edition=2), LOCATES, cell=Cell(charge=2700.0)).start()
    bench.step(1)
    bench.tell(StepEnded(1, 0, bench.time, 0))
    bench.obey()
    assert bench.run().finish.reason == "done"
    assert steps(bench) == [(1, "to"), (2, "for"), (3, "for")]


def test_a_step_ends_by_its_own_energy():
    used = End("energy", Condition("energy 20 J", ((Term("energy", ">=", 20.0),),)))
    line = replace(charge(1, -0.5, until(600.0)), ends=(used, *until(600.0)))
    bench = Bench(plan(charge(3, 0.5, until(30.0)), line, rest(2, 5.0), edition=2)).run()
    _, step, _ = bench.of("step_ended")
    assert step["end_reason"] == "energy"
    assert step["discharging_energy_wh"] * 3600.0 == pytest.approx(20.0, abs=2.0)
    assert step["overshoot"] is None or step["overshoot"] >= 0.0


@pytest.mark.parametrize("piece", [1, 2, 7, 11])
def test_when_an_energy_was_reached_does_not_depend_on_how_rows_are_cut(piece):
    used = End("energy", Condition("energy 20 J", ((Term("energy", ">=", 20.0),),)))
    line = replace(charge(1, -0.5, until(600.0)), ends=(used, *until(600.0)))
    ends = [Bench(plan(line, edition=2), piece=size).run().events for size in (50, piece)]
    whole, cut = (next(event.data["late_second"] for event in events if event.kind == "step_ended") for events in ends)
    assert cut == whole > 0.0
