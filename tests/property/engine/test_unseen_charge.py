"""Charge that flows while nobody reads lies inside the interval, and no budget is passed by interrupting a step."""

from dataclasses import dataclass, field

import pytest
from engine_world import PUPPET, Bench, charge, hold, plan, rest, until
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.driver import ProgramStep
from labctl.engine.input import Apply, Gap
from labctl.engine.state import state_from_json, state_to_json

ROUNDING = 1e-6  # C


@dataclass
class Killed(Bench):
    """A channel whose daemon is killed now and then, with the charge that truly flowed in each line of the plan."""

    truth: dict[int, float] = field(default_factory=dict)
    longest: float = 0.0  # s that a current flowed unseen

    def _back(self, state):
        line = self._line()
        if line is not None:
            self.truth[line] = self.truth.get(line, 0.0) + abs(state[1] - self.cell.charge)
        super()._back(state)

    def obey(self):
        super().obey()
        self.fresh = False  # a poll after the set-point, not at it

    def _line(self):
        step = self.program.steps[self.at] if self.program else None
        return step.line if isinstance(step, ProgramStep) else None

    def kill(self, unseen: int, slack: float, away: float, applied: bool) -> None:
        """Rows are measured that nobody stores, the output goes off, and the daemon comes back after a while."""
        for command in self.commands:
            if isinstance(command, Apply) and applied:
                self.program, self.at, self.fresh = command.program, 0, True
                self.began = self.step_began = self.time
        self.commands.clear()
        if unseen:
            self.longest = max(self.longest, unseen * self.every)
            _, _, states = self.measure(unseen, locate=False)
            self._back(states[-1])
        off = self.time
        self.program, self.time = None, self.time + slack + away
        self.state = state_from_json(state_to_json(self.state))
        last = self.state.last
        self.counters = (last.charging_ah, last.discharging_ah)
        self.tell(Gap(last.time, max(self.time, last.time), "killed", on_until=off + slack))

    def live(self, rows: int, obey: bool) -> None:
        """Measure some rows; leave the command that they call for undone if so wanted."""
        batch, _, states = self.measure(rows)
        taken = self.tell(batch).taken
        self._back(states[max(taken, 1) - 1])
        if obey:
            self.obey()


lines = st.lists(
    st.one_of(
        st.builds(lambda i, s: ("charge", i, until(s)), st.sampled_from([0.5, -0.4, 0.1]), st.floats(2.0, 15.0)),
        st.builds(lambda i, q: ("charge", i, until(None, "", q)), st.sampled_from([0.5, -0.4]), st.floats(1.0, 6.0)),
        st.builds(lambda v, s: ("hold", v, until(s)), st.sampled_from([3.6, 3.8]), st.floats(2.0, 10.0)),
        st.builds(lambda s: ("rest", 0.0, until(s)), st.floats(1.0, 3.0)),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip
kills = st.lists(
    st.tuples(
        st.integers(1, 8), st.booleans(), st.integers(0, 3), st.floats(0.0, 1.5), st.floats(0.0, 30.0), st.booleans()
    ),
    max_size=14,
)  # fmt: skip


def made(number, verb, value, ends):
    if verb == "rest":
        return rest(number, float(ends[-1].condition.any_of[0][0].value))
    return charge(number, value, ends) if verb == "charge" else hold(number, value, *ends)


@settings(max_examples=150, deadline=None)
@given(lines, kills)
def test_the_true_charge_lies_inside_the_interval_of_every_step_and_no_budget_is_passed(lines, kills):
    the_plan = plan(*(made(number, *each) for number, each in enumerate(lines, 1)))
    bench = Killed(the_plan, PUPPET, 1.0, piece=3)
    bench.start()
    for rows, obey, unseen, slack, away, applied in kills:
        if bench.finish or bench.state.phase == "asking":
            break
        if bench.program is None and not bench.commands:
            bench.obey()
        bench.live(rows, obey)
        if bench.finish:
            break
        bench.kill(unseen, slack, away, applied)
        if obey:
            bench.obey()
    bench.obey()
    bench.run()
    for step in bench.of("step_ended"):
        number = int(step["step_id"])
        if step["step_type"] == "rest":
            continue
        counted = (step["charging_capacity_ah"] + step["discharging_capacity_ah"]) * 3600.0
        low, high = (3600.0 * step.get(f"blind_charge_{side}_ah", 0.0) for side in ("low", "high"))
        true = bench.truth.get(number, 0.0)
        assert counted + low - ROUNDING <= true <= counted + high + ROUNDING, (number, true, counted, low, high)
        line = next(child for child in the_plan.root.children if child.id == number)
        if line.mode == "Galvanostatic":
            current = abs(float(line.settings["current"]))
            end = line.ends[-1].condition.any_of[0][0]
            budget = float(end.value) * (current if end.quantity == "time" else 1.0)
            beyond = bench.every + bench.longest  # one row, and the one outage in which the budget ran out
            assert true <= budget + current * beyond + ROUNDING, (number, true, budget)


def test_a_step_whose_budget_may_be_used_up_is_not_energised_again():
    bench = Killed(plan(charge(1, 0.5, until(2.0)), rest(2, 5.0)), PUPPET, 1.0).start()
    bench.live(1, obey=True)
    bench.kill(3, 0.0, 1.0, applied=False)
    assert [command.energises for command in bench.commands if isinstance(command, Apply)] == [False]
    bench.obey()
    bench.run()
    (step,) = (each for each in bench.of("step_ended") if each["step_id"] == 1)
    assert (step["end_reason"], step["blind_charge_high_ah"]) == ("for", pytest.approx(0.5 * 3.0 / 3600.0, rel=1e-4))


def test_a_step_that_may_have_been_done_before_it_was_confirmed_is_asked_for():
    bench = Killed(plan(rest(1, 1.0), charge(2, 0.5, until(2.0))), PUPPET, 1.0).start()
    while not (bench.commands and bench.commands[0].energises):
        bench.live(1, obey=False)
        if bench.commands and not bench.commands[0].energises:
            bench.obey()
    bench.kill(3, 0.0, 1.0, applied=True)
    assert (bench.state.phase, bench.state.activity) == ("asking", "waiting")
    assert "may have been done while nobody was reading" in bench.state.why
