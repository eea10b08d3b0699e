"""How a step ends: by an end of its own or of a block around it, by its instrument, by a limit, by a person."""

from dataclasses import replace
from typing import Final

from labctl.engine.condition import Test, resolved
from labctl.engine.external import reached
from labctl.engine.input import StepEnded
from labctl.engine.next_step import ROLES, approach, ask, close_now, finish, go_on, open_circuit_wrong
from labctl.engine.plan_cursor import Found, PlanCursor, account
from labctl.engine.result_conditions import holds
from labctl.engine.short import with_floor
from labctl.engine.spectrum import begin_spectrum, end_spectrum
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Ending, HeldProgram, Over
from labctl.engine.step_rules import prepared_of
from labctl.engine.transitions import close_step, note_open_circuit, open_step, pass_boundaries, stand_still
from labctl.plan.holding import OWN, place_of
from labctl.plan.step import End, Line

COMES_TO_ITS_END: Final = frozenset({"Sweep", "Profile", "Spectrum"})
MOST_IDLE: Final = 12  # numbers of steps that did nothing, of which the end of a run tells
AT_ONCE: Final = frozenset({"to", "until"})  # ends that can have been met before the step began


def end_by(
    builder: StateBuilder, end: tuple[int, End | None], ending: Ending, *, met: bool, inside: bool = False
) -> None:
    """End the open step by an end of the line or of the block at a depth, and go on from there.

    Args:
        builder: At the row that ended it.
        end: Depth of the block, or `OWN`, and what ended it; None for the step's own end, or a person.
        ending: What is written down.
        met: It was met at the step's first row.
        inside: The instrument said so, and may go on inside its program.
    """
    step, line = builder.opened, builder.step_line
    note_open_circuit(builder)
    if step.probe:
        approach(builder, (), ending, goes_on=builder.suspended is not None)
        return
    current = prepared_of(builder.plan, builder).set_current if builder.phase == "running" else None
    if current is not None:
        celsius = builder.last.temperature if builder.plan.edition > 1 else None
        builder.short = with_floor(builder.short, current, step.entry.time, celsius)
    builder.windows = ()
    end_spectrum(builder, whole=False)
    met = met and ending.reason in AT_ONCE
    if any(line.overshoot) and ending.reason in AT_ONCE and ending.quantity == "voltage" and builder.over is None:
        builder.over = Over(ending.time, 0, 1 if ending.above else -1)
    if met:
        builder.say(
            "already_met", step_count=step.count, step_id=step.line, end_reason=ending.reason, end_text=ending.text
        )
        if builder.plan.edition > 1 and not _is_followed_by_its_hold(builder):
            builder.idle = builder.idle.with_step(step.count, MOST_IDLE)
    account(builder, builder.step_time(ending.time), energised=line.energises, met=met)
    cursor = PlanCursor(builder)
    target = _way_out(builder, cursor, end, met=met)
    if inside and target == "line" and _goes_on_inside(builder, cursor, ending):
        return
    go_on(builder, cursor, target, ending)


def _is_followed_by_its_hold(builder: StateBuilder) -> bool:
    """Tell whether the open step is the first part of one whose second is yet to come."""
    block = builder.index.paths[builder.opened.line][-1]
    return block.fused and block.children[0] is builder.step_line and builder.step_line.mode != "Sweep"


def _way_out(builder: StateBuilder, cursor: PlanCursor, end: tuple[int, End | None], *, met: bool) -> Found:
    depth, what = end
    if what is not None and what.kind == "abort_if":
        cursor.ended = what
        return "aborted"
    fused = [at for at, frame in enumerate(builder.frames) if builder.block(frame).fused]
    if depth == OWN and met and fused and builder.plan.edition == 1:
        depth = fused[0]  # the hold included; by the second edition it is always entered
    if depth != OWN:
        cursor.leave(depth)
    return cursor.onward()


def ask_blocks(builder: StateBuilder) -> None:
    """Ask the blocks around whether a result has ended them: as the last row stands."""
    for kind in ("abort_if", "stop_if"):
        for depth, frame in enumerate(builder.frames):
            for end in builder.block(frame).ends:
                if end.kind == kind and holds(builder, end.condition, depth, builder.cycle.counted):
                    ending = Ending(kind, end.condition.text, builder.time)
                    end_by(builder, (depth, end), ending, met=False)
                    return


def trip(builder: StateBuilder, why: str, reason: str) -> None:
    """Switch off and end the run: a limit was passed, or nobody can tell."""
    builder.say("tripped", why=why)
    end_spectrum(builder, whole=False)
    if builder.leaving is not None and builder.leaving.ending is not None:
        close_now(builder, builder.leaving.ending)
        pass_boundaries(builder, builder.leaving.boundaries)
    while builder.step is not None:
        close_step(builder, Ending(reason, why, builder.time), builder.time)
    finish(builder, "tripped", why)


def diverge(builder: StateBuilder, why: str) -> None:
    """Hold the run safe: what the instrument does is not what the plan says."""
    builder.say("diverged", why=why, step_count=builder.opened.count, step_id=builder.opened.line)
    stand_still(builder, builder.time)
    ask(builder, "diverged", why)


# --- ends that the instrument located ---------------------------------------------------------------------------------


def step_ended(builder: StateBuilder, word: StepEnded) -> None:
    """Take the instrument's word that a step of its program ended."""
    if builder.phase != "running" or word.attempt != builder.held.attempt:
        return  # of a program that has been replaced
    builder.last = builder.last.at(word.time)
    step, line = builder.opened, builder.step_line
    if step.probe or line.verb in ROLES:
        if not step.probe:
            reached(builder, line)
        end_by(builder, (OWN, None), Ending("own", word.why, builder.time), met=False)
        return
    if word.step != builder.held.at:
        diverge(builder, f"step {word.step} of the program ended where step {builder.held.at} was running: {word.why}")
        return
    named = _named(builder, word)
    if named is None:
        diverge(builder, f"the instrument ended the step by itself: {word.why or 'no reason given'}")
        return
    end, ending = _outranked(builder, *named)
    if line.mode == "Spectrum":
        end_spectrum(builder, whole=end[1] is None)
    met = builder.last.record - step.entry.first_record + 1 <= 1 and step.spent == 0.0 and end[1] is not None
    end_by(builder, end, ending, met=met, inside=True)


def _named(builder: StateBuilder, word: StepEnded) -> tuple[tuple[int, End | None], Ending] | None:
    """Return the end that the instrument names, None if the plan has none such."""
    line = builder.step_line
    if word.end is None:
        if line.mode not in COMES_TO_ITS_END:
            return None
        return (OWN, None), Ending("own", word.why, builder.time)
    depth, number = place_of(word.end)
    if depth >= len(builder.frames):
        return None
    block = None if depth == OWN else builder.block(builder.frames[depth])
    asked = builder.facts.recipe(line.id, builder.channel).find(depth, number)
    if asked is None:
        return None
    end = asked.end
    plain = block is None or block.fused or end.kind in {"stop_if", "abort_if", "until"}
    ending = Ending(end.kind if plain else "block", end.condition.text, builder.time, crossed=builder.time)
    alternatives = asked.fixed or resolved(end.condition, builder.passes, builder.ocv)
    if len(alternatives) != 1 or len(alternatives[0]) != 1:
        return (depth, end), ending
    test = alternatives[0][0]
    if block is not None and test.term.quantity in {"time", "capacity"}:
        return (depth, end), ending
    return (depth, end), Ending(
        ending.reason, ending.text, builder.time, test.term.quantity, test.above, test.value, builder.time
    )


def _outranked(
    builder: StateBuilder, end: tuple[int, End | None], ending: Ending
) -> tuple[tuple[int, End | None], Ending]:
    """Return the `abort_if` or `stop_if` that the located end meets as well, the first in their order, else that end.

    An instrument names one of the ends that it located at the same instant, in whatever order it has.
    """
    if ending.value is None or ending.quantity in {"time", "capacity"}:
        return end, ending
    for asked in builder.facts.recipe(builder.step_line.id, builder.channel).asked:
        if asked.end.kind not in {"abort_if", "stop_if"}:
            continue
        for terms in asked.fixed or resolved(asked.end.condition, builder.passes, builder.ocv):
            if len(terms) == 1 and _implied(terms[0], ending, ending.value):
                other = replace(ending, reason=asked.end.kind, text=asked.end.condition.text)
                return (asked.depth, asked.end), other
    return end, ending


def _implied(test: Test, ending: Ending, value: float) -> bool:
    """Tell whether a value that is just reached from the side of the ending meets a test of the same quantity."""
    term = test.term
    if term.slope or term.dwell or term.quantity != ending.quantity:
        return False  # of what must last, the rows before the end know whether it has
    outward = ending.above if value >= 0.0 else not ending.above
    if term.absolute:
        return test.above and outward and abs(value) >= test.value
    return test.above == ending.above and (value >= test.value if test.above else value <= test.value)


def _goes_on_inside(builder: StateBuilder, cursor: PlanCursor, ending: Ending) -> bool:
    """Move on inside the program where the instrument does; tell whether it did."""
    line = builder.plan_line
    ahead = _past_hold(builder, _after(builder.held), line.id)
    if ahead is None or ahead.lines[ahead.at] != line.id or line.verb in {"mark", *ROLES}:
        return False
    if line.energises and builder.ocv_due:
        if builder.rest_voltage is None or open_circuit_wrong(builder, line):
            return False
        builder.ocv_due = ""
    close_step(builder, ending, builder.time)
    pass_boundaries(builder, tuple(cursor.boundaries))
    builder.held = ahead
    builder.applied += 1
    builder.attempt = builder.applied
    open_step(builder)
    if builder.step_line.mode == "Spectrum":
        begin_spectrum(builder)
    return True


def _past_hold(builder: StateBuilder, program: HeldProgram | None, line: int) -> HeldProgram | None:
    """Return the program past the hold of a CC-CV, where the end of both has ended its current: the instrument goes on so, too."""
    path = builder.index.paths[builder.opened.line]
    if program is None or program.lines[program.at] == line or not path[-1].fused:
        return program
    rest = {child.id for child in path[-1].children if isinstance(child, Line)}
    return _after(program) if program.lines[program.at] in rest else program


def _after(program: HeldProgram) -> HeldProgram | None:
    """Return the program at its next step, None at its end."""
    at, done = program.at + 1, list(program.done)
    while at < len(program.lines) and program.lines[at] == 0:
        which = next(number for number, (index, _, _) in enumerate(program.loops) if index == at)
        _, to, passes = program.loops[which]
        if done[which] + 1 < passes:
            done[which] += 1
            at = to
        else:
            done[which] = 0
            at += 1
    return replace(program, at=at, done=tuple(done)) if at < len(program.lines) else None
