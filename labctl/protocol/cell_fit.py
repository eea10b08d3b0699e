"""Where the numbers of a cell file do not fit each other: most often one of them has another unit than was meant."""

from collections.abc import Iterator
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.protocol.cell import Cell
from labctl.protocol.cell_ranges import out_of_range
from labctl.protocol.cell_slips import Reread, likely_units
from labctl.quantity.units import display

LOADING: Final = 10.0  # kg/m2, 1 g/cm2: no electrode is so heavy
SMALLEST: Final = 5e-6  # m2, of a cell: less is rather a number of cm2 with the wrong unit
AREAL: Final = (36.0, 1.08e6)  # C/m2: 1 uAh/cm2 to 30 mAh/cm2
SPECIFIC: Final = (7.2e3, 1.8e7)  # C/kg: 2 mAh/g to 5000 mAh/g, more than lithium and silicon have
FASTEST: Final = 1000.0  # C: no cell is allowed such a current, though a thin film may have the limits of its channel
THICKEST: Final = 0.02  # m of electrolyte between two electrodes
UNIT: Final = "1 cm2 is 100 mm2: is the unit of the area meant?"

LARGE: Final = 1e-3  # m2, 10 cm2: pouches and wound electrodes, which are no thin films
LARGEST_HALF: Final = 5e-3  # m2, 50 cm2: no half cell or cell of two metals is usually larger
HEAVIEST_HALF: Final = 1e-3  # kg, 1 g of active material in a half cell
MOST_OF_HALF: Final = 3600.0  # C, 1 Ah
LEAST_HIGH: Final = 0.2  # V of the upper limit of any electrode
ANODE_BELOW: Final = 2.0  # V of the lower limit of an anode material; of cathodes the upper one lies above
CATHODE_ABOVE: Final = 0.2  # V of the lower limit of a cathode material
MOST_OF_FILM: Final = 3.6e5  # C/m2, 10 mAh/cm2
THICKEST_FILM: Final = 1e-3  # m
DENSE: Final = (1.8e7, 3.6e10)  # C/m3 of a film: 0.5 to 1000 uAh/cm2/um
HEAVY: Final = (50.0, 2.5e4)  # kg/m3 of a film
MILLIVOLTS: Final = 500.0  # V: beyond it a number is one of mV
MOST_VOLTS: Final = 10.0  # V, of one pair of electrodes
USUAL_LOADING: Final = (2e-4, 1.5)  # kg/m2: 0.02 mg/cm2 to 150 mg/cm2
USUAL_LOADING_OF_LARGE: Final = (3e-3, 1.5)  # kg/m2: 0.3 mg/cm2 on
USUAL_AREAL_OF_LARGE: Final = (3600.0, 1.08e6)  # C/m2: 0.1 mAh/cm2 on
USUAL_LIMIT: Final = 0.2  # A/m2, 0.02 mA/cm2: what a large cell is allowed at least
SLOWEST: Final = 0.01  # C: no cell is allowed so little


def misfits(cell: Cell, reread: Reread | None = None) -> tuple[Finding, ...]:
    """Return a warning for an area that no cell has, and for numbers that do not fit it or each other.

    Args:
        cell: As its file says.
        reread: Reads the file's text with another unit, to find the one with which everything fits.
    """
    found = _beyond(cell)
    if reread is not None and (found or _unusual(cell)) and (meant := _meant(cell, reread)):
        found = [meant]
    found = [*_window(cell), *out_of_range(cell), *found]
    return tuple(Finding("cell.together", message, at, hint, severity="warning") for message, at, hint in found)


def _beyond(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Return what no cell has."""
    return [*_areal(cell), *_specific(cell), *_current(cell), *_thick(cell), *_volts(cell)]


def _meant(cell: Cell, reread: Reread) -> tuple[str, Mark, str] | None:
    """Return the finding at the one unit with which all would be usual, with what it makes as written and as meant."""
    likely = likely_units(cell, reread, lambda one: not _unusual(one) and not _beyond(one))
    if not likely or not _unusual(cell):
        return None
    first = likely[0]
    makes = f", which makes {' and '.join(_unusual(cell))}"
    others = " or ".join(f"{one.meant} (that is {_told(one.cell)})" for one in likely[:2])
    return (
        f"wanted numbers of a cell that fit each other, found {first.written}{makes}",
        first.mark,
        f"is {others} meant?",
    )


def _told(cell: Cell) -> str:
    """Return what the numbers of a cell make together."""
    return ", ".join(text for text, _ in _figures(cell)) or "usual"


def _unusual(cell: Cell) -> list[str]:
    """Return what the numbers of a cell make together that is not usual, and that another unit may explain."""
    return [text for text, usual in _figures(cell) if not usual]


def _figures(cell: Cell) -> Iterator[tuple[str, bool]]:
    """Give what the numbers of a cell make together, and whether that is usual."""
    area, mass, charge = cell.area, cell.active_mass, cell.nominal
    large = area is not None and area > LARGE
    if area and mass:
        usual = (
            USUAL_LOADING_OF_LARGE if large else (0.0 if cell.film_thickness else USUAL_LOADING[0], USUAL_LOADING[1])
        )
        yield f"{mass / area * 100.0:.3g} mg/cm2", usual[0] <= mass / area <= usual[1]
    if area and charge:
        low, high = USUAL_AREAL_OF_LARGE if large else AREAL
        yield f"{charge / area / 36e3:.3g} mAh/cm2", low <= charge / area <= high
    if mass and charge:
        yield f"{charge / mass / 3600.0:.3g} mAh/g", SPECIFIC[0] <= charge / mass <= SPECIFIC[1]
    yield from _figures_of_limits(cell, large=large)
    if cell.kind in {"full", "capacitor"} or (area and (charge or mass)):
        return
    if area:
        yield f"a {cell.kind} cell of {display(area, 'area')}", SMALLEST <= area <= LARGEST_HALF
    if mass or charge:
        told = display(charge, "capacity") if charge else display(mass or 0.0, "mass")
        yield f"a {cell.kind} cell of {told}", (mass or 0.0) <= HEAVIEST_HALF and (charge or 0.0) <= MOST_OF_HALF


def _figures_of_limits(cell: Cell, *, large: bool) -> Iterator[tuple[str, bool]]:
    """Give what thickness and current limits make of the cell, and whether that is usual."""
    area, charge, mass = cell.area, cell.nominal, cell.active_mass
    if cell.film_thickness:
        thin = not (area and charge) or charge / area <= MOST_OF_FILM
        yield f"a film of {display(cell.film_thickness, 'length')}", cell.film_thickness <= THICKEST_FILM and thin
        if area and charge:
            dense = charge / area / cell.film_thickness
            yield f"{dense / 3.6e7:.3g} uAh/cm2/um", DENSE[0] <= dense <= DENSE[1]
        if area and mass:
            heavy = mass / area / cell.film_thickness
            yield f"{heavy / 1000.0:.3g} g/cm3", HEAVY[0] <= heavy <= HEAVY[1]
    most = _most_current(cell)
    if charge and most:
        yield f"limits of {most * 3600.0 / charge:.3g}C", SLOWEST <= most * 3600.0 / charge <= FASTEST
    if area and most and large:
        yield f"limits of {most / area / 10.0:.3g} mA/cm2", most / area >= USUAL_LIMIT


def _most_current(cell: Cell) -> float:
    low, high = cell.limits.current or (0.0, 0.0)
    return max((abs(one) for one in (low, high) if abs(one) < OPEN), default=0.0)


def _volts(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find a voltage limit that no pair of electrodes reaches."""
    most = max((abs(one) for one in cell.limits.voltage or () if abs(one) < OPEN), default=0.0)
    if most <= MOST_VOLTS:
        return []
    message = f"wanted voltage limits of a cell, at most {MOST_VOLTS:g} V, found {display(most, 'voltage')}"
    meant = most / (1000.0 if most >= MILLIVOLTS else 10.0)
    return [(message, cell.marks.get("limits", Mark(cell.file, 1, 1)), f"is {display(meant, 'voltage')} meant?")]


def _window(cell: Cell) -> list[tuple[str, Mark, str]]:
    """Find voltage limits in which a cell of its kind does not rest."""
    if cell.limits.voltage is None:
        return []
    low, high = cell.limits.voltage
    at = cell.marks.get("limits", Mark(cell.file, 1, 1))
    shown = f"{display(low, 'voltage')} to {display(high, 'voltage')}"
    if cell.kind in {"symmetric", "blocking"} and (low > 0.0 or high < 0.0):
        most = display(max(abs(low), abs(high)), "voltage")
        message = f"wanted voltage limits around 0 V, where a {cell.kind} cell rests, found {shown}"
        return [(message, at, f"is kind: full or half_cathode meant? else write [-{most}, {most}]")]
    if cell.kind == "half_anode" and ANODE_BELOW <= low < OPEN:
        message = f"wanted the voltage limits of an anode material against its metal, found {shown}"
        return [(message, at, "is kind: half_cathode meant?")]
    if cell.kind == "half_cathode" and 0.0 <= low < CATHODE_ABOVE and high <= ANODE_BELOW:
        message = f"wanted the voltage limits of a cathode material against its metal, found {shown}"
        return [(message, at, "is kind: half_anode meant?")]
    of_anode = 0.0 <= low < CATHODE_ABOVE and LEAST_HIGH < high <= ANODE_BELOW
    if cell.kind == "full" and cell.reference in {"Li", "Na"} and of_anode:
        message = (
            f"wanted the voltage limits of a full cell, found {shown} vs {cell.reference}, as of an anode material"
        )
        return [(message, at, "is kind: half_anode meant?")]
    return []


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
    most = _most_current(cell)
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
