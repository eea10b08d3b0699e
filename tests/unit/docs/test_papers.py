"""The page of the papers' measurements: every row has its file and its cells, every number its state."""

import re
from pathlib import Path

import pytest

from labctl.analysis.catalogue import ANALYSES
from labctl.inputs import library
from labctl.report.published import read_published
from labctl.report.reproduce import papers
from labctl.run.files import read_files

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "papers.md"
ROWS = [
    f"{paper}{n}" for paper, most in (("A", 10), ("B", 21), ("C", 12), ("D", 21), ("E", 11)) for n in range(1, most + 1)
]
BESIDE = {"replicates"}  # of several runs: labctl report --compare


def table(title):
    """Return the lines of the first table below a heading."""
    below = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in below.splitlines() if line.startswith("|")
    ]
    return lines[2:]


MEASUREMENTS = table("Measurements")
NUMBERS = table("Numbers")


def test_every_measurement_has_its_line_its_file_and_its_cells():
    assert [line[0] for line in MEASUREMENTS] == ROWS
    files = {path.strip() for line in MEASUREMENTS for path in line[2].split(",")}
    assert files == {f"{path.parent.name}/{path.stem}" for path in (library() / "papers").glob("*/*.yaml")}


@pytest.mark.parametrize("line", MEASUREMENTS, ids=lambda line: line[0])
def test_a_measurement_fits_its_cells(line):
    for name in line[2].split(", "):
        for cell in line[3].split(", "):
            read_files(str(library() / "papers" / f"{name}.yaml"), str(library() / "cells" / f"{cell}.yaml"))


def test_what_has_published_numbers_says_so():
    numbered = {each.row for folder in papers().values() for each in read_published(folder)}
    assert numbered == {line[0] for line in MEASUREMENTS if line[4].startswith("numbers")}


def test_every_published_number_is_met_or_explained():
    published = {
        (each.row, each.cell, each.figure, f"{each.value:.4g} {each.unit}"): each
        for folder in papers().values()
        for each in read_published(folder)
    }
    assert {tuple(line[:4]) for line in NUMBERS} == set(published)
    for line in NUMBERS:
        number = published[tuple(line[:4])]
        assert line[6] == number.within
        assert line[7] in {"fitted", "predicted"}
        assert line[8] == (number.why or "met"), line


def test_every_protocol_and_analysis_of_the_lists_is_there():
    protocols, analyses = table("Protocols"), table("Analyses")
    assert [line[0] for line in protocols] == [f"P{n}" for n in range(1, 24)]
    assert [line[0] for line in analyses] == [f"N{n}" for n in range(1, 28)]
    assert all((library() / f"{name}.yaml").is_file() for line in protocols for name in line[2].split(", "))
    assert {name for line in analyses for name in re.split(", ", line[2])} <= set(ANALYSES) | BESIDE
