"""The way to the next line of a plan: marks, the look at the open circuit, checks of its voltages, then its program and command.

A run that cannot go on asks: output off, an alarm, and it waits for `resume`, `skip` or `stop`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from labctl.driver import Loop, Program, ProgramStep, Rest, Threshold
from labctl.engine.condition import resolved, since
from labctl.engine.cycle import entry_of
from labctl.engine.cycle_parts import Tally
from labctl.engine.input import Apply, EndReason, Finish, Off, RaiseMark
from labctl.engine.plan_cursor import Found, PlanCursor
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Asked, Ending, HeldProgram, Leaving, Question, Unblock, passed_since
from labctl.engine.step_rules import placed
from labctl.engine.transitions import close_step, end_cycle, pass_boundaries, stand_still
from labctl.plan.holding import code_of, direction, held_of
from labctl.plan.program import Spent, text_at
from labctl.plan.program_reach import program_for
from labctl.plan.step import Line

ROLES: Final = {"bend": "stage", "temperature": "chamber"}
FROM_THEIR_BEGIN: Final = frozenset({"Sweep", "Profile", "Spectrum"})
SAFE: Final = frozenset(
    {"diverged", "unmeasured", "contradicted", "unrecorded", "unguarded"}
)  # questions that nobody foresaw
ACTIVITY: Final = {"tripped": "tripped", "failed": "failed"}


def go_on(builder: StateBuilder, cursor: PlanCursor, target: Found, ending: Ending | None = None) -> None:
    """Give the command for the line at the cursor; the open step, if there is one, ends as `ending` says."""
    while target == "line" and builder.plan_line.verb in {"mark", "nominal"}:
        if builder.plan_line.verb == "mark":
            _mark(builder, builder.plan_line)
        elif why := _measure(builder, builder.plan_line):
            close_now(builder, ending, cursor)
            ask(builder, "nominal", why)
            return
        target = cursor.onward()
    match target:
        case "line":
            approach(builder, tuple(cursor.boundaries), ending)
            return
        case "end":
            reason, why = "done", _done(builder)
        case "aborted":
            reason, why = "aborted", cursor.ended.condition.text if cursor.ended else ""
        case "met":
            close_now(builder, ending, cursor)
            ask(builder, "met", "every energised step of a whole pass had its end met at its first row")
            return
        case "unsure":
            close_now(builder, ending, cursor)
            condition = cursor.asked.condition
            text = "" if condition is None else condition.text
            why = f"whether {text} hangs on charge that may have passed while nobody was reading"
            ask(builder, "unsure", f"{why}: resume takes it for true, skip for false")
            return
    close_now(builder, ending, cursor)
    finish(builder, reason, why)  # type: ignore[arg-type]


def _done(builder: StateBuilder) -> str:
    """Return what is said at the end of a plan: by the second edition also what was not done in it."""
    sentences = ["the plan is done"]
    if builder.plan.edition > 1:
        carried, last = builder.plan.carried, builder.last
        passed = last.charging_ah > carried.charging_ah or last.discharging_ah > carried.discharging_ah
        drives = any(line.energises and line.mode != "Spectrum" for line in builder.index.lines.values())
        sentences += ["no charge passed"] if drives and not passed else []
        sentences += [str(builder.idle)] if builder.idle.count else []
    return "; ".join(sentences)


def approach(
    builder: StateBuilder,
    boundaries: tuple[tuple[str, str, int], ...],
    ending: Ending | None = None,
    *,
    goes_on: bool = False,
) -> None:
    """Give the command for the line of the position: the line itself, or first a look at the open circuit."""
    line = builder.plan_line
    if line.verb == "nominal":  # asked for again
        cursor = PlanCursor(builder)
        cursor.boundaries += boundaries  # type: ignore[arg-type]
        go_on(builder, cursor, "line", ending)
        return
    leaving = Leaving(ending, boundaries, goes_on)  # type: ignore[arg-type]
    refusal = _set_point_refused(builder, line)
    if refusal:
        stand_aside(builder, leaving, "set_point", refusal)
        return
    if line.energises and builder.ocv_due:
        if builder.rest_voltage is None:
            _apply(builder, replace(leaving, probe=True), line, _open_circuit(line, brief=True))
            return
        wrong = open_circuit_wrong(builder, line)
        if wrong:
            stand_aside(builder, leaving, "ocv", wrong)
            return
        builder.ocv_due = ""
    program = _open_circuit(line) if line.verb in ROLES else program_of(builder, line, goes_on=goes_on)
    _apply(builder, leaving, line, program)


def program_of(builder: StateBuilder, line: Line, *, goes_on: bool) -> Program:
    """Return the program of a line, with what it and the blocks around it have left.

    Nothing that energises follows in it while the open circuit is to be looked at.
    """
    spent = Spent()
    step = builder.suspended or builder.step
    if goes_on and step is not None and line.mode != "Spectrum":
        spent = Spent(step.spent, passed_since(step.entry, builder.last, builder.blind))
    elif not goes_on and line.mode not in FROM_THEIR_BEGIN:
        spent = Spent(builder.blind.next_second, builder.blind.next_ah * 3600.0)  # it may have been done unseen already
    if line.paced:  # since the pass or the run began, outages and all
        spent = Spent(builder.time - (builder.frames[-1].began if "every" in line.options else 0.0))
    behind = {
        frame.block: Spent(frame.time + spent.time, passed_since(frame.entry, builder.last, builder.blind))
        for frame in builder.frames
    }
    program = program_for(
        builder.plan,
        line.id,
        builder.passes,
        builder.ocv,
        spent,
        builder.capabilities,
        behind=behind,
        look=bool(builder.ocv_due),
    )
    first = program.steps[0]
    more = held_of(tuple(_since(builder, line)), builder.capabilities, line)
    if len(program.steps) > 1 or isinstance(first, Loop) or not more:
        return program
    return replace(program, steps=(replace(first, ends=(*more, *first.ends)),))


def _since(builder: StateBuilder, line: Line) -> Iterator[Threshold]:
    """Give the charge that a step of one direction has left until an end that counts since a mark, a cycle or a block."""
    sign = direction(line)
    for asked in builder.facts.recipe(line.id, builder.channel).asked if sign else ():
        alternatives = placed(resolved(asked.end.condition, builder.passes, builder.ocv), builder)
        for test in (tests[0] for tests in alternatives if len(tests) == 1 and tests[0].base is not None):
            now = since(test, builder.last.charging_ah, builder.last.discharging_ah)
            towards = {"charged": 1, "discharged": -1}.get(test.term.quantity, 1 if test.above else -1)
            left = test.value - now if test.above else now - test.value
            if towards == sign and left > 0.0 and (test.above or test.term.quantity == "net"):
                yield Threshold("charge", above=True, value=left, number=code_of(asked.depth, asked.number))


def _open_circuit(line: Line, *, brief: bool = False) -> Program:
    ends = (Threshold("time", above=True, value=0.0, number=0),) if brief else ()
    return Program(0, (ProgramStep(line.id, Rest(), ends, line.record, line.bounds),), "open circuit")


def _apply(builder: StateBuilder, leaving: Leaving, line: Line, program: Program) -> None:
    builder.applied += 1
    program = replace(program, attempt=builder.applied)
    builder.held = _held(program)
    builder.leaving = leaving
    builder.question = None
    builder.move("leaving")
    if builder.activity != "preparing":
        builder.show("running")
    energises = line.energises and not leaving.probe
    builder.commands.append(Apply(builder.applied, "cell", program, energises))
    builder.renew()


def _held(program: Program) -> HeldProgram:
    steps = program.steps
    loops = tuple((at, step.to, step.passes) for at, step in enumerate(steps) if isinstance(step, Loop))
    lines = tuple(0 if isinstance(step, Loop) else step.line for step in steps)
    return HeldProgram(program.attempt, lines, loops, 0, (0,) * len(loops))


def _measure(builder: StateBuilder, line: Line) -> str:
    """Let 1C and 100 % mean what a completed cycle gave; return why they cannot, "" if they do."""
    options, nominal = line.options, builder.plan.cell.nominal
    tally = builder.frames[0].tally or Tally()
    cycles = (tally.checks or Tally()).last if options["kind"] == "check" else tally.last
    wanted = [figures for figures in cycles if options["cycle"] in {0, figures.cycle}]
    if not wanted or not nominal:
        return f"no completed cycle has a {options['quantity']} that could be what 1C and 100 % mean"
    value = wanted[-1].charge if options["quantity"] == "charge_capacity" else wanted[-1].discharge
    part, low, high = value / nominal, float(options["low"]), float(options["high"])  # type: ignore[arg-type]
    if not low <= part <= high:
        return (
            f"the {options['quantity']} of cycle {wanted[-1].cycle} is {part:.1%} of the cell file's nominal capacity, "
            f"wanted {low:.0%} to {high:.0%}"
        )
    builder.nominal = part
    builder.renew()
    builder.say("result", name="nominal_capacity", value=value / 3600.0, unit="Ah", cycle_count=wanted[-1].cycle)
    return ""


def _mark(builder: StateBuilder, line: Line) -> None:
    text = text_at(line, "text", builder.passes)
    if builder.plan.edition > 1 and text in builder.facts.marks:
        builder.marks = {**builder.marks, text: entry_of(builder.last, builder.time, builder.blind)}
    builder.say("mark", text=text, step_id=line.id)
    builder.commands.append(RaiseMark(text))


# --- the open circuit -------------------------------------------------------------------------------------------------


def open_circuit_wrong(builder: StateBuilder, line: Line) -> str:
    """Return what is wrong with the open circuit that was seen, "" if nothing is."""
    voltage, wanted, limits = builder.rest_voltage, builder.plan.ocv, line.bounds.voltage
    ranges = [wanted] if builder.ocv_due == "required" else [wanted, limits]
    known = [each for each in ranges if each is not None]
    if voltage is None or not known or any(low <= voltage <= high for low, high in known):
        return ""
    texts = " or ".join(f"{low:g} V to {high:g} V" for low, high in known)
    return f"the open circuit is at {voltage:.4g} V, wanted {texts}: a wrong, dead or reversed cell?"


def _set_point_refused(builder: StateBuilder, line: Line) -> str:
    """Return why a voltage against the open circuit cannot be set, "" if nothing is in the way."""
    versus = builder.facts.recipe(line.id, builder.channel).versus
    if versus and builder.ocv is None:
        return "a voltage against the open circuit, and no rest has measured one"
    limits = line.bounds.voltage
    if not versus or limits is None:
        return ""
    program = program_for(
        builder.plan, line.id, builder.passes, builder.ocv, Spent(), replace(builder.capabilities, most_steps=1)
    )
    for value in _voltages(program):
        if not limits[0] - builder.plan.accuracy[0] <= value <= limits[1] + builder.plan.accuracy[0]:
            return f"{value:.4g} V against the open circuit lies outside the limits {limits[0]:g} V to {limits[1]:g} V"
    return ""


def _voltages(program: Program) -> list[float]:
    """Return the voltages that a program would set or cut off at."""
    step = program.steps[0]
    if isinstance(step, Loop):
        return []
    mode = step.mode
    names = ("voltage", "start", "end") if type(mode).__name__ != "Spectrum" else ("bias",)
    voltages = [getattr(mode, name, None) for name in names]
    return [value for value in voltages if isinstance(value, float)] + [
        end.value for end in step.ends if end.quantity == "voltage"
    ]


# --- stopping and asking ----------------------------------------------------------------------------------------------


def close_now(builder: StateBuilder, ending: Ending | None, cursor: PlanCursor | None = None) -> None:
    """Close the open step as of the last row and let cycles end, where no confirmation will follow."""
    if builder.step is not None and ending is not None:
        close_step(builder, ending, max(builder.time, ending.time))
    if cursor is not None:
        pass_boundaries(builder, tuple(cursor.boundaries))
        cursor.boundaries.clear()


def stand_aside(builder: StateBuilder, leaving: Leaving, kind: Asked, why: str) -> None:
    """Switch off before a line and ask a person, instead of beginning it."""
    close_now(builder, leaving.ending)
    pass_boundaries(builder, leaving.boundaries)
    ask(builder, kind, why)


def ask(builder: StateBuilder, kind: Asked, why: str) -> None:
    """Switch the output off and wait for a person."""
    if builder.phase not in {"asking", "paused"}:
        builder.commands.append(Off(why))
    stand_still(builder, builder.time)
    builder.move("asking")
    builder.leaving = None
    builder.question = Question(kind, why)
    builder.say("asked", why=why, question=kind, unblock=Unblock.RESUME)
    unforeseen = kind in SAFE and builder.plan.edition > 1
    builder.show("safe" if unforeseen else "waiting", why, Unblock.RESUME)
    builder.renew()


def finish(builder: StateBuilder, reason: EndReason, why: str) -> None:
    """Switch the output off and end the run; a cycle under way is cut short."""
    end_cycle(
        builder, whole=False, why=({"stopped": "stop", "tripped": "limit", "failed": "fault"}.get(reason, reason), why)
    )
    builder.move("ended")
    builder.frames, builder.line, builder.leaving, builder.question = (), 0, None, None
    builder.say("run_ended", reason=reason, why=why, record_index=builder.last.record)
    builder.show(ACTIVITY.get(reason, "done"), why if reason != "done" else "", "")  # type: ignore[arg-type]
    builder.commands += (Off(why), Finish(reason, why))
    builder.renew()


def begin_run(builder: StateBuilder) -> None:
    """Begin a plan: the first line, or the one that it goes on from."""
    builder.say("run_began", name=builder.plan.name, cell=builder.plan.cell.name)
    builder.show("preparing")
    cursor = PlanCursor(builder)
    go_on(builder, cursor, cursor.begin())
