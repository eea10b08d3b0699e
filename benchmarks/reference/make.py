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
SALT_RATES = (0.1, 1.0, 2.0, 3.0)


def solver() -> pybamm.BaseSolver:
    return pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-8)


def points(shells: int = SHELLS, cells: int = 60) -> dict[str, int]:
    mesh = pybamm.BaseBatteryModel().default_var_pts
    return mesh | {"r_n": shells, "r_p": shells, "x_n": cells, "x_s": cells // 2, "x_p": cells}


def discharge(kind: Callable[[], object], parameters: str, rate: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return times, voltages and the cut-off time of a discharge at `rate` C."""
    simulation = pybamm.Simulation(
        kind(), parameter_values=pybamm.ParameterValues(parameters), C_rate=rate, solver=solver(), var_pts=points()
    )
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


def main() -> None:
    found = {}
    for name, (parameters, _, rates) in CASES.items():
        for rate in rates:
            times, voltage, end = discharge(pybamm.lithium_ion.SPM, parameters, rate)
            found[f"{name}_spm_{rate}_time"], found[f"{name}_spm_{rate}_voltage"] = times, voltage
            found[f"{name}_spm_{rate}_end"] = np.array(end)
            print(name, rate, len(times), end, flush=True)
    for rate in SALT_RATES:
        times, voltage, end = discharge(pybamm.lithium_ion.SPMe, "Marquis2019", rate)
        found[f"marquis2019_spme_{rate}_time"], found[f"marquis2019_spme_{rate}_voltage"] = times, voltage
        found[f"marquis2019_spme_{rate}_end"] = np.array(end)
        print("spme", rate, end, flush=True)
    cycle = ("Discharge at 1C until 3.105 V", "Charge at 1C until 4.1 V", "Hold at 4.1 V until C/20")
    solution = programme("Marquis2019", [cycle], "10 seconds")
    for index, step in enumerate(solution.cycles[0].steps):
        begin, end = step.t[0], step.t[-1]
        times = np.append(np.arange(begin, end, 10.0), end)
        found[f"marquis2019_cycle_{index}_time"] = times - begin
        found[f"marquis2019_cycle_{index}_voltage"] = step["Voltage [V]"](times)
        found[f"marquis2019_cycle_{index}_current"] = -step["Current [A]"](times)
        print("cycle", index, begin, end, flush=True)
    pulses = [("Discharge at C/10 for 10 minutes", "Rest for 1 hour")] * 25
    solution = programme("Marquis2019", pulses, "60 seconds")
    times = np.arange(0.0, 25 * 4200.0, 60.0)
    times = times[(times % 4200.0 != 0.0) & (times % 4200.0 != 600.0)]  # the jumps themselves have two values
    found["marquis2019_gitt_time"] = times
    found["marquis2019_gitt_voltage"] = solution["Voltage [V]"](times)
    print("gitt", len(found["marquis2019_gitt_time"]), flush=True)
    rounded = {key: np.round(value, 7).astype(np.float64) if value.ndim else value for key, value in found.items()}
    np.savez_compressed(Path(__file__).with_name("curves.npz"), **rounded)


if __name__ == "__main__":
    main()
