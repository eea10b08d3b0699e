"""How a step ends: by an end of its own or of a block around it, by its instrument, by a limit, by a person."""

from dataclasses import replace
from typing import Final

from labctl.engine.approach import ROLES, approach, ask, close_now, finish, go_on, open_circuit_wrong
from labctl.engine.condition import Test, resolved
from labctl.engine.input import StepEnded
from labctl.engine.memory import Ending, Held
from labctl.engine.passage import close_step, note_open_circuit, open_step, pass_boundaries, stand_still
from labctl.engine.position import Found, Way, account
from labctl.engine.prepared import place_of, prepared_of
from labctl.engine.prompting import reached
from labctl.engine.recipe import OWN
from labctl.engine.results import holds
from labctl.engine.short import floored
from labctl.engine.spectrum import end_spectrum
from labctl.engine.work import Work
from labctl.plan.step import End

COMES_TO_ITS_END: Final = frozenset({"Sweep", "Profile", "Spectrum"})
AT_ONCE: Final = frozenset({"to", "until"})  # ends that can have been met before the step began


def end_by(work: Work, end: tuple[int, End | None], ending: Ending, *, met: bool, inside: bool = False) -> None:
    """End the open step by an end of the line or of the block at a depth, and go on from there.

    Args:
        work: At the row that ended it.
        end: Depth of the block, or `OWN`, and what ended it; None for the step's own end, or a person.
        ending: What is written down.
        met: It was met at the step's first row.
        inside: The instrument said so, and may go on inside its program.
    """
    step, line = work.opened, work.step_line
    note_open_circuit(work)
    if step.probe:
        approach(work, (), ending, goes_on=work.suspended is not None)
        return
    current = prepared_of(work.plan, work).set_current if work.phase == "running" else None
    if current is not None:
        work.short = floored(work.short, current, step.entry.time)
    work.windows = ()
    end_spectrum(work, whole=False)
    met = met and ending.reason in AT_ONCE
    if met:
        work.say(
            "already_met", step_count=step.count, step_id=step.line, end_reason=ending.reason, end_text=ending.text
        )
    account(work, work.step_time(ending.time), energised=line.energises, met=met)
    way = Way(work)
    found = _way_out(work, way, end, met=met)
    if inside and found == "line" and _goes_on_inside(work, way, ending):
        return
    go_on(work, way, found, ending)


def _way_out(work: Work, way: Way, end: tuple[int, End | None], *, met: bool) -> Found:
    depth, what = end
    if what is not None and what.kind == "abort_if":
        way.ended = what
        return "aborted"
    fused = [at for at, frame in enumerate(work.frames) if work.block(frame).fused]
    if depth == OWN and met and fused:
        depth = fused[0]  # the hold included
    if depth != OWN:
        way.leave(depth)
    return way.onward()


def ask_blocks(work: Work) -> None:
    """Ask the blocks around whether a result has ended them: as the last row stands."""
    for kind in ("abort_if", "stop_if"):
        for depth, frame in enumerate(work.frames):
            for end in work.block(frame).ends:
                if end.kind == kind and holds(work, end.condition, depth, work.cycle.count):
                    ending = Ending(kind, end.condition.text, work.time)
                    end_by(work, (depth, end), ending, met=False)
                    return


def trip(work: Work, why: str, reason: str) -> None:
    """Switch off and end the run: a limit was passed, or nobody can tell."""
    work.say("tripped", why=why)
    end_spectrum(work, whole=False)
    if work.leaving is not None and work.leaving.ending is not None:
        close_now(work, work.leaving.ending)
        pass_boundaries(work, work.leaving.boundaries)
    while work.step is not None:
        close_step(work, Ending(reason, why, work.time), work.time)
    finish(work, "tripped", why)


def diverge(work: Work, why: str) -> None:
    """Hold the run safe: what the instrument does is not what the plan says."""
    work.say("diverged", why=why, step_count=work.opened.count, step_id=work.opened.line)
    stand_still(work, work.time)
    ask(work, "diverged", why)


# --- ends that the instrument located ---------------------------------------------------------------------------------


def step_ended(work: Work, said: StepEnded) -> None:
    """Take the instrument's word that a step of its program ended."""
    if work.phase != "running" or said.attempt != work.held.attempt:
        return  # of a program that has been replaced
    work.last = work.last.at(said.time)
    step, line = work.opened, work.step_line
    if step.probe or line.verb in ROLES:
        if not step.probe:
            reached(work, line)
        end_by(work, (OWN, None), Ending("own", said.why, work.time), met=False)
        return
    if said.step != work.held.at:
        diverge(work, f"step {said.step} of the program ended where step {work.held.at} was running: {said.why}")
        return
    found = _named(work, said)
    if found is None:
        diverge(work, f"the instrument ended the step by itself: {said.why or 'no reason given'}")
        return
    end, ending = _outranked(work, *found)
    if line.mode == "Spectrum":
        end_spectrum(work, whole=end[1] is None)
    met = work.last.record - step.entry.first_record + 1 <= 1 and step.spent == 0.0 and end[1] is not None
    end_by(work, end, ending, met=met, inside=True)


def _named(work: Work, said: StepEnded) -> tuple[tuple[int, End | None], Ending] | None:
    """Return the end that the instrument names, None if the plan has none such."""
    line = work.step_line
    if said.end is None:
        if line.mode not in COMES_TO_ITS_END:
            return None
        return (OWN, None), Ending("own", said.why, work.time)
    depth, number = place_of(said.end)
    if depth >= len(work.frames):
        return None
    block = None if depth == OWN else work.block(work.frames[depth])
    asked = work.facts.recipe(line.id, work.channel).find(depth, number)
    if asked is None:
        return None
    end = asked.end
    plain = block is None or block.fused or end.kind in {"stop_if", "abort_if"}
    ending = Ending(end.kind if plain else "block", end.condition.text, work.time, crossed=work.time)
    alternatives = asked.fixed or resolved(end.condition, work.passes, work.ocv)
    if len(alternatives) != 1 or len(alternatives[0]) != 1:
        return (depth, end), ending
    test = alternatives[0][0]
    if block is not None and test.term.quantity in {"time", "capacity"}:
        return (depth, end), ending
    return (depth, end), Ending(
        ending.reason, ending.text, work.time, test.term.quantity, test.above, test.value, work.time
    )


def _outranked(work: Work, end: tuple[int, End | None], ending: Ending) -> tuple[tuple[int, End | None], Ending]:
    """Return the `abort_if` or `stop_if` that the located end meets as well, the first in their order, else that end.

    An instrument names one of the ends that it located at the same instant, in whatever order it has.
    """
    if ending.value is None or ending.quantity in {"time", "capacity"}:
        return end, ending
    for asked in work.facts.recipe(work.step_line.id, work.channel).asked:
        if asked.end.kind not in {"abort_if", "stop_if"}:
            continue
        for terms in asked.fixed or resolved(asked.end.condition, work.passes, work.ocv):
            if len(terms) == 1 and _implied(terms[0], ending, ending.value):
                other = replace(ending, reason=asked.end.kind, text=asked.end.condition.text)
                return (asked.depth, asked.end), other
    return end, ending


def _implied(test: Test, ending: Ending, value: float) -> bool:
    """Tell whether a value that is just reached from the side of the ending meets a test of the same quantity."""
    term = test.term
    if term.slope or term.quantity != ending.quantity:
        return False
    outward = ending.above if value >= 0.0 else not ending.above
    if term.absolute:
        return test.above and outward and abs(value) >= test.value
    return test.above == ending.above and (value >= test.value if test.above else value <= test.value)


def _goes_on_inside(work: Work, way: Way, ending: Ending) -> bool:
    """Move on inside the program where the instrument does; tell whether it did."""
    held, line = _after(work.held), work.plan_line
    if held is None or held.lines[held.at] != line.id or line.verb in {"mark", *ROLES}:
        return False
    if line.energises and work.ocv_due:
        if work.rest_voltage is None or open_circuit_wrong(work, line):
            return False
        work.ocv_due = ""
    close_step(work, ending, work.time)
    pass_boundaries(work, tuple(way.boundaries))
    work.held = held
    work.applied += 1
    work.attempt = work.applied
    open_step(work)
    return True


def _after(held: Held) -> Held | None:
    """Return the program at its next step, None at its end."""
    at, done = held.at + 1, list(held.done)
    while at < len(held.lines) and held.lines[at] == 0:
        which = next(number for number, (index, _, _) in enumerate(held.loops) if index == at)
        _, to, passes = held.loops[which]
        if done[which] + 1 < passes:
            done[which] += 1
            at = to
        else:
            done[which] = 0
            at += 1
    return replace(held, at=at, done=tuple(done)) if at < len(held.lines) else None
