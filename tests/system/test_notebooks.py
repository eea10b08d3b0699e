"""The notebooks of the documentation: the commands they begin with, then every cell, on what those commands made."""

import json
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from labctl.cli.main import main

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


class Executed:
    """A notebook that was executed in a folder."""

    def __init__(self, file):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        shell = "".join(cells[0]["source"]).split("```sh\n")[1].split("```")[0]
        for line in shell.splitlines():
            words = shlex.split(line)
            assert words[0] == "labctl"
            assert main(words[1:]) == 0
        self.names = {}
        for cell in cells:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []  # nobody reads figures that no run has made
                exec("".join(cell["source"]), self.names)


@pytest.fixture
def pictures(monkeypatch):
    """What the notebook shows: titles of the axes, figure by figure."""
    shown = []

    def show():
        shown.append([axes.get_xlabel() for number in plt.get_fignums() for axes in plt.figure(number).axes])
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    return shown


@pytest.fixture
def executed(request, tmp_path, monkeypatch, pictures):
    del pictures
    monkeypatch.chdir(tmp_path)
    return Executed(FOLDER / f"{request.param}.ipynb").names


def test_every_notebook_is_executed():
    assert [file.stem for file in NOTEBOOKS] == ["cycling", "rates", "spectra"]


@pytest.mark.parametrize("executed", ["cycling"], indirect=True)
def test_capacities_read_from_the_rows_are_those_of_the_journal(executed, pictures):
    assert len(pictures) == 3
    assert main(["export", "1", "--db", "cycling.db", "--format", "cycles", "-o", "cycles.csv"]) == 0
    stored = pd.read_csv("cycles.csv").set_index("cycle_count")
    counted = executed["cycles"]
    assert len(counted) == 20
    np.testing.assert_allclose(counted["discharge"], stored["discharging_capacity_ah"], rtol=1e-9)
    np.testing.assert_allclose(counted["charge"], stored["charging_capacity_ah"], rtol=1e-9)


@pytest.mark.parametrize("executed", ["rates"], indirect=True)
def test_capacities_against_current_are_those_of_the_rate_analysis(executed, pictures):
    assert len(pictures) == 2
    stored = executed["cycles"]
    np.testing.assert_allclose(executed["table"]["capacity / mAh"], 1e3 * stored["discharging_capacity_ah"], rtol=1e-9)
    share = executed["share"]
    assert share.iloc[0] == 100.0
    assert share.iloc[1] > share.iloc[2] > share.iloc[3]


@pytest.mark.parametrize("executed", ["spectra"], indirect=True)
def test_a_spectrum_is_consistent_and_its_intercept_is_found_by_the_fit(executed, pictures):
    assert len(pictures) == 2
    assert executed["test"].worst < 0.01
    assert executed["table"].loc["R0", "value"] == pytest.approx(executed["spectrum"].real.min(), rel=0.05)
