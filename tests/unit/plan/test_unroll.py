"""An `each` that sets a count is written out; what is done is the same as in blocks written by hand."""

import pytest

from labctl.plan.description import drawn
from labctl.plan.index import walk
from labctl.plan.outside import Outside
from labctl.plan.program import mode_for


def done(made):
    """Return the verb and current of every line in the order in which it is done, loops included."""
    return list(_done(made.root, {}))


def _done(block, passes):
    for number in range(block.passes):
        inner = {**passes, block.id: number}
        for child in block.children:
            if hasattr(child, "children"):
                yield from _done(child, inner)
            else:
                yield child.verb, getattr(mode_for(child, inner, None), "current", None)


RATES = """
- name: rates
  each: {j: [0.1C, 0.5C, 1C], n: [1, 2, 3]}
  steps:
    - name: $n cycles at $j
      repeat: $n
      cycle: true
      steps:
        - charge: {current: $j, to: 4.1 V, for: 15 h}
        - discharge: {current: $j, to: 3 V, for: 15 h}
"""


def test_as_many_cycles_at_each_rate_as_the_list_says(plan):
    made = plan(RATES.strip())
    by_hand = plan(
        "".join(
            f"- repeat: {count}\n  cycle: true\n  steps:\n"
            f"    - charge: {{current: {rate}, to: 4.1 V, for: 15 h}}\n    - discharge: {{current: {rate}, to: 3 V, for: 15 h}}\n"
            for rate, count in (("0.1C", 1), ("0.5C", 2), ("1C", 3))
        ).strip()
    )
    assert done(made) == done(by_hand)
    rates = made.root.children[0]
    assert [one.children[0].name for one in rates.children] == [
        "1 cycles at 0.1C",
        "2 cycles at 0.5C",
        "3 cycles at 1C",
    ]


def test_a_count_of_a_loop_around_a_loop(plan):
    made = plan(
        "- each: {a: [1, 2]}\n  steps:\n  - each: {b: [$a, 3]}\n    steps:\n    - repeat: $b\n      steps: [{rest: 1 h}]"
    )
    assert len(done(made)) == 1 + 3 + 2 + 3


def test_the_ends_of_the_block_stay_with_it_and_each_pass_is_its_cycle(plan):
    made = plan(
        "- each: {w: [1 min, 10 min]}\n  cycle: true\n  for: 9 h\n  abort_if: temperature > 50 degC\n  steps:\n"
        "  - rest: {for: 1 h, until: abs(dV/dt) < 1 mV/h over $w}\n  - charge: {current: C/10, to: 4 V, for: 15 h}"
    )
    (outer,) = made.root.children
    assert [end.kind for end in outer.ends] == ["abort_if", "for"]
    assert outer.cycle is None
    assert [(one.cycle, one.passes, one.ends) for one in outer.children] == [("true", 1, ()), ("true", 1, ())]


def test_a_loop_that_can_stay_one_does(plan):
    made = plan("- each: {j: [0.1C, 0.5C]}\n  steps:\n  - charge: {current: $j, to: 4.1 V, for: 15 h}")
    assert len(list(walk(made.root))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "- each: {n: [1, 2], v: [3 V, 3.5 V]}\n  stop_if: voltage > $v\n  steps:\n  - repeat: $n\n    steps: [{rest: 1 h}]",
        "- each: {n: {from: 1, to: 65, by: 1}}\n  steps:\n  - repeat: $n\n    steps: [{rest: 1 h}]",
    ],
)
def test_what_cannot_be_written_out_is_refused(refused, text):
    assert {one.code for one in refused(text)} == {"each.fixed"}


def test_a_parameter_decides_about_a_block_when_the_plan_is_made(plan):
    steps = "- if: $mode = ocv\n  steps: [{rest: 1 min}]\n- if: $mode is hold\n  steps: [{rest: 2 min}]\n- if: $n = 3\n  steps: [{rest: 3 min}]"
    head = "params: {mode: ocv, n: 3}\n"
    assert [block.passes for block in plan(steps, head=head).root.children] == [1, 0, 1]
    other = plan(steps, head=head, values={"mode": "hold", "n": "4"})
    assert [block.passes for block in other.root.children] == [0, 1, 0]


def test_a_choice_inside_a_loop_is_written_out_for_each_pass(plan):
    steps = "- each: {m: [ocv, hold]}\n  steps:\n  - if: $m = ocv\n    steps: [{rest: 1 min}]"
    (outer,) = plan(steps).root.children
    assert [one.children[0].passes for one in outer.children] == [1, 0]


def test_a_draw_is_the_same_for_the_same_seed_and_stored_in_the_plan(plan):
    def values(more=""):
        made = plan(
            f"- each: {{j: {{pick: [1 mA, 2 mA, 3 mA], times: 40{more}}}}}\n  steps:\n  - charge: {{current: $j, for: 1 min}}"
        )
        (block,) = made.root.children
        return block.children[0].settings["current"].values

    assert values(", seed: 0") == values(", seed: 0") != values(", seed: 7")
    assert set(values(", seed: 0")) == {1e-3, 2e-3, 3e-3}


def test_without_a_seed_one_is_drawn_and_told(plan):
    """`plan` and `start` print it, the plan stores it, and written into the file it draws the same again."""
    steps = "- each: {{j: {{pick: [1 mA, 2 mA, 3 mA], times: 40{more}}}}}\n  steps: [{{charge: {{current: $j, for: 1 min}}}}]"
    one, other = (plan(steps.format(more=""), outside=Outside(seed)).root.children[0] for seed in (1, 2))
    assert one.variables != other.variables
    assert list(drawn(one)) == [
        f"j is drawn with the seed {one.seeds['j']}: write seed: {one.seeds['j']} to draw the same again"
    ]
    (again,) = plan(steps.format(more=f", seed: {one.seeds['j']}"), outside=Outside(3)).root.children
    assert again.variables == one.variables
    assert not list(drawn(again))


def test_two_draws_of_one_plan_are_not_the_same(plan):
    draws = "each: {j: {pick: [1 mA, 2 mA], times: 60}}\n  steps: [{charge: {current: $j, for: 1 min}}]"
    first, second = plan(f"- {draws}\n- {draws}").root.children
    assert first.variables != second.variables


@pytest.mark.parametrize(("times", "more", "accepted"), [(2, "", False), (9, "", False), (2, ", seed: 7", True)])
def test_whatever_may_be_drawn_is_held_against_the_limits(refused, times, more, accepted):
    """What a start draws is not known when a file is checked; with a seed it is."""
    draws = f"each: {{j: {{pick: [1 mA, 2 mA, 3 mA, 20 mA, 4 mA], times: {times}{more}}}}}"
    found = refused(f"- {draws}\n  steps: [{{charge: {{current: $j, for: 1 min}}}}]")
    assert [one.code for one in found] == ([] if accepted else ["limit.set_point"])
