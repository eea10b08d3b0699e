"""Write `others.npz`: the numbers of five of PyBaMM's sets as ours take them, and what its single-particle model makes of them.

Needs PyBaMM (dependency group `bench`): `python -m benchmarks.reference.others`. The tests build cells of these numbers
and compare; they need no PyBaMM. Open-circuit potentials are tables of PyBaMM's own functions.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pybamm

from benchmarks.reference.make import points, solver

SETS = ("OKane2022", "Ai2020", "Ramadass2004", "NCA_Kim2011", "Prada2013")
STOICHIOMETRIES = np.unique(
    np.concatenate([np.geomspace(1e-3, 0.05, 400), np.linspace(0.05, 0.95, 1400), 1.0 - np.geomspace(1e-3, 0.05, 400)])
)


def scalar(values: pybamm.ParameterValues, expression: Any) -> float:
    """Return the value of an expression without variables."""
    return float(np.ravel(values.evaluate(expression))[0])


def electrode(values: pybamm.ParameterValues, side: str, salt: float) -> dict[str, Any]:
    """Return the numbers of one electrode, SI."""
    name, kelvin = f"{side} electrode", pybamm.Scalar(values["Reference temperature [K]"])
    largest = values[f"Maximum concentration in {side.lower()} electrode [mol.m-3]"]

    def at(key: str, *arguments: Any) -> float:
        entry = values[key]
        return scalar(values, entry(*map(pybamm.Scalar, arguments), kelvin) if callable(entry) else entry)

    speeds = [at(f"{side} particle diffusivity [m2.s-1]", x) for x in (0.2, 0.5, 0.8)]
    if max(speeds) > min(speeds) * (1.0 + 1e-12):
        raise ValueError(f"wanted a constant diffusivity, found {speeds} in the {name}")
    half = at(f"{name} exchange-current density [A.m-2]", salt, 0.5 * largest, largest)
    potential = values[f"{name} OCP [V]"]
    table = [scalar(values, potential(pybamm.Scalar(float(x)))) for x in STOICHIOMETRIES]
    return {
        "thickness": values[f"{name} thickness [m]"],
        "active_fraction": values[f"{name} active material volume fraction"],
        "particle_radius": at(f"{side} particle radius [m]"),
        "largest_concentration": largest,
        "initial_concentration": values[f"Initial concentration in {side.lower()} electrode [mol.m-3]"],
        "diffusivity": speeds[1],
        "rate_constant": half / (np.sqrt(salt) * 0.5 * largest),
        "ocp": {"stoichiometry": tuple(STOICHIOMETRIES), "points": tuple(table)},
    }


def numbers(name: str) -> dict[str, Any]:
    """Return the numbers of a set as a parameter file holds them, SI."""
    values = pybamm.ParameterValues(name)
    salt = values["Initial concentration in electrolyte [mol.m-3]"]
    parallel = values["Number of electrodes connected in parallel to make a cell"]
    return {
        "area": values["Electrode height [m]"] * values["Electrode width [m]"] * parallel,
        "temperature": values["Reference temperature [K]"],
        "nominal_capacity": 3600.0 * values["Nominal cell capacity [A.h]"],
        "lower_voltage": values["Lower voltage cut-off [V]"],
        "upper_voltage": values["Upper voltage cut-off [V]"],
        "electrolyte": {"concentration": salt},
        "positive": electrode(values, "Positive", salt),
        "negative": electrode(values, "Negative", salt),
    }


def course(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times and voltages of a discharge at 1C and rest, 300 shells, tolerances 1e-8."""
    values = pybamm.ParameterValues(name)
    values["Ambient temperature [K]"] = values["Initial temperature [K]"] = values["Reference temperature [K]"]
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM(), parameter_values=values, C_rate=1.0, solver=solver(), var_pts=points()
    )
    grid = np.arange(0.0, 4000.0, 20.0)
    solution = simulation.solve([0.0, 4000.0], t_interp=grid)
    times = grid[(grid > 0.0) & (grid < solution.t[-1])]
    return times, solution["Voltage [V]"](times)


def flat(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return the leaves of a tree by their paths."""
    out: dict[str, Any] = {}
    for key, value in tree.items():
        here = f"{path}{key}"
        out |= flat(value, f"{here}.") if isinstance(value, dict) else {here: value}
    return out


def main() -> None:
    """Write the file beside this one."""
    kept: dict[str, np.ndarray] = {}
    for name in SETS:
        try:
            tree = numbers(name)
        except ValueError as error:
            print(name, error, flush=True)
            continue
        kept |= {
            f"{name}:{path}": np.round(value, 9) if "ocp" in path else np.array(value)
            for path, value in flat(tree).items()
        }
        times, voltage = course(name)
        kept |= {f"{name}/time": times, f"{name}/voltage": np.round(voltage, 8)}
        print(name, len(times), voltage[-1], flush=True)
    np.savez_compressed(Path(__file__).with_name("others.npz"), **kept)


if __name__ == "__main__":
    main()
