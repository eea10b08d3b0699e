"""A cell: what a cell file says, in SI, and how relative quantities become absolute by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from labctl.driver import Bounds
from labctl.errors import CellError
from labctl.finding import Finding, Mark, clip
from labctl.inputs import shown_file
from labctl.quantity.dimension import (
    ANGLE,
    AREA,
    DURATION,
    FRACTION,
    KELVIN,
    LENGTH,
    NONE,
    PRESSURE,
    TABLES,
    VOLTAGE,
    Dimension,
    Kind,
    dimension_of,
)
from labctl.quantity.units import Quantity

CellKind: TypeAlias = Literal["full", "half_cathode", "half_anode", "asymmetric", "symmetric", "blocking", "capacitor"]
CELL_KINDS: Final = ("full", "half_cathode", "half_anode", "asymmetric", "symmetric", "blocking", "capacitor")

NEVER_RELATIVE: Final = frozenset({NONE, FRACTION, LENGTH, AREA, KELVIN, ANGLE, PRESSURE, NONE / DURATION})

FIELD_EXAMPLES: Final = {
    "area": "area: 1 cm2",
    "active_mass": "active_mass: 0.12 mg",
    "film_thickness": "film_thickness: 300 nm",
    "nominal": "nominal: {capacity: 19.5 uAh/cm2}",
}
NO_RATE: Final = frozenset({"symmetric", "asymmetric", "blocking"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, SI: m2, kg, m; `nominal` is the charge in C that 100 % means, and 1C is its 3600th part in A.

    Attributes:
        name: The cell's own name.
        kind: One of `CELL_KINDS`.
        area: Area of the working electrode, m2.
        active_mass: Mass of active material, kg.
        film_thickness: Thickness of the electrode film, m.
        electrolyte_thickness: Thickness of the electrolyte, m.
        nominal: Nominal charge, C.
        basis: Where `nominal` comes from, in the user's words.
        limits: Envelope of this cell; a protocol tightens it, never widens.
        reference: Label that "V vs" has for this cell, such as Li.
        references: Voltage of the cell's reference against others, V: with {"Li": 0.62}, 3.8 V vs Li is 3.18 V here.
        model: Parameter set of a simulated cell that stands in for it, or the file of one.
        model_text: Text of that file, where it was read.
        soc: State of charge at which a simulated cell begins, 0 to 1.
        rest_voltage: Voltage at which it rests then instead, V.
        cycles: Cycles that it has gone through by then.
        about: Free notes.
        file: Name of the file it was read from.
        text: The text itself.
        marks: Where each key stands in it.
        rests_on: Fields by which others were made absolute, such as the area by which an active mass in mg/cm2 was.
    """

    name: str
    kind: CellKind
    area: float | None = None
    active_mass: float | None = None
    film_thickness: float | None = None
    electrolyte_thickness: float | None = None
    nominal: float | None = None
    basis: str = ""
    limits: Bounds = field(default_factory=Bounds)
    reference: str = ""
    references: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    model_text: str | None = None
    soc: float | None = None
    rest_voltage: float | None = None
    cycles: float | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    text: str = ""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    rests_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def stated(self, *names: str) -> str:
        """Return the lines of the file that state fields and what these rest on, each with its place; "" where none is known."""
        wanted = list(names)
        for name in wanted:
            wanted += [other for other in self.rests_on.get(name, ()) if other not in wanted]
        lines, marks = self.text.splitlines(), dict.fromkeys(self.marks[name] for name in wanted if name in self.marks)
        known = [(mark, lines[mark.line - 1]) for mark in marks if 0 < mark.line <= len(lines)]
        return ", ".join(
            f"{clip(line.partition(' #')[0].strip(), 60)} ({shown_file(mark.file)}:{mark.line})" for mark, line in known
        )

    @property
    def retention(self) -> Literal["discharge", "charge"] | None:
        """Name the half-cycle whose capacity counts for retention, from the table of cell kinds."""
        return {
            "full": "discharge",
            "half_cathode": "discharge",
            "half_anode": "charge",
            "asymmetric": "charge",
            "capacitor": "discharge",
        }.get(self.kind)  # type: ignore[return-value]

    @property
    def efficiency(self) -> Literal["discharge/charge", "charge/discharge"] | None:
        """Name the quotient that is the coulombic efficiency; stripping charges, plating discharges."""
        return {
            "full": "discharge/charge",
            "half_cathode": "discharge/charge",
            "half_anode": "charge/discharge",
            "asymmetric": "charge/discharge",
            "capacitor": "discharge/charge",
        }.get(self.kind)  # type: ignore[return-value]

    def resolve(self, quantity: Quantity, kind: Kind) -> float:
        """Return a quantity as an absolute SI value of `kind`: A, C, W, ohm, V, s, ...

        An amplitude or bias is in V where it was written in V, else in A; a peak in W where it was, else in A.
        A voltage `vs ocv` is its offset.

        Raises:
            CellError: The cell lacks the field that the quantity is relative to, or it is not of that kind at all.
        """
        value, missing = self.absolute(quantity, kind)
        if value is not None:
            return value
        raise CellError(self._finding(quantity, kind, missing))

    def absolute(self, quantity: Quantity, kind: Kind) -> tuple[float | None, tuple[str, ...]]:
        """Return the absolute SI value, or None and the names of the cell's fields that are missing for it.

        None with no missing field says that no cell could make this quantity one of `kind`.
        """
        if kind in {"amplitude", "bias"}:
            kind = "voltage" if quantity.dimension == VOLTAGE else "current"
        if kind == "peak":
            kind = "power" if quantity.dimension in TABLES["power"].accepted else "current"
        given, wanted = quantity.dimension, dimension_of(kind)
        needed = factors(given, wanted)
        if needed is None:
            return None, ()
        missing = tuple(name for name, _ in needed if getattr(self, name) is None)
        if missing:
            return None, missing
        value = quantity.in_kind(kind)
        for name, power in needed:
            value *= float(getattr(self, name)) ** power
        return value - self.references.get(quantity.versus, 0.0), ()

    def _finding(self, quantity: Quantity, kind: Kind, missing: tuple[str, ...]) -> Finding:
        mark = quantity.mark or Mark(self.file, 1, 1)
        if not missing:
            return Finding("unit.kind", f"wanted a {kind}, found {quantity.text}", mark)
        fields = " and ".join(missing)
        hint = f"add the cell's own {fields} to its file, such as " + ", ".join(
            FIELD_EXAMPLES[name] for name in missing
        )
        if "nominal" in missing and self.kind in NO_RATE:
            meant = "current, such as 0.5 mA/cm2" if kind == "current" else "value with its own unit"
            hint = f"a {self.kind} cell has no capacity by which one is reckoned: write a {meant}; or {hint}"
        return Finding(
            "cell.missing",
            f"wanted the cell's {fields} for {quantity.text}, found none in {self.name or 'the cell'}",
            mark,
            hint,
        )


NO_CELL: Final = Cell("", "full")
"""A cell of which nothing is known: relative quantities stay unknown on it."""


@lru_cache(maxsize=1024)
def factors(dimension: Dimension, wanted: Dimension) -> tuple[tuple[str, int], ...] | None:
    """Return (field of the cell, power) that turn a value of dimension `dimension` into one of `wanted`, or None.

    A nominal is A·s per "100 %"; what remains may be per area, per area and thickness, or per mass.
    """
    ratio = dimension / wanted
    if wanted in NEVER_RELATIVE:
        return None if ratio != NONE else ()
    needed: list[tuple[str, int]] = []
    if ratio.nominal:
        needed.append(("nominal", ratio.nominal))
        ratio = ratio * Dimension(ampere=ratio.nominal, second=ratio.nominal, nominal=-ratio.nominal)
    if ratio.kilogram:
        needed.append(("active_mass", -ratio.kilogram))
        ratio = ratio * Dimension(kilogram=-ratio.kilogram)
    if ratio.metre:
        sign = 1 if ratio.metre < 0 else -1
        areas, thicknesses = divmod(abs(ratio.metre), 2)
        needed += [("area", sign * areas)] if areas else []
        needed += [("film_thickness", sign * thicknesses)] if thicknesses else []
        ratio = ratio * Dimension(metre=-ratio.metre)
    return tuple(needed) if ratio == Dimension() else None
