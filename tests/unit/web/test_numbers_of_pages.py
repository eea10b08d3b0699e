"""What the pages are sent: numbers as numbers, and the figures that the analyses tell."""

import json

import numpy as np
import pytest

from labctl.cli.main import main
from labctl.report.run_data import analyse, record_of
from labctl.store.reader import Reader
from labctl.web import series
from labctl.web.as_json import as_json
from labctl.web.comparing import FIGURES, read_compared

AGEING = """\
labctl: 1
name: ageing
record: {every: 60 s}
steps:
  - repeat: 2
    cycle: formation
    steps:
      - charge: {current: C/10, to: 4.1 V, for: 12 h}
      - discharge: {current: C/10, to: 3 V, for: 12 h}
  - repeat: 2
    steps:
      - cycle: check
        steps:
          - charge: {current: C/5, to: 4.1 V, for: 6 h}
          - discharge: {current: C/5, to: 3 V, for: 6 h}
      - repeat: 2
        cycle: true
        steps:
          - charge: {current: 1C, to: 4.1 V, for: 2 h}
          - discharge: {current: 1C, to: 3 V, for: 2 h}
  - rest: 1 h
  - eis: {from: 10 kHz, to: 1 Hz, amplitude: 10 mV}
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "p.yaml").write_text(AGEING)
    assert main(["simulate", str(folder / "p.yaml"), "--cell", "marquis2019", "--db", str(folder / "x.db")]) == 0
    return folder / "x.db"


def test_a_spectrum_is_sent_as_numbers(journal):
    with Reader(journal) as reader:
        (spectrum,) = json.loads(as_json(series.spectra(reader, reader.run(1))))
    for name in ("f", "re", "im"):
        assert all(isinstance(each, float) for each in spectrum[name])
    assert len(spectrum["f"]) == len(spectrum["re"]) == len(spectrum["im"]) > 6


def test_what_json_has_no_word_for_is_null_or_text():
    complexes = np.array([1 + 2j, np.nan + 1j])
    assert json.loads(as_json({"re": complexes.real, "when": "now"})) == {"re": [1.0, None], "when": "now"}


def test_runs_are_compared_by_the_figures_that_the_analysis_tells(journal):
    with Reader(journal) as reader:
        record, seen = record_of(reader, reader.run(1)), read_compared(reader, reader.run(1))
        (retention,) = analyse(record, [("retention", {})])
    figures = dict(zip((name for name, _ in FIGURES), seen.figures, strict=True))
    assert figures["retention"] == retention.figures[0].value
    assert 100 * figures["last capacity"] / figures["first capacity"] == pytest.approx(figures["retention"])
    kinds = np.asarray(record.cycles["kind"])
    assert seen.counts.tolist() == (kinds == "check").tolist()
    assert seen.ages.tolist() == (kinds == "true").tolist()
    assert figures["mean coulombic efficiency"] == pytest.approx(100 * np.nanmean(seen.efficiency[kinds == "true"]))
