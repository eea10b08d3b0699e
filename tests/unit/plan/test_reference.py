"""The page about plans says what the program does."""

import io
import re
from pathlib import Path

from rich.console import Console

from labctl.cli.plan import page
from labctl.plan.codec import CLASSES
from labctl.plan.compile import compile_plan
from labctl.plan.estimate import estimate
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load

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
