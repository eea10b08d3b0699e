"""What papers published of their cells: one row a number, beside the protocols that measure it again."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from labctl.analysis.run_record import Analysis
from labctl.driver import ParameterOrigin
from labctl.errors import UsageError

COLUMNS = ("row", "protocol", "cell", "figure", "unit", "published", "within", "basis", "why")
RANGE: Final = re.compile(r"([0-9][0-9.e+-]*) to ([0-9][0-9.e+-]*)")
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
NEAR: Final = 0.2  # relative difference within which `~` takes a table's value
TABLE: Final = 0.02  # relative difference of a table's value from the wanted one
TELLING: Final = 100.0  # whole numbers below it stand in many texts by chance
LIKE: Final = 1e-6  # relative difference of two texts of one number


@dataclass(frozen=True, slots=True)
class Published:
    """A published number.

    Attributes:
        paper: Folder of its paper.
        row: The measurement, as the paper's folder numbers it.
        protocol: Protocol that measures it, a file of the folder.
        cell: Cell file of the library.
        figure: Where the analyses have it: `ANALYSIS: FIGURE`, or `ANALYSIS: COLUMN where COLUMN = VALUE` (to 2 %), or with
            `~` for the nearest value (to 20 %).
        unit: Its unit.
        value: The number.
        within: How far a simulation may be off: `5 %`, `2 mV`, `5 % of the largest`.
        basis: That the number follows from others that the model was fitted to, in words; mostly "".
        why: Why the simulated cell is known not to meet it; "" where it is met.
    """

    paper: str
    row: str
    protocol: str
    cell: str
    figure: str
    unit: str
    value: float
    within: str
    basis: str = ""
    why: str = ""

    def allowed(self, largest: float) -> float:
        """Return how far off a simulation may be, in the number's unit; `largest` is that of the same row and cell.

        Raises:
            UsageError: It is neither in the number's unit nor in %.
        """
        size, _, rest = self.within.partition(" ")
        if rest == self.unit and self.unit != "%":
            return float(size)
        if not rest.startswith("%"):
            raise UsageError(f"{self.paper} {self.row}: wanted a deviation in % or {self.unit}, found {self.within!r}")
        base = largest if "largest" in rest else self.value
        return float(size) if self.unit == "%" else float(size) / 100.0 * abs(base)


def read_published(folder: Path) -> list[Published]:
    """Return the numbers of a paper's folder.

    Raises:
        UsageError: Its table is not one.
    """
    file = folder / "published.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UsageError(
                f"{file}: wanted the columns {', '.join(COLUMNS)}, found {', '.join(reader.fieldnames or ())}"
            )
        return [
            Published(
                folder.name, each["row"], each["protocol"], each["cell"], each["figure"], each["unit"],
                float(each["published"]), each["within"], each["basis"], each["why"],
            )
            for each in reader
        ]  # fmt: skip


def fitted_to(published: Published, origins: Sequence[ParameterOrigin]) -> tuple[str, ...]:
    """Return the parameters of the cell's model that were fitted to a number, or quote it: then no simulation predicts it.

    A parameter counts that is not assumed, names the number's row, and either names that number, itself or between the ends of a
    range (`231.0 to 90.1 mAh/g`), or names no number of its row. One of another row of the same paper counts where it names
    the number and that is no small whole one.
    """
    return tuple(each.path for each in origins if each.status != "assumed" and _names(each, published))


def _names(origin: ParameterOrigin, published: Published) -> bool:
    """Tell whether a parameter was fitted to a number, or is that number."""
    value = published.value
    numbers = [float(text) for text in NUMBER.findall(f"{origin.words} {origin.given}")]
    prefixes = (1.0,) if origin.source != published.row else (1.0, 1e3, 1e-3)  # 1.29 mS/cm is 1.29e-3 S/cm
    alike = any(abs(scale * number - value) <= LIKE * abs(value) for number in numbers for scale in prefixes)
    if origin.source != published.row:
        paper = published.row.rstrip("0123456789")
        telling = value % 1 != 0 or value >= TELLING
        return alike and telling and origin.source.rstrip("0123456789") == paper
    ends = [sorted((float(low), float(high))) for low, high in RANGE.findall(origin.words)]
    return alike or any(low <= value <= high for low, high in ends)


def simulated(published: Published, analyses: Sequence[Analysis]) -> float:
    """Return the number that analyses have where a published one belongs; NaN where they have none."""
    name, _, figure = published.figure.partition(": ")
    place = re.fullmatch(r"(.+) where (.+) ([=~]) (\S+)", figure)
    for analysis in analyses:
        if analysis.name != name:
            continue
        if place is not None:
            within = TABLE if place[3] == "=" else NEAR
            return _from_table(analysis, f"{place[1]} / {published.unit}", place[2], float(place[4]), within)
        fitting = [
            each.value for each in analysis.figures if each.name.startswith(figure) and each.unit == published.unit
        ]
        if fitting:
            return fitting[0]
    return float("nan")


def _from_table(analysis: Analysis, column: str, key: str, value: float, within: float) -> float:
    """Return a table's value where another column is nearest to a wanted one, no further off than `within` of it."""
    if column not in analysis.table or key not in analysis.table:
        return float("nan")
    keys = np.asarray(analysis.table[key], dtype=float)
    if not np.isfinite(keys).any():
        return float("nan")
    at = int(np.nanargmin(np.abs(keys - value)))
    return float(analysis.table[column][at]) if abs(keys[at] - value) <= within * abs(value) else float("nan")
