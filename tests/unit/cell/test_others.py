"""Five published sets as numbers of ours against PyBaMM's single-particle model (benchmarks/reference/others.py)."""

from pathlib import Path

import numpy as np
import pytest

import benchmarks.reference
from labctl_simulators.assembly.review import review_file
from labctl_simulators.cell import Current, Stop
from labctl_simulators.models import build_cell, load_model
from labctl_simulators.parameters import ParameterSet

STORED = Path(benchmarks.reference.__file__).with_name("others.npz")
SETS = ("OKane2022", "Ai2020", "Ramadass2004", "NCA_Kim2011", "Prada2013")


def numbers(name):
    """Return the numbers of a set in the nesting of a parameter file, and its stored discharge."""
    tree = {"reference": "Li"}
    with np.load(STORED) as stored:
        for key in stored.files:
            owner, _, path = key.partition(":")
            if owner != name or not path:
                continue
            *branches, last = path.split(".")
            branch = tree
            for step in branches:
                branch = branch.setdefault(step, {})
            branch[last] = tuple(stored[key].tolist()) if stored[key].ndim else float(stored[key])
        return tree, stored[f"{name}/time"], stored[f"{name}/voltage"]


@pytest.mark.parametrize("name", SETS)
def test_a_published_set_is_the_single_particle_model_of_its_numbers(name):
    tree, times, reference = numbers(name)
    cell = build_cell(ParameterSet(name, "insertion", "full", name, {}, tree, ()))
    state = cell.initial()
    stop = Stop("voltage", False, tree["lower_voltage"])
    segment = cell.segment(state, Current(-tree["nominal_capacity"] / 3600.0), 4000.0, [stop])
    assert segment.end > times[-1] - 1.0
    inside = times <= segment.end
    rows = segment.rows(times[inside])
    assert np.abs(rows.voltage - reference[inside]).max() < 0.35e-3


def test_the_table_of_the_manual_is_the_set_that_it_was_taken_from():
    page = (Path(__file__).resolve().parents[3] / "docs/reference/cells.md").read_text(encoding="utf-8")
    text = next(block for block in page.split("```yaml\n") if "name: nca-kim" in block).partition("```")[0]
    assert review_file(text, "nca-kim.yaml") == []
    tree, times, reference = numbers("NCA_Kim2011")
    cell = load_model("nca-kim.yaml", text=text)
    current = Current(-tree["nominal_capacity"] / 3600.0)
    segment = cell.segment(cell.initial(), current, 4000.0, [Stop("voltage", False, 2.7)])
    rows = segment.rows(times[times <= segment.end])
    assert np.abs(rows.voltage - reference[: len(rows.voltage)]).max() < 0.1e-3
