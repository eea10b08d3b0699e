"""The page about plans says what the program does."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from labctl.cli.plan import page
from labctl.driver import Bounds, Capabilities, Loop
from labctl.plan import beyond_hints
from labctl.plan.codec import CLASSES
from labctl.plan.compile import compile_plan
from labctl.plan.estimate import estimate
from labctl.plan.lint import (
    amounts,
    curve_rows,
    hardly_meant,
    one_way,
    passes,
    pulse_rows,
    step_order,
    unusual,
    watches,
)
from labctl.plan.program import Spent
from labctl.plan.program_reach import program_for
from labctl.protocol import cell_fit
from labctl.protocol.cell import Cell
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from labctl.quantity.units import display

CYCLER = Capabilities(
    modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad"}),
    ends=frozenset({"time", "voltage", "current", "charge"}),
    holds={
        "Rest": frozenset({"time>"}),
        "Galvanostatic": frozenset({"time>", "voltage~", "charge>"}),
        "Potentiostatic": frozenset({"time>", "charge>", "current<"}),
        "ConstantPower": frozenset({"time>", "voltage~", "charge>"}),
        "ConstantLoad": frozenset({"time>", "voltage<", "charge>"}),
    },
    most_steps=250,
    loops=True,
    spans=True,
)
CELL = Cell("cell", "full", area=1e-4, nominal=3.6, limits=Bounds((2.0, 4.3), (-0.02, 0.02)))
TIGHT = {"tight.yaml": "labctl: 1\nlimits: {voltage: [2.5 V, 4.1 V]}\nsteps: [{charge: {current: 1 mA, for: 1 h}}]\n"}


ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "plan.md").read_text(encoding="utf-8")
CODE = re.compile(r'"((?:cell|safety|limit|channel|ocv|voltage|each|cycle|eis|profile|plan)\.[a-z_]+)"')


FINISH = re.compile(
    r"finish    about \d{4}-\d\d-\d\d \d\d:\d\d .* if it starts now"
)  # where this runs, in its own time


def test_the_example_is_what_the_command_prints():
    protocol, cell = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    plan = compile_plan(load(protocol, "cycling.yaml"), load_cell(cell, "film.yaml"), None, None, {})
    out = io.StringIO()
    console = Console(file=out, width=110, color_system=None)
    for part in page(plan, estimate(plan), 1_800_000_000.0):
        console.print(part)
    found = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    assert FINISH.sub("finish", found) == FINISH.sub("finish", shown.rstrip("\n"))


def test_every_code_and_every_stored_class_is_on_the_page():
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "labctl" / "plan").glob("*.py"))
    missing = {code for code in CODE.findall(sources) if f"`{code}`" not in PAGE}
    missing |= {name for name in CLASSES if f"`{name}`" not in PAGE}
    assert not missing


def test_the_thresholds_of_warnings_are_those_of_the_code():
    """What decides whether somebody is told stands on the page as it is in the code."""
    language = (ROOT / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
    cold, hot = (display(value, "temperature") for value in (beyond_hints.COLDEST, beyond_hints.HOTTEST))
    assert f"below {cold} or above {hot}" in PAGE
    assert f"set to {cold} to {hot}" in language
    for words in (
        f"more than {1e3 * step_order.NEAR:g} mV from where what drove before left the cell",
        f"a charge to {1e3 * step_order.BACK:g} mV below where the charge before it ended",
        f"let {100 * one_way.UNEQUAL:g} % more be plated than stripped",
        f"a current of more than {unusual.FAST:g}C",
        f"more than {1e3 * unusual.LINEAR:g} mV, on a blocking cell {1e3 * unusual.LINEAR_BLOCKING:g} mV",
        f"one below {1e3 * unusual.SLOWEST:g} mHz",
        f"a sweep of more than {1e3 * unusual.FASTEST:g} mV/s",
        f"less than {100 * watches.LEAST:g} % of the nominal one, or of more than {watches.MOST:g} times",
        f"current limits above {cell_fit.FASTEST:g}C; more than {1e3 * cell_fit.THICKEST:g} mm of electrolyte",
        f"more than {1e3 * 3600 * unusual.STEEP:g} mV/h in a rest",
        f"rests of less than {step_order.STORED / 3600:g} h between, at {100 * step_order.AS_LARGE:g} % of its current and more",
        f"behind a hold at that voltage, at {100 * step_order.FILLED:g} %",
        f"that pass more than {passes.MORE:g} times of it together",
        f"drift by more than {one_way.DRIFT:g} times the nominal one",
        f"a `hold` until a current below C/{1 / amounts.HELD:g}",
        f"a galvanostatic one of more than {hardly_meant.DENSE / 10:g} mA/cm2",
        f"more than {1e3 * curve_rows.FINE:g} mV apart that come to fewer than {curve_rows.PLATEAUS} in each",
        f"rows of a `cv` more than {1e3 * curve_rows.FINE:g} mV apart",
        f"rows of a plating more than {curve_rows.TIP:g} s apart",
        f"fewer than {pulse_rows.FITTED} rows between {100 * pulse_rows.WINDOW[0]:g} and {100 * pulse_rows.WINDOW[1]:g} % of its time",
    ):
        assert words in PAGE, words


@pytest.mark.parametrize(("steps", "wanted"), re.findall(r"^\| `(\[.*?\])` \| (\(.*?) \|", PAGE, re.MULTILINE))
def test_programs_are_cut_as_the_table_says(steps, wanted):
    plan = compile_plan(load(f"labctl: 1\nsteps: {steps}\n", "made.yaml", TIGHT.get), CELL, CYCLER, None, {})
    assert " ".join(cut_into_programs(plan)) == wanted


def cut_into_programs(plan):
    """Every program of a plan in its order, with the steps of each at their longest."""
    todo = list(unrolled(plan.root))
    at, time = 0, {}
    while at < len(todo):
        line, passes = todo[at]
        behind = {block: Spent(seconds) for block, seconds in time.items()}
        program = program_for(plan, line, passes, 3.3, Spent(), CYCLER, behind=behind)
        loops = [step.passes for step in program.steps if isinstance(step, Loop)]
        lines = [step for step in program.steps if not isinstance(step, Loop)]
        shown = " ".join(str(step.line) for step in lines)
        yield f"({shown} x{loops[0]})" if loops else f"({shown})"
        at += len(lines) * (loops[0] if loops else 1)
        for step in lines * (loops[0] if loops else 1):
            hours = next((end.value for end in step.ends if end.quantity == "time"), 0.0)
            time = {block: time.get(block, 0.0) + hours for block in todo[at - 1][1]}


def unrolled(block, passes=()):
    for number in range(block.passes):
        inside = (*passes, (block.id, number))
        for child in block.children:
            if hasattr(child, "children"):
                yield from unrolled(child, inside)
            else:
                yield child.id, dict(inside)
