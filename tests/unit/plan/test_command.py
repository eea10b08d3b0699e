import json

import pytest

from labctl.cli.main import main

PROTOCOL = """labctl: 1
name: Cycling
params: {rate: C/2}
steps:
- rest: 10 min
- name: cycles
  repeat: 3
  cycle: true
  steps:
  - charge: {current: $rate, to: 4.2 V, for: 90 min}
  - discharge: {current: $rate, to: 2.5 V}
"""
CELL = """labctl_cell: 1
name: film-7
kind: full
area: 1 cm2
nominal: {capacity: 20 uAh/cm2}
limits: {voltage: [2 V, 4.3 V], current: [-1 mA, 1 mA]}
"""


@pytest.fixture
def files(tmp_path):
    protocol, cell = tmp_path / "cycling.yaml", tmp_path / "film.yaml"
    protocol.write_text(PROTOCOL, encoding="utf-8")
    cell.write_text(CELL, encoding="utf-8")
    return [str(protocol), "--cell", str(cell)]


def test_the_page_shows_steps_in_amperes_and_the_sums(files, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["plan", *files]) == 0
    page = capsys.readouterr().out
    for text in (
        "Cycling  on  film-7",
        "1C = 20 uA",
        "10 uA",
        "-10 uA",
        "voltage ≥ 4.2 V; time ≥ 1 h 30 min",
        "3 × cycles",
        "105 uAh",
        "finish",
    ):
        assert text in page
    assert "warning[plan.time_first]" in page


def test_json_has_the_whole_plan_and_no_infinity(files, capsys):
    assert main(["plan", *files, "--set", "rate=1C", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"][2]["setting"] == "20 uA"
    assert found["plan"]["root"]["children"][0]["verb"] == "rest"
    assert len(found["hash"]) == 64
    assert found["finish_unix_time_second"][0] > 1e9
    assert [one["code"] for one in found["warnings"]] == []


def test_a_refusal_says_where(files, capsys):
    assert main(["plan", *files, "--set", "rate=100C"]) == 1
    assert "cycling.yaml:10:23: error[limit.set_point]" in capsys.readouterr().err


def test_a_wrong_word_after_set_is_wrong_usage(files, capsys):
    assert main(["plan", *files, "--set", "rate"]) in {1, 2}
    assert "NAME=VALUE" in capsys.readouterr().err
