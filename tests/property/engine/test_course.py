"""Whatever happens to a run, in any order: it never breaks, replays to the bit, and its books balance."""

from dataclasses import replace

import numpy as np
from engine_world import LOCATES, PUPPET, SYMMETRIC, Bench, Cell, charge, end, hold, plan, prompt, replay, rest, until
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.engine.input import Gap, InstrumentFault, Off, Result, StepEnded
from labctl.engine.order import orders_now
from labctl.engine.state import state_from_json, state_to_json
from labctl.plan.step import Block, Interruption, Line

BEND = Line(21, "bend", "Bend", {"angle": 0.5}, options={"confirm": False})
CHAMBER = Line(22, "temperature", "Chamber", {"temperature": 313.15, "within": 1.0, "soak": 3.0}, options={"for": 40.0})
MARK = Line(23, "mark", "Rest", options={"text": "light"})
CCCV = Block(
    9,
    (charge(10, 0.5, until(None, "voltage >= 3.9")), hold(11, 3.9, end("until", "current < 0.1"))),
    ends=(end("for", "time >= 80"), end("capacity", "capacity >= 100")),
    fused=True,
)
MAIN = Block(
    1,
    (CCCV, rest(12, 10.0, "d |voltage| < 1e-9 over 5"), charge(13, -0.5, until(60.0, "voltage <= 3.6")), MARK),
    4,
    "true",
    ends=(end("stop_if", "retention < 0.2 x 2 or short"), end("abort_if", "temperature > 70")),
)
PLANS = [
    plan(rest(1, 5.0), MAIN, rest(20, 5.0), ocv=(2.0, 4.5)),
    plan(prompt(1, "press", **{"for": 30.0}), BEND, CHAMBER, MAIN, interruption=Interruption(50.0, "ask")),
    plan(MAIN, cell=SYMMETRIC, interruption=Interruption(50.0, "stop")),
    plan(Block(2, (Block(3, (charge(1, 1.0, until(5.0)), charge(2, -1.0, until(5.0))), 2), rest(3, 3.0)), 5)),
]
CYCLER = replace(LOCATES, energises=True, most_steps=20, loops=True)

ACTIONS = st.one_of(
    st.tuples(st.just("rows"), st.integers(1, 40)),
    st.tuples(st.just("rows"), st.integers(1, 40)),
    st.tuples(st.just("order"), st.sampled_from(["pause", "resume", "skip", "confirm", "note", "resume", "skip"])),
    st.tuples(st.just("gap"), st.sampled_from([0.0, 10.0, 49.0, 400.0])),
    st.tuples(st.just("cable"), st.sampled_from([0.0, 30.0, 1e4])),
    st.tuples(st.just("end"), st.sampled_from([None, 0, 7, 2001])),
    st.tuples(st.just("result"), st.sampled_from(["short", "short.soft", "impedance"])),
    st.tuples(st.just("last"), st.sampled_from(["stop", "fault"])),
)


def act(bench: Bench, kind: str, what: object) -> None:
    match kind, what:
        case "rows", count:
            bench.step(count)
        case "order", verb:
            bench.order(verb)
        case "gap", length:
            bench.program = None
            bench.time += length
            bench.tell(Gap(bench.time - length, bench.time, "power"))
        case "cable", length:
            bench.tell(Gap(bench.time, bench.time, f"cable {length}", attempt_goes_on=True))
        case "end", number:
            bench.tell(StepEnded(bench.state.held.attempt, bench.state.held.at, bench.time, number, "by itself"))
        case "result", name:
            bench.tell(Result(name, 1.0, bench.state.cycle.count))
        case "last", "stop":
            bench.order("stop")
        case _:
            bench.tell(InstrumentFault("gone", safe=False))
    bench.obey()


@given(
    st.sampled_from(PLANS),
    st.sampled_from([PUPPET, LOCATES, CYCLER]),
    st.sampled_from([("cell",), ("cell", "stage", "chamber")]),
    st.lists(ACTIONS, min_size=1, max_size=25),
    st.integers(0, 5),
    st.lists(st.integers(1, 30), max_size=30),
)
@settings(max_examples=120)
def test_any_course_replays_and_its_books_balance(the_plan, capabilities, roles, actions, delay, cuts):
    bench = Bench(the_plan, capabilities, 1.0, Cell(charge=2000.0), delay=float(delay), roles=roles).start()
    for kind, what in actions:
        if bench.finish:
            break
        act(bench, kind, what)
        assert state_from_json(state_to_json(bench.state)) == bench.state
        assert orders_now(bench.state) >= {"note"}
    state, events, _ = replay(the_plan, capabilities, bench.told, cuts, roles=roles)
    assert state_to_json(state) == state_to_json(bench.state)
    assert events == bench.events
    balance(bench)


def balance(bench: Bench) -> None:
    """Every step that began ends once or is open; what the steps gave is what the counters show; numbers only rise."""
    begun = [step["step_count"] for step in bench.of("step_began")]
    ended = [step["step_count"] for step in bench.of("step_ended")]
    assert begun == list(range(1, len(begun) + 1))
    assert len(set(ended)) == len(ended)
    still_open = {step.count for step in (bench.state.step, bench.state.suspended) if step is not None}
    assert set(begun) - set(ended) == still_open
    if bench.finish:
        assert not still_open
        assert bench.state.phase == "ended"
    attempts = [attempt["attempt_id"] for attempt in bench.of("attempt")]
    assert attempts == sorted(set(attempts))
    assert all(step["step_time_second"] >= 0.0 for step in bench.of("step_ended"))
    cycles = [cycle["cycle_count"] for cycle in bench.of("cycle_began")]
    assert cycles == list(range(1, len(cycles) + 1))
    assert len(bench.of("cycle_ended")) == len(cycles) - (bench.state.cycle.kind != "")
    times = [event.time for event in bench.events]
    assert times == sorted(times)
    records = [event.record_index for event in bench.events]
    assert records == sorted(records)


@given(st.sampled_from(PLANS), st.sampled_from([PUPPET, LOCATES]), st.lists(ACTIONS, max_size=15))
@settings(max_examples=60)
def test_nothing_is_energised_while_a_run_asks_or_is_paused(the_plan, capabilities, actions):
    bench = Bench(the_plan, capabilities, 1.0, Cell(charge=2000.0)).start()
    for kind, what in actions:
        if bench.finish:
            break
        act(bench, kind, what)
        if bench.state.phase in {"asking", "paused"} or bench.finish:
            assert bench.program is None
    assert np.isfinite(bench.state.last.charging_wh)
    assert not any(isinstance(command, Off) for command in bench.commands)
