"""The verbs that read a journal: runs, show, export, verify."""

import json
import sqlite3
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.engine.input import Event
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from tests.unit.store.making import batch, entries, new_run


@pytest.fixture
def db(tmp_path: Path) -> str:
    file = tmp_path / "x.db"
    with Journal.open(file) as journal:
        run_id = journal.create_run(new_run("a"))
        journal.commit([*entries(run_id, batch(20), 10)])
        cycle = Event("cycle_ended", 19, 9.0, {"cycle_count": 1, "kind": "true", "coulombic_efficiency": 0.99})
        step = Event(
            "step_ended", 19, 9.0, {"step_count": 1, "step_type": "charge", "end_reason": "to", "step_time_second": 9.0}
        )
        result = Event("result", 19, 9.0, {"name": "ccd", "value": 0.75, "unit": "mA/cm2", "cycle_count": 1})
        journal.commit([Entry(run_id, events=(cycle, step, result))])
        journal.finish_run(run_id, "done")
        journal.create_run(new_run("b"))
    return f"sqlite:///{file}"


def test_runs(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--db", db]) == 0
    said = capsys.readouterr().out
    assert "cell-1" in said
    assert "preparing" in said
    assert main(["runs", "--db", db, "--active", "--json"]) == 0
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)] == [2]


def test_show(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "1", "--db", db]) == 0
    said = capsys.readouterr().out
    for word in ("run 1", "made", "done", "0.99", "charge", "ccd", "mA/cm2", "note"):
        assert word in said
    assert main(["show", "1", "--db", db, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["rows"] == 20
    assert found["cycles"][0]["coulombic_efficiency"] == 0.99
    assert found["results"] == [{"name": "ccd", "cycle_count": 1, "value": 0.75, "unit": "mA/cm2"}]


def test_export(db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.bdf.csv"
    assert main(["export", "1", "--db", db, "-o", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out), f"{out}.metadata.json"]
    assert len(out.read_text().splitlines()) == 21
    assert main(["export", "1", "--db", db, "-o", str(out), "--format", "xlsx"]) == 2


def test_verify(db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--db", db]) == 0
    assert "5 commits, 2 runs, 20 rows: whole" in capsys.readouterr().out
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    connection.execute("UPDATE samples SET current_ampere = 1 WHERE record_index = 3")
    connection.close()
    assert main(["verify", "1", "--db", db]) == 1
    assert "NOT whole: 1 findings" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [["show", "9"], ["export", "9", "-o", "x"], ["verify", "9"]])
def test_a_run_that_is_not_there(db: str, verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, "--db", db]) != 0
    assert "found none with the number 9; `labctl runs` lists them" in capsys.readouterr().err


def test_a_journal_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--db", str(tmp_path)]) == 1
    assert "wanted a journal, found none" in capsys.readouterr().err
