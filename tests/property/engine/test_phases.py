"""In every phase, on any course and for rows of any kind: cutting changes no bit, and what lies inside the watch says nothing."""

import numpy as np
from engine_world import LOCATES, PUPPET, Bench, Cell
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.engine.fast_path import inside
from labctl.engine.fold import fold
from labctl.engine.input import Command, Event, Order
from labctl.engine.state import State, state_from_json, state_to_json
from labctl.engine.watch import watch
from labctl.plan.step import Plan
from labctl.sample import Batch
from tests.property.engine.test_course import ACTIONS, CYCLER, PLANS, act

NAN = float("nan")
STEPS = st.one_of(st.floats(0.0, 20.0), st.sampled_from([0.0, 0.1, 1.0, 1.0, 2.0, 10.0]))
VOLTS = st.one_of(
    st.floats(-6.0, 6.0),
    st.floats(3.0, 4.4),
    st.sampled_from([NAN, float("inf"), 1e300, 0.0, 3.6, 3.9, 5.0, 5.0011, -0.1]),
)
AMPERES = st.one_of(
    st.floats(-1.0, 1.0), st.sampled_from([NAN, -float("inf"), 0.0, 0.0, 0.5, 0.5, -0.5, 0.05, 1.0, -1.0, 0.61, 1.2])
)
CELSIUS = st.sampled_from([25.0, 25.0, 39.5, 40.0, 69.0, 71.0, NAN])
COURSE = st.tuples(
    st.sampled_from(PLANS),
    st.sampled_from([PUPPET, LOCATES, CYCLER]),
    st.sampled_from([("cell",), ("cell", "stage", "chamber")]),
    st.lists(ACTIONS, max_size=12),
    st.booleans(),
)


def reached(course: tuple[object, ...]) -> Bench:
    """Return a bench after a course; perhaps with a command out that nobody has confirmed."""
    the_plan, capabilities, roles, actions, out = course
    bench = Bench(the_plan, capabilities, 1.0, Cell(charge=2000.0), roles=roles).start()
    for kind, what in actions:
        if bench.finish:
            break
        act(bench, kind, what)
    if out and not bench.finish and bench.state.phase in {"running", "asking", "paused"}:
        verb = "skip" if bench.state.phase == "running" else "resume"
        bench.state = fold(the_plan, bench.state, Order(verb, "1", "me")).state
    bench.commands.clear()
    return bench


@st.composite
def rows_after(draw: st.DrawFn, state: State) -> Batch:
    """Rows of any kind that follow a state: some from before the confirmation, some not to be believed."""
    count = draw(st.integers(1, 30))

    def column(values: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=count, max_size=count)))

    steps = column(STEPS)
    time = state.last.time + np.cumsum(steps) - draw(st.sampled_from([0.0, 0.0, 5.0, 50.0]))
    passed = np.abs(column(st.floats(0.0, 5.0))) / 3600.0 * steps
    up = draw(st.booleans())
    still = np.zeros(count)
    quality = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 2]), min_size=count, max_size=count)), np.uint8)
    calm = draw(st.booleans())
    return Batch(
        time,
        column(st.floats(3.5, 3.8) if calm else VOLTS),
        column(st.just(0.0)) if calm else column(AMPERES),
        state.last.charging_ah + np.cumsum(passed if up else still),
        state.last.discharging_ah + np.cumsum(still if up else passed),
        column(CELSIUS) if draw(st.booleans()) else None,
        quality if draw(st.booleans()) else None,
        state.held.at,
        {"ambient_temperature_celsius": column(CELSIUS)} if draw(st.booleans()) else {},
    )


def folded(the_plan: Plan, state: State, batch: Batch, cuts: list[int]) -> tuple[bytes, list[Event], list[Command]]:
    """Fold rows in pieces; what is not taken is offered again. The state goes through its text at every cut."""
    sizes = iter(cuts)
    events: list[Event] = []
    commands: list[Command] = []
    while len(batch):
        outcome = fold(the_plan, state, batch.rows(0, next(sizes, len(batch))))
        assert outcome.taken > 0
        state = state_from_json(state_to_json(outcome.state)) if cuts else outcome.state
        events += outcome.events
        commands += outcome.commands
        batch = batch.rows(outcome.taken)
    return state_to_json(state), events, commands


@given(COURSE, st.data(), st.lists(st.integers(1, 7), min_size=1, max_size=40))
@settings(max_examples=200)
def test_any_cutting_of_any_rows_in_any_phase_gives_the_same_bits(course, data, cuts):
    bench = reached(course)
    batch = data.draw(rows_after(bench.state))
    whole = folded(bench.plan, bench.state, batch, [])
    assert folded(bench.plan, bench.state, batch, cuts) == whole
    assert folded(bench.plan, bench.state, batch, [1] * len(batch)) == whole


@given(COURSE, st.data())
@settings(max_examples=200)
def test_rows_inside_the_watch_say_nothing_in_any_phase(course, data):
    bench = reached(course)
    state, batch = bench.state, data.draw(rows_after(bench.state))
    if state.phase == "ended":
        return
    box = watch(bench.plan, state)
    sound = [at for at in range(len(batch)) if inside(box, batch.rows(at, at + 1), state.last.time)]
    if batch.quality is not None:
        sound = [at for at in sound if not batch.quality[at]]
    for at in sound:
        outcome = fold(bench.plan, state, batch.rows(at, at + 1))
        assert (outcome.taken, outcome.events, outcome.commands) == (1, (), ())
