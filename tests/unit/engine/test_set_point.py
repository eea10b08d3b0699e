"""Rows held against what was set, where the daemon is the control loop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labctl.driver import Bounds, Capabilities, Galvanostatic, Program, ProgramStep, RecordRule, Spectrum, Sweep
from labctl.engine.input import SafeHold
from labctl.engine.set_point import ACCURACIES, SHARE, SHARE_OF_PRODUCT, SetPoint, contradicts, held_range
from labctl.engine.step_rules import envelope_of
from labctl.plan.patience import BLIND, ROWS, patience

PAGE = Path(__file__).parents[3] / "docs/reference/engine.md"
LIMITS = envelope_of(Bounds((2.5, 4.3), (-1.0, 1.0)), (1e-3, 1e-5), energised=True)


def flag(wanted: SetPoint, voltage: float, current: float) -> bool:
    return bool(contradicts(wanted, np.array([voltage]), np.array([current]), LIMITS)[0])


@pytest.mark.parametrize(
    ("kind", "value", "voltage", "current", "wrong"),
    [
        ("current", 0.5, 3.7, 0.5, False),
        ("current", 0.5, 3.7, 0.509, False),
        ("current", 0.5, 3.7, 0.45, True),
        ("current", 0.5, 3.7, 0.0, True),
        ("current", 0.5, 3.7, -0.04, True),
        ("current", 0.5, 4.299, 0.2, False),  # the compliance holds it back
        ("current", 0.5, 4.299, 0.6, True),
        ("current", 0.5, 4.299, -0.5, True),
        ("current", -0.5, 2.502, -0.1, False),
        ("voltage", 3.8, 3.801, 0.3, False),
        ("voltage", 3.8, 3.7, 0.5, False),  # at the current that it may draw
        ("voltage", 3.8, 3.7, 0.0, True),
        ("power", 1.0, 4.0, 0.25, False),
        ("power", 1.0, 4.0, 0.0, True),
        ("resistance", 8.0, 4.0, -0.5, False),
        ("resistance", 8.0, 4.0, -0.4, True),
    ],
)
def test_a_row_contradicts_or_does_not(kind, value, voltage, current, wrong):
    assert flag(SetPoint(kind, value, 0.5), voltage, current) is wrong


@pytest.mark.parametrize("current", np.linspace(-0.6, 0.6, 241))
def test_no_row_inside_the_watch_contradicts(current):
    wanted = SetPoint("current", 0.5)
    quantity, low, high = held_range(wanted, LIMITS)
    assert quantity == "current"
    assert not (low < current < high and flag(wanted, 3.7, current))


def charging(world, edition=2):
    plan = replace(world.plan(world.charge(1, 0.5, world.until(3600.0))), edition=edition)
    bench = world.Bench(plan)
    bench.start()
    bench.step(5)
    return bench


def test_the_second_row_that_contradicts_holds_the_run_safe(world):
    bench = charging(world)
    t = bench.state.last.time
    charge = bench.state.last.charging_ah
    bench.tell(world.rows([t + 1.0], 3.7, 0.4, charge))
    assert bench.state.phase == "running"
    bench.tell(world.rows([t + 2.0], 3.7, 0.5, charge))
    bench.tell(world.rows([t + 3.0], 3.7, 0.4, charge))
    assert bench.state.phase == "running"
    bench.tell(world.rows([t + 4.0, t + 5.0], 3.7, 0.4, charge))
    assert (bench.state.phase, bench.state.activity) == ("asking", "safe")
    assert bench.of("diverged")[0]["why"] == "measured 3.7 V and 0.4 A where 0.5 A was set"
    bench.obey()
    bench.order("resume")
    bench.run()
    assert bench.finish.reason == "done"


def test_a_run_of_the_first_edition_keeps_its_meaning(world):
    bench = charging(world, edition=1)
    t, charge = bench.state.last.time, bench.state.last.charging_ah
    bench.tell(world.rows([t + 1.0, t + 2.0, t + 3.0], 3.7, 0.4, charge))
    assert bench.state.phase == "running"


@pytest.mark.parametrize("cause", ["unmeasured", "contradicted", "unrecorded"])
def test_a_safe_hold_never_ends_a_run(world, cause):
    bench = charging(world)
    bench.tell(SafeHold(cause, "a reason"))
    assert (bench.state.phase, bench.state.activity, bench.state.why) == ("asking", "safe", "a reason")
    assert bench.state.question.kind == cause
    before = len(bench.commands)
    bench.tell(SafeHold(cause, "again"))
    assert bench.state.why == "a reason"
    assert len(bench.commands) == before + 1  # switched off once more
    bench.obey()
    bench.order("skip")
    bench.run()
    assert bench.finish.reason == "done"


def program(mode, *record: RecordRule) -> Program:
    return Program(1, (ProgramStep(1, mode, record=record),))


def test_how_long_a_cell_may_be_blind():
    polled = Capabilities(poll_at_most=0.1)
    own = Capabilities(ends=frozenset({"time"}))
    assert patience(program(Galvanostatic(1.0), RecordRule(every=60.0)), polled) == BLIND
    assert patience(None, Capabilities(poll_at_most=5.0)) == 5.0 * ROWS
    assert patience(program(Galvanostatic(1.0), RecordRule(every=60.0)), own) == 180.0
    assert patience(program(Sweep(3.0, 4.0, 1e-4)), own) == pytest.approx(30.0)
    assert patience(program(Spectrum((1e3, 0.01), 0.01)), own) == pytest.approx(201.0)


def test_the_page_says_these_numbers():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"no good reading comes for {BLIND:g} s, or for three rows" in page
    assert ROWS == 3
    assert (
        f"a current by more than {100 * SHARE:g} %, a power or a resistance by more than {100 * SHARE_OF_PRODUCT:g} %"
        in page
    )
    assert ACCURACIES == 10.0
    assert "after 0.5 s with the output off" in page
    assert "after 10 s the run is held safe" in page
