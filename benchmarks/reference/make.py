"""Write the reference curves `curves.npz`: PyBaMM with 300 shells and tolerances of 1e-8.

Needs PyBaMM (dependency group `bench`): `python benchmarks/reference/make.py`. The tests read the file without PyBaMM.
Voltages and currents are rounded to 0.1 uV and 0.1 uA, so the file stays small.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pybamm

SHELLS = 300
CASES = {
    "marquis2019": ("Marquis2019", 0.680616, (0.1, 0.5, 1.0, 2.0, 3.0)),
    "chen2020": ("Chen2020", 5.0, (0.1, 0.5, 1.0, 2.0)),
}
SALT_RATES = {"marquis2019": (0.1, 1.0, 2.0, 3.0), "chen2020": (0.1, 0.5, 1.0, 2.0)}
LOWER = {"Marquis2019": 3.105, "Chen2020": 2.5}
UPPER = {"Marquis2019": 4.1, "Chen2020": 4.2}
WARM_RATES = {"marquis2019": (1.0, 3.0), "chen2020": (0.5, 1.0)}
COLD = 263.15
"""K, of discharges at C/2 in which entropy and activation act."""


def solver() -> pybamm.BaseSolver:
    return pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-8)


def points(shells: int = SHELLS, cells: int = 60) -> dict[str, int]:
    mesh = pybamm.BaseBatteryModel().default_var_pts
    return mesh | {"r_n": shells, "r_p": shells, "x_n": cells, "x_s": cells // 2, "x_p": cells}


def discharge(
    kind: Callable[[], object], parameters: str, rate: float, temperature: float = 298.15
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return times, voltages and the cut-off time of a discharge at `rate` C, isothermal at `temperature` K."""
    values = pybamm.ParameterValues(parameters)
    values.update({"Ambient temperature [K]": temperature, "Initial temperature [K]": temperature})
    simulation = pybamm.Simulation(kind(), parameter_values=values, C_rate=rate, solver=solver(), var_pts=points())
    period = max(10.0, round(10.0 / rate))
    grid = np.arange(0.0, 4200.0 / rate, period)
    solution = simulation.solve([0.0, 4200.0 / rate], t_interp=grid)
    end = float(solution.t_event[0])
    times = grid[grid < end]
    return times, solution["Voltage [V]"](times), end


def programme(parameters: str, steps: list, period: str) -> pybamm.Solution:
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM(),
        experiment=pybamm.Experiment(steps, period=period),
        parameter_values=pybamm.ParameterValues(parameters),
        solver=solver(),
        var_pts=points(),
    )
    return simulation.solve()


def warm_discharge(parameters: str, rate: float) -> dict[str, np.ndarray]:
    """Return the columns of a discharge at `rate` C and an hour of rest: SPMe with a lumped thermal model."""
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPMe({"thermal": "lumped"}),
        experiment=pybamm.Experiment(
            [(f"Discharge at {rate}C until {LOWER[parameters]} V", "Rest for 1 hour")], period="10 seconds"
        ),
        parameter_values=pybamm.ParameterValues(parameters),
        solver=solver(),
        var_pts=points(),
    )
    return columns(simulation.solve())


def warm_cycle(parameters: str) -> dict[str, np.ndarray]:
    """Return the columns of a charge at 1C with a held voltage, from half charged, and half an hour of rest."""
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPMe({"thermal": "lumped"}),
        experiment=pybamm.Experiment(
            ["Discharge at 1C for 30 minutes", f"Charge at 1C until {UPPER[parameters]} V",
             f"Hold at {UPPER[parameters]} V until C/20", "Rest for 30 minutes"], period="10 seconds"),
        parameter_values=pybamm.ParameterValues(parameters),
        solver=solver(),
        var_pts=points(),
    )  # fmt: skip
    return columns(simulation.solve())


def columns(solution: pybamm.Solution) -> dict[str, np.ndarray]:
    """Return time, voltage, current and temperature of a solution, and when its steps end."""
    steps = [step for cycle in solution.cycles for step in cycle.steps]
    names = {"voltage": "Voltage [V]", "temperature": "Volume-averaged cell temperature [K]"}
    times = np.concatenate([step.t[1:-1] for step in steps])  # a step's own ends have two values
    return {
        "time": times,
        "current": -solution["Current [A]"](times),
        "ends": np.array([float(step.t[-1]) for step in steps]),
        **{key: solution[name](times) for key, name in names.items()},
    }


def warm(found: dict[str, np.ndarray]) -> None:
    """Keep what a cell that heats itself does."""
    for name, rates in WARM_RATES.items():
        for rate in rates:
            for key, column in warm_discharge(CASES[name][0], rate).items():
                found[f"{name}_warm_{rate}_{key}"] = column
            print(name, "warm", rate, found[f"{name}_warm_{rate}_temperature"].max(), flush=True)
        for key, column in warm_cycle(CASES[name][0]).items():
            found[f"{name}_warm_cycle_{key}"] = column
        print(name, "warm cycle", found[f"{name}_warm_cycle_temperature"].max(), flush=True)


def keep(found: dict[str, np.ndarray], key: str, course: tuple[np.ndarray, np.ndarray, float]) -> None:
    """Keep times, voltages and the cut-off time of a discharge."""
    found[f"{key}_time"], found[f"{key}_voltage"], found[f"{key}_end"] = course[0], course[1], np.array(course[2])
    print(key, len(course[0]), course[2], flush=True)


def main() -> None:
    kept: dict[str, np.ndarray] = {}
    for name, (parameters, _, rates) in CASES.items():
        for rate in rates:
            keep(kept, f"{name}_spm_{rate}", discharge(pybamm.lithium_ion.SPM, parameters, rate))
    for name, rates in SALT_RATES.items():
        for rate in rates:
            keep(kept, f"{name}_spme_{rate}", discharge(pybamm.lithium_ion.SPMe, CASES[name][0], rate))
    keep(kept, "marquis2019_cold_0.5", discharge(pybamm.lithium_ion.SPM, "Marquis2019", 0.5, COLD))
    keep(kept, "marquis2019_coldsalt_0.5", discharge(pybamm.lithium_ion.SPMe, "Marquis2019", 0.5, COLD))
    cycle = ("Discharge at 1C until 3.105 V", "Charge at 1C until 4.1 V", "Hold at 4.1 V until C/20")
    solution = programme("Marquis2019", [cycle], "10 seconds")
    for index, step in enumerate(solution.cycles[0].steps):
        begin, end = step.t[0], step.t[-1]
        times = np.append(np.arange(begin, end, 10.0), end)
        kept[f"marquis2019_cycle_{index}_time"] = times - begin
        kept[f"marquis2019_cycle_{index}_voltage"] = step["Voltage [V]"](times)
        kept[f"marquis2019_cycle_{index}_current"] = -step["Current [A]"](times)
        print("cycle", index, begin, end, flush=True)
    pulses = [("Discharge at C/10 for 10 minutes", "Rest for 1 hour")] * 25
    solution = programme("Marquis2019", pulses, "60 seconds")
    times = np.arange(0.0, 25 * 4200.0, 60.0)
    times = times[(times % 4200.0 != 0.0) & (times % 4200.0 != 600.0)]  # the jumps themselves have two values
    kept["marquis2019_gitt_time"] = times
    kept["marquis2019_gitt_voltage"] = solution["Voltage [V]"](times)
    print("gitt", len(kept["marquis2019_gitt_time"]), flush=True)
    warm(kept)
    rounded = {key: np.round(value, 7).astype(np.float64) if value.ndim else value for key, value in kept.items()}
    np.savez_compressed(Path(__file__).with_name("curves.npz"), **rounded)


if __name__ == "__main__":
    main()
