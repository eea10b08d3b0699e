"""The verbs that look back, as a newcomer calls them: no --db, odd names, places that cannot be written."""

import tempfile

import pytest

from labctl.analysis.record import Analysis
from labctl.cli.main import guarded, main
from labctl.control.place import data_folder, journal
from labctl.errors import StoreError
from labctl.report.plot import staged

PROTOCOL = """labctl: 1
name: "[/rest] it [bold]"
steps:
  - repeat: 2
    cycle: true
    steps: [{rest: 10 s}]
"""
STATION = "labctl_station: 1\nstore: here\ninstruments: {sim: {driver: simulated}}\nchannels: {S1: {cell: {instrument: sim}}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABCTL_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "usual"))
    return tmp_path


@pytest.fixture
def run(folder):
    (folder / "mine.yaml").write_text(PROTOCOL)
    assert main(["simulate", "mine.yaml", "--cell", "voc1-atfb"]) == 0
    return folder


def test_what_a_dry_run_wrote_is_found_without_naming_it(run, capsys):
    for verb in (["runs"], ["show", "1"], ["analyse", "1"], ["replay"], ["verify"], ["export", "1", "-o", "x.csv"]):
        assert main(verb) == 0, verb
    said = capsys.readouterr()
    assert "[/rest] it [bold]" in said.out  # a name is no markup
    assert "equal, " in said.out
    assert said.err == ""


def test_an_ordinary_cycle_has_no_kind_to_show(run, capsys):
    assert main(["show", "1"]) == 0
    assert "true" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere/run.html", "nowhere/run.png"])
def test_a_place_that_cannot_be_written_is_named(run, capsys, name):
    assert main(["report", "1", "-o", name]) == 1
    said = capsys.readouterr().err.strip()
    assert said == f"{name}: wanted a folder nowhere, found none; `mkdir -p nowhere` makes it"


@pytest.mark.parametrize(("words", "code"), [(["schema", "protocol", "-o"], 2), (["new", "protocol"], 1)])
def test_every_verb_that_writes_says_the_same_of_a_folder_that_is_missing(folder, capsys, words, code):
    assert main([*words, "not here/file.yaml"]) == code
    said = capsys.readouterr().err.strip()
    assert said.endswith("file.yaml: wanted a folder not here, found none; `mkdir -p 'not here'` makes it")


def test_no_journal_says_where_it_was_looked_for(folder, capsys):
    assert main(["runs"]) == 1
    assert "neither labctl.db here nor a daemon's in" in capsys.readouterr().err


def test_the_station_file_of_this_folder_says_where_the_daemon_keeps_its_data(folder, monkeypatch):
    (folder / "station.yaml").write_text(STATION)
    assert data_folder().resolve() == folder / "here"
    with pytest.raises(StoreError, match="here"):
        journal()
    (folder / "here").mkdir()
    (folder / "here" / "journal.db").touch()
    assert journal() == data_folder()
    monkeypatch.setenv("LABCTL_DATA", "elsewhere")
    assert str(data_folder()) == "elsewhere"


def test_a_station_file_that_is_none_changes_nothing(folder):
    (folder / "station.yaml").write_text("[")
    assert data_folder() == folder / "usual" / "labctl"


def test_a_defect_is_one_line_and_a_file_that_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert guarded(lambda: {}["nothing"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("a defect of labctl: KeyError: 'nothing'")
    assert "Traceback" not in said
    (written,) = tmp_path.glob("labctl-*.txt")
    assert "Traceback" in written.read_text()


def test_spectra_are_drawn_on_the_page_of_a_run(folder):
    steps = "  - rest: 10 s\n  - eis: {from: 1 kHz, to: 10 Hz, amplitude: 10 mV}\n"
    (folder / "eis.yaml").write_text(f"labctl: 1\nlimits: {{voltage: [2 V, 4 V]}}\nsteps:\n{steps}")
    assert main(["simulate", "eis.yaml", "--cell", "voc1-atfb"]) == 0
    assert main(["report", "1", "-o", "run.html"]) == 0
    page = (folder / "run.html").read_text()
    assert "<h2>spectra</h2>" in page
    assert "Re Z / ohm" in page
    assert "no cycle" in page


def test_a_rate_test_is_drawn_stage_by_stage():
    table = {"rate / C": (0.1, 1.0, 0.1), "current / mA": (1.0, 10.0, 1.0), "mean capacity / mAh": (9.0, 5.0, 8.9), "first cycle": (1, 4, 7), "cycles": (3, 3, 3)}  # fmt: skip
    (axes,) = staged(Analysis("rate", (), table)).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert [text.get_text() for text in axes.texts] == ["0.1 C", "1 C", "0.1 C"]
