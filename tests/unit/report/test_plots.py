"""Figures of runs: those that a paper would print, chosen by what the run contains, in one style, whole in their file."""

import re
import zlib

import numpy as np
import pytest

from labctl.analysis.run_record import Analysis
from labctl.cli.main import main
from labctl.errors import UsageError
from labctl.report.files import PIECES, as_file
from labctl.report.plots import cycling, style
from labctl.report.plots.choose import Wish, figures_of
from labctl.report.plots.history import WHOLE, spread
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.sample import Batch
from labctl.store.reader import Reader
from tests.unit.analysis.conftest import build

RUNS = {
    "film": ("voc1", """\
labctl: 1
name: film
record: {every: 60 s, dV: 5 mV}
steps:
  - repeat: 3
    cycle: true
    steps:
      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 5 h}
      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 5 h}
analyse: [capacity, retention, rate, differential]
"""),
    "sweeps": ("voc1", """\
labctl: 1
name: sweeps
steps:
  - rest: 10 min
  - each: {rate: [0.5 mV/s, 1 mV/s, 2 mV/s]}
    steps:
      - cv: {from: ocv, to: 2.15 V, back: 3.8 V, rate: $rate, cycles: 1}
        record: {dV: 5 mV}
analyse: [voltammetry, b_value]
"""),
    "metal": ("na-bare", """\
labctl: 1
name: metal
limits: {voltage: [-2 V, 2 V], capacity: 3 mAh/cm2}
record: {every: 60 s, dV: 2 mV}
steps:
  - rest: 10 min
  - eis: {from: 100 kHz, to: 1 Hz, amplitude: 10 mV, per_decade: 6}
  - repeat: 2
    cycle: true
    steps:
      - plate: {current: 0.5 mA/cm2, for: 1 h}
      - strip: {current: 0.5 mA/cm2, for: 1 h}
analyse: [nucleation, life, ccd, {impedance: {circuit: "R0-p(R1,CPE1)"}}]
"""),
    "plates": ("phlt-blocking", """\
labctl: 1
name: plates
steps:
  - each: {t: [25 degC, 45 degC, 65 degC]}
    steps:
      - temperature: {to: $t, for: 6 h}
      - rest: 10 min
      - eis: {from: 1 MHz, to: 10 Hz, amplitude: 10 mV, per_decade: 6}
analyse: [conductivity]
"""),
}  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """One journal with every run, in the order of their names."""
    folder = tmp_path_factory.mktemp("plots")
    for name, (cell, text) in RUNS.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        assert main(["simulate", str(folder / f"{name}.yaml"), "--cell", cell, "--db", str(folder / "j.db")]) == 0
    assert (
        main(["simulate", str(folder / "film.yaml"), "--cell", "voc1", "--seed", "7", "--db", str(folder / "j.db")])
        == 0
    )
    return folder / "j.db"


def drawn(journal, number, wish=None):
    with Reader(journal) as reader:
        run = reader.run(number)
        record, wanted = record_of(reader, run), default_analyses(plan_of(reader, run))
        return figures_of(record, analyse(record, wanted), wish or Wish(options=dict(wanted)))


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (1, ["history", "profiles", "capacity", "retention", "rate", "differential", "differential-voltage"]),
        (2, ["history", "profiles", "capacity", "voltammetry", "b-value", "share"]),
        (3, ["nucleation", "life", "ccd", "nyquist", "bode", "kramers-kronig", "relaxation"]),
        (4, ["arrhenius", "nyquist", "bode", "kramers-kronig"]),
    ],
)
def test_a_run_has_the_figures_of_what_it_contains(journal, number, names):
    figures = drawn(journal, number)
    assert [each.name for each in figures if each.name not in {"profiles", "capacity"} or number != 2] == [
        name for name in names if name not in {"profiles", "capacity"} or number != 2
    ]
    for each in figures:
        assert len(each.caption) > 20
        for axes in each.figure.axes:
            assert axes.get_xlabel() or axes.get_ylabel()


def test_dq_dv_says_what_smooths_it(journal):
    (figure,) = [each for each in drawn(journal, 1) if each.name == "differential"]
    assert "differences over 5 mV, no other smoothing" in figure.caption


def test_capacities_come_in_the_unit_that_is_asked_for(journal):
    own, areal = (
        next(each for each in drawn(journal, 1, Wish(unit)) if each.name == "profiles").figure.axes[0].get_xlabel()
        for unit in ("", "uAh/cm2")
    )
    assert (own, areal) == ("Capacity / µAh cm⁻² µm⁻¹", "Capacity / µAh cm⁻²")


def test_a_nyquist_plot_has_equal_axes_and_its_fit(journal):
    (figure,) = [each for each in drawn(journal, 3) if each.name == "nyquist"]
    (axes,) = figure.figure.axes
    assert axes.get_aspect() == 1.0
    assert "R0-p(R1,CPE1)" in figure.caption
    assert {text.get_text() for text in axes.texts} >= {"100 Hz"}


@pytest.mark.parametrize("suffix", sorted(PIECES))
def test_letters_are_in_the_file(journal, suffix):
    content = as_file(drawn(journal, 3)[0], suffix)
    if suffix == ".svg":
        assert b"<text" not in content  # outlines
    elif suffix == ".pdf":
        whole = content + b"".join(_unpacked(content))
        assert b"/FontFile2" in whole
        assert b"/Type3" not in whole
    else:
        assert content.startswith(b"\x89PNG")


def _unpacked(content):
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            yield zlib.decompress(match[1])
        except zlib.error:
            continue


def test_an_analysis_that_does_not_exist_is_answered_with_the_nearest(journal):
    with Reader(journal) as reader, pytest.raises(UsageError, match=r"found 'impedence' \(did you mean impedance\?\)$"):
        analyse(record_of(reader, reader.run(1)), [("impedence", {})])


def test_the_same_run_gives_the_same_file(journal):
    first, second = (as_file(drawn(journal, 1)[1], ".svg") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["run.html", "run.pdf", "run.png"])
def test_a_report_is_one_file(journal, tmp_path, name):
    output = tmp_path / name
    assert main(["report", "3", "--db", str(journal), "-o", str(output)]) == 0
    assert output.stat().st_size > 20_000


def test_figures_come_one_by_one(journal, tmp_path, capsys):
    assert main(["report", "1", "--db", str(journal), "-o", str(tmp_path / "all")]) == 0
    assert {each.name for each in (tmp_path / "all").iterdir()} >= {"profiles.svg", "differential.svg"}
    assert main(["report", "1", "--db", str(journal), "--plot", "rate", "-o", str(tmp_path / "r.pdf")]) == 0
    assert main(["report", "1", "--db", str(journal), "--plot", "nyquist", "-o", str(tmp_path / "n.pdf")]) == 2
    assert "wanted a figure out of history, profiles, capacity" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["-o", "run.txt"], "wanted a file that ends in"),
        (["-o", "run.html", "--cycles", "one"], "wanted numbers of cycles such as 1,2,50"),
        (["2", "-o", "run.html"], "wanted one run, or --compare, found 2 runs"),
        (["2", "--compare", "-o", "run.svg"], "wanted a file that ends in .html, .pdf or .png"),
        (["2", "--compare", "--unit", "mAh/g", "-o", "c.html"], "wanted capacities in uAh, uAh/cm2"),
    ],
)
def test_what_cannot_be_written_is_refused(journal, tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "1", *more, "--db", str(journal)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_replicates_are_compared_by_mean_and_spread(journal, tmp_path):
    output = tmp_path / "both.html"
    assert main(["report", "1", "5", "--compare", "--db", str(journal), "-o", str(output)]) == 0
    text = output.read_text(encoding="utf-8")
    assert "voc1 (n = 2)" in text
    assert "standard deviation" in text
    assert "<figure id='capacity'>" in text
    for suffix in (".pdf", ".png"):
        assert main(["report", "1", "5", "--compare", "--db", str(journal), "-o", str(tmp_path / f"c{suffix}")]) == 0


def test_of_a_long_run_steps_are_read_evenly():
    steps = {"first_record": np.arange(0, 1_000_000, 1000), "last_record": np.arange(999, 1_000_000, 1000)}
    asked = []

    class Long:
        def __init__(self):
            self.steps = steps

        def rows(self, first, last):
            asked.append(last - first + 1)
            at = np.arange(first, last + 1, dtype=float)
            return Batch(at, at, at)

    rows, left_out = spread(Long())
    assert sum(asked) <= 1.1 * WHOLE == pytest.approx(220_000)
    assert len(rows) == sum(asked)
    assert "Of 1000 steps 400 are drawn" in left_out


@pytest.mark.parametrize(
    ("efficiencies", "top", "said"),
    [
        ((99.5, 99.9, 100.1), 102.0, ""),
        ((99.5, 99.9, 103.6), 104.1, ""),
        ((99.5, 99.9, 100.0, 115.0), 110.0, "; cycle 4 is beyond it (115.0 %)"),
        ((99.5, 60.0, 99.5, 115.0, 99.9), 110.0, "; cycles 2, 4 are beyond it (60.0 to 115.0 %)"),
    ],
)
def test_the_axis_of_the_efficiency_has_what_is_there_and_the_caption_says_what_is_beyond(efficiencies, top, said):
    rows = [
        {"cycle_count": at, "charging_capacity_ah": 1.0, "discharging_capacity_ah": 0.01 * each}
        for at, each in enumerate(efficiencies, 1)
    ]
    drawn = cycling.capacities(build([], rows))
    assert drawn.figure.axes[1].get_ylim() == pytest.approx((80.0, top))
    assert drawn.caption.endswith(f"on the right axis{said}.")


def test_an_axis_shows_no_rounding_noise():
    table = {"cycle": (1, 2, 3), "retention of cycle 1 / %": (100.0, 100.0 - 1e-11, 100.0 + 1e-11)}
    (axes,) = cycling.retention(Analysis("retention", (), table)).figure.axes
    low, high = axes.get_ylim()
    assert (low, high) == pytest.approx((99.5, 100.5))


def test_a_peak_is_never_thinned_away():
    time = np.arange(100_000.0)
    values = np.zeros(100_000)
    values[54_321] = 7.0
    thin, kept = style.envelope(time, values)
    assert len(thin) <= style.POINTS
    assert kept.max() == 7.0
