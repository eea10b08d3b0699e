"""The page of the analyses says of each its formula, unit, flags and source, and the numbers that the code has."""

import re
from pathlib import Path

import pytest

from labctl.analysis import capacity, gitt, pulse, rate, symmetric, window
from labctl.analysis.catalogue import ANALYSES
from labctl.engine.cycle import ONE_SIDED, OWN_ENDS
from labctl.protocol import keys
from tests.unit.analysis import intervals

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "analyses.md").read_text(encoding="utf-8")
UNIT = Path(__file__).parents[1] / "analysis"
EVERY = TEXT.partition("\n## What all of them hold to\n")[2].partition("\n## ")[0]


def section(name):
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_every_analysis_names_formula_unit_flags_and_source(name):
    text = section(name)
    for word in ("Formula", "Unit", "Flags", "Source"):
        assert f"- **{word}.** " in text, word
    for option in keys.ANALYSES[name]:
        assert f"`{option}`" in text


def figures():
    """Return the lines of the table of figures and their tests."""
    lines = [line for line in section("Every figure and its tests").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


FIGURES = figures()
TESTED = {
    name
    for file in UNIT.glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_figure_of_merit_and_every_analysis_has_its_line():
    assert [line[0] for line in FIGURES if line[0]] == [f"N{n}" for n in range(1, 28)]
    assert {name for line in FIGURES for name in line[2].split(", ")} == {*ANALYSES, "replicates"}


@pytest.mark.parametrize("line", FIGURES, ids=lambda line: line[1])
def test_a_figure_has_its_truth_and_its_interval_or_why_it_has_none(line):
    _, _, _, truths, interval, coverages = line
    assert set(truths.split(", ")) <= TESTED
    if coverages == "-":
        assert len(interval) > 15
        return
    assert all(callable(getattr(intervals, name)) for name in coverages.split(", "))
    assert {name for name in coverages.split(", ") if name != "of_circuit"} <= {
        each.__name__ for each in intervals.LINES
    }


def test_the_numbers_are_those_of_the_code():
    assert f"within {100 * rate.SAME:g} %" in EVERY
    assert f"{1e3 * capacity.SMALL:g} mAh" in EVERY
    assert {word for word in OWN_ENDS if word != "own"} <= {word.strip("`(),") for word in EVERY.split()} | {"until"}
    assert f"more than {ONE_SIDED:g} times" in section("capacity")
    assert f"below {1e3 * symmetric.GONE:g} mV within {symmetric.AT_ONCE:g} s" in section("ccd")
    assert f"longer than {gitt.LONG:g} L2/D" in section("gitt")
    assert f"less than {1e3 * gitt.FLAT:g} mV" in section("gitt")
    assert f"more than {1e3 * gitt.DRIFT:g} mV/h" in section("gitt")
    assert f"fewer than {gitt.FEWEST} rows" in section("gitt")
    assert f"from {100 * gitt.WINDOW[0]:g} to {100 * gitt.WINDOW[1]:g} %" in section("gitt")
    assert f"default {pulse.LONGEST:g}" in section("dcir")
    assert f"more than {1e3 * pulse.LATE:g} ms" in section("dcir")
    assert f"default {window.THRESHOLD:g}" in section("window")
    assert "default 80 %" in section("retention")
    assert "default 3" in section("rate")
