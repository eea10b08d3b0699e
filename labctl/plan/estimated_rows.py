"""How many rows a step is likely to leave, by its record rules."""

from collections.abc import Iterable

from labctl.driver import Mode, RecordRule, Spectrum, Sweep
from labctl.plan.step import Line, Plan


def rows_of(plan: Plan, line: Line, mode: Mode, seconds: float, charge: float) -> float:
    """Return how many rows a step leaves: by time, by the voltage that it is likely to cross, and its first and last."""
    if isinstance(mode, Spectrum):
        return float(len(mode.frequencies))
    if isinstance(mode, Sweep):
        crossed = abs(mode.end - mode.start)
    else:
        low, high = line.bounds.voltage or (0.0, 0.0)
        nominal = plan.cell.nominal
        crossed = (high - low) * min(1.0, charge / nominal) if nominal else 0.0
    return 2.0 + _by_rules(line.record, seconds, crossed)


def _by_rules(rules: Iterable[RecordRule], seconds: float, crossed: float) -> float:
    rows, at = 0.0, 0.0
    for rule in rules:
        end = seconds if rule.until is None else min(rule.until, seconds)
        span = max(end - at, 0.0)
        rows += span / rule.every if rule.every else 0.0
        rows += crossed * span / seconds / rule.voltage if rule.voltage and seconds else 0.0
        at = end
    return rows
