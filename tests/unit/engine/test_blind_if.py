"""An `if` whose answer lies between the least and the most charge that may have passed unseen asks a person."""

from dataclasses import replace

import pytest
from engine_world import PUPPET, Bench, charge, plan, rest, until

from labctl.engine.input import Gap
from labctl.engine.state import state_from_json, state_to_json
from labctl.plan.step import Block, Condition, Line, Term

MARK = Line(1, "mark", "Rest", options={"text": "full"})


def asked(value: float, quantity: str = "charged", comparison: str = ">=") -> Condition:
    term = Term(quantity, comparison, value, since="full")
    return Condition(f"{quantity} since full {comparison} {value:g} C", ((term,),))


def after_a_gap(condition: Condition, seconds: float = 60.0) -> Bench:
    """100 s at 0.5 A with an outage in the middle, of which the output may have been on, then the `if`."""
    block = Block(5, (rest(3, 10.0),), condition=condition)
    made = replace(plan(MARK, charge(2, 0.5, until(200.0)), block, rest(4, 20.0)), edition=2)
    bench = Bench(made, PUPPET, 1.0, piece=5).start()
    for _ in range(4):
        bench.step()
    bench.time += seconds
    bench.tell(Gap(bench.time - seconds, bench.time, "power", on_until=bench.time))
    bench.obey()
    return bench.run()


def counted(bench: Bench) -> float:
    return 3600.0 * bench.state.last.charging_ah


@pytest.mark.parametrize(("verb", "lines"), [("resume", [3, 4]), ("skip", [4])])
def test_a_person_decides_what_charge_does_not(verb, lines):
    sure = after_a_gap(asked(1e6))
    seen, most = counted(sure), counted(sure) + 3600.0 * sure.state.blind.high_ah
    assert most > seen + 20.0
    bench = after_a_gap(asked((seen + most) / 2))
    assert (bench.state.phase, bench.state.question.kind) == ("asking", "unsure")
    assert "hangs on charge that may have passed while nobody was reading" in bench.state.why
    bench.state = state_from_json(state_to_json(bench.state))  # as after a restart
    bench.order(verb)
    bench.run()
    assert bench.finish.reason == "done"
    done = [event["step_id"] for event in bench.of("step_ended") if event["step_id"] > 2]
    assert done == lines


@pytest.mark.parametrize(("value", "done"), [(5.0, [3, 4]), (1e6, [4])])
def test_what_the_interval_decides_is_not_asked(value, done):
    bench = after_a_gap(asked(value))
    assert bench.finish.reason == "done"
    assert [event["step_id"] for event in bench.of("step_ended") if event["step_id"] > 2] == done


def test_a_net_charge_may_have_gone_either_way():
    sure = after_a_gap(asked(1e6))
    bench = after_a_gap(asked(counted(sure) - 1.0, "net"))
    assert bench.state.question.kind == "unsure"


def test_a_result_of_a_cycle_with_unseen_charge_is_an_interval():
    term = Term("charge_capacity", ">=", 0.0, kind="cycles")

    def run(value: float) -> Bench:
        condition = Condition("charge_capacity", ((replace(term, value=value),),))
        cycle = Block(6, (charge(2, 0.5, until(200.0)),), cycle="true")
        made = replace(plan(cycle, Block(5, (rest(3, 10.0),), condition=condition), rest(4, 20.0)), edition=2)
        bench = Bench(made, PUPPET, 1.0, piece=5).start()
        for _ in range(4):
            bench.step()
        bench.time += 60.0
        bench.tell(Gap(bench.time - 60.0, bench.time, "power", on_until=bench.time))
        bench.obey()
        return bench.run()

    seen = counted(run(1e9))
    assert run(seen + 10.0).state.question.kind == "unsure"
    assert run(seen - 10.0).finish.reason == "done"
