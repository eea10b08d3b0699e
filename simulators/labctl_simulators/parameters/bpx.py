"""BPX files: the Battery Parameter eXchange format in JSON, versions 0.1 to 1, read into a parameter set.

The standard: https://github.com/FaradayInstitution/BPX. Its reaction rate constant k is in mol/(m2 s): the exchange
current density is F k sqrt(c_e/c_e0) sqrt(x (1 - x)). Its conductivities of electrodes are effective ones.
"""

import json
import re
from collections.abc import Mapping
from math import isfinite, log
from typing import Any, Final

from labctl_simulators.parameters import Origin, ParameterError, ParameterSet, Tree

FARADAY: Final = 96485.33212
VERSIONS: Final = (0, 1)
"""Major versions that are read."""
_COLD: Final = "BPX has no key for the heat that leaves a cell, without which it keeps the temperature around it"
NOT_TAKEN: Final = {
    "Specific heat capacity [J.K-1.kg-1]": _COLD,
    "Thermal conductivity [W.m-1.K-1]": _COLD,
    "Density [kg.m-3]": _COLD,
    "External surface area [m2]": _COLD,
    "Volume [m3]": _COLD,
}
"""Keys that no model here uses, and why."""


def read(text: str, file: str) -> ParameterSet:
    """Return the parameter set of a BPX file.

    Raises:
        ParameterError: it is none, of a newer version, or has what no model here can take; the message says where.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ParameterError(f"{file}: wanted JSON of a BPX file, found {error}") from None
    except RecursionError:
        raise ParameterError(f"{file}: wanted a BPX file, found one that is nested too deeply") from None
    return _File(document, file).parameter_set()


def left_out(text: str) -> list[str]:
    """Return what of a BPX file is not taken, each with the reason; for `labctl check`."""
    document = json.loads(text)
    body = document.get("Parameterisation", {})
    omitted = [f"{key}: {why}" for key, why in NOT_TAKEN.items() if key in body.get("Cell", {})]
    omitted += [f"{key}: measured data are not read" for key in document if key == "Validation"]
    return omitted + [f"User-defined, {key}: nothing here reads it" for key in body.get("User-defined", {}) or {}]


def _by_litre(formula: object) -> dict[str, Any]:
    """Return a formula in mol/m3 as one in mol/l; nothing of what is no formula."""
    if not isinstance(formula, str):
        return {}
    return {"diffusivity_curve": {"expression": re.sub(r"\bx\b", "(1000*x)", formula)}}


class _File:
    """Read one file."""

    def __init__(self, document: object, file: str) -> None:
        self.file = file
        self.origins: list[Origin] = []
        self.whole = self._mapping(document, "a BPX file")
        self.header = self._mapping(self.whole.get("Header"), "Header")
        self.body = self._mapping(self.whole.get("Parameterisation"), "Parameterisation")

    def parameter_set(self) -> ParameterSet:
        version = str(self.header.get("BPX", ""))
        try:
            major = int(version.partition(".")[0])
        except ValueError:
            raise self._error("Header", "BPX: wanted the version of the format", version) from None
        if major not in VERSIONS:
            raise self._error("Header", "BPX: wanted a version from 0.1 to 1", version)
        title = str(self.header.get("Title") or "BPX cell")
        values = self._values()
        return ParameterSet(
            name=title,
            model="insertion",
            kind="full",
            about=str(self.header.get("Description") or title),
            sources={"BPX": str(self.header.get("References") or title)},
            values=values,
            origins=tuple(self.origins),
            electrolyte=str(self.header.get("Model", "DFN")).upper() != "SPM",
        )

    def _values(self) -> Tree:
        cell = self._mapping(self.body.get("Cell"), "Cell")
        pairs = self._number(cell, "Cell", "Number of electrode pairs connected in parallel to make a cell", 1.0)
        values: dict[str, Any] = {
            "reference": "Li",
            "area": self._number(cell, "Cell", "Electrode area [m2]", above=True) * pairs,
            "temperature": self._number(cell, "Cell", "Reference temperature [K]", 298.15, above=True),
            "lower_voltage": self._number(cell, "Cell", "Lower voltage cut-off [V]"),
            "upper_voltage": self._number(cell, "Cell", "Upper voltage cut-off [V]"),
        }
        if "Nominal cell capacity [A.h]" in cell:
            values["nominal_capacity"] = 3600.0 * self._number(cell, "Cell", "Nominal cell capacity [A.h]", above=True)
        if values["lower_voltage"] >= values["upper_voltage"]:
            raise self._error("Cell", "wanted the lower voltage cut-off below the upper", str(values["lower_voltage"]))
        salt = self._electrolyte()
        if salt is not None:
            values["electrolyte"] = salt
            separator = self._mapping(self.body.get("Separator"), "Separator")
            values["separator"] = self._layer(separator, "Separator")
        else:
            values["electrolyte"] = {"concentration": 1000.0}  # of a single-particle model: k is at this concentration
        concentration = float(values["electrolyte"]["concentration"])
        for name, full in (("negative", "Maximum stoichiometry"), ("positive", "Minimum stoichiometry")):
            values[name] = self._electrode(name, full, concentration, layered=salt is not None)
        return values

    def _electrolyte(self) -> dict[str, Any] | None:
        if "Electrolyte" not in self.body:
            return None
        given = self._mapping(self.body["Electrolyte"], "Electrolyte")
        concentration = self._number(given, "Electrolyte", "Initial concentration [mol.m-3]", 1000.0, above=True)
        return {
            "concentration": concentration,
            "transference": self._number(given, "Electrolyte", "Cation transference number", above=True),
            "diffusivity": self._at(given, "Diffusivity [m2.s-1]", concentration),
            **_by_litre(given.get("Diffusivity [m2.s-1]")),
            "diffusivity_activation": self._number(
                given, "Electrolyte", "Diffusivity activation energy [J.mol-1]", 0.0
            ),
            "conductivity": self._at(given, "Conductivity [S.m-1]", concentration),
            "conductivity_activation": self._number(
                given, "Electrolyte", "Conductivity activation energy [J.mol-1]", 0.0
            ),
        }

    def _electrode(self, name: str, full: str, concentration: float, *, layered: bool) -> dict[str, Any]:
        place = f"{name.capitalize()} electrode"
        given = self._mapping(self.body.get(place), place)
        if "Particle" in given:
            raise self._error(place, "wanted one kind of particle", "a blend (Particle)")
        if "OCP (lithiation) [V]" in given or "OCP (delithiation) [V]" in given:
            raise self._error(place, "wanted one open-circuit potential", "one for each direction (hysteresis)")
        radius = self._number(given, place, "Particle radius [m]", above=True)
        largest = self._number(given, place, "Maximum concentration [mol.m-3]", above=True)
        rate = self._number(given, place, "Reaction rate constant [mol.m-2.s-1]", above=True)
        surface = self._number(given, place, "Surface area per unit volume [m-1]", above=True)
        electrode: dict[str, Any] = {
            "thickness": self._number(given, place, "Thickness [m]", above=True),
            "active_fraction": surface * radius / 3.0,
            "particle_radius": radius,
            "largest_concentration": largest,
            "initial_concentration": largest * self._number(given, place, full, above=True),
            **self._diffusion(given, place, "Diffusivity [m2.s-1]"),
            "diffusivity_activation": self._number(given, place, "Diffusivity activation energy [J.mol-1]", 0.0),
            "rate_constant": FARADAY * rate / (concentration**0.5 * largest),
            "rate_activation": self._number(given, place, "Reaction rate constant activation energy [J.mol-1]", 0.0),
            "ocp": self._curve(given, place, "OCP [V]"),
        }
        if "Entropic change coefficient [V.K-1]" in given:
            entropy = given["Entropic change coefficient [V.K-1]"]
            number = isinstance(entropy, int | float)
            electrode["entropy"] = (
                self._number(given, place, "Entropic change coefficient [V.K-1]")
                if number
                else self._curve(given, place, "Entropic change coefficient [V.K-1]")
            )
        return electrode | (self._layer(given, place) if layered else {})

    def _layer(self, given: Mapping[str, Any], place: str) -> dict[str, float]:
        """Return thickness, porosity and the exponent that gives the transport efficiency."""
        porosity = self._number(given, place, "Porosity", above=True)
        efficiency = self._number(given, place, "Transport efficiency", above=True)
        if not (porosity <= 1.0 and efficiency <= 1.0):
            raise self._error(place, "wanted porosity and transport efficiency in 0..1", f"{porosity}, {efficiency}")
        layer = {
            "thickness": self._number(given, place, "Thickness [m]", above=True),
            "porosity": porosity,
            "bruggeman": log(efficiency) / log(porosity) if porosity < 1.0 else 0.0,
        }
        if "Conductivity [S.m-1]" in given:
            layer["conductivity"] = self._number(given, place, "Conductivity [S.m-1]", above=True)
        return layer

    # --- single entries ------------------------------------------------------------------------------------------

    def _number(
        self, given: Mapping[str, Any], place: str, key: str, default: float | None = None, *, above: bool = False
    ) -> float:
        value = given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self._error(place, f"{key}: wanted one number", repr(value))
        if above and not value > 0.0:
            raise self._error(place, f"{key}: wanted a number above 0", repr(value))
        if key in given:
            self.origins.append(Origin(f"{place}.{key}", "quoted", "BPX", "BPX", str(value)))
        return float(value)

    def _curve(self, given: Mapping[str, Any], place: str, key: str) -> dict[str, Any]:
        """Return a formula or a table of points by stoichiometry."""
        match given.get(key):
            case str() as formula:
                curve: dict[str, Any] = {"expression": formula}
            case {"x": list() as x, "y": list() as y} if len(x) == len(y) >= 2:
                curve = {"stoichiometry": self._row(x, place, key), "points": self._row(y, place, key)}
                if any(b <= a for a, b in zip(curve["stoichiometry"], curve["stoichiometry"][1:], strict=False)):
                    raise self._error(place, f"{key}: wanted ascending x", "others")
            case other:
                raise self._error(place, f"{key}: wanted a formula in x or a table of x and y", repr(other)[:60])
        self.origins.append(Origin(f"{place}.{key}", "quoted", "BPX", "BPX", "formula" if len(curve) == 1 else "table"))
        return curve

    def _diffusion(self, given: Mapping[str, Any], place: str, key: str) -> dict[str, Any]:
        """Return a diffusivity: one number, or a formula or table by stoichiometry."""
        if isinstance(given.get(key), str | Mapping):
            return {"diffusivity_curve": self._curve(given, place, key)}
        return {"diffusivity": self._number(given, place, key, above=True)}

    def _at(self, given: Mapping[str, Any], key: str, concentration: float) -> float:
        """Return a number of the electrolyte at its concentration at rest, mol/m3."""
        value = given.get(key)
        if isinstance(value, str):
            number = self._evaluated(value, "Electrolyte", key, (concentration,))[0]
        elif isinstance(value, Mapping):
            from numpy import interp  # noqa: PLC0415 - few files have a table here

            table = self._curve(given, "Electrolyte", key)
            number = float(interp(concentration, table["stoichiometry"], table["points"]))
        else:
            return self._number(given, "Electrolyte", key, above=True)
        if not number > 0.0:
            raise self._error(
                "Electrolyte", f"{key}: wanted a value above 0 at {concentration:g} mol/m3", f"{number:g}"
            )
        self.origins.append(
            Origin(f"Electrolyte.{key}", "derived", "BPX", f"at {concentration:g} mol/m3", f"{number:.6g}")
        )
        return number

    def _evaluated(self, formula: str, place: str, key: str, at: tuple[float, ...]) -> list[float]:
        from labctl_simulators.parameters.expression import compile_expression  # noqa: PLC0415 - few files have one

        try:
            function = compile_expression(formula)
            return [float(function(x)) for x in at]
        except (ValueError, ArithmeticError, TypeError) as error:
            raise self._error(place, f"{key}: wanted a formula in x", str(error)) from None

    def _row(self, values: list[Any], place: str, key: str) -> tuple[float, ...]:
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                raise self._error(place, f"{key}: wanted numbers in its table", repr(value))
        return tuple(map(float, values))

    def _mapping(self, value: object, place: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise ParameterError(f"{self.file}: wanted the keys of {place}, found {repr(value)[:40]}")
        return value

    def _error(self, place: str, wanted: str, found: str) -> ParameterError:
        return ParameterError(f"{self.file}: {place}: {wanted}, found {found}")
