"""Where the numbers of a cell file do not fit each other: most often one of them has another unit than was meant."""

from typing import Final

from labctl.finding import Finding, Mark
from labctl.protocol.cell import Cell
from labctl.quantity.units import display

LOADING: Final = 10.0  # kg/m2, 1 g/cm2: no electrode is so heavy
SMALLEST: Final = 5e-6  # m2, of a cell: less is rather a number of cm2 with the wrong unit
AREAL: Final = (36.0, 1.08e6)  # C/m2: 1 uAh/cm2 to 30 mAh/cm2
UNIT: Final = "1 cm2 is 100 mm2: is the unit of the area meant?"


def misfits(cell: Cell) -> tuple[Finding, ...]:
    """Return a warning for an area that no cell has, and for a mass or nominal capacity that no area holds."""
    if cell.area is None:
        return ()
    mark = cell.marks.get("area", Mark(cell.file, 1, 1))
    found = []
    if cell.area < SMALLEST:
        found.append((f"wanted an area of a cell, found {display(cell.area, 'area')}", mark, UNIT))
    loading = cell.active_mass / cell.area if cell.active_mass else LOADING
    if loading > LOADING:
        told = f"{display(loading * cell.area, 'mass')} on {display(cell.area, 'area')}, {loading * 100.0:.3g} mg/cm2"
        message = f"wanted an active mass of at most {LOADING * 100.0:g} mg/cm2, found {told}"
        at = cell.marks.get("active_mass", mark)
        found.append((message, at, "is the unit of active_mass or area meant?"))
    areal = None if cell.nominal is None else cell.nominal / cell.area
    if areal is not None and not AREAL[0] <= areal <= AREAL[1]:
        told = f"{display(areal * cell.area, 'capacity')} on {display(cell.area, 'area')}, {areal / 36e3:.3g} mAh/cm2"
        message = f"wanted a nominal capacity between 1 uAh/cm2 and 30 mAh/cm2, found {told}"
        given = ["area", "nominal", *(["active_mass"] if cell.active_mass else [])]
        hint = UNIT if cell.area < SMALLEST else f"one of {', '.join(given)} is likely to have another unit than meant"
        found.append((message, cell.marks.get("nominal", mark) if cell.area >= SMALLEST else mark, hint))
    return tuple(Finding("cell.together", message, at, hint, severity="warning") for message, at, hint in found)
