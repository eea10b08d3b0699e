"""The figures of `labctl bench cell`: each appears, whether PyBaMM is here or not."""

from types import SimpleNamespace

from rich.console import Console

from benchmarks import cell
from benchmarks.figure import at_most, unmeasured
from labctl.cli.bench import line, show


def nothing():
    return None


def test_a_ratio_without_the_other_side_is_not_measured_and_says_how_it_would_be():
    found = cell.ratio("EIS", 200.0, (nothing, 1), (None, 1), turns=1)
    assert found.met is None
    assert "make bench" in found.remark
    assert "not measured" in line(found)


def test_a_ratio_with_both_sides_is_measured():
    found = cell.ratio("EIS", 200.0, (nothing, 1), (lambda: sum(range(200_000)), 1), turns=1)
    assert found.met is True
    assert " against " in found.remark


def test_accuracy_is_measured_without_the_other_side():
    figures = list(cell.accuracy())
    assert len(figures) == 17
    assert all(figure.met for figure in figures)


def test_the_command_counts_what_was_not_measured():
    figures = [unmeasured("a", "at least 1", "why"), at_most("b", 1.0, 0.0), at_most("c", 1.0, 2.0)]
    case = SimpleNamespace(__name__="benchmarks.case", __doc__="Case.", figures=lambda: iter(figures))
    assert list(show(case, Console(quiet=True), as_json=False)) == [None, True, False]


def test_pictures_are_written(tmp_path):
    paths = cell.plots(tmp_path / "new")
    assert {path.suffix for path in paths} == {".png"}
    assert len(paths) == 6
    assert all(path.stat().st_size > 10_000 for path in paths)
