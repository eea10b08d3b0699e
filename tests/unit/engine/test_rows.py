"""Rows at the edges: from before a confirmation, while a command is out, not to be believed, on a limit."""

from dataclasses import replace

import numpy as np
import pytest
from engine_world import PUPPET, SYMMETRIC, Bench, charge, end, plan, rest, rows, until

from labctl.driver import Bounds
from labctl.engine.fold import begin, fold
from labctl.engine.input import Began, Order
from labctl.engine.state_parts import LastRow
from labctl.engine.sums import FEW, few_summed, listed, summed
from labctl.plan.step import Block
from labctl.sample import Batch

NAN = float("nan")
LIMITS = Bounds(voltage=(3.0, 4.0), current=(-1.0, 1.0), charge=36000.0)


def running(the_plan, *more):
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    for given in more:
        state = fold(the_plan, state, given).state
    return state


def test_a_row_that_cannot_be_believed_hides_no_current_of_the_wrong_sign():
    the_plan = plan(charge(1, 0.5, until(100.0)))
    outcome = fold(the_plan, running(the_plan), rows([0.0, 0.1, 0.2, 0.3, 0.4], [3.7, NAN, 3.7, NAN, 3.7], -0.5))
    assert outcome.taken == 3
    assert outcome.state.activity == "tripped"


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_cell_that_left_its_limits_again_while_a_command_is_out_trips(pieces):
    down = replace(charge(1, -0.5, until(100.0)), bounds=LIMITS)
    the_plan = plan(down, rest(2, 5.0))
    state = running(the_plan, Order("skip", "1", "me"))
    batch = rows([1.0, 2.0, 3.0], [4.2, 3.9, 4.2], -0.5)
    taken = 0
    while taken < 3 and state.phase != "ended":
        outcome = fold(the_plan, state, batch.rows(taken, taken + pieces))
        state, taken = outcome.state, taken + outcome.taken
    assert (taken, state.activity) == (3, "tripped")
    assert running(the_plan, Order("skip", "1", "me"), rows([1.0, 2.0], [4.2, 4.1], -0.5)).phase == "leaving"


@pytest.mark.parametrize("pieces", [1, 3])
def test_late_rows_from_before_a_confirmation_are_held_against_the_limits_one_by_one(pieces):
    down = replace(charge(2, -0.5, until(100.0)), bounds=LIMITS)
    the_plan = plan(rest(1, 5.0), down)
    state = running(the_plan, rows([0.0, 5.0], 4.2, 0.0), Began(2, 9.0))
    batch = rows([6.0, 7.0, 8.0], [4.2, 3.9, 4.2], [0.0, 0.0, 0.0])
    taken = 0
    while taken < 3:
        outcome = fold(the_plan, state, batch.rows(taken, taken + pieces))
        state, taken = outcome.state, taken + outcome.taken
    assert state.phase == "running"
    assert state.step.first_voltage is None
    assert fold(the_plan, state, rows([8.5], 4.2, 0.5)).state.activity == "tripped"


def test_a_cell_below_its_limits_may_be_driven_back_in_and_not_further_out():
    up = replace(charge(1, 0.5, until(100.0)), bounds=LIMITS)
    assert running(plan(up), rows([0.0, 1.0, 2.0], [2.5, 2.7, 3.1], 0.5)).phase == "running"
    assert running(plan(up), rows([0.0, 1.0], [2.5, 2.5], 0.5), rows([2.0], 2.6, 0.5)).phase == "running"
    assert running(plan(up), rows([0.0, 1.0, 2.0], [2.5, 3.1, 2.9], 0.5)).activity == "tripped"
    assert running(plan(up), rows([0.0], 2.5, 0.5), rows([1.0], 3.1, 0.5), rows([2.0], 2.9, 0.5)).activity == "tripped"
    down = replace(charge(1, -0.5, until(100.0)), bounds=LIMITS)
    assert running(plan(down), rows([0.0], 2.5, -0.5)).activity == "tripped"
    rested = replace(rest(1, 100.0), bounds=LIMITS)
    assert running(plan(rested), rows([0.0, 1.0], [2.5, 4.5], 0.0)).phase == "running"


def test_a_limit_of_temperature_is_one():
    line = replace(charge(1, 0.5, until(100.0)), bounds=replace(LIMITS, temperature=(273.15, 333.15)))
    fine = running(plan(line), rows([0.0, 1.0], 3.7, 0.5, temperature_celsius=np.array([25.0, 60.0])))
    assert fine.phase == "running"
    outcome = fold(plan(line), fine, rows([2.0, 3.0], 3.7, 0.5, temperature_celsius=np.array([60.5, 25.0])))
    assert (outcome.taken, outcome.state.activity) == (1, "tripped")
    assert "60.5 degC outside the limits 0 degC to 60 degC" in outcome.state.why


@pytest.mark.parametrize("last", [LastRow(), LastRow(3, 1.0, 1.0, 3.5, 0.5, None, 0.1, 0.2, 0.3, 0.4)])
@pytest.mark.parametrize("count", [FEW + 1, 3 * FEW])
def test_few_rows_and_many_are_summed_to_the_same_bits(last, count):
    draw = np.random.default_rng(count)
    passed = np.cumsum(draw.random((2, count)), axis=1) * 1e-3
    batch = Batch(
        2.0 + np.arange(count), 3.5 + draw.random(count), draw.random(count), 0.1 + passed[0], 0.2 + passed[1]
    )
    assert summed(last, batch) == few_summed(last, listed(batch))
    at_first = last.charging_ah + (batch.charging_ah[0] - last.charging_ah)
    assert at_first == batch.charging_ah[0]
    before = batch.voltage[0] if last.voltage is None else last.voltage
    mean = 0.5 * (np.concatenate(([before], batch.voltage[:-1])) + batch.voltage)
    gained = np.diff(batch.charging_ah, prepend=last.charging_ah)
    assert summed(last, batch).charging_wh == np.cumsum(np.concatenate(([last.charging_wh], gained * mean)))[-1]


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 100])
def test_energies_that_were_counted_are_taken_as_they_are(count):
    draw = np.random.default_rng(count)
    energy = np.cumsum(draw.random(count)), np.cumsum(draw.random(count))
    ones = np.ones(count)
    batch = Batch(1.0 + np.arange(count), 3.7 * ones, ones, ones, ones, charging_wh=energy[0], discharging_wh=energy[1])
    after = summed(LastRow(), batch)
    assert after == few_summed(LastRow(), listed(batch))
    assert (after.charging_wh, after.discharging_wh) == (energy[0][-1], energy[1][-1])


def test_results_of_a_block_do_not_ask_the_rows_before_it():
    stops = end("stop_if", "voltage > 3.5 or cycle > 2")
    block = Block(1, (charge(2, -0.5, until(5.0)), rest(3, 2.0)), 9, "true", ends=(stops,))
    bench = Bench(plan(rest(1, 3.0), block)).start()
    while bench.state.line == 1:
        bench.step(1)
    assert bench.state.last.voltage > 3.5
    assert bench.state.line == 2


def test_a_row_of_a_sound_symmetric_cell_after_ten_seconds_calls_for_a_look():
    from labctl.engine.watch import watch  # noqa: PLC0415

    the_plan = plan(charge(1, 0.5, until(1000.0)), cell=SYMMETRIC)
    state = running(the_plan, rows([0.0, 20.0], 0.1, 0.5))
    assert watch(the_plan, state).deadline == pytest.approx(30.0, abs=1e-5)
