"""The page on which protocols are written says what `labctl check` says, of every file that is known to be wrong."""

import json
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.errors import CellError
from labctl.inputs import library, library_names
from labctl.run.files import read_files
from labctl.store.entry import Source
from labctl.web.author import checked

CELL = (library() / "cells" / "marquis2019.yaml").read_text()
FILES = sorted((Path(__file__).parents[2] / "corpus").rglob("*.yaml"))
WRONG = [
    file
    for file in FILES
    if not {b"labctl_cell", b"labctl_station"} & set(file.read_bytes().replace(b":", b" ").split())
][:60]


@pytest.mark.parametrize("name", library_names())
def test_the_shipped_protocols_have_a_plan_or_say_what_the_cell_lacks(name):
    answer = checked((library() / f"{name}.yaml").read_text(), CELL, "")
    errors = [each for each in answer["findings"] if each["severity"] == "error"]
    assert (answer["plan"] is None) == bool(errors)
    if answer["plan"]:
        assert answer["plan"]["steps"]


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_the_editor_finds_what_the_command_line_finds(file, tmp_path, monkeypatch, capsys):
    text = file.read_bytes().decode("utf-8", "replace")
    if "labctl:" not in text.split("\n", 3)[0]:
        text = "labctl: 1\n" + text
    monkeypatch.chdir(tmp_path)
    Path("protocol.yaml").write_text(text)
    Path("cell.yaml").write_text(CELL)
    main(["check", "protocol.yaml", "--cell", "cell.yaml", "--json"])
    words = json.loads(capsys.readouterr().out)
    wanted = [(each["line"], each["column"], each["code"], each["message"]) for each in words["findings"]]
    answer = checked(text, CELL, "")
    assert [(each["line"], each["column"], each["code"], each["message"]) for each in answer["findings"]] == wanted


def test_a_finding_has_its_place_and_its_hint():
    answer = checked("labctl: 1\nname: x\nsteps:\n  - chrage: {current: 1 mA, for: 1 h}\n", CELL, "")
    assert answer["plan"] is None
    assert any(each["line"] == 4 and "charge" in each["hint"] for each in answer["findings"])


def test_parameters_that_are_none_are_said():
    assert "wanted NAME=VALUE" in checked("labctl: 1\nname: x\nsteps: [rest: 1 s]\n", CELL, "nonsense")["trouble"]


@pytest.mark.parametrize("name", ["{folder}/secret.json", "../secret.json", "secret.json"])
def test_a_text_names_no_file_of_this_machine(tmp_path, name):
    (tmp_path / "secret.json").write_text('{"secret": "open sesame"}')
    cell = CELL.replace("model: marquis2019", f"model: {name.format(folder=tmp_path)}")
    answer = checked("labctl: 1\nname: x\nsteps: [rest: 1 s]\n", cell, "")
    assert answer["plan"] is None
    assert [each["message"] for each in answer["findings"] if "names no file of this machine" in each["message"]]
    assert "sesame" not in json.dumps(answer)
    with pytest.raises(CellError, match="names no file of this machine"):
        read_files(Source("p.yaml", "labctl: 1\nname: x\nsteps: [rest: 1 s]\n"), Source("c.yaml", cell))
