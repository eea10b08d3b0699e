"""What `check` says of conditions whose meaning the second edition changed, and that the page lists them."""

import json
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.protocol.editions import changed
from labctl.protocol.load import load

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
TEXT = """labctl: 1
steps:
  - repeat: 5
    cycle: true
    stop_if: {stop}
    steps:
      - charge: {{current: C/2, to: 4.1 V, for: 3 h}}
      - discharge: {{current: C/2, to: 3 V, for: 3 h}}
  - if: {asked}
    steps: [{{rest: 1 h}}]
"""


@pytest.mark.parametrize(
    ("stop", "asked", "told"),
    [
        ("cycle >= 3", "voltage > 3 V", ["stop_if: cycle >= 3"]),
        ("short or cycle of block > 3", "cycle in [5, 10]", []),
        (
            "retention < 80 %",
            "discharge_capacity < 600 mAh",
            ["stop_if: retention < 80 %", "if: discharge_capacity < 600 mAh"],
        ),
        ("retention of max < 80 %", "every 10 cycles", []),
    ],
)
def test_conditions_that_meant_something_else_are_told(tmp_path, capsys, stop, asked, told):
    text = TEXT.format(stop=stop, asked=asked)
    assert [change.text for change in changed(load(text, "p.yaml"))] == told
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "p.yaml"), "--json"]) == 0
    assert [one["condition"] for one in json.loads(capsys.readouterr().out)["changed"]] == told
    assert main(["check", str(tmp_path / "p.yaml"), "--editions"]) == 0
    assert ("by the first edition" in capsys.readouterr().err) == bool(told)
    assert main(["check", str(tmp_path / "p.yaml")]) == 0
    assert "edition" not in capsys.readouterr().err


def test_until_of_a_repeated_profile_is_one_of_them():
    files = {"d.csv": "time / s,current / A\n0,1\n60,0\n"}
    step = "profile: {file: d.csv, positive: charge, until: voltage > 4 V}"
    alone = load(f"labctl: 1\nsteps:\n  - repeat: 5\n    steps: [{{{step}}}]\n  - {step}\n", "p.yaml", files.get)
    assert [change.mark.line for change in changed(alone)] == [4]


def test_the_page_has_each_of_them():
    section = PAGE.partition("## Editions")[2].partition("\n## ")[0]
    for words in (
        "cycle >= 3",
        "retention",
        "`until` of a profile",
        "two cycles running",
        "inside a cycle",
        "check` cycles and others",
    ):
        assert words in section
