"""What an instrument holds by itself never goes beyond any budget or limit of its plan, with nobody listening from any moment on."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from labctl.driver import Capabilities, Galvanostatic, Loop, Potentiostatic, Profile, ProgramStep, Spectrum, Sweep
from labctl.plan.holding import MEASURED, place_of
from labctl.plan.index import index
from labctl.plan.program import Spent, settle
from labctl.plan.program_reach import program_for
from tests.property.plan.test_plans import ALL, ENDS, OCV, compiled, protocols, some

SIDES = {
    "Rest": frozenset({"time>"}),
    "Galvanostatic": frozenset({"time>", "voltage~", "charge>"}),
    "Potentiostatic": frozenset({"time>", "charge>", "current<"}),
    "ConstantPower": frozenset({"time>", "voltage~", "charge>"}),
    "ConstantLoad": frozenset({"time>", "voltage<", "charge>"}),
}
KINDS = {
    "a cycler": Capabilities(
        modes=ALL,
        ends=ENDS,
        most_steps=30,
        loops=True,
        holds=SIDES,
        spans=True,
        limits=frozenset({"voltage", "charge"}),
    ),
    "one without CC-CV": Capabilities(modes=ALL, ends=ENDS, most_steps=30, loops=True, holds=SIDES),
    "one that locates everything": Capabilities(modes=ALL, ends=ENDS, most_steps=12, loops=True, spans=True),
    "one that only knows time": Capabilities(modes=ALL, ends=frozenset({"time"}), most_steps=9, loops=True),
}


@dataclass
class Adversary:
    """Runs a program as the instrument is told to, every step for as long as nothing in the instrument ends it."""

    plan: object
    program: object
    behind: dict
    time: dict = field(default_factory=dict)  # of each block since it was entered, s

    def run(self):
        steps, spans = self.program.steps, {span.first: span for span in self.program.spans}
        at, passes, rounds = 0, {}, 0
        while at < len(steps) and rounds < 400:
            rounds += 1
            step = steps[at]
            if isinstance(step, Loop):
                passes[at] = passes.get(at, 1) + 1
                if passes[at] <= step.passes:
                    passes = {loop: number for loop, number in passes.items() if not step.to <= loop < at}
                    at = step.to
                else:
                    at += 1
            elif at in spans:
                self.lasts(step, self.least(spans[at].ends))
                at = spans[at].last + 1
            else:
                self.lasts(step, min(self.least(step.ends), self.own(step.mode)))
                at += 1

    @staticmethod
    def own(mode):
        match mode:
            case Sweep(start, end, rate):
                return abs(end - start) / rate
            case Profile(times):
                return times[-1]
            case Spectrum():
                return 0.0
        return math.inf

    @staticmethod
    def least(ends):
        return min((end.value for end in ends if end.quantity == "time" and end.above), default=math.inf)

    def lasts(self, step, seconds):
        """A step went on for so long: no block around it may have been asked for less."""
        path = index(self.plan).paths[step.line]
        inside = {block.id for block in path}
        self.time = {block: time for block, time in self.time.items() if block in inside}
        for block in path:
            self.time[block.id] = self.time.get(block.id, self.behind.get(block.id, 0.0)) + seconds
            for end in block.ends:
                if end.kind == "for":
                    (terms,) = end.condition.any_of
                    assert self.time[block.id] <= settle(terms[0].value, {}, None) * (1 + 1e-9)


def stand(plan, passes, line, share):
    """A run that has used up a share of the time of every block around a line."""
    behind = {}
    for block in index(plan).paths[line.id]:
        budgets = [end.condition.any_of[0][0].value for end in block.ends if end.kind == "for"]
        behind[block.id] = share * min(budgets, default=0.0)
    return behind


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(text=protocols, at=st.integers(0, 100), share=st.sampled_from([0.0, 0.3, 0.9]), look=st.booleans())
def test_neware_cccv_budget_what_runs_by_itself_stays_within_every_budget_and_limit(kind, text, at, share, look):
    plan, capabilities = compiled(text), KINDS[kind]
    todo = some(plan, 60)
    line, passes = todo[at % len(todo)]
    behind = stand(plan, passes, line, share)
    spent = {block: Spent(time) for block, time in behind.items()}
    program = program_for(plan, line.id, passes, OCV, Spent(), capabilities, behind=spent, look=look)
    event(f"{min(len(program.steps), 4)} steps")
    Adversary(plan, program, behind).run()
    steps = [step for step in program.steps if isinstance(step, ProgramStep)]
    in_one_envelope(steps)
    with_every_end_held_but_the_last(plan, steps, capabilities)
    nothing_beyond_what_only_a_reader_sees(plan, program, look=look)
    the_first_step_carries_what_is_left(plan, line, program, behind, capabilities)
    spans_carry_all_ends_of_their_block(plan, program)


def in_one_envelope(steps):
    assert len({step.bounds for step in steps}) == 1


def with_every_end_held_but_the_last(plan, steps, capabilities):
    """An end that the instrument does not locate may only be that of the last step."""
    for step in steps[:-1]:
        line = index(plan).lines[step.line]
        assert {place_of(end.number)[1] for end in step.ends if end.number < 1000} == set(range(len(line.ends)))


def nothing_beyond_what_only_a_reader_sees(plan, program, *, look):
    """After the first step, or the CC-CV that is one, only a rest follows inside a block with an end that rows decide."""
    lines = index(plan).lines
    steps = program.steps
    first = 2 if program.spans and program.spans[0].first == 0 else 1
    for at, step in enumerate(steps[first:], first):
        if isinstance(step, Loop) or not lines[step.line].energises:
            continue
        assert not look
        for block in index(plan).paths[step.line]:
            seen = [end for end in block.ends if end.kind != "for"
                    and any(term.quantity in MEASURED for terms in end.condition.any_of for term in terms)]  # fmt: skip
            span = next((span for span in program.spans if span.first <= at <= span.last), None)
            assert not seen or (span is not None and block.fused)


def the_first_step_carries_what_is_left(plan, line, program, behind, capabilities):
    if "time" not in capabilities.ends:
        return
    first = program.spans[0].ends if program.spans and program.spans[0].first == 0 else program.steps[0].ends
    time = min((end.value for end in first if end.quantity == "time"), default=math.inf)
    for block in index(plan).paths[line.id]:
        for end in block.ends:
            if end.kind == "for":
                left = end.condition.any_of[0][0].value - behind[block.id]
                own = type(program.steps[0].mode).__name__ in {"Sweep", "Profile", "Spectrum"}
                assert time <= left * (1 + 1e-9) or own


def spans_carry_all_ends_of_their_block(plan, program):
    for span in program.spans:
        first, last = program.steps[span.first], program.steps[span.last]
        assert isinstance(first.mode, Galvanostatic)
        assert isinstance(last.mode, Potentiostatic)
        block = index(plan).paths[first.line][-1]
        assert {
            place_of(end.number)[1]
            for end in span.ends
            if place_of(end.number)[0] == len(index(plan).paths[first.line]) - 1
        } == set(range(len(block.ends)))
