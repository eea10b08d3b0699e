"""Where the numbers of a cell file do not fit each other: most often one of them has another unit than was meant."""

from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.protocol.cell import Cell
from labctl.quantity.units import display

LOADING: Final = 10.0  # kg/m2, 1 g/cm2: no electrode is so heavy
SMALLEST: Final = 5e-6  # m2, of a cell: less is rather a number of cm2 with the wrong unit
AREAL: Final = (36.0, 1.08e6)  # C/m2: 1 uAh/cm2 to 30 mAh/cm2
SPECIFIC: Final = (7.2e3, 1.8e7)  # C/kg: 2 mAh/g to 5000 mAh/g, more than lithium and silicon have
FASTEST: Final = 1000.0  # C: no cell is allowed such a current, though a thin film may have the limits of its channel
THICKEST: Final = 0.02  # m of electrolyte between two electrodes
UNIT: Final = "1 cm2 is 100 mm2: is the unit of the area meant?"


def misfits(cell: Cell) -> tuple[Finding, ...]:
    """Return a warning for an area that no cell has, and for numbers that do not fit it or each other."""
    found = [*_areal(cell), *_specific(cell), *_current(cell), *_thick(cell)]
    return tuple(Finding("cell.together", message, at, hint, severity="warning") for message, at, hint in found)


def _specific(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find a nominal capacity that is too little or too much for the active mass."""
    if not cell.nominal or not cell.active_mass or SPECIFIC[0] <= cell.nominal / cell.active_mass <= SPECIFIC[1]:
        return []
    specific = cell.nominal / cell.active_mass / 3600.0
    told = f"{display(cell.nominal, 'capacity')} of {display(cell.active_mass, 'mass')}, {specific:.3g} mAh/g"
    message = f"wanted a nominal capacity between 2 mAh/g and 5000 mAh/g, found {told}"
    at = cell.marks.get("active_mass", Mark(cell.file, 1, 1))
    return [(message, at, "is the unit of active_mass or of nominal meant?")]


def _current(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find current limits so far beyond the nominal capacity that one of them has another unit than meant."""
    low, high = cell.limits.current or (0.0, 0.0)
    most = max((abs(one) for one in (low, high) if abs(one) < OPEN), default=0.0)
    if not cell.nominal or most * 3600.0 <= FASTEST * cell.nominal:
        return []
    told = f"{display(most, 'current')} beside {display(cell.nominal, 'capacity')}, {most * 3600.0 / cell.nominal:.3g}C"
    message = f"wanted current limits of at most {FASTEST:g}C, found {told}"
    at = cell.marks.get("nominal", Mark(cell.file, 1, 1))
    return [(message, at, "is the unit of nominal or of the limits meant?")]


def _thick(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find an electrolyte that is thicker than any cell."""
    thickness = cell.electrolyte_thickness
    if thickness is None or thickness <= THICKEST:
        return []
    message = f"wanted an electrolyte of at most {1e3 * THICKEST:g} mm, found {1e3 * thickness:g} mm"
    at = cell.marks.get("electrolyte_thickness", Mark(cell.file, 1, 1))
    return [(message, at, f"is {1e3 * thickness:g} um meant?")]


def _areal(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find an area that no cell has, and a mass or nominal capacity that no area holds."""
    if cell.area is None:
        return []
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
    return found
