"""Exports of PyBaMM (`ParameterValues.to_json`), read into a parameter set.

Numbers stand under PyBaMM's names; a function is the tree of its expression, which is evaluated here: nothing of a file
is ever run. What depends on temperature becomes the number at the reference temperature and the activation energy between
10 K below and above it.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite, log
from typing import Any, Final

import numpy as np

from labctl_simulators.parameters import Origin, ParameterError, ParameterSet, Tree

MARK: Final = "Negative electrode thickness [m]"
"""A key by which such a file is known."""
LITHIUM: Final = "Exchange-current density for lithium metal electrode [A.m-2]"
"""A key by which a half cell is known."""
MOLAR: Final = 1.3e-5
"""m3/mol, of lithium metal."""
GAS: Final = 8.31446261815324
DEEPEST: Final = 400
AWAY: Final = 10.0
"""K."""
COMPOSITIONS: Final = np.linspace(0.15, 0.85, 8)
STOICHIOMETRIES: Final = np.unique(
    np.concatenate([np.geomspace(1e-3, 0.05, 200), np.linspace(0.05, 0.95, 900), 1.0 - np.geomspace(1e-3, 0.05, 200)])
)
_TWO: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "Addition": np.add, "Subtraction": np.subtract, "Multiplication": np.multiply, "Division": np.divide,
    "Power": np.power, "Minimum": np.minimum, "Maximum": np.maximum,
}  # fmt: skip
_ONE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "sin": np.sin,
    "cos": np.cos, "arctan": np.arctan, "arcsinh": np.arcsinh, "abs": np.abs,
}  # fmt: skip
_TAKEN: Final = (
    "OCP [V]", "OCP entropic", "exchange-current density", "particle diffusivity", "particle radius", "concentration in",
    "electrode thickness", "active material volume fraction", "electrode porosity", "Bruggeman", "electrode conductivity",
    "Separator thickness", "Separator porosity", "Electrolyte conductivity", "Electrolyte diffusivity", "transference",
    "Thermodynamic factor", "Electrode height", "Electrode width", "connected in parallel", "Nominal cell", "voltage cut-off",
    "Reference temperature", "Contact resistance", "electrode double-layer",
)  # fmt: skip
_OF_MODES: Final = (
    "Negative electrode t", "Negative electrode c", "Negative electrode O", "Separator", "Electrolyte", "Cation",
    "Thermodynamic", "Positive electrode porosity", "Positive electrode conductivity", "Positive electrode Bruggeman",
)  # fmt: skip
"""What a half cell has no model for: the modes of its electrolyte."""


def read(document: Mapping[str, Any], file: str) -> ParameterSet:
    """Return the parameter set of an export.

    Raises:
        ParameterError: a number is missing, or has a form that no model here takes; the message says which.
    """
    return _Export(document, file).parameter_set()


def left_out(document: Mapping[str, Any]) -> list[str]:
    """Return what of an export is not taken; for `labctl check`."""
    half = LITHIUM in document
    taken = (*_TAKEN, LITHIUM, "Lithium metal partial") if half else _TAKEN
    words = [
        f"{key}: nothing here reads it"
        for key in document
        if not any(part in key for part in taken) or (half and key.startswith(_OF_MODES))
    ]
    if isinstance(document.get("Electrolyte diffusivity [m2.s-1]"), Mapping) and not half:
        words.append("Electrolyte diffusivity [m2.s-1]: taken at the concentration at rest")
    return words


class _Export:
    """Read one file."""

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document, self.file = document, file
        self.origins: list[Origin] = []
        self.kelvin = self._number("Reference temperature [K]", 298.15)
        self.salt = self._number("Initial concentration in electrolyte [mol.m-3]")

    def parameter_set(self) -> ParameterSet:
        """Return the parameter set."""
        half = LITHIUM in self.document
        values = {**self._values(), **(self._half() if half else self._whole())}
        return ParameterSet(
            "PyBaMM cell", "insertion", "half_cathode" if half else "full", f"An export of PyBaMM, {self.file}.",
            {"P": self.file}, values, tuple(self.origins),
        )  # fmt: skip

    def _values(self) -> Tree:
        area = self._number("Electrode height [m]") * self._number("Electrode width [m]")
        values: dict[str, Any] = {
            "reference": "Li",
            "area": area * self._number("Number of electrodes connected in parallel to make a cell", 1.0),
            "temperature": self.kelvin,
            "nominal_capacity": 3600.0 * self._number("Nominal cell capacity [A.h]"),
            "lower_voltage": self._number("Lower voltage cut-off [V]"),
            "upper_voltage": self._number("Upper voltage cut-off [V]"),
        }
        contact = self._number("Contact resistance [Ohm]", 0.0)
        return values | ({"series": {"resistance": contact * values["area"]}} if contact else {})

    def _whole(self) -> Tree:
        """Return what a cell of two porous electrodes has."""
        return {
            "electrolyte": self._electrolyte(),
            "separator": {
                "thickness": self._number("Separator thickness [m]"),
                "porosity": self._number("Separator porosity"),
                "bruggeman": self._number("Separator Bruggeman coefficient (electrolyte)", 1.5),
            },
            "positive": self._electrode("Positive"),
            "negative": self._electrode("Negative"),
        }

    def _half(self) -> Tree:
        """Return what a cell with lithium metal has."""
        metal = 1.0 / self._number("Lithium metal partial molar volume [m3.mol-1]", MOLAR)
        exchange, activation = self._activated(LITHIUM, c_e=self.salt, c_Li=metal)
        return {
            "electrolyte": {"concentration": self.salt},
            "working": self._electrode("Positive"),
            "counter": {
                "exchange": exchange,
                "exchange_activation": activation,
                "double_layer": self._number("Negative electrode double-layer capacity [F.m-2]", 0.0),
            },
        }

    def _electrolyte(self) -> dict[str, float]:
        spread = partial(self._activated, c_e=self.salt)
        diffusivity, diffusion = spread("Electrolyte diffusivity [m2.s-1]")
        conductivity, conduction = spread("Electrolyte conductivity [S.m-1]")
        return {
            "concentration": self.salt,
            "transference": float(self._at("Cation transference number", c_e=self.salt)),
            "diffusivity": diffusivity,
            "diffusivity_activation": diffusion,
            "conductivity": conductivity,
            "conductivity_activation": conduction,
            "thermodynamic_factor": float(self._at("Thermodynamic factor", 1.0, c_e=self.salt)),
        }

    def _electrode(self, side: str) -> dict[str, Any]:
        name, small = f"{side} electrode", side.lower()
        largest = self._number(f"Maximum concentration in {small} electrode [mol.m-3]")
        rate, reaction = self._rate(f"{name} exchange-current density [A.m-2]", largest)
        electrode: dict[str, Any] = {
            "thickness": self._number(f"{name} thickness [m]"),
            "active_fraction": self._number(f"{name} active material volume fraction"),
            "porosity": self._number(f"{name} porosity"),
            "bruggeman": self._number(f"{name} Bruggeman coefficient (electrolyte)", 1.5),
            "conductivity": float(self._at(f"{name} conductivity [S.m-1]")),
            "conductivity_bruggeman": self._number(f"{name} Bruggeman coefficient (electrode)", 0.0),
            "particle_radius": float(np.ravel(self._at(f"{side} particle radius [m]"))[0]),
            "largest_concentration": largest,
            "initial_concentration": self._number(f"Initial concentration in {small} electrode [mol.m-3]"),
            **self._diffusion(f"{side} particle diffusivity [m2.s-1]"),
            "rate_constant": rate,
            "rate_activation": reaction,
            "double_layer": self._number(f"{name} double-layer capacity [F.m-2]", 0.0),
            "ocp": self._table(f"{name} OCP [V]"),
        }
        entropy = self.document.get(f"{name} OCP entropic change [V.K-1]", 0.0)
        if isinstance(entropy, Mapping):
            electrode["entropy"] = self._table(f"{name} OCP entropic change [V.K-1]")
        elif entropy:
            electrode["entropy"] = float(entropy)
        return electrode

    def _diffusion(self, key: str) -> dict[str, Any]:
        """Return a diffusivity and its activation energy: one number, or a table by stoichiometry.

        Raises:
            ParameterError: it is not above 0, or is activated otherwise at other compositions.
        """
        cold, own, hot = (
            np.broadcast_to(self._at(key, T=self.kelvin + way, sto=COMPOSITIONS), COMPOSITIONS.shape)
            for way in (-AWAY, 0.0, AWAY)
        )
        whole = np.concatenate([cold, own, hot])
        if not (np.isfinite(whole).all() and whole.min() > 0.0):
            raise self._error(key, "wanted numbers above 0", repr(own.tolist())[:60])
        if own.max() <= own.min() * (1.0 + 1e-6):
            diffusivity, energy = self._activated(key, sto=COMPOSITIONS)
            return {"diffusivity": diffusivity, "diffusivity_activation": energy}
        energies = GAS * np.log(hot / cold) / (1.0 / (self.kelvin - AWAY) - 1.0 / (self.kelvin + AWAY))
        if energies.max() - energies.min() > 1.0:
            raise self._error(
                key,
                "wanted one activation energy at all compositions",
                f"{energies.min():.4g} to {energies.max():.4g} J/mol",
            )
        energy = float(energies[0])
        return {"diffusivity_curve": self._table(key), "diffusivity_activation": energy if abs(energy) > 1e-6 else 0.0}

    def _rate(self, key: str, largest: float) -> tuple[float, float]:
        """Return m of i0 = m sqrt(c_e c_s (c_max - c_s)) and its activation energy.

        Raises:
            ParameterError: it has another form.
        """
        surface = COMPOSITIONS * largest
        root = np.sqrt(self.salt * surface * (largest - surface))
        return self._activated(key, root, c_e=self.salt, c_s_surf=surface, c_s_max=largest)

    def _activated(self, key: str, unit: Any = 1.0, **arguments: Any) -> tuple[float, float]:
        """Return a number in units of `unit` at the reference temperature, and its activation energy, J/mol.

        Raises:
            ParameterError: it is not the same number at all compositions, or not above 0.
        """
        values = np.ravel(self._at(key, T=self.kelvin, **arguments) / unit)
        if not (np.isfinite(values).all() and values.min() > 0.0):
            raise self._error(key, "wanted numbers above 0", repr(values.tolist())[:60])
        if values.max() > values.min() * (1.0 + 1e-6):
            raise self._error(
                key,
                "wanted one number at all compositions (of an exchange current: times the root of both concentrations), "
                "for the models are linear in it",
                f"{values.min():.4g} to {values.max():.4g}",
            )
        cold, hot = (
            float(np.ravel(self._at(key, T=self.kelvin + way, **arguments) / unit)[0]) for way in (-AWAY, AWAY)
        )
        energy = GAS * log(hot / cold) / (1.0 / (self.kelvin - AWAY) - 1.0 / (self.kelvin + AWAY))
        return float(values[0]), energy if abs(energy) > 1e-6 else 0.0

    def _table(self, key: str) -> dict[str, tuple[float, ...]]:
        points = np.broadcast_to(self._at(key, sto=STOICHIOMETRIES), STOICHIOMETRIES.shape)
        if not np.isfinite(points).all():
            raise self._error(key, "wanted a value at every stoichiometry", "none at some")
        return {"stoichiometry": tuple(STOICHIOMETRIES.tolist()), "points": tuple(points.tolist())}

    # --- single entries ------------------------------------------------------------------------------------------

    def _number(self, key: str, default: float | None = None) -> float:
        value = self.document.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self._error(key, "wanted one number", repr(value)[:60])
        self.origins.append(Origin(key, "quoted", "P", self.file, str(value)))
        return float(value)

    def _at(self, key: str, default: float | None = None, **arguments: Any) -> Any:
        """Return an entry at arguments, shape of them."""
        value = self.document.get(key, default)
        if value is None:
            raise self._error(key, "wanted a number or a function", "nothing")
        with np.errstate(all="ignore"):
            return self._evaluated(value, {"T": self.kelvin, **arguments}, key, 0)

    def _evaluated(self, node: Any, scope: Mapping[str, Any], key: str, depth: int) -> Any:
        if isinstance(node, int | float) and not isinstance(node, bool):
            return float(node)
        if not isinstance(node, Mapping) or depth > DEEPEST:
            raise self._error(key, "wanted a number or an expression", repr(node)[:60])
        if "value" in node:
            return float(node["value"])
        kind, name = str(node.get("$type", "")).rpartition(".")[2], str(node.get("name"))
        if kind == "Parameter":
            return scope[name] if name in scope else self._evaluated(self.document.get(name), scope, key, depth + 1)
        below = [self._evaluated(child, scope, key, depth + 1) for child in node.get("children") or []]
        if kind == "FunctionParameter":  # another function of the file, at these arguments
            called = self.document.get(name)
            names = called.get("func_args", ()) if isinstance(called, Mapping) else ()
            return self._evaluated(called, {**scope, **dict(zip(names, below, strict=False))}, key, depth + 1)
        return self._applied(node, kind, below, key)

    def _applied(self, node: Mapping[str, Any], kind: str, below: list[Any], key: str) -> Any:
        """Return what an operation makes of its operands.

        Raises:
            ParameterError: it is none of those that are known.
        """
        if kind == "ExpressionFunctionParameter" and len(below) == 1:
            return below[0]
        if kind in _TWO and len(below) == 2:
            return _TWO[kind](*below)
        if kind == "Negate" and len(below) == 1:
            return -below[0]
        if len(below) == 1 and str(node.get("function") or kind.lower()) in _ONE:
            return _ONE[str(node.get("function") or kind.lower())](below[0])
        if kind == "Interpolant" and len(below) == 1:
            x, y = np.ravel(node["x"][0]), np.ravel(node["y"])
            return spline(x, y, below[0]) if node.get("interpolator") == "cubic" else np.interp(below[0], x, y)
        raise self._error(
            key, "wanted arithmetic, exp, tanh and the like, or one table", f"{kind or node.get('name')!r}"
        )

    def _error(self, key: str, wanted: str, seen: str) -> ParameterError:
        return ParameterError(f"{self.file}: {key}: {wanted}, found {seen}")


def spline(x: Any, y: Any, at: Any) -> Any:
    """Return the cubic through points that has no knot at the last but one of each end, as PyBaMM's `cubic` does."""
    count = len(x)
    if count < 4:
        return np.interp(at, x, y)
    h, matrix, right = np.diff(x), np.zeros((count, count)), np.zeros(count)
    inner = np.arange(1, count - 1)
    matrix[inner, inner - 1], matrix[inner, inner], matrix[inner, inner + 1] = h[:-1], 2.0 * (h[:-1] + h[1:]), h[1:]
    right[inner] = 6.0 * np.diff(np.diff(y) / h)
    matrix[0, :3], matrix[-1, -3:] = (h[1], -h[0] - h[1], h[0]), (h[-1], -h[-2] - h[-1], h[-2])
    bend = np.linalg.solve(matrix, right)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, count - 2)
    past, width = at - x[k], h[k]
    slope = (y[k + 1] - y[k]) / width - width * (2.0 * bend[k] + bend[k + 1]) / 6.0
    return y[k] + past * (slope + past * (0.5 * bend[k] + past * (bend[k + 1] - bend[k]) / (6.0 * width)))


def document_of(text: str) -> Mapping[str, Any] | None:
    """Return the document of a text that is such an export; None where it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and MARK in document else None
