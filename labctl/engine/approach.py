"""Towards a line: what stands before it (marks, the open circuit, a voltage against it), the program, the command.

A run that cannot go on asks: output off, an alarm, and it waits for `resume`, `skip` or `stop`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from labctl.driver import Loop, Program, ProgramStep, Rest, Threshold
from labctl.engine.input import Apply, EndReason, Finish, Mark, Off
from labctl.engine.memory import Asked, Ending, Held, Leaving, Question, passed_since
from labctl.engine.passage import close_step, end_cycle, pass_boundaries, stand_still
from labctl.engine.position import Found, Way
from labctl.engine.prepared import code_of
from labctl.engine.recipe import OWN
from labctl.engine.work import Work
from labctl.plan.program import Spent, program_for, text_at, thresholds
from labctl.plan.step import Line

ROLES: Final = {"bend": "stage", "temperature": "chamber"}
ACTIVITY: Final = {"tripped": "tripped", "failed": "failed"}


def go_on(work: Work, way: Way, found: Found, ending: Ending | None = None) -> None:
    """Follow the way to a line and give its command; the open step, if any, ends as `ending` says."""
    while found == "line" and work.plan_line.verb == "mark":
        _mark(work, work.plan_line)
        found = way.onward()
    match found:
        case "line":
            approach(work, tuple(way.boundaries), ending)
            return
        case "end":
            reason, why = "done", "the plan is done"
        case "aborted":
            reason, why = "aborted", way.ended.condition.text if way.ended else ""
        case "met":
            close_now(work, ending, way)
            ask(work, "met", "every energised step of a whole pass had its end met at its first row")
            return
    close_now(work, ending, way)
    finish(work, reason, why)  # type: ignore[arg-type]


def approach(
    work: Work, boundaries: tuple[tuple[str, str, int], ...], ending: Ending | None = None, *, goes_on: bool = False
) -> None:
    """Give the command for the line of the position: the line itself, or first a look at the open circuit."""
    line = work.plan_line
    leaving = Leaving(ending, boundaries, goes_on)  # type: ignore[arg-type]
    refusal = _set_point_refused(work, line)
    if refusal:
        stand_aside(work, leaving, "set_point", refusal)
        return
    if line.energises and work.ocv_due:
        if work.rest_voltage is None:
            _apply(work, replace(leaving, probe=True), line, _open_circuit(line, brief=True))
            return
        wrong = open_circuit_wrong(work, line)
        if wrong:
            stand_aside(work, leaving, "ocv", wrong)
            return
        work.ocv_due = ""
    program = _open_circuit(line) if line.verb in ROLES else program_of(work, line, goes_on=goes_on)
    _apply(work, leaving, line, program)


def program_of(work: Work, line: Line, *, goes_on: bool) -> Program:
    """Return the program of a line, with what the blocks around it have left where the instrument can hold it."""
    spent = Spent()
    step = work.suspended or work.step
    if goes_on and step is not None and line.mode != "Spectrum":
        spent = Spent(step.spent, passed_since(step.entry, work.last))
    program = program_for(work.plan, line.id, work.passes, work.ocv, spent, work.capabilities)
    first = program.steps[0]
    if len(program.steps) > 1 or isinstance(first, Loop):
        return program
    more = tuple(_of_blocks(work, line, spent))
    if not more:
        return program
    whole = ProgramStep(first.line, first.mode, (*more, *first.ends), first.record, first.bounds)
    return Program(program.attempt, (whole,), program.label)


def _of_blocks(work: Work, line: Line, spent: Spent) -> Iterable[Threshold]:
    """Give what the blocks around a line have left, as far as the instrument can hold it in a program of one step."""
    for asked in work.facts.recipe(line.id, work.channel).asked:
        if asked.alone and asked.depth != OWN:
            frame = work.frames[asked.depth]
            behind = Spent(frame.time + spent.time, passed_since(frame.entry, work.last))
            yield from thresholds(asked.end, code_of(asked.depth, asked.number), work.passes, work.ocv, behind)


def _open_circuit(line: Line, *, brief: bool = False) -> Program:
    ends = (Threshold("time", above=True, value=0.0, number=0),) if brief else ()
    return Program(0, (ProgramStep(line.id, Rest(), ends, line.record, line.bounds),), "open circuit")


def _apply(work: Work, leaving: Leaving, line: Line, program: Program) -> None:
    work.applied += 1
    program = Program(work.applied, program.steps, program.label)
    work.held = _held(program)
    work.leaving = leaving
    work.question = None
    work.move("leaving")
    if work.activity != "preparing":
        work.show("running")
    energises = line.energises and not leaving.probe
    work.commands.append(Apply(work.applied, "cell", program, energises))
    work.renew()


def _held(program: Program) -> Held:
    steps = program.steps
    loops = tuple((at, step.to, step.passes) for at, step in enumerate(steps) if isinstance(step, Loop))
    lines = tuple(0 if isinstance(step, Loop) else step.line for step in steps)
    return Held(program.attempt, lines, loops, 0, (0,) * len(loops))


def _mark(work: Work, line: Line) -> None:
    text = text_at(line, "text", work.passes)
    work.say("mark", text=text, step_id=line.id)
    work.commands.append(Mark(text))


# --- the open circuit -------------------------------------------------------------------------------------------------


def open_circuit_wrong(work: Work, line: Line) -> str:
    """Return what is wrong with the open circuit that was seen, "" if nothing is."""
    voltage, wanted, limits = work.rest_voltage, work.plan.ocv, line.bounds.voltage
    ranges = [wanted] if work.ocv_due == "required" else [wanted, limits]
    known = [each for each in ranges if each is not None]
    if voltage is None or not known or any(low <= voltage <= high for low, high in known):
        return ""
    texts = " or ".join(f"{low:g} V to {high:g} V" for low, high in known)
    return f"the open circuit is at {voltage:.4g} V, wanted {texts}: a wrong, dead or reversed cell?"


def _set_point_refused(work: Work, line: Line) -> str:
    """Return why a voltage against the open circuit cannot be set, "" if nothing is in the way."""
    versus = work.facts.recipe(line.id, work.channel).versus
    if versus and work.ocv is None:
        return "a voltage against the open circuit, and no rest has measured one"
    limits = line.bounds.voltage
    if not versus or limits is None:
        return ""
    program = program_for(work.plan, line.id, work.passes, work.ocv, Spent(), replace(work.capabilities, most_steps=1))
    for value in _voltages(program):
        if not limits[0] - work.plan.accuracy[0] <= value <= limits[1] + work.plan.accuracy[0]:
            return f"{value:.4g} V against the open circuit lies outside the limits {limits[0]:g} V to {limits[1]:g} V"
    return ""


def _voltages(program: Program) -> list[float]:
    """Return the voltages that a program would set or cut off at."""
    step = program.steps[0]
    if isinstance(step, Loop):
        return []
    mode = step.mode
    names = ("voltage", "start", "end") if type(mode).__name__ != "Spectrum" else ("bias",)
    found = [getattr(mode, name, None) for name in names]
    return [value for value in found if isinstance(value, float)] + [
        end.value for end in step.ends if end.quantity == "voltage"
    ]


# --- stopping and asking ----------------------------------------------------------------------------------------------


def close_now(work: Work, ending: Ending | None, way: Way | None = None) -> None:
    """Close the open step as of the last row and let cycles end, where no confirmation will follow."""
    if work.step is not None and ending is not None:
        close_step(work, ending, max(work.time, ending.time))
    if way is not None:
        pass_boundaries(work, tuple(way.boundaries))
        way.boundaries.clear()


def stand_aside(work: Work, leaving: Leaving, kind: Asked, why: str) -> None:
    """Ask before a line instead of beginning it."""
    close_now(work, leaving.ending)
    pass_boundaries(work, leaving.boundaries)
    ask(work, kind, why)


def ask(work: Work, kind: Asked, why: str) -> None:
    """Switch the output off and wait for a person."""
    if work.phase not in {"asking", "paused"}:
        work.commands.append(Off(why))
    stand_still(work, work.time)
    work.move("asking")
    work.leaving = None
    work.question = Question(kind, why)
    work.say("asked", why=why, question=kind, unblock="labctl resume")
    work.show("waiting", why, "labctl resume")
    work.renew()


def finish(work: Work, reason: EndReason, why: str) -> None:
    """Switch the output off and end the run; a cycle under way is cut short."""
    end_cycle(work, whole=False)
    work.move("ended")
    work.frames, work.line, work.leaving, work.question = (), 0, None, None
    work.say("run_ended", reason=reason, why=why, record_index=work.last.record)
    work.show(ACTIVITY.get(reason, "done"), why if reason != "done" else "", "")  # type: ignore[arg-type]
    work.commands += (Off(why), Finish(reason, why))
    work.renew()


def begin_run(work: Work) -> None:
    """Begin a plan: the first line, or the one that it goes on from."""
    work.say("run_began", name=work.plan.name, cell=work.plan.cell.name)
    work.show("preparing")
    way = Way(work)
    go_on(work, way, way.begin())
