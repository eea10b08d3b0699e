"""Cell parameter files of BattMo (`BattMo.jl`, JSON), read into a parameter set.

Formulas are text in c, cmax, T and refT, Julia's way: a power is `^`. The exchange current density is
k F sqrt(c_e c_s (c_max - c_s)). Fractions of volume follow from the coating's effective density and the masses and
densities of what is in it; the surface of the particles is given by itself, and the rate constant takes its part.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import isfinite, log
from typing import Any, Final

from labctl_simulators.parameters import Origin, ParameterError, ParameterSet, Tree
from labctl_simulators.parameters.expression import compile_expression

FARADAY: Final = 96485.33212
GAS: Final = 8.31446261815324
KELVIN: Final = 298.15
AWAY: Final = 10.0
"""K, by which activation energies of formulas are told."""
MARK: Final = "ElectrodeCoating"
DESCRIBING: Final = frozenset({"Metadata", "Description", "Name", "Case", "NominalVoltage", "Density"})
"""Keys that describe a cell, or of which only the ratio acts."""
_PARTS: Final = ("ActiveMaterial", "ConductiveAdditive", "Binder")


def document_of(text: str) -> Mapping[str, Any] | None:
    """Return the document of a text that is such a file; None where it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    electrode = document.get("NegativeElectrode") if isinstance(document, dict) else None
    return document if isinstance(electrode, dict) and (MARK in electrode or "Coating" in electrode) else None


def read(document: Mapping[str, Any], file: str) -> ParameterSet:
    """Return the parameter set of a file.

    Raises:
        ParameterError: a number is missing, or has a form that no model here takes; the message says which.
    """
    return _BattmoFile(document, file).parameter_set()


def left_out(document: Mapping[str, Any]) -> list[str]:
    """Return what of a file is not taken; for `labctl check`."""
    reading = _BattmoFile(document, "")
    reading.parameter_set()
    words = [f"{path}: nothing here reads it" for path in _leaves(document) if path not in reading.taken]
    if isinstance(document["Electrolyte"].get("IonicConductivity"), str):
        words.append("Electrolyte.IonicConductivity: taken at the concentration at rest")
    return words


def _leaves(branch: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in branch.items():
        if key in DESCRIBING:
            continue
        if isinstance(value, Mapping) and not _is_table(value):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def _is_table(value: Mapping[str, Any]) -> bool:
    return {"x", "y"} <= {key.lower() for key in value}


def _python(formula: str, **values: str) -> str:
    """Return a formula with values in the place of its variables."""
    for name, value in values.items():
        formula = re.sub(rf"\b{name}\b", f"({value})", formula)
    return formula.replace("^", "**")


class _BattmoFile:
    """Read one file.

    Attributes:
        taken: paths of what was read.
    """

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document, self.file = document, file
        self.origins: list[Origin] = []
        self.taken: set[str] = set()

    def parameter_set(self) -> ParameterSet:
        """Return the parameter set."""
        title = str(self._branch("Metadata", {}).get("Title") or "BattMo cell")
        return ParameterSet(
            title, "insertion", "full", f"A cell of BattMo, {self.file}.", {"B": self.file}, self._values(),
            tuple(self.origins),
        )  # fmt: skip

    def _values(self) -> Tree:
        salt = self._number("Electrolyte.Concentration")
        positive, negative = (self._electrode(f"{side}Electrode") for side in ("Positive", "Negative"))
        lower, upper = (
            self._potential(positive.pop(end), "PositiveElectrode")
            - self._potential(negative.pop(end), "NegativeElectrode")
            for end in ("empty", "charged")
        )
        values: dict[str, Any] = {
            "reference": "Li",
            "area": self._area(),
            "temperature": KELVIN,
            "lower_voltage": lower,
            "upper_voltage": upper,
            "electrolyte": self._electrolyte(salt),
            "separator": {
                "thickness": self._number("Separator.Thickness"),
                "porosity": self._number("Separator.Porosity"),
                "bruggeman": self._number("Separator.BruggemanCoefficient", 1.5),
            },
            "positive": positive,
            "negative": negative,
        }
        nominal = self._number("Cell.NominalCapacity", 0.0)
        return values | ({"nominal_capacity": 3600.0 * nominal} if nominal else {})

    def _area(self) -> float:
        own = self._number("Cell.ElectrodeGeometricSurfaceArea", 0.0)
        return own or self._number("Cell.ElectrodeWidth") * self._number("Cell.ElectrodeLength")

    def _electrolyte(self, salt: float) -> dict[str, Any]:
        self._wanted("Electrolyte.ChargeNumber", 1.0)
        diffusivity, diffusion = self._activated("Electrolyte.DiffusionCoefficient", salt)
        conductivity, conduction = self._activated("Electrolyte.IonicConductivity", salt)
        formula = self._entry("Electrolyte.DiffusionCoefficient")
        curve = (
            {"expression": _python(formula, c="1000*x", T=str(KELVIN), refT=str(KELVIN))}
            if isinstance(formula, str)
            else None
        )
        return {
            "concentration": salt,
            "transference": self._number("Electrolyte.TransferenceNumber"),
            "diffusivity": diffusivity,
            "diffusivity_activation": diffusion,
            "conductivity": conductivity,
            "conductivity_activation": conduction,
        } | ({"diffusivity_curve": curve} if curve else {})

    def _electrode(self, side: str) -> dict[str, Any]:
        if "Coating" in self._branch(side):
            raise self._error(
                side,
                "wanted a cell of BattMo.jl, which is one file",
                "one of BattMo's Matlab form, which is spread over several",
            )
        material = f"{side}.ActiveMaterial"
        self._wanted(f"{material}.ChargeTransferCoefficient", 0.5)
        self._wanted(f"{material}.NumberOfElectronsTransfered", 1.0)
        whole, active, conductivity = self._fractions(side)
        largest, radius = self._number(f"{material}.MaximumConcentration"), self._number(f"{material}.ParticleRadius")
        own = 3.0 * active / radius
        surface = self._number(f"{material}.VolumetricSurfaceArea", own) / own
        electrode: dict[str, Any] = {
            "thickness": self._number(f"{side}.{MARK}.Thickness"),
            "active_fraction": active,
            "porosity": 1.0 - whole,
            "bruggeman": self._number(f"{side}.{MARK}.BruggemanCoefficient", 1.5),
            "conductivity": conductivity,
            "particle_radius": radius,
            "largest_concentration": largest,
            **self._diffusion(f"{material}.DiffusionCoefficient", largest),
            "diffusivity_activation": self._number(f"{material}.ActivationEnergyOfDiffusion", 0.0),
            "rate_constant": FARADAY * self._number(f"{material}.ReactionRateConstant") * surface,
            "rate_activation": self._number(f"{material}.ActivationEnergyOfReaction", 0.0),
            "empty": self._number(f"{material}.StoichiometricCoefficientAtSOC0"),
            "charged": self._number(f"{material}.StoichiometricCoefficientAtSOC100"),
        }
        electrode["initial_concentration"] = electrode["charged"] * largest
        return electrode | self._curves(side, largest)

    def _fractions(self, side: str) -> tuple[float, float, float]:
        """Return the fractions of volume of all that is solid and of the active material, and what conducts of it, S/m."""
        volumes, conducting = [], 0.0
        for part in _PARTS:
            if part not in self._branch(side):
                continue
            share = self._number(f"{side}.{part}.MassFraction", 1.0 if part == "ActiveMaterial" else 0.0)
            volumes.append(share / self._number(f"{side}.{part}.Density"))
            conducting += volumes[-1] * self._number(f"{side}.{part}.ElectronicConductivity", 0.0)
        whole = self._number(f"{side}.{MARK}.EffectiveDensity") * sum(volumes)
        if not 0.0 < whole < 1.0:
            raise self._error(f"{side}.{MARK}.EffectiveDensity", "wanted fractions of volume in 0..1", f"{whole:.4g}")
        active, effective = whole * volumes[0] / sum(volumes), conducting / sum(volumes)
        return whole, active, effective * whole ** self._number(f"{side}.{MARK}.BruggemanCoefficient", 1.5)

    def _diffusion(self, path: str, largest: float) -> dict[str, Any]:
        """Return a diffusivity: one number, or a formula by stoichiometry."""
        given = self._entry(path)
        if not isinstance(given, str):
            return {"diffusivity": self._number(path)}
        kelvin, most = repr(KELVIN), repr(largest)
        formula = _python(given, cmax=most, c=f"x*{most}", T=kelvin, refT=kelvin)
        return {"diffusivity_curve": {"expression": formula}}

    def _curves(self, side: str, largest: float) -> dict[str, Any]:
        """Return the open-circuit potential at the temperature of the numbers, and its slope by temperature."""
        path = f"{side}.ActiveMaterial.OpenCircuitPotential"
        given = self._entry(path)
        if isinstance(given, Mapping) and _is_table(given):
            x, y = (tuple(map(float, given[key] if key in given else given[key.upper()])) for key in ("x", "y"))
            return {"ocp": {"stoichiometry": x, "points": y}}
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise self._error(path, "wanted a formula, a table of x and y, or a number", repr(given)[:60])
        cold, warm = (
            _python(str(given), cmax=repr(largest), c=f"x*{largest!r}", T=repr(kelvin), refT=repr(KELVIN))
            for kelvin in (KELVIN, KELVIN + 1.0)
        )
        return {"ocp": {"expression": cold}} | (
            {} if warm == cold else {"entropy": {"expression": f"({warm}) - ({cold})"}}
        )

    # --- single entries ------------------------------------------------------------------------------------------

    def _potential(self, stoichiometry: float, side: str) -> float:
        """Return the open-circuit potential of an electrode at a stoichiometry, V."""
        largest = self._number(f"{side}.ActiveMaterial.MaximumConcentration")
        given = self._curves(side, largest)["ocp"]
        if "points" in given:
            import numpy as np  # noqa: PLC0415 - start-up is a promise

            return float(np.interp(stoichiometry, given["stoichiometry"], given["points"]))
        return self._value(given["expression"], stoichiometry, f"{side}.ActiveMaterial.OpenCircuitPotential")

    def _activated(self, path: str, salt: float) -> tuple[float, float]:
        """Return a number at the concentration at rest, and its activation energy, J/mol."""
        given = self._entry(path)
        if not isinstance(given, str):
            return self._number(path), 0.0
        cold, own, hot = (
            self._value(_python(given, c="x", T=repr(kelvin), refT=repr(KELVIN)), salt, path)
            for kelvin in (KELVIN - AWAY, KELVIN, KELVIN + AWAY)
        )
        if not min(cold, own, hot) > 0.0:
            raise self._error(path, "wanted numbers above 0", f"{min(cold, own, hot):g}")
        energy = GAS * log(hot / cold) / (1.0 / (KELVIN - AWAY) - 1.0 / (KELVIN + AWAY))
        return own, energy if abs(energy) > 1e-6 else 0.0

    def _value(self, formula: str, at: float, path: str) -> float:
        try:
            value = float(compile_expression(formula)(at))
        except (ValueError, ArithmeticError) as error:
            raise ParameterError(f"{self.file}: {path}: {error}") from None
        if not isfinite(value):
            raise self._error(path, "wanted a formula that has a value", f"none at {at:g}")
        return value

    def _wanted(self, path: str, value: float) -> None:
        """Refuse another number than the one that the models here have."""
        given = self._number(path, value)
        if given != value:
            raise self._error(path, f"wanted {value:g}, for which the models are made", f"{given:g}")

    def _branch(self, key: str, default: Any = None) -> Mapping[str, Any]:
        branch = self.document.get(key, default)
        if not isinstance(branch, Mapping):
            raise self._error(key, "wanted a branch of numbers", repr(branch)[:60])
        return branch

    def _entry(self, path: str) -> Any:
        *branches, key = path.split(".")
        branch: Any = self._branch(branches[0])
        for name in branches[1:]:
            branch = branch.get(name)
            if not isinstance(branch, Mapping):
                raise self._error(path, "wanted a branch of numbers", repr(branch)[:60])
        self.taken.add(path)
        return branch.get(key)

    def _number(self, path: str, default: float | None = None) -> float:
        value = self._entry(path)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self._error(path, "wanted one number", repr(value)[:60])
        self.origins.append(Origin(path, "quoted", "B", self.file, str(value)))
        return float(value)

    def _error(self, path: str, wanted: str, seen: str) -> ParameterError:
        return ParameterError(f"{self.file}: {path}: {wanted}, found {seen}")
