"""The page of the reports names every figure that there is."""

import re
from pathlib import Path

from labctl.analysis.catalogue import ANALYSES
from labctl.report import plots
from labctl.report.plots.choose import COLUMNS

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "reports.md").read_text(encoding="utf-8")


def test_every_figure_is_named_and_none_besides():
    named = {
        name
        for line in TEXT.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([^`]+)`", line.split("|")[1])
    }
    folder = Path(plots.__file__).parent
    drawn = {
        name
        for path in folder.glob("*.py")
        for name in re.findall(r'Drawn\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
    }
    drawn |= {name for figures in COLUMNS.values() for name, _, _ in figures}
    assert drawn == named
    asked = {
        name
        for line in TEXT.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([^`]+)`", line.split("|")[3])
    }
    assert asked - {"eis"} <= set(ANALYSES)
