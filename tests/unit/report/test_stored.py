"""Analyses are stored beside their run: with method, version, inputs and flags, by every version that made them."""

import json

import pytest

from labctl.cli.main import main
from labctl.publish.event_feed import Follower
from labctl.publish.topic import Topics
from labctl.report import stored
from labctl.store.journal import Journal
from labctl.store.reader import Reader

PROTOCOL = """\
labctl: 1
name: two cycles
steps:
  - repeat: 2
    cycle: true
    steps:
      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 5 h}
      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 5 h}
analyse: [capacity, {retention: {of: max}}]
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    (folder / "two.yaml").write_text(PROTOCOL, encoding="utf-8")
    assert main(["simulate", str(folder / "two.yaml"), "--cell", "voc1", "--db", str(folder / "j.db")]) == 0
    return str(folder / "j.db")


def rows(journal, text):
    with Reader(journal) as reader:
        return [tuple(row) for row in reader.query(text)]


def test_what_a_protocol_asks_for_is_stored_when_its_run_has_ended(journal):
    stored_rows = rows(journal, "SELECT analysis, options, version, inputs FROM analyses ORDER BY analysis")
    assert [(name, options) for name, options, _, _ in stored_rows] == [
        ("capacity", "{}"),
        ("retention", '{"of":"max"}'),
    ]
    assert {version for _, _, version, _ in stored_rows} == {stored.software()}
    assert json.loads(stored_rows[0][3])["complete_cycles"] == 2


def test_each_figure_is_a_result_with_its_method(journal):
    stored_rows = rows(journal, "SELECT name, cycle_count, value, unit, method FROM results WHERE unit = 'uAh/cm2/um'")
    assert [(name, cycle) for name, cycle, *_ in stored_rows] == [
        ("capacity: first discharge capacity / uAh/cm2/um", 1), ("capacity: last discharge capacity / uAh/cm2/um", 2),
    ]  # fmt: skip
    assert all(50 < value < 80 and method == "capacity {}" for *_, value, _, method in stored_rows)


def test_a_run_with_stored_analyses_is_whole_and_replays(journal, capsys):
    assert main(["verify", "--db", journal]) == 0
    assert main(["replay", "1", "--db", journal]) == 0
    assert "equal" in capsys.readouterr().out


def test_analysed_again_by_the_same_version_nothing_is_stored_twice(journal, capsys):
    before = rows(journal, "SELECT max(commit_id) FROM commits")
    assert main(["analyse", "1", "--db", journal]) == 0
    assert rows(journal, "SELECT max(commit_id) FROM commits") == before
    assert "retention" in capsys.readouterr().out


def test_another_version_stands_beside_the_first(journal, capsys, monkeypatch):
    first = stored.software()
    monkeypatch.setattr(stored, "software", lambda: "99.0")
    assert main(["analyse", "1", "capacity", "--db", journal]) == 0
    stored_rows = rows(journal, "SELECT version FROM analyses WHERE analysis = 'capacity' ORDER BY version")
    assert [version for (version,) in stored_rows] == sorted([first, "99.0"])
    capsys.readouterr()
    assert main(["analyse", "1", "--db", journal, "--history"]) == 0
    out = capsys.readouterr().out
    assert f"capacity, labctl {first}" in out
    assert "capacity, labctl 99.0" in out


def test_what_is_stored_is_published_flat_by_its_name(journal):
    with Reader(journal) as reader:
        page = Follower(reader, Topics("labctl/1/n"), 0).page()
    stored_rows = {
        message.topic.rpartition("/")[2]: json.loads(message.payload)
        for message in page.messages
        if "/result/" in message.topic
    }
    assert stored_rows["capacity"]["first discharge capacity / uAh/cm2/um"] > 50
    assert stored_rows["retention"]["options"] == '{"of":"max"}'
    assert isinstance(stored_rows["capacity"]["flags"], list)


def test_while_another_program_writes_the_figures_are_told_and_not_stored(journal, capsys):
    with Journal.open(journal):
        assert main(["analyse", "1", "rate", "--db", journal]) == 0
    told = capsys.readouterr()
    assert "not stored" in told.err
    assert "rate" in told.out


def test_a_run_beyond_the_currents_of_its_model_says_so_in_plan_and_results(tmp_path, capsys):
    protocol, journal = tmp_path / "fast.yaml", str(tmp_path / "j.db")
    protocol.write_text(PROTOCOL.replace("charge: {current: 20 ", "charge: {current: 90 "), encoding="utf-8")
    assert main(["plan", str(protocol), "--cell", "voc1"]) == 0
    told = " ".join("".join(capsys.readouterr()).split())
    assert "wanted currents of at most 0.08 mA (3.49C), for which voc1 is valid, found 0.09 mA" in told
    assert main(["simulate", str(protocol), "--cell", "voc1", "--db", journal]) == 0
    assert "at most 0.08 mA" in "".join(capsys.readouterr())
    ((flags,), *_) = rows(journal, "SELECT flags FROM analyses")
    assert "beyond what the cell's model is valid for, 0.08 mA: up to 0.09 mA" in flags


def test_a_run_within_them_says_nothing(journal):
    assert not [flags for (flags,) in rows(journal, "SELECT flags FROM analyses") if "beyond" in flags]
