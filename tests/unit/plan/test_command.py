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
        "95 uAh",  # 45 in; out 20 of a cell that may be full, then twice what was put in
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


def test_plan_crash_year_a_plan_that_ends_after_all_calendars_has_no_date(tmp_path, files, capsys):
    """`repeat: 9999999` with a `stop_if` is how people write: until it is dead."""
    (tmp_path / "cycling.yaml").write_text(PROTOCOL.replace("repeat: 3", "repeat: 99999999"), encoding="utf-8")
    assert main(["plan", *files]) == 0
    assert "after the year 9999" in capsys.readouterr().out


REFERENCED = """labctl_cell: 1
name: SE-7
kind: full
area: 283.59 cm2
nominal: {capacity: 680.616 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-2.5 A, 2.5 A]}
reference: {name: In/InLi, vs: {Li: 0.62 V}}
model: marquis2019
"""


def test_the_page_shows_the_models_capacity_and_both_references(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "p.yaml").write_text(
        "labctl: 1\nsteps: [{charge: {current: C/2, to: 4.72 V vs Li, for: 3 h}}]\n", encoding="utf-8"
    )
    (tmp_path / "c.yaml").write_text(REFERENCED, encoding="utf-8")
    assert main(["plan", str(tmp_path / "p.yaml"), "--cell", str(tmp_path / "c.yaml")]) == 0
    page = capsys.readouterr().out
    assert "model marquis2019: 872.8 mAh at this size, 128% of the nominal capacity" in page
    assert "voltages vs In/InLi and vs Li: 2.5 V = 3.12 V, 4.1 V = 4.72 V, 4.3 V = 4.92 V" in page


def test_within_is_told_as_far_as_it_may_go(tmp_path, capsys):
    text = """labctl: 1
steps:
  - rest: 1 min
  - cycle: true
    steps: [{discharge: {current: C/2, to: 3 V, for: 3 h}}, {charge: {current: C/2, to: 4.1 V, for: 3 h}}]
  - nominal: {from: discharge_capacity, within: [50 %, 150 %]}
  - charge: {current: 3C, to: 4.1 V, for: 1 h}
"""
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "c.yaml").write_text(REFERENCED, encoding="utf-8")
    assert main(["plan", str(tmp_path / "p.yaml"), "--cell", str(tmp_path / "c.yaml")]) == 1
    assert "narrow its range to within: [50 %, 122 %]" in capsys.readouterr().err
    (tmp_path / "p.yaml").write_text(text.replace("150 %", "122 %"), encoding="utf-8")
    assert main(["plan", str(tmp_path / "p.yaml"), "--cell", str(tmp_path / "c.yaml")]) == 0


def test_a_current_below_the_resolution_of_a_channel_is_a_warning():
    from labctl.driver import Capabilities  # noqa: PLC0415
    from labctl.plan.compile import compiled_for  # noqa: PLC0415
    from labctl.protocol.load import load  # noqa: PLC0415
    from tests.unit.plan.conftest import FULL  # noqa: PLC0415

    coarse = Capabilities(
        modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic"}), current=(-1.0, 1.0), current_accuracy=1e-4
    )
    text = "labctl: 1\nsteps:\n  - charge: {current: 5 mA, to: 4 V, hold_until: current < 20 uA, for: 1 h}\n"
    found = compiled_for(load(text, "p.yaml"), FULL, {}, coarse).findings
    assert [(one.code, one.mark.column) for one in found] == [("channel.resolution", 60)]
    assert "found 20 uA" in found[0].message
    assert compiled_for(load(text, "p.yaml"), FULL, {}, Capabilities(
        modes=coarse.modes, current=coarse.current, current_accuracy=1e-7)).findings == ()  # fmt: skip
