"""The reference page's examples are run, and its tables name every verb, key and code."""

import re
from pathlib import Path

import pytest

from labctl.plan.check import check
from labctl.protocol.catalogue import CODES, markdown
from labctl.protocol.cellfile import load_cell, read_cell
from labctl.protocol.keys import ANALYSES, BLOCK, FILE, LIMITS, VERBS
from labctl.protocol.load import read
from labctl.station.load import read_station

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
FILES = {match[1]: match[2] for match in re.finditer(r"```csv (\S+)\n(.*?)```", PAGE, re.DOTALL)}
EXAMPLES = [
    pytest.param(match[2], bool(match[1]), id=f"line-{PAGE.count(chr(10), 0, match.start()) + 1}")
    for match in re.finditer(r"```yaml( refused)?\n(.*?)```", PAGE, re.DOTALL)
]


def library(name: str) -> str | None:
    if name in FILES or re.fullmatch(r"drive-\d\.csv", name):
        return FILES[re.sub(r"-\d", "", name)]
    path = ROOT / "protocols" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def whole(text: str) -> str:
    """Make a file of an example: steps, some keys, or a whole one."""
    if text.startswith("- "):
        return "labctl: 1\nsteps:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    head = "" if re.search(r"^labctl: 1", text, re.MULTILINE) else "labctl: 1\n"
    tail = "" if re.search(r"^steps:", text, re.MULTILINE) else "steps:\n  - rest: 1 h\n"
    return head + text + tail


def errors(text: str) -> list[str]:
    if text.startswith("labctl_cell"):
        findings = read_cell(text, "cell.yaml")[1]
    elif text.startswith("labctl_station"):
        findings = read_station(text, "station.yaml", {"simulated", "keithley2450"})[1]
    else:
        findings = check(read(whole(text), "example.yaml", library))
    return [str(finding) for finding in findings if finding.severity == "error"]


@pytest.mark.parametrize(("text", "refused"), EXAMPLES)
def test_example_is_accepted_or_refused_as_the_page_says(text: str, refused: bool):
    found = errors(text)
    assert bool(found) == refused, "\n".join(found)


@pytest.mark.parametrize("word", [*VERBS, *FILE, *BLOCK, *LIMITS, *ANALYSES])
def test_page_names_every_word(word: str):
    assert f"`{word}" in PAGE or f"{word}:" in PAGE


def test_page_of_codes_is_written_from_the_catalogue():
    assert (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8") == markdown(), (
        "write it again: labctl explain --markdown > docs/reference/errors.md"
    )


SOURCES = [
    path
    for folder in ("labctl", "labctl/protocol", "labctl/plan")
    for path in sorted((ROOT / folder).glob("*.py"))
    if not path.name.startswith("codes_")
]
FAMILY = {code.split(".")[0] for code in CODES if "." in code}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_code_in_the_source_is_in_the_catalogue(path: Path):
    found = re.findall(
        r"""(?:report|say|say_once|refused|Finding|Misread|_error)\(\s*"([a-z]+\.[a-z_]+)\"""",
        path.read_text(encoding="utf-8"),
    )
    assert {code for code in found if code.split(".")[0] in FAMILY} <= set(CODES)


CELLS = {
    "full": "kind: full\narea: 100 cm2\nnominal: {capacity: 500 mAh}\nlimits: {voltage: [2.5 V, 4.2 V], current: [-5 A, 5 A]}\n",
    "asymmetric": "kind: asymmetric\narea: 1 cm2\nlimits: {voltage: [-1 V, 1 V], current: [-5 mA, 5 mA]}\n",
}
WORKED = re.findall(r"```yaml\n(labctl: 1\n.*?)```", PAGE[PAGE.index("## Worked examples") :], re.DOTALL)


@pytest.mark.parametrize("text", WORKED, ids=lambda text: text.splitlines()[1])
def test_worked_example_can_be_planned_on_a_cell_of_its_kind(text: str):
    (kind,) = re.findall(r"requires: \{cell: (\w+)", text)
    cell = load_cell(f"labctl_cell: 1\nname: c\n{CELLS[kind]}", "c.yaml")
    assert [str(finding) for finding in check(read(text, "example.yaml", library), cell)] == []
