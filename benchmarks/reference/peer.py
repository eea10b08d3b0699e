"""PyBaMM's side of `labctl bench cell`: its single-particle model, IDAKLU solver, default settings, built and warm.

Each call solves and reads time and voltage, which PyBaMM computes only when they are asked for.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

RATES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
NOMINAL = 0.680616
"""A, 1C of Marquis2019."""
CYCLE = (
    "Discharge at 1C until 3.105 V",
    "Rest for 10 minutes",
    "Charge at 1C until 4.1 V",
    "Hold at 4.1 V until C/50",
    "Rest for 25 minutes",
)


def present() -> bool:
    """Say whether PyBaMM is installed here."""
    return importlib.util.find_spec("pybamm") is not None


def _library() -> Any:
    import pybamm  # noqa: PLC0415  # a dependency of the benchmark only

    pybamm.set_logging_level("ERROR")
    return pybamm


def _read(solution: Any) -> object:
    return solution["Time [s]"].entries, solution["Voltage [V]"].entries


def _simulation(kind: str = "SPM", *, driven: bool = False, thermal: str = "isothermal", **more: Any) -> Any:
    pybamm = _library()
    parameters = pybamm.ParameterValues("Marquis2019")
    if driven:
        parameters["Current function [A]"] = "[input]"
    return pybamm.Simulation(
        getattr(pybamm.lithium_ion, kind)({"thermal": thermal}),
        parameter_values=parameters,
        solver=pybamm.IDAKLUSolver(),
        **more,
    )


def programmes(kind: str = "SPM", thermal: str = "isothermal") -> dict[str, Callable[[], object]]:
    """Return PyBaMM's side of each programme, for its model `SPM` or `SPMe`; `thermal` may be `lumped`."""

    def experiment(steps: list, period: str) -> Callable[[], object]:
        simulation = _simulation(kind, thermal=thermal, experiment=_library().Experiment(steps, period=period))
        return lambda: _read(simulation.solve())

    plain, grid = _simulation(kind, thermal=thermal), np.arange(0.0, 3601.0, 10.0)
    pulses = [("Discharge at C/10 for 10 minutes", "Rest for 1 hour")] * 25
    rated = [
        (f"Discharge at {rate}C until 3.105 V", f"Charge at {rate}C until 4.1 V") for rate in RATES for _ in range(5)
    ]
    return {
        "CC 1C, 10 s": lambda: _read(plain.solve([0.0, 3600.0], t_interp=grid)),
        "CC-CV, 10 s": experiment([CYCLE], "10 seconds"),
        "CC-CV, 1 s": experiment([CYCLE], "1 second"),
        "GITT 25 pulses, 10 s": experiment(pulses, "10 seconds"),
        "100 CC-CV cycles, 60 s": experiment([CYCLE] * 100, "60 seconds"),
        "rate test 0.1C-5C, 60 s": experiment(rated, "60 seconds"),
    }


def stepping(count: int) -> Callable[[], object]:
    """Return `count` calls of `Simulation.step`, each with a new current and its voltage read."""
    simulation = _simulation(driven=True)

    def work() -> None:
        for k in range(count):
            solution = simulation.step(1.0, save=False, inputs={"Current function [A]": 0.2 if k % 2 else -0.2})
            solution["Voltage [V]"].entries[-1]

    return work


def listed(cells: int, points: int) -> Callable[[], object]:
    """Return a discharge of `cells` cells at currents of their own, handed over as a list of inputs."""
    simulation = _simulation(driven=True)
    grid = np.linspace(0.0, 10.0 * (points - 1), points)
    inputs = [{"Current function [A]": float(i)} for i in np.linspace(0.4, 0.5, cells) * NOMINAL]

    def work() -> None:
        for solution in simulation.solve([0.0, float(grid[-1])], t_interp=grid, inputs=inputs):
            solution["Voltage [V]"].entries  # noqa: B018

    return work


def swept(cells: int, points: int, every: float = 10.0) -> Callable[[], object]:
    """Return a discharge of `cells` cells at currents and diffusivities of their own, handed over as a list of inputs.

    Its voltage is read at `points` times, `every` s apart.
    """
    pybamm = _library()
    values = pybamm.ParameterValues("Marquis2019")
    names = ("Current function [A]", "Negative particle diffusivity [m2.s-1]", "Positive particle diffusivity [m2.s-1]")
    values.update(dict.fromkeys(names, "[input]"))
    simulation = pybamm.Simulation(pybamm.lithium_ion.SPM(), parameter_values=values, solver=pybamm.IDAKLUSolver())
    grid, rise = np.linspace(0.0, every * (points - 1), points), np.linspace(0.5, 2.0, cells)
    sizes = (np.linspace(0.4, 0.5, cells) * NOMINAL, 3.9e-14 * rise, 1e-13 * rise[::-1])
    inputs = [dict(zip(names, map(float, row), strict=True)) for row in zip(*sizes, strict=True)]

    def work() -> None:
        for solution in simulation.solve([0.0, float(grid[-1])], t_interp=grid, inputs=inputs):
            solution["Voltage [V]"].entries  # noqa: B018

    return work


def spectrum(frequencies: np.ndarray) -> Callable[[], object]:
    """Return PyBaMM's spectrum; its model needs a double layer for one."""
    pybamm = _library()
    model = pybamm.lithium_ion.SPM(options={"surface form": "differential"})
    simulation = pybamm.EISSimulation(model, parameter_values=pybamm.ParameterValues("Marquis2019"))
    return lambda: simulation.solve(frequencies)
