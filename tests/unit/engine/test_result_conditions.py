"""Results of cycles, shorts, slopes: what ends a block besides its rows."""

from dataclasses import replace

import numpy as np
import pytest
from engine_world import FULL, LOCATES, PUPPET, SYMMETRIC, Bench, charge, end, plan, rest, rows, until

from labctl.driver import Bounds
from labctl.engine.condition import RowView
from labctl.engine.cycle import figures_of
from labctl.engine.fold import begin, fold
from labctl.engine.input import Began
from labctl.engine.short import beside, shorts_after, with_floor
from labctl.engine.slope import slopes
from labctl.engine.state_parts import LastRow, Short, SumsAtBegin, Window
from labctl.engine.watch import NOTHING, watch
from labctl.plan.step import Block, ByPass, Carried, Condition, End, Term

START = SumsAtBegin(0.0, 0.0, 0.0, 0.0, 0.0, 0)


# --- cycles -----------------------------------------------------------------------------------------------------------


def cycles(count: int, *ends, kind: str = "true", first: float = 100.0, fade: float = 4.0, cell=FULL, more=()):
    """Charges of 100 s each, discharges that get shorter by `fade` from cycle to cycle."""
    lengths = ByPass((1,), (count,), tuple(first - fade * number for number in range(count)))
    shorter = End("for", Condition("for $length", ((Term("time", ">=", lengths),),)))
    block = Block(1, (charge(1, 0.5, until(100.0)), charge(2, -0.5, (shorter,))), count, kind, ends=ends)
    return plan(block, *more, cell=cell)


def test_a_cycle_gives_capacities_efficiency_and_retention():
    bench = Bench(cycles(3), LOCATES).run()
    ended = bench.of("cycle_ended")
    assert [cycle["cycle_count"] for cycle in ended] == [1, 2, 3]
    assert [cycle["coulombic_efficiency"] for cycle in ended] == pytest.approx([1.0, 0.96, 0.92], abs=1e-3)
    assert [cycle["retention"] for cycle in ended] == pytest.approx([1.0, 0.96, 0.92], abs=1e-3)
    assert ended[0]["first_record"] == 0
    assert ended[1]["first_record"] == ended[0]["last_record"] + 1


@pytest.mark.parametrize(("kind", "efficiency"), [("full", 0.5), ("half_anode", 2.0), ("symmetric", None)])
def test_the_kind_of_cell_says_what_efficiency_is(kind, efficiency):
    sides = {"full": "discharge/charge", "half_anode": "charge/discharge", "symmetric": None}
    figures = figures_of(
        replace(FULL, efficiency=sides[kind]), "true", 1, START, LastRow(charging_ah=2.0, discharging_ah=1.0)
    )
    assert figures.efficiency == efficiency
    assert figures.charge == 7200.0
    assert figures_of(replace(FULL, efficiency=sides[kind]), "true", 1, START, LastRow()).efficiency is None


def test_one_bad_cycle_ends_nothing_two_running_do():
    bench = Bench(cycles(20, end("stop_if", "coulombic_efficiency < 0.9 x 2")), LOCATES).run()
    assert len(bench.of("cycle_ended")) == 5
    once = Bench(cycles(20, end("stop_if", "coulombic_efficiency < 0.9 x 1")), LOCATES).run()
    assert len(once.of("cycle_ended")) == 4


def test_one_check_cycle_is_enough():
    bench = Bench(cycles(20, end("stop_if", "coulombic_efficiency < 0.9 x 2"), kind="check"), LOCATES).run()
    assert len(bench.of("cycle_ended")) == 4


def test_results_of_a_block_with_check_cycles_are_theirs_alone():
    check = Block(2, (charge(3, 0.5, until(50.0)), charge(4, -0.5, until(50.0))), 1, "check")
    bad = Block(3, (charge(5, 0.5, until(50.0)), charge(6, -0.5, until(10.0))), 2, "true")
    outer = Block(1, (check, bad), 3, ends=(end("stop_if", "coulombic_efficiency < 0.9 x 1"),))
    assert Bench(plan(outer), LOCATES).run().finish.why == "the plan is done"
    alone = Block(1, (bad,), 3, ends=(end("stop_if", "coulombic_efficiency < 0.9 x 1"),))
    assert len(Bench(plan(alone), LOCATES).run().of("cycle_ended")) == 1
    assert len(Bench(plan(outer), LOCATES).run().of("cycle_ended")) == 9


@pytest.mark.parametrize(("of", "count"), [("", 7), (" of max", 7), (" of 3", 9)])
def test_retention_is_of_the_first_the_best_or_a_cycle(of, count):
    bench = Bench(cycles(20, end("stop_if", f"retention < 0.8{of} x 2")), LOCATES).run()
    assert len(bench.of("cycle_ended")) == count


def test_formation_is_counted_and_never_a_reference():
    formation = Block(2, (charge(3, 0.5, until(200.0)), charge(4, -0.5, until(200.0))), 2, "formation")
    main = cycles(20, end("stop_if", "retention < 0.8 x 2")).root.children[0]
    bench = Bench(plan(formation, main), LOCATES).run()
    assert [cycle["kind"] for cycle in bench.of("cycle_ended")][:3] == ["formation", "formation", "true"]
    assert bench.of("cycle_ended")[1]["retention"] is None
    assert bench.of("cycle_ended")[2]["retention"] == 1.0
    assert bench.state.cycle.count == 9


def test_a_cycle_count_ends_a_block_before_the_cycle_begins():
    bench = Bench(cycles(20, end("stop_if", "cycle > 4"), fade=0.0), LOCATES).run()
    assert [cycle["cycle_count"] for cycle in bench.of("cycle_began")] == [1, 2, 3, 4]


def test_rows_outside_a_pass_keep_the_number_of_the_cycle_before():
    bench = Bench(
        replace(cycles(2), root=Block(0, (rest(7, 2.0), *cycles(2).root.children, rest(8, 2.0)))), LOCATES
    ).run()
    assert [step["cycle_count"] for step in bench.of("step_ended")] == [0, 1, 1, 2, 2, 2]


def test_a_run_that_goes_on_carries_count_charge_and_references():
    carried = Carried(7, 1.5, 1.25, {"first": 50.0, "max": 60.0}, start=2, passes=((1, 3),))
    the_plan = replace(cycles(6, end("stop_if", "retention < 0.9 of max x 1"), fade=0.0), carried=carried)
    bench = Bench(the_plan, LOCATES, counters=(1.5, 1.25)).run()
    first = bench.of("step_ended")[0]
    assert (first["step_id"], first["cycle_count"]) == (2, 8)
    assert bench.events[0].kind == "run_began"
    assert bench.of("attempt")[0]["charging_capacity_ah"] == 1.5
    assert len(bench.of("cycle_ended")) == 1


# --- shorts -----------------------------------------------------------------------------------------------------------


def half_cycles(*resistances: float, drop: tuple[int, float] = (99, 1.0)) -> list[tuple[float, float, float]]:
    """(current, ohm, ohm from its 100th second on) of half-cycles."""
    return [
        ((0.1 if number % 2 else -0.1), ohm, drop[1] if number == drop[0] else ohm)
        for number, ohm in enumerate(resistances)
    ]


def run_half_cycles(shape, stop: str = "short"):
    wide = Bounds((-20.0, 20.0), (-1.0, 1.0), None, 36000.0)
    lines = [
        replace(charge(number + 1, current, until(300.0)), bounds=wide) for number, (current, _, _) in enumerate(shape)
    ]
    block = Block(1, tuple(lines), ends=(end("stop_if", stop),))
    the_plan = plan(block, rest(99, 1.0), cell=SYMMETRIC)
    outcome = begin(the_plan, PUPPET)
    begun, events, state = 0.0, [], outcome.state
    for number, (current, before, after) in enumerate(shape):
        state = fold(the_plan, state, Began(number + 1, begun)).state
        time = np.arange(0.0, 301.0)
        outcome = fold(the_plan, state, rows(begun + time, current * np.where(time < 100.0, before, after), current))
        events += [(event.data.get("name"), event.time - begun) for event in outcome.events if event.kind == "result"]
        state, begun = outcome.state, begun + 300.0
        if state.line == 99:
            return events, number
    return events, len(shape)


def test_a_steady_symmetric_cell_is_sound():
    assert run_half_cycles(half_cycles(50.0, 50.0, 48.0, 51.0)) == ([], 3)


def test_a_collapse_is_a_short_ten_seconds_later():
    events, at = run_half_cycles(half_cycles(50.0, 50.0, 50.0, 50.0, drop=(2, 2.0)))
    assert events == [("short.soft", 110.0), ("short", 110.0)]
    assert at == 2


def test_a_dip_is_a_soft_short_which_alone_ends_nothing():
    events, at = run_half_cycles(half_cycles(50.0, 50.0, 50.0, 50.0, drop=(2, 30.0)))
    assert events == [("short.soft", 110.0)]
    assert at == 3
    assert run_half_cycles(half_cycles(50.0, 50.0, 50.0, 50.0, drop=(2, 30.0)), "short.soft")[1] == 2


def test_a_short_that_was_there_before_the_step_is_seen_against_the_step_before():
    events, at = run_half_cycles(half_cycles(50.0, 50.0, 5.0, 5.0))
    assert events[0] == ("short", 20.0)
    assert at == 2


def test_a_nucleation_spike_is_no_short():
    time = np.arange(0.0, 600.0)
    volts = 0.1 * np.where(time < 40.0, 200.0, 50.0)
    found, soft, hard = shorts_after(Short(), time, time, volts, 0.1)
    assert (soft, hard) == (None, None)
    assert with_floor(found, 0.1, 0.0).floors[1] == pytest.approx((50.0, 0.1))


def test_a_much_smaller_resistance_at_a_much_larger_current_is_kinetics():
    time = np.arange(0.0, 600.0)
    floors = ((200.0, 0.1), (200.0, 0.1))
    assert shorts_after(Short(floors), time, time, np.full(600, 1.0 * 60.0), 1.0)[1:] == (None, None)
    assert shorts_after(Short(floors), time, time, np.full(600, 0.15 * 60.0), 0.15)[2] == 20


# --- slopes -----------------------------------------------------------------------------------------------------------


def view(time: np.ndarray, voltage: np.ndarray) -> RowView:
    flat = np.zeros(len(time))
    return RowView(time, time, voltage, flat, flat, flat, None)


def test_a_slope_is_that_of_the_least_squares_line():
    time = np.arange(0.0, 100.0, 5.0)
    voltage = 3.0 + 1e-3 * time + 1e-4 * np.sin(time)
    found, window = slopes(Window("voltage", 40.0), view(time, voltage), 0.0)
    assert np.isnan(found[:8]).all()
    for at in range(8, len(time)):
        near = slice(at - 8, at + 1)
        assert found[at] == pytest.approx(np.polyfit(time[near], voltage[near], 1)[0], rel=1e-9)
    assert window.times == tuple(time[-9:])


def test_dense_rows_are_thinned_to_64_a_window():
    time = np.arange(0.0, 200.0, 0.01)
    found, window = slopes(Window("voltage", 60.0), view(time, 3.0 + 2e-3 * time), 0.0)
    assert len(window.times) <= 66
    assert np.nanmax(np.abs(found - 2e-3)) < 1e-12
    assert slopes(Window("temperature", 60.0), view(time, time), 0.0)[1].times == ()


# --- the watch --------------------------------------------------------------------------------------------------------


def box(line, state_rows=None):
    the_plan = plan(line)
    state = fold(the_plan, begin(the_plan, PUPPET).state, Began(1, 0.0)).state
    return watch(the_plan, state if state_rows is None else fold(the_plan, state, state_rows).state)


def test_the_box_lies_inside_ends_and_limits():
    found = box(charge(1, 0.5, until(100.0, "voltage >= 4.1", 7.2)), rows([0.0], 3.7, 0.5))
    assert found.voltage == (-0.001, 4.1)
    assert found.current == pytest.approx((-0.05001, 0.55001))
    assert found.deadline == pytest.approx(100.0, abs=1e-5)
    assert found.charging_ah[1] == pytest.approx(0.002)
    assert found.discharging_ah[1] == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("text", "side"),
    [("|voltage| > 4", ("voltage", (-0.001, 4.0))), ("voltage < 3.6", ("voltage", (3.6, 5.001))),
     ("temperature > 328.15", ("temperature", (-1e12, 55.0))), ("current < 0.05", ("current", (0.05, 0.55001))),
     ("power > 2.5", ("current", (-0.05001, 2.5 / 5.001)))],
)  # fmt: skip
def test_every_quantity_bounds_the_box(text, side):
    found = box(charge(1, 0.5, until(100.0, "", None, text)), rows([0.0], 3.7, 0.5))
    assert getattr(found, side[0]) == pytest.approx(side[1])


def test_a_slope_bounds_the_time():
    found = box(charge(1, 0.5, until(1000.0, "", None, "d voltage < 1e-9 over 64")), rows([0.0], 3.7, 0.5))
    assert found.deadline == pytest.approx(1.0, abs=1e-5)


def test_a_condition_that_no_box_expresses_leaves_nothing_inside():
    assert box(charge(1, 0.5, until(100.0, "", None, "power < 0.1")), rows([0.0], 3.7, 0.5)) == NOTHING


def warm_half_cycles(celsius: tuple[float, ...], ohm: tuple[float, ...], edition: int = 2):
    """Half-cycles at a temperature and a resistance each; the shorts that are found, by half-cycle."""
    wide = Bounds((-20.0, 20.0), (-1.0, 1.0), None, 36000.0)
    lines = [
        replace(charge(number + 1, 0.1 if number % 2 else -0.1, until(300.0)), bounds=wide)
        for number in range(len(ohm))
    ]
    the_plan = replace(plan(*lines, rest(99, 1.0), cell=SYMMETRIC), edition=edition)
    state, events = begin(the_plan, PUPPET).state, []
    for number, (degrees, resistance) in enumerate(zip(celsius, ohm, strict=True)):
        state = fold(the_plan, state, Began(number + 1, 300.0 * number)).state
        current = 0.1 if number % 2 else -0.1
        batch = rows(300.0 * number + np.arange(0.0, 301.0), current * resistance, current)
        outcome = fold(the_plan, state, replace(batch, temperature_celsius=np.full(301, degrees)))
        events += [number for event in outcome.events if event.kind == "result" and event.data.get("name") == "short"]
        state = outcome.state
    return events


def test_heating_is_no_short():
    """A solid electrolyte conducts four times as well 20 K warmer; a fall at one temperature is a short as ever."""
    assert warm_half_cycles((25, 25, 45, 45, 45), (60.0, 60.0, 15.0, 15.0, 15.0)) == []
    assert warm_half_cycles((25, 25, 45, 45, 45, 45), (60.0, 60.0, 15.0, 15.0, 3.0, 3.0)) == [4, 5]
    assert warm_half_cycles((25, 25, 45, 45), (60.0, 60.0, 15.0, 15.0), edition=1) == [2, 3]


def test_what_was_known_under_other_conditions_is_compared_with_no_more():
    known = Short(floors=((60.0, 0.1), (60.0, 0.1)), beside=(("bend_angle_degree", 0.0),))
    assert beside(known, {"bend_angle_degree": 0.0}) == known
    assert beside(known, {"bend_angle_degree": 90.0}).floors == (None, None)
