"""The verbs that look back, as a newcomer calls them: no --db, odd names, places that cannot be written."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

from labctl.cli.main import LINEAR_ALGEBRA, guarded, main
from labctl.control.endpoint import data_folder, journal
from labctl.errors import StoreError

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


@pytest.mark.parametrize(("words", "code"), [(["schema", "protocol", "-o"], 1), (["new", "protocol"], 1)])
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
    assert "<figure id='nyquist'>" in page
    assert "Re Z / Ω" in page
    assert "no cycle" in page


CYCLES = """labctl: 1
name: thin film
steps:
  - rest: 1 min
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 12 h}
      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 12 h}
"""


@pytest.fixture
def film(folder):
    (folder / "film.yaml").write_text(CYCLES)
    assert main(["simulate", "film.yaml", "--cell", "voc1-atfb"]) == 0
    return folder


def test_report_wrong_figures(film, capsys):
    """Charge of a thin film in uAh, not in 7.695e-05 Ah; nobody takes simulated data for measured ones."""
    capsys.readouterr()
    assert main(["show", "1"]) == 0
    shown = capsys.readouterr().out
    assert "charge/uAh" in shown
    assert "e-05" not in shown
    assert "simulated, model voc1-atfb, seed 0: no cell was measured" in shown
    assert main(["runs"]) == 0
    assert "simulated" in capsys.readouterr().out
    assert main(["analyse", "1"]) == 0
    assert "discharge capacity / uAh" in capsys.readouterr().out
    assert main(["report", "1", "-o", "run.html"]) == 0
    page = (film / "run.html").read_text()
    assert "on voc1-atfb (simulated)</h1>" in page
    assert "simulated, model voc1-atfb, seed 0" in page


def test_report_wrong_figures_of_the_templates_first_cycle(folder, capsys):
    """A cycle that began with the cell full has no efficiency: no table lists one, so no axis goes to 8000 %."""
    for words in (["new", "protocol", "mine.yaml"], ["new", "cell", "cell.yaml"]):
        assert main(words) == 0
    assert main(["simulate", "mine.yaml", "--cell", "cell.yaml"]) == 0
    capsys.readouterr()
    assert main(["analyse", "1", "capacity", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["capacity"]["table"]
    (efficiencies,) = (values for name, values in table.items() if name.startswith("coulombic efficiency"))
    assert efficiencies[0] is None
    assert all(99.0 < value < 101.0 for value in efficiencies[1:])


def test_report_wrong_figures_of_the_rate_test(folder, capsys):
    """The lowest rate is the one before the high ones, not the recovery, and cycles at a high rate are no end of life."""
    assert main(["simulate", "rate-test", "--cell", "phlt-ncm811"]) == 0
    capsys.readouterr()
    assert main(["analyse", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {each["name"]: each["value"] for analysis in found.values() for each in analysis["figures"]}
    assert figures["capacity at the lowest rate"] == pytest.approx(230.76, abs=0.2)
    assert "cycle life" not in figures


SPECTRUM = """labctl: 1
name: spectrum
steps:
  - rest: 1 min
  - eis: {from: 100 kHz, to: 1 Hz, amplitude: 10 mV, per_decade: 6}
analyse: [open_circuit]
"""


@pytest.fixture
def spectrum(folder, capsys):
    (folder / "spectrum.yaml").write_text(SPECTRUM)
    assert main(["simulate", "spectrum.yaml", "--cell", "na-bare"]) == 0
    capsys.readouterr()
    return folder


def test_a_circuit_on_the_command_line_is_fitted_and_its_options_are_kept(spectrum, capsys):
    assert main(["analyse", "1", "--circuit", "R0-p(R1,CPE1)-p(R2,CPE2)"]) == 0
    assert "R1, first, 95 % interval +-" in capsys.readouterr().out
    assert main(["analyse", "1", "impedance", "open_circuit", "--set", "circuit=R0-p(R1,C1)", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["impedance", "open_circuit"]
    assert main(["analyse", "1", "--history"]) == 0
    assert '{"circuit":"R0-p(R1,C1)"}' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["--circuit", "R0-p(R1,X1)"],
            1,
            "circuit:1:9: error[circuit.element]: wanted an element, found 'X1'\n 1 | R0-p(R1,X1)\n   |         ^\n  hint: ",
        ),
        (["--circuit", "R0-p(R1,Q1)"], 1, "hint: did you mean CPE?"),
        (["gitt", "--set", "length=5"], 1, "length:1:1: error[unit.bare]: wanted a length"),
        (
            ["impedance", "--set", "window=5 mV"],
            2,
            "wanted an option of impedance, found 'window'; differential has one",
        ),
        (["--set", "colour=red"], 2, "wanted an option of open_circuit, found 'colour'"),
        (["--set", "circuit"], 2, "wanted NAME=VALUE, found 'circuit'"),
        (["nothing?x=1"], 1, "wanted an option of the analysis nothing, found 'x'"),
    ],
)
def test_an_option_of_an_analysis_is_judged_like_a_protocol(spectrum, capsys, words, code, said):
    assert main(["analyse", "1", *words]) == code
    assert said in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_linear_algebra_has_one_thread_in_what_the_command_line_runs():
    """Threads that OpenBLAS would start stand in /proc from the import of numpy on."""
    count = "import os, numpy; (numpy.ones((500, 500)) @ numpy.ones((500, 500))).sum(); print(len(os.listdir('/proc/self/task')))"
    surroundings = {name: value for name, value in os.environ.items() if name not in LINEAR_ALGEBRA}
    words = [sys.executable, "-c", f"from labctl.cli.main import main; main(['--version']); {count}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=surroundings)
    assert done.stdout.split()[-1] == "1"


@pytest.mark.parametrize("words", [["--help"], ["explain"], ["drivers"], ["check", "--help"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    try:
        asked = [sys.executable, "-m", "labctl", *words]
        ended = subprocess.run(asked, stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")
