"""Figures as text, with the digits that they carry and no more.

A metered charge or voltage is good to some thousandth at best, so four digits are shown; a percentage to its hundredth; a count
whole; a value with a spread to the second digit of that spread (ISO/IEC Guide 98-3, 7.2.6). Exports and `--json` keep all digits.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

CARRIED: Final = 4  # significant digits of a value of which nothing else is known
MOST_DECIMALS: Final = 7  # beyond them a number is told by its exponent
NOISE: Final = 1e-6
"""Of a value: a spread below is rounding, and says nothing of its digits."""
COUNTS: Final = frozenset({"cycles", "pulses", "pauses", "steps", "spectra"})
DEVIATION: Final = "standard deviation"
INTERVAL: Final = ", 95 % interval +-"
"""Ends the name of a figure that is half the 95 % confidence interval of the one before it."""
HALF: Final = " +-"
"""Ends the quantity of a column that is half the 95 % confidence interval of another: `D +- / cm2/s`."""

DASH: Final = "-"
"""Stands for a value that is withheld or not known."""


def shown(value: object, unit: str = "", spread: float | None = None) -> str:
    """Return a value as people read it.

    Args:
        value: A number, a text, or None.
        unit: Decides how a number is written: a count, a percentage, or anything else.
        spread: Its standard uncertainty, in the same unit, where one is known.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if not isinstance(value, float):
        return str(value)
    if unit in COUNTS:
        return f"{value:.0f}"
    if spread is not None and math.isfinite(spread) and spread > NOISE * abs(value):
        return _rounded(value, 1 - math.floor(math.log10(spread)))
    if unit == "C":  # a rate, as it was written
        return f"{value:.3g}"
    if unit == "%":
        return f"{value + 0.0:.2f}".replace("-0.00", "0.00")
    return f"{value:#.{CARRIED}g}".rstrip(".") if abs(value) < 10**CARRIED else f"{value:.0f}"


def with_intervals(figures: Sequence[tuple[str, float, str]]) -> list[str]:
    """Return the values of figures (name, value, unit) as text, with the digits that their intervals leave them.

    An interval has two digits, and the value ends where they end. Figures that are intervals themselves are told alike.
    """
    halves = {name.removesuffix(INTERVAL): value for name, value, _ in figures if name.endswith(INTERVAL)}
    values = {name: value for name, value, _ in figures}
    return [
        shown(value, unit, _carried(values.get(name.removesuffix(INTERVAL)), halves.get(name.removesuffix(INTERVAL))))
        for name, value, unit in figures
    ]


def _carried(value: float | None, half: float | None) -> float | None:
    """Return half an interval, or more where it is below any instrument's accuracy: one digit beyond `CARRIED`."""
    if half is None or not value or not math.isfinite(value):
        return half
    return max(half, 10.0 ** (math.floor(math.log10(abs(value))) + 1 - CARRIED))


def _rounded(value: float, decimals: int) -> str:
    """Return a number to so many decimals, below zero to tens, hundreds."""
    if decimals > MOST_DECIMALS and value:
        return f"{value:.{max(decimals + math.floor(math.log10(abs(value))), 0)}e}"
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def unit_of(name: str) -> str:
    """Return the unit of a column: what stands behind the slash of its name."""
    return name.partition(" / ")[2]


def texts(table: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    """Return the columns of a table as text: values to the second digit of the spread that stands beside them.

    That is a standard deviation for means, and for others half an interval, the column of their name with `+-` behind it.
    """
    columns = {}
    for name, column in table.items():
        quantity, _, unit = name.partition(" / ")
        own = quantity.removesuffix(HALF)
        half = table.get(f"{own}{HALF} / {unit}" if unit else f"{own}{HALF}")
        values = table.get(f"{own} / {unit}" if unit else own, column)
        deviations = table.get(f"{DEVIATION} / {unit}") if name.startswith("mean ") else column
        spreads = deviations if name.startswith("mean ") or DEVIATION in name else half
        columns[name] = [
            shown(value, unit, _spread(of, spread, exact=spreads is not half))
            for value, of, spread in zip(column, values, spreads or [None] * len(column), strict=True)
        ]
    return columns


def _spread(value: object, spread: object, *, exact: bool) -> float | None:
    """Return the spread that decides the digits of a value; None where there is none."""
    if not isinstance(spread, float):
        return None
    return spread if exact else _carried(value if isinstance(value, float) else None, spread)


SCALES: Final[Mapping[str, Sequence[tuple[float, str]]]] = {
    unit: ((1.0, unit), (1e-3, f"m{unit}"), (1e-6, f"u{unit}"), (1e-9, f"n{unit}"), (1e-12, f"p{unit}"))
    for unit in ("Ah", "Wh", "A")
}


def scale(unit: str, values: Sequence[float]) -> tuple[float, str]:
    """Return the size and name of the unit in which the largest of some values has one to three digits before the point."""
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    sizes = SCALES.get(unit, ((1.0, unit),))
    return next((each for each in sizes if most >= each[0]), sizes[0] if most == 0.0 else sizes[-1])
