"""Every worked example of the page is run by the command that the page gives, and does what the page says."""

import re
from pathlib import Path

import pytest

from labctl.cli.main import main
from tests.system.test_numbers import Runs

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "worked-examples.md").read_text(encoding="utf-8")
EXAMPLES = {
    match[1]: (match[2].split(), match[3])
    for match in re.finditer(r"`labctl simulate (\S+) (--cell [^`]*)`.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
}
TABLES = {match[1]: match[2] for match in re.finditer(r"```csv (\S+)\n(.*?)```", PAGE, re.DOTALL)}
CYCLES = "SELECT kind, count(*) FROM cycles WHERE complete = 1 GROUP BY kind"
LIKELY = {
    "check-up.yaml": (CYCLES, [("check", 2), ("true", 4)]),
    "hppc.yaml": ("SELECT step_name, count(*) FROM steps WHERE step_name LIKE 'pulse %' GROUP BY step_name", [("pulse down", 9), ("pulse up", 9)]),
    "drive.yaml": ("SELECT end_reason, count(*) FROM steps WHERE step_type = 'profile' AND end_reason != 'own' GROUP BY 1", [("until", 1)]),
    "spectra.yaml": ("SELECT group_concat(DISTINCT cycles_completed) FROM spectra", [("1,2,5",)]),
    "hourly.yaml": ("SELECT round(begin_test_time_second) FROM steps WHERE step_type = 'eis'", [(600.0,), (4200.0,), (7800.0,)]),
    "formation.yaml": (CYCLES, [("formation", 3), ("true", 2)]),
    "reservoir.yaml": ("SELECT round(value, 1) FROM results WHERE name LIKE '%efficiency by reservoir%'", [(98.5,)]),
    "storage.yaml": ("SELECT round(step_time_second / 86400, 6), chamber_temperature_celsius FROM steps WHERE step_name = 'storage' AND step_type = 'rest'", [(3.0, 40.0), (3.0, 40.0)]),
    "random.yaml": ("SELECT count(*) FROM steps WHERE step_type = 'discharge'", [(20,)]),
}  # fmt: skip


def test_the_page_has_the_methods_that_were_asked_for():
    assert set(EXAMPLES) == set(LIKELY)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worked_example_runs_as_the_page_says(tmp_path, capsys, name):
    options, text = EXAMPLES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    for table, rows in TABLES.items():
        (tmp_path / table).write_text(rows, encoding="utf-8")
    runs = Runs(tmp_path, capsys)
    code = main(["simulate", str(tmp_path / name), *options, "--db", runs.db])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "run 1: done" in told.out
    assert "did nothing" not in told.out.replace("wait", "") or name == "storage.yaml"
    question, answer = LIKELY[name]
    assert runs.query(question) == answer
