"""One rule of what retention is measured against, in the analysis, in SQL's column and in `stop_if`."""

from pathlib import Path

import pytest

from tests.system.test_numbers import FULL, Runs, runs

__all__ = ["runs"]  # the fixture

PAGE = Path(__file__).parents[2] / "docs/reference/protocol.md"
EMPTY_FIRST = """\
labctl: 1
name: the first discharge finds the cell empty
record: {every: 1 min, dV: 10 mV}
steps:
  - rest: 10 min
  - discharge: {current: C/5, to: 3.1 V, for: 9 h}
  - rest: 1 h
  - repeat: 4
    cycle: true
    stop_if: retention < 50 %
    steps:
      - discharge: {current: C/5, to: 3.1 V, for: 9 h}
      - charge: {current: C/5, to: 4.1 V, for: 9 h}
"""
TWO_RATES = """\
labctl: 1
name: two rates, and what stops a fade at one of them
record: {every: 1 min, dV: 10 mV}
steps:
  - rest: 10 min
  - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
  - each: {j: [0.5C, 0.5C, 4C, 4C, 4C, 0.5C]}
    cycle: true
    stop_if: retention < 95 %
    steps:
      - discharge: {current: $j, to: 3.1 V, for: 5 h}
      - charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}
"""


def both(runs: Runs, run: int = 1) -> tuple[dict[int, float], dict[int, float]]:
    """Return retention in % by cycle, of SQL and of the analysis."""
    stored = runs.query(f"SELECT cycle_count, retention FROM cycles WHERE run_id = {run} AND complete = 1")
    table = runs.analyse("retention", run=run)["retention"]["table"]
    column = next(values for name, values in table.items() if name.endswith("/ %"))
    return {cycle: 100 * value for cycle, value in stored if value is not None}, dict(
        zip(table["cycle"], column, strict=True)
    )


def test_a_first_cycle_that_passed_next_to_nothing_is_no_reference_of_any(runs):
    """Its 0.4 % made 24 000 % of the next ones, and `stop_if: retention < 50 %` could never have come."""
    assert runs.simulate(EMPTY_FIRST, FULL) == 0
    stored, analysed = both(runs)
    assert list(analysed) == [2, 3, 4]
    assert {cycle: stored[cycle] for cycle in analysed} == pytest.approx(analysed)
    assert all(99.0 < value < 101.0 for value in analysed.values())


def test_like_is_compared_with_like_everywhere(runs):
    """A cell that gives less at 4C has not faded: neither the analysis, SQL nor `stop_if` says so."""
    assert runs.simulate(TWO_RATES, FULL) == 0
    stored, analysed = both(runs)
    assert len(analysed) == 6
    assert stored == pytest.approx(analysed)
    ((first, fast),) = runs.query(
        "SELECT a.discharging_capacity_ah, b.discharging_capacity_ah FROM cycles a, cycles b WHERE a.cycle_count = 1 AND b.cycle_count = 4"
    )
    assert fast < 0.95 * first
    assert stored[4] == pytest.approx(100.0, abs=1.0)


@pytest.mark.parametrize(("protocol", "cell"), [("rate-test", "phlt-ncm811"), ("galvanostatic-cycling", "voc1")])
def test_sql_and_analysis_agree_in_protocols_of_the_library(runs, protocol, cell):
    assert runs.simulate(protocol, cell) == 0
    stored, analysed = both(runs)
    assert {cycle: stored[cycle] for cycle in analysed} == pytest.approx(analysed)
    assert len(analysed) > 3


FADES = """\
labctl: 1
name: the second cycle is below the limit already
record: {{every: 60 s, dV: 5 mV}}
steps:
  - rest: 10 min
  - repeat: 8
    cycle: true
    stop_if: retention < 99.97 %{running}
    steps:
      - charge: {{current: C/10, to: 4.3 V, for: 20 h}}
      - discharge: {{current: 2C, to: 3 V, for: 20 h}}
"""


@pytest.mark.parametrize(("running", "cycles"), [("", 3), (" for 1 cycle", 2)])
def test_retention_two_cycles(runs, running, cycles):
    """Two cycles running below the limit end a block, since one bad cycle is none; one does where it says so."""
    assert runs.simulate(FADES.format(running=running), "phlt-ncm811") == 0
    stored, _ = both(runs)
    assert list(stored) == list(range(1, cycles + 1))
    assert all(value < 99.97 for cycle, value in stored.items() if cycle > 1)
    assert "acts when it is true for two cycles running" in PAGE.read_text(encoding="utf-8")
