"""Lines that need more than the cell's instrument: a person, a bending stage, a chamber. The cell rests meanwhile."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from labctl.driver import Chamber, Loop, Program, ProgramStep
from labctl.engine.approach import ROLES, ask
from labctl.engine.condition import View
from labctl.engine.input import Apply
from labctl.engine.short import begin_of
from labctl.engine.state import State
from labctl.engine.work import Work
from labctl.plan.description import elsewhere
from labctl.plan.program import Spent, program_for, settle, text_at
from labctl.plan.step import Line
from labctl.sample import ZERO_CELSIUS, Floats

AMBIENT: Final = "ambient_temperature_celsius"
STATE_COLUMNS: Final = {"pressure": "applied_pressure_pa", "angle": "bend_angle_degree", "radius": "bend_radius_meter"}


def by_hand(line: Line, roles: tuple[str, ...]) -> bool:
    """Tell whether a line is a person's to do."""
    if line.verb == "prompt":
        return True
    return line.verb in ROLES and (ROLES[line.verb] not in roles or line.options.get("confirm") is True)


def is_prompt(work: Work) -> bool:
    """Tell whether the open step waits for a person."""
    return work.step is not None and not work.step.probe and by_hand(work.step_line, work.roles)


def begun(work: Work) -> None:
    """Do what the line that began needs besides the cell at rest."""
    line = work.step_line
    if by_hand(line, work.roles):
        work.show("waiting", _words(work, line), "labctl confirm")
    elif line.verb in ROLES:
        program = _program(work, line)
        work.show("running", _words(work, line))
        work.commands.append(Apply(work.attempt, ROLES[line.verb], program, energises=False))
    else:
        work.show("running")


def _program(work: Work, line: Line) -> Program:
    alone = replace(work.capabilities, most_steps=1)
    return replace(program_for(work.plan, line.id, work.passes, work.ocv, Spent(), alone), attempt=work.attempt)


def _chamber(work: Work, line: Line) -> Chamber | None:
    step = _program(work, line).steps[0]
    return step.mode if isinstance(step, ProgramStep) and isinstance(step.mode, Chamber) else None


def _words(work: Work, line: Line) -> str:
    if line.verb == "prompt":
        return text_at(line, "say", work.passes) or "confirm"
    step = _program(work, line).steps[0]
    return line.verb if isinstance(step, Loop) else f"{line.verb}: {elsewhere(asdict(step.mode))}"


def answered(work: Work) -> None:
    """Take what a person has set as the conditions from now on, and look at the open circuit again."""
    line = work.step_line
    reached(work, line)
    state = line.options.get("state")
    if isinstance(state, Mapping):
        values = {STATE_COLUMNS.get(name, name): settle(value, work.passes, work.ocv) for name, value in state.items()}
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, float | int)}
        work.externals = {**work.externals, **numbers}
    work.ocv_due = work.ocv_due or "either"
    work.rest_voltage = None


def reached(work: Work, line: Line) -> None:
    """Carry a bend or a temperature that was reached on every later step."""
    if line.verb not in ROLES:
        return
    step = _program(work, line).steps[0]
    if isinstance(step, Loop):
        return
    mode = step.mode
    found: dict[str, float] = {}
    angle, radius = getattr(mode, "angle", None), getattr(mode, "radius", None)
    kelvin = getattr(mode, "temperature", None)
    if angle is not None:
        found["bend_angle_degree"] = math.degrees(angle)
    if radius is not None:
        found["bend_radius_meter"] = radius
    if kelvin is not None:
        found["chamber_temperature_celsius"] = kelvin - ZERO_CELSIUS
    work.externals = {**work.externals, **found}


def timeout_of(line: Line, passes: Mapping[int, int]) -> float | None:
    """Return the step time at which a prompt or a chamber asks, s."""
    limit = settle(line.options.get("for"), passes, None)  # type: ignore[arg-type]
    return float(limit) if isinstance(limit, float | int) and line.verb in {"prompt", *ROLES} else None


def first_timeout(work: Work, view: View) -> int:
    """Return the first row at which a prompt or a chamber has waited long enough; the number of rows if none."""
    limit = (
        None
        if work.step is None or work.step.probe or work.phase != "running"
        else timeout_of(work.step_line, work.passes)
    )
    late = None if limit is None else view.step_time >= limit
    return len(view.time) if late is None or not late.any() else int(late.argmax())


def time_out(work: Work) -> None:
    """Ask: nobody answered, or the chamber is not there."""
    line = work.step_line
    kind = "prompt" if by_hand(line, work.roles) else "chamber"
    why = "no answer" if kind == "prompt" else "the chamber is not there"
    ask(work, kind, f"{why} after {timeout_of(line, work.passes):g} s: {_words(work, line)}")  # type: ignore[arg-type]


def soak_due(state: State, line: Line) -> float | None:
    """Return the run time from which a chamber is looked at next: once a second of step time; None if none is waited for."""
    step = state.step
    if step is None or step.resumed is None or line.verb != "temperature" or by_hand(line, state.roles):
        return None
    seen = state.last.row_time
    if step.first_voltage is None or seen is None or seen < step.resumed:
        return step.resumed
    return step.resumed + math.floor(seen - step.resumed) + 1.0


def soaked(work: Work, view: View, temperature: Floats | None) -> tuple[int, float | None]:
    """Return the first row at which a chamber has been within its bounds for long enough, and since when it is.

    Only where the rows carry the chamber's temperature; else the chamber's instrument says so. It is looked at in the first
    row of every second.
    """
    count, step = len(view.time), work.step
    if step is None or step.probe or step.resumed is None or work.phase != "running" or temperature is None:
        return count, work.dwell
    if step.line == 0 or work.step_line.verb != "temperature" or by_hand(work.step_line, work.roles):
        return count, work.dwell
    mode = _chamber(work, work.step_line)
    if mode is None:
        return count, work.dwell
    seconds = np.floor(view.time - step.resumed)
    seen = work.last.row_time
    fresh = step.first_voltage is None or seen is None or seen < step.resumed
    before = -1.0 if fresh or seen is None else float(math.floor(seen - step.resumed))
    looked = np.flatnonzero(np.diff(seconds, prepend=before) > 0.0)
    if not len(looked):
        return count, work.dwell
    flags = np.abs(temperature[looked] + ZERO_CELSIUS - mode.temperature) <= mode.within
    begins = begin_of(flags, view.time[looked], work.dwell)
    long = flags & (view.time[looked] - begins >= mode.soak)
    at = int(looked[long.argmax()]) if long.any() else count
    return at, float(begins[-1]) if flags[-1] else None
