"""Numbers of a cell file that are far outside what is usual in their place: most often one with another prefix."""

import re
from collections.abc import Iterator
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Mark
from labctl.protocol.cell import Cell
from labctl.quantity.units import display

NARROWEST: Final = 0.2  # V between the limits of a cell whose electrodes take up and give back ions
HIGHEST: Final = 10.0  # V of any cell
LOWEST: Final = 0.02  # V of the lower limit of a full cell or a cathode material, but for 0
THINNEST: Final = 2e-8  # m of an electrolyte
COLDEST: Final = 173.0  # K, -100 degC, and
HOTTEST: Final = 573.0  # K, 300 degC: limits of temperature
MOST_REFERENCE: Final = 10.0  # V between two references
SMALLEST_SOC: Final = 0.01  # of a state of charge: below it a share was written with a percent sign
WINDOW: Final = 1.2  # V around 0, in which two equal electrodes are driven

Slip = tuple[str, Mark, str]


def out_of_range(cell: Cell) -> Iterator[Slip]:
    """Give message, place and hint of every number that is out of its usual range."""
    yield from _voltage(cell)
    yield from _current(cell)
    yield from _others(cell)


def _at(cell: Cell, key: str) -> Mark:
    return cell.marks.get(key, Mark(cell.file, 1, 1))


def _voltage(cell: Cell) -> Iterator[Slip]:
    low, high = cell.limits.voltage or (-OPEN, OPEN)
    at, shown = _at(cell, "limits"), f"{display(low, 'voltage')} to {display(high, 'voltage')}"
    if cell.kind in {"full", "half_cathode", "half_anode"} and high - low < NARROWEST:
        meant = f"[{display(1000.0 * low, 'voltage')}, {display(1000.0 * high, 'voltage')}]"
        hint = f"is {meant} meant?" if 1000.0 * high <= HIGHEST else "are both limits meant?"
        yield f"wanted the window in which a {cell.kind} cell is cycled, found {shown}", at, hint
    elif cell.kind in {"full", "half_cathode"} and 0.0 < low < LOWEST and 1000.0 * low < high:
        meant = display(1000.0 * low, "voltage")
        yield (
            f"wanted the lowest voltage of a {cell.kind} cell, found {display(low, 'voltage')}",
            at,
            f"is {meant} meant?",
        )
    if cell.kind in {"full", "half_cathode"} and -OPEN < low < 0.0 and high <= WINDOW:
        message = f"wanted the window in which a {cell.kind} cell is cycled, found {shown}, around 0 V"
        yield message, at, "is kind: symmetric meant?"
    if cell.kind == "asymmetric" and 0.0 <= low < OPEN:
        message = f"wanted a voltage limit below 0 V, where plate brings an asymmetric cell, found {shown}"
        yield message, at, "write -0.5 V or less as the first value"


def _current(cell: Cell) -> Iterator[Slip]:
    low, high = cell.limits.current or (-1.0, 1.0)
    if low > 0.0 or high < 0.0:
        shown = f"{display(low, 'current')} to {display(high, 'current')}"
        most = display(max(abs(low), abs(high)), "current")
        message = f"wanted current limits on both sides of 0, as a cell at rest has none, found {shown}"
        yield message, _at(cell, "limits"), f"write [-{most}, {most}]"
    elif low == 0.0 < high or low < 0.0 == high:
        found, driven = ("no discharge", high) if high else ("no charge", -low)
        shown = f"{display(low, 'current')} to {display(high, 'current')}"
        message = f"wanted current limits in both directions, found {shown}, which allow {found}"
        yield message, _at(cell, "limits"), f"write [-{display(driven, 'current')}, {display(driven, 'current')}]"


def _others(cell: Cell) -> Iterator[Slip]:
    thickness = cell.electrolyte_thickness
    if thickness is not None and thickness < THINNEST:
        message = (
            f"wanted an electrolyte of at least {display(THINNEST, 'length')}, found {display(thickness, 'length')}"
        )
        yield message, _at(cell, "electrolyte_thickness"), f"is {display(1000.0 * thickness, 'length')} meant?"
    for value in cell.limits.temperature or ():
        if abs(value) < OPEN and not COLDEST <= value <= HOTTEST:
            low, high = display(COLDEST, "temperature"), display(HOTTEST, "temperature")
            message = f"wanted a temperature limit from {low} to {high}, found {display(value, 'temperature')}"
            meant = f"{value:g} degC" if value < COLDEST else "its unit"
            yield message, _at(cell, "limits"), f"is {meant} meant?"
            break
    for name, value in cell.references.items():
        if abs(value) > MOST_REFERENCE:
            message = f"wanted the voltage of the reference against {name}, found {display(value, 'voltage')}"
            yield message, _at(cell, "reference"), f"is {display(value / 1000.0, 'voltage')} meant?"
    if cell.soc is not None and 0.0 < cell.soc < SMALLEST_SOC and re.search(r"soc:\s*0?\.\d", cell.text):
        message = f"wanted a state of charge, found {display(cell.soc, 'fraction')}"
        yield message, _at(cell, "state"), f"is {display(100.0 * cell.soc, 'fraction')} meant?"
