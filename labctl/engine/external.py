"""Lines that need more than the cell's instrument: a person, a bending stage, a chamber. The cell rests meanwhile."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from labctl.driver import Chamber, Loop, Program, ProgramStep
from labctl.engine.condition import RowView
from labctl.engine.input import Apply
from labctl.engine.next_step import ROLES, ask
from labctl.engine.short import begin_of
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Unblock
from labctl.plan.description import elsewhere
from labctl.plan.program import Spent, settle, text_at
from labctl.plan.program_reach import program_for
from labctl.plan.step import Line
from labctl.sample import ZERO_CELSIUS, Floats

AMBIENT: Final = "ambient_temperature_celsius"
SHAPE: Final = frozenset({"bend_angle_degree", "bend_radius_meter"})
STATE_COLUMNS: Final = {"pressure": "applied_pressure_pa", "angle": "bend_angle_degree", "radius": "bend_radius_meter"}


def by_hand(line: Line, roles: tuple[str, ...]) -> bool:
    """Tell whether a line is a person's to do."""
    if line.verb == "prompt":
        return True
    return line.verb in ROLES and (ROLES[line.verb] not in roles or line.options.get("confirm") is True)


def is_prompt(builder: StateBuilder) -> bool:
    """Tell whether the open step waits for a person."""
    return builder.step is not None and not builder.step.probe and by_hand(builder.step_line, builder.roles)


def begun(builder: StateBuilder) -> None:
    """Do what the line that began needs besides the cell at rest."""
    line = builder.step_line
    if by_hand(line, builder.roles):
        builder.show("waiting", _words(builder, line), Unblock.CONFIRM)
    elif line.verb in ROLES:
        program = _program(builder, line)
        builder.show("running", _words(builder, line))
        builder.commands.append(Apply(builder.attempt, ROLES[line.verb], program, energises=False))
    else:
        builder.show("running")


def _program(builder: StateBuilder, line: Line) -> Program:
    alone = replace(builder.capabilities, most_steps=1)
    return replace(
        program_for(builder.plan, line.id, builder.passes, builder.ocv, Spent(), alone), attempt=builder.attempt
    )


def _chamber(builder: StateBuilder, line: Line) -> Chamber | None:
    step = _program(builder, line).steps[0]
    return step.mode if isinstance(step, ProgramStep) and isinstance(step.mode, Chamber) else None


def _words(builder: StateBuilder, line: Line) -> str:
    if line.verb == "prompt":
        return text_at(line, "say", builder.passes) or "confirm"
    step = _program(builder, line).steps[0]
    return line.verb if isinstance(step, Loop) else f"{line.verb}: {elsewhere(asdict(step.mode))}"


def answered(builder: StateBuilder) -> None:
    """Take what a person has set as the conditions from now on, and look at the open circuit again."""
    line = builder.step_line
    reached(builder, line)
    state = line.options.get("state")
    if isinstance(state, Mapping):
        values = {
            STATE_COLUMNS.get(name, name): settle(value, builder.passes, builder.ocv) for name, value in state.items()
        }
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, float | int)}
        builder.externals = {**builder.externals, **numbers}
    builder.ocv_due = builder.ocv_due or "either"
    builder.rest_voltage = None


def reached(builder: StateBuilder, line: Line) -> None:
    """Carry a bend or a temperature that was reached on every later step.

    A bend sets a new shape: what the one before it gave and it does not is not known any more, rather than as it was.
    """
    if line.verb not in ROLES:
        return
    step = _program(builder, line).steps[0]
    if isinstance(step, Loop):
        return
    mode = step.mode
    externals: dict[str, float] = {}
    angle, radius = getattr(mode, "angle", None), getattr(mode, "radius", None)
    kelvin = getattr(mode, "temperature", None)
    if angle is not None:
        externals["bend_angle_degree"] = math.degrees(angle)
    if radius is not None:
        externals["bend_radius_meter"] = radius
    if kelvin is not None:
        externals["chamber_temperature_celsius"] = kelvin - ZERO_CELSIUS
    kept = builder.externals
    if line.verb == "bend" and builder.plan.edition > 1:
        kept = {name: value for name, value in kept.items() if name not in SHAPE}
    builder.externals = {**kept, **externals}


def timeout_of(line: Line, passes: Mapping[int, int]) -> float | None:
    """Return the step time at which a prompt or a chamber asks, s."""
    limit = settle(line.options.get("for"), passes, None)  # type: ignore[arg-type]
    return float(limit) if isinstance(limit, float | int) and line.verb in {"prompt", *ROLES} else None


def first_timeout(builder: StateBuilder, view: RowView) -> int:
    """Return the first row at which a prompt or a chamber has waited long enough; the number of rows if none."""
    limit = (
        None
        if builder.step is None or builder.step.probe or builder.phase != "running"
        else timeout_of(builder.step_line, builder.passes)
    )
    late = None if limit is None else view.step_time >= limit
    return len(view.time) if late is None or not late.any() else int(late.argmax())


def time_out(builder: StateBuilder) -> None:
    """Ask: nobody answered, or the chamber is not there."""
    line = builder.step_line
    kind = "prompt" if by_hand(line, builder.roles) else "chamber"
    why = "no answer" if kind == "prompt" else "the chamber is not there"
    ask(builder, kind, f"{why} after {timeout_of(line, builder.passes):g} s: {_words(builder, line)}")  # type: ignore[arg-type]


def soak_due(state: State, line: Line) -> float | None:
    """Return the run time from which a chamber is looked at next: once a second of step time; None if none is waited for."""
    step = state.step
    if step is None or step.resumed is None or line.verb != "temperature" or by_hand(line, state.roles):
        return None
    seen = state.last.row_time
    if step.first_voltage is None or seen is None or seen < step.resumed:
        return step.resumed
    return step.resumed + math.floor(seen - step.resumed) + 1.0


def soaked(builder: StateBuilder, view: RowView, temperature: Floats | None) -> tuple[int, float | None]:
    """Return the first row at which a chamber has been within its bounds for long enough, and since when it is.

    Only where the rows carry the chamber's temperature; else the chamber's instrument says so. It is looked at in the first
    row of every second.
    """
    count, step = len(view.time), builder.step
    if step is None or step.probe or step.resumed is None or builder.phase != "running" or temperature is None:
        return count, builder.dwell
    if step.line == 0 or builder.step_line.verb != "temperature" or by_hand(builder.step_line, builder.roles):
        return count, builder.dwell
    mode = _chamber(builder, builder.step_line)
    if mode is None:
        return count, builder.dwell
    seconds = np.floor(view.time - step.resumed)
    seen = builder.last.row_time
    fresh = step.first_voltage is None or seen is None or seen < step.resumed
    before = -1.0 if fresh or seen is None else float(math.floor(seen - step.resumed))
    looked = np.flatnonzero(np.diff(seconds, prepend=before) > 0.0)
    if not len(looked):
        return count, builder.dwell
    flags = np.abs(temperature[looked] + ZERO_CELSIUS - mode.temperature) <= mode.within
    begins = begin_of(flags, view.time[looked], builder.dwell)
    long = flags & (view.time[looked] - begins >= mode.soak)
    at = int(looked[long.argmax()]) if long.any() else count
    return at, float(begins[-1]) if flags[-1] else None
