"""Files that are named with references: `file: dst-$(n).csv`, `use: $formation`."""

import pytest

from labctl.plan.check import check
from labctl.plan.compile import compile_plan
from labctl.plan.index import walk
from labctl.protocol.load import load, read

TABLE = "time / s,current / mA\n0,{}\n60,0\n"
FILES = {
    "dst-1.csv": TABLE.format(1), "dst-2.csv": TABLE.format(2), "hot.csv": TABLE.format(3),
    "gentle.yaml": "labctl: 1\nparams: {rate: C/10}\nsteps:\n  - charge: {current: $rate, to: 4 V, for: 20 h}\n",
    "hard.yaml": "labctl: 1\nparams: {rate: 1C}\nsteps:\n  - cycle: true\n    steps: [{charge: {current: $rate, to: 4 V, for: 2 h}}]\n",
    "deep.yaml": "labctl: 1\nparams: {table: dst-1.csv}\nsteps:\n  - profile: {file: $table, positive: charge}\n",
    "broken.yaml": "labctl: 1\nsteps:\n  - charge: {current: 4 V}\n",
}  # fmt: skip


def values(made):
    return [line.settings["values"][0] for _, line in walk(made.root) if line.mode == "Profile"]


def test_a_table_is_named_by_a_loop_variable(plan):
    made = plan("- each: {n: [1, 2]}\n  steps: [{profile: {file: dst-$(n).csv, positive: charge}}]", files=FILES)
    assert values(made) == pytest.approx([1e-3, 2e-3])
    assert {"dst-1.csv", "dst-2.csv"} <= {name for name, _ in made.sources}


def test_a_table_is_named_by_a_parameter_and_by_set(plan):
    steps = "- profile: {file: $table, positive: charge}"
    assert values(plan(steps, head="params: {table: dst-1.csv}\n", files=FILES)) == pytest.approx([1e-3])
    changed = plan(steps, head="params: {table: dst-1.csv}\n", files=FILES, values={"table": "hot.csv"})
    assert values(changed) == pytest.approx([3e-3])


def test_a_used_file_is_named_by_a_parameter(plan):
    steps = "- use: $which"
    made = plan(steps, head="params: {which: gentle}\n", files=FILES)
    assert [line.settings["current"] for _, line in walk(made.root)] == pytest.approx([1e-4])
    made = plan(steps, head="params: {which: gentle}\n", files=FILES, values={"which": "hard"})
    assert [block.cycle for block in made.root.children[0].children] == ["true"]


def test_a_used_file_may_name_its_own_table_with_what_it_is_given(plan):
    made = plan("- each: {n: [1, 2]}\n  steps: [{use: deep, with: {table: dst-$(n).csv}}]", files=FILES)
    assert values(made) == pytest.approx([1e-3, 2e-3])


def test_cycles_of_each_pass_stay_cycles(plan):
    made = plan(
        "- each: {n: [1, 2]}\n  cycle: true\n  steps: [{profile: {file: dst-$(n).csv, positive: charge}}]", files=FILES
    )
    outer = made.root.children[0]
    assert (outer.cycle, [block.cycle for block in outer.children]) == (None, ["true", "true"])


@pytest.mark.parametrize(
    ("given", "code"),
    [("missing", "use.missing"), ("../gentle", "use.name"), ("broken", "unit.kind")],
)
def test_what_is_wrong_with_a_file_that_is_named_late_is_found(refused, given, code):
    found = refused("- use: $which", head="params: {which: gentle}\n", files=FILES, values={"which": given})
    assert code in [finding.code for finding in found]


def test_a_table_beside_that_is_not_there_is_found_at_its_reference(refused):
    (found,) = refused("- profile: {file: dst-$(n).csv, positive: charge}", head="params: {n: 7}\n", files=FILES)
    assert (found.code, found.mark.line) == ("profile.missing", 4)


def test_a_name_that_waits_for_a_value_is_no_error_without_a_cell():
    text = "labctl: 1\nparams: {which: required}\nsteps:\n  - use: $which\n"
    assert check(read(text, "p.yaml", FILES.get)) == ()


class Shelf(dict):
    """Files that can be listed."""

    def __call__(self, name):
        return self.get(name)

    def names(self, ending):
        return [name for name in self if name.endswith(ending)]


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("use: gentel", "did you mean gentle?"),
        ("profile: {file: dst_1.csv, positive: charge}", "did you mean dst-1.csv?"),
    ],
)
def test_a_name_that_is_nearly_right_is_told(step, hint):
    (found,) = read(f"labctl: 1\nsteps:\n  - {step}\n", "p.yaml", Shelf(FILES)).findings
    assert found.hint == hint


def test_plans_of_one_loaded_file_are_the_same():
    text = "labctl: 1\nparams: {n: 1}\nlimits: {voltage: [2 V, 4.3 V]}\nsteps:\n  - profile: {file: dst-$(n).csv, positive: charge}\n"
    loaded = load(text, "p.yaml", FILES.get)
    from tests.unit.plan.conftest import FULL  # noqa: PLC0415

    assert compile_plan(loaded, FULL, None, None, {}) == compile_plan(loaded, FULL, None, None, {})
