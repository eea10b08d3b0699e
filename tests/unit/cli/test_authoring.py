"""The authoring verbs as a person calls them: check, fmt, new, schema, explain."""

import io
import json
import sys
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.protocol.catalogue import CODES

BAD = "labctl: 1\nsteps:\n  - rest: 10\n  - sleep: 1 h\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_new_files_have_no_errors_and_their_schema_beside(folder, capsys):
    for name in ("protocol", "cell", "station"):
        assert main(["new", name, f"{name}.yaml"]) == 0
        assert json.loads((folder / f"labctl-{name}.schema.json").read_text())["$schema"].endswith("2020-12/schema")
    assert main(["check", "protocol.yaml", "cell.yaml", "station.yaml"]) == 0
    assert main(["check", "protocol.yaml", "--cell", "cell.yaml"]) == 0
    assert main(["fmt", "--check", "protocol.yaml", "cell.yaml", "station.yaml"]) == 0
    assert "no errors" in capsys.readouterr().out


def test_new_without_a_name_lists_the_library(capsys):
    assert main(["new"]) == 0
    assert "gitt" in capsys.readouterr().out


def test_new_writes_over_nothing(folder, capsys):
    assert main(["new", "gitt"]) == 0
    assert main(["new", "gitt"]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["new", "gitt", "--force"]) == 0
    assert main(["new", "gtt"]) == 2
    assert "did you mean gitt?" in capsys.readouterr().err


def test_check_finds_every_error(folder, capsys):
    (folder / "bad.yaml").write_text(BAD)
    assert main(["check", "bad.yaml"]) == 1
    said = capsys.readouterr().err
    assert "bad.yaml:3:11: error[unit.bare]" in said
    assert "bad.yaml:4:5: error[step.verb]" in said
    assert "2 errors" in said


def test_check_answers_programs_in_json(folder, capsys):
    (folder / "bad.yaml").write_text(BAD)
    assert main(["check", "bad.yaml", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"]
    assert [found["line"] for found in answer["findings"]] == [3, 4]
    assert set(answer["findings"][0]) == {"file", "line", "column", "severity", "code", "message", "hint", "text"}


def test_check_reads_stdin(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert main(["check", "-"]) == 1
    assert "-:3:11" in capsys.readouterr().err


def test_check_on_a_cell(folder, capsys):
    (folder / "p.yaml").write_text(
        "labctl: 1\nparams: {v: 3 V}\nsteps:\n  - charge: {current: 1 mA, to: $v, for: 1 h}\n"
    )
    (folder / "c.yaml").write_text("labctl_cell: 1\nname: c\nkind: full\nlimits: {voltage: [2 V, 4 V]}\n")
    assert main(["check", "p.yaml", "--cell", "c.yaml"]) == 0
    assert main(["check", "p.yaml", "--cell", "c.yaml", "--set", "v=5 V"]) == 1
    assert "limit.cut_off" in capsys.readouterr().err
    assert main(["check", "p.yaml", "--cell", "c.yaml", "--set", "w=5 V"]) == 1
    assert "params.unknown" in capsys.readouterr().err
    (folder / "c.yaml").write_text("labctl_cell: 1\nname: c\n")
    assert main(["check", "p.yaml", "--cell", "c.yaml"]) == 1
    assert "c.yaml:1:1" in capsys.readouterr().err


def test_check_takes_a_single_cell_file_for_the_cell_of_the_protocols(folder, capsys):
    limits = "limits: {voltage: [2.5 V, 4.2 V], current: [-1 mA, 1 mA]}"
    (folder / "p.yaml").write_text("labctl: 1\nsteps:\n  - charge: {current: 1 mA, to: 4.3 V, for: 1 h}\n")
    for name in ("c.yaml", "other.yaml"):
        (folder / name).write_text(f"labctl_cell: 1\nname: a\nkind: full\n{limits}\n")
    assert main(["check", "p.yaml", "c.yaml"]) == 1
    assert "limit.cut_off" in capsys.readouterr().err
    assert main(["check", "p.yaml", "c.yaml", "other.yaml"]) == 0  # on which of the two, nobody knows


def test_check_on_a_cell_tells_of_its_model(folder, capsys):
    (folder / "p.yaml").write_text("labctl: 1\nsteps:\n  - rest: 1 h\n")
    (folder / "c.yaml").write_text("labctl_cell: 1\nname: a\nkind: full\nmodel: chen2021\n")
    assert main(["check", "p.yaml", "--cell", "c.yaml"]) == 0  # it may be for the cell itself
    assert "warning[cell.model]" in capsys.readouterr().err
    assert main(["check", "p.yaml", "c.yaml"]) == 1


def test_check_knows_the_library(capsys):
    assert main(["check", "gitt"]) == 0


def test_check_cell_of_library(folder, capsys):
    """A bare name of a cell that is no file here is looked for in the library, as `plan`, `simulate` and `start` do."""
    assert main(["check", "cccv-cycling", "--cell", "marquis2019"]) == 0, capsys.readouterr().err
    assert main(["check", "cccv-cycling", "--cell", "nowhere"]) != 0


def test_wrong_model(folder, capsys):
    """A model of another kind, or one that there is not, is an error of the cell file."""
    cell = "labctl_cell: 1\nname: c\nkind: full\narea: 1.54 cm2\nnominal: {capacity: 4.3 mAh}\nlimits: {voltage: [2.7 V, 4.3 V]}\nmodel: "
    for model, wanted in (("na-bare", "wanted a model of kind full"), ("chen2021", "chen2020")):
        (folder / "c.yaml").write_text(f"{cell}{model}\n")
        assert main(["check", "c.yaml"]) == 1
        assert wanted in capsys.readouterr().err
    (folder / "c.yaml").write_text(f"{cell}chen2020\n")
    assert main(["check", "c.yaml"]) == 0
    assert "wanted a model of about the nominal capacity" in capsys.readouterr().err


def test_what_cannot_be_read_is_wrong_usage(folder, capsys):
    assert main(["check", "nowhere.yaml"]) != 0
    assert "nowhere.yaml" in capsys.readouterr().err


def test_fmt_writes_the_usual_form(folder, capsys):
    (folder / "p.yaml").write_text("labctl:   1  # one\nsteps:\n- rest:  1 h\n")
    assert main(["fmt", "--check", "p.yaml"]) == 1
    assert main(["fmt", "p.yaml"]) == 0
    assert (folder / "p.yaml").read_text() == "labctl: 1  # one\nsteps:\n  - rest: 1 h\n"
    (folder / "bad.yaml").write_text("a: b: c\n")
    assert main(["fmt", "bad.yaml"]) == 1
    assert "bad.yaml:1:5" in capsys.readouterr().err


def test_schema_prints_json(folder, capsys):
    assert main(["schema", "cell"]) == 0
    assert json.loads(capsys.readouterr().out)["title"].startswith("labctl cell")
    assert main(["schema", "protocol", "-o", "s.json"]) == 0
    assert json.loads((folder / "s.json").read_text())["title"].startswith("labctl protocol")
    assert main(["schema", "recipe"]) == 2


def test_explain_says_more(capsys):
    assert main(["explain", "error[unit.bare]"]) == 0
    assert "right:" in capsys.readouterr().out
    assert main(["explain", "unit.baer"]) == 2
    assert "did you mean unit.bare?" in capsys.readouterr().err
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.count("\n") == len(CODES)


def test_check_knows_the_settings_of_drivers(folder, capsys):
    (folder / "station.yaml").write_text(
        "labctl_station: 1\ninstruments:\n  kei: {driver: keithley2450, adress: x}\nchannels:\n  K1: {cell: {instrument: kei}}\n"
    )
    assert main(["check", "station.yaml"]) == 1
    said = capsys.readouterr().err
    assert "station.yaml:3:" in said
    assert "error[driver.options]: wanted an option of driver keithley2450, found 'adress'" in said
    (folder / "station.yaml").write_text(
        "labctl_station: 1\ninstruments:\n  kei: {driver: keithley2450, resource: x}\nchannels:\n  K1: {cell: {instrument: kei}}\n"
    )
    assert main(["check", "station.yaml"]) == 0


LIBRARY = "here or the name of one of the library, found neither; "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "gtit", "--cell", "phlt-symmetric"], f"gtit: wanted a protocol file {LIBRARY}did you mean gitt?"),
        (
            ["plan", "mine", "--cell", "phlt-symmetric"],
            f"mine: wanted a protocol file {LIBRARY}did you mean mine.yaml?",
        ),
        (["plan", "gitt", "--cell", "vvo"], f"vvo: wanted a cell file {LIBRARY}did you mean vo?"),
        (["plan", "gitt", "--cell", "qqq"], f"qqq: wanted a cell file {LIBRARY}the library has bcap0350, chen2020, "),
        (["plan", "there/x.yaml", "--cell", "vo"], "there/x.yaml: wanted a protocol file, found none"),
        (["plan", "gitt", "--cell", "phlt-lf"], f"{LIBRARY}did you mean phlt-lfp, phlt-lfp-pouch or phlt-lfp-thick?"),
        (
            ["plan", "cyclic", "--cell", "vo"],
            f"cyclic: wanted a protocol file {LIBRARY}did you mean cyclic-voltammetry?",
        ),
        (["check", "gitt", "--cell", "chen"], f"{LIBRARY}did you mean chen2020 or chen2020-heat?"),
        (["check", "gitt", "--cell", "vo", "--set", "rate", "1C"], "wanted one word, found two; write --set rate=1C"),
        (
            ["check", "gitt", "--cell", "vo", "--set", "rate=1", "C"],
            "wanted one word, found two; write --set 'rate=1 C'",
        ),
        (
            ["check", "gitt", "--cell", "vo", "--set", "low", "3", "V"],
            "wanted one word, found two; write --set 'low=3 V'",
        ),
        (
            ["analyse", "capacity", "1"],
            "wanted the run before its analyses, found capacity 1; write labctl analyse 1 capacity",
        ),
        (["check", "rate-test", "--set", "rates=0.5C"], "write rates=[0.5C]"),
        (["check", "rate-test", "--set", "rates=0.1C,0.2C"], "--set 'rates=[0.1C, 0.2C]'"),
        (["check", "rate-test", "--set", "first=0.5"], "the kind of its default, 0.1C: write 0.5C"),
        (["plan", "gitt", "--cell", "vo", "--set", "rate:1C"], "found 'rate:1C'; write --set rate=1C"),
        (
            ["plan", "gitt", "--cell", "vo", "--set", "a=1C, b=2"],
            "found several in 'a=1C, b=2'; write --set a=1C --set b=2",
        ),
        (["check", "mine"], "mine: wanted a file, found none of that name; did you mean mine.yaml?"),
        (["check", "in/your.yml"], "in/your.yml: wanted a file, found none of that name; did you mean in/yours.yaml?"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_one_that_was_meant(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    Path("in").mkdir()
    Path("in/yours.yaml").touch()
    assert main(words) in {1, 2}
    assert message in capsys.readouterr().err
