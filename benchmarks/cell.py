"""The simulated cell against PyBaMM, side by side in one run: `labctl bench cell`.

Both sides run the same parameters on the same output times in one process, warm; reading the voltage is included.
PyBaMM is its single-particle model with the IDAKLU solver and default settings. Ratios are of medians; absolute times
belong to the machine and the moment. Without PyBaMM our side is measured alone.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("labctl_simulators") is None or importlib.util.find_spec("benchmarks") is None:
    sys.path[:0] = [str(ROOT / "simulators"), str(ROOT)]

from benchmarks.figure import Figure, at_least, at_most  # noqa: E402
from labctl_simulators.cell import Cell, Current, Rest, State, Stop, Voltage  # noqa: E402
from labctl_simulators.cell.ageing import Ageing, Curve  # noqa: E402
from labctl_simulators.cell.insertion import Insertion  # noqa: E402
from labctl_simulators.models import load_model  # noqa: E402

NOMINAL = 0.680616
LOW, HIGH = 3.105, 4.1
CYCLE = (
    "Discharge at 1C until 3.105 V",
    "Rest for 10 minutes",
    "Charge at 1C until 4.1 V",
    "Hold at 4.1 V until C/50",
    "Rest for 25 minutes",
)
RATES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one line of the table.

    Attributes:
        name: of the case.
        ours: s, median.
        theirs: s, median; None without PyBaMM.
        goal: least ratio; None where the goal is a time.
        most: largest time of ours, s; None where the goal is a ratio.
        note: what was counted.
    """

    name: str
    ours: float
    theirs: float | None
    goal: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Return how many times faster ours is."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def met(self) -> bool | None:
        """Say whether the goal is met; None where it cannot be told."""
        if self.most is not None:
            return self.ours <= self.most
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal


def timed(work: Callable[[], object], repeats: int = 5, warm: int = 2) -> float:
    """Return the median time of `work` in s after `warm` untimed calls."""
    for _ in range(warm):
        work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


# --- our side ----------------------------------------------------------------------------------------------------


def steps(rate: float) -> list[tuple]:
    """Return discharge and charge at `rate` C as (drive, duration, stops)."""
    current = rate * NOMINAL
    return [
        (Current(-current), np.inf, (Stop("voltage", False, LOW),)),
        (Current(current), np.inf, (Stop("voltage", True, HIGH),)),
    ]


def cycle() -> list[tuple]:
    """Return CYCLE as (drive, duration, stops)."""
    down, up = steps(1.0)
    hold = (Voltage(HIGH), np.inf, (Stop("current", False, NOMINAL / 50),))
    return [down, (Rest(), 600.0, ()), up, hold, (Rest(), 1500.0, ())]


def run(cell: Cell, programme: list[tuple], period: float, state: State | None = None) -> tuple[State, int]:
    """Run a programme with rows every `period` s; return the last state and the number of rows."""
    state = cell.initial() if state is None else state
    rows = 0
    for drive, duration, stops in programme:
        segment = cell.segment(state, drive, duration, stops)
        columns = segment.rows(np.arange(0.0, segment.end, period))
        rows += len(columns.voltage)
        state = segment.state(segment.end)
    return state, rows


def ours(cell: Cell) -> dict[str, Callable[[], object]]:
    """Return our side of each case that PyBaMM has too."""
    grid, fresh = np.arange(0.0, 3601.0, 10.0), cell.initial()
    gitt = [(Current(-NOMINAL / 10), 600.0, ()), (Rest(), 3600.0, ())] * 25
    rated = [step for rate in RATES for _ in range(5) for step in steps(rate)]
    return {
        "CC 1C, 10 s": lambda: cell.segment(fresh, Current(-NOMINAL), 3600.0).rows(grid),
        "CC-CV, 10 s": lambda: run(cell, cycle(), 10.0, warmed(cell)),
        "CC-CV, 1 s": lambda: run(cell, cycle(), 1.0, warmed(cell)),
        "GITT 25 pulses, 10 s": lambda: run(cell, gitt, 10.0),
        "100 CC-CV cycles, 60 s": lambda: run(cell, cycle() * 100, 60.0),
        "rate test 0.1C-5C, 60 s": lambda: run(cell, rated, 60.0),
    }


_WARM: dict[int, State] = {}


def warmed(cell: Cell) -> State:
    """Return a fresh state that knows how a hold was solved before, as any cycled cell does."""
    if id(cell) not in _WARM:
        _WARM[id(cell)] = cell.initial().warmed(run(cell, cycle(), 60.0)[0].warm)
    return _WARM[id(cell)]


def interactive(cell: Cell, count: int = 5000) -> float:
    """Return the time of one step of a live cell, s."""
    live = cell.stepper(cell.initial(soc=0.5))
    currents = [0.2 if k % 2 else -0.2 for k in range(count)]

    def work() -> None:
        for current in currents:
            live.step(current, 1.0)

    return timed(work) / count


def batch(cell: Cell, cells: int = 1000, count: int = 320) -> float:
    """Return the time of a cell-point of a batch under interactive control, s."""
    many = cell.batch([cell.initial()] * cells)
    currents = np.linspace(-0.5, -0.4, cells) * NOMINAL

    def work() -> None:
        for _ in range(count // 10):
            many.step(currents, 10.0)

    return timed(work) / (cells * (count // 10))


# --- PyBaMM ------------------------------------------------------------------------------------------------------


def theirs() -> dict[str, Callable[[], object]]:
    """Return PyBaMM's side of each case; each reads time and voltage."""
    import pybamm  # noqa: PLC0415  # a dependency of the benchmark only

    pybamm.set_logging_level("ERROR")
    parameters = pybamm.ParameterValues("Marquis2019")

    def read(solution: Any) -> object:
        return solution["Time [s]"].entries, solution["Voltage [V]"].entries

    def experiment(steps: list, period: str) -> Callable[[], object]:
        simulation = pybamm.Simulation(
            pybamm.lithium_ion.SPM(),
            parameter_values=parameters,
            experiment=pybamm.Experiment(steps, period=period),
            solver=pybamm.IDAKLUSolver(),
        )
        return lambda: read(simulation.solve())

    plain = pybamm.Simulation(pybamm.lithium_ion.SPM(), parameter_values=parameters, solver=pybamm.IDAKLUSolver())
    grid = np.arange(0.0, 3601.0, 10.0)
    pulses = [("Discharge at C/10 for 10 minutes", "Rest for 1 hour")] * 25
    rated = [
        (f"Discharge at {rate}C until 3.105 V", f"Charge at {rate}C until 4.1 V") for rate in RATES for _ in range(5)
    ]
    return {
        "CC 1C, 10 s": lambda: read(plain.solve([0.0, 3600.0], t_interp=grid)),
        "CC-CV, 10 s": experiment([CYCLE], "10 seconds"),
        "CC-CV, 1 s": experiment([CYCLE], "1 second"),
        "GITT 25 pulses, 10 s": experiment(pulses, "10 seconds"),
        "100 CC-CV cycles, 60 s": experiment([CYCLE] * 100, "60 seconds"),
        "rate test 0.1C-5C, 60 s": experiment(rated, "60 seconds"),
    }


def their_interactive(count: int = 200) -> float:
    """Return the time of one `Simulation.step` with a new current, voltage read, s."""
    import pybamm  # noqa: PLC0415  # a dependency of the benchmark only

    parameters = pybamm.ParameterValues("Marquis2019")
    parameters["Current function [A]"] = "[input]"
    simulation = pybamm.Simulation(pybamm.lithium_ion.SPM(), parameter_values=parameters, solver=pybamm.IDAKLUSolver())

    def work() -> None:
        for k in range(count):
            solution = simulation.step(1.0, save=False, inputs={"Current function [A]": 0.2 if k % 2 else -0.2})
            solution["Voltage [V]"].entries[-1]

    return timed(work, repeats=3, warm=1) / count


def their_batch(cells: int = 200) -> float:
    """Return the time of a cell-point of a list of inputs, s."""
    import pybamm  # noqa: PLC0415  # a dependency of the benchmark only

    parameters = pybamm.ParameterValues("Marquis2019")
    parameters["Current function [A]"] = "[input]"
    simulation = pybamm.Simulation(pybamm.lithium_ion.SPM(), parameter_values=parameters, solver=pybamm.IDAKLUSolver())
    grid = np.linspace(0.0, 3200.0, 321)
    inputs = [{"Current function [A]": float(i)} for i in np.linspace(0.4, 0.5, cells) * NOMINAL]

    def work() -> None:
        for solution in simulation.solve([0.0, 3200.0], t_interp=grid, inputs=inputs):
            solution["Voltage [V]"].entries  # noqa: B018

    return timed(work, repeats=3, warm=1) / (cells * 321)


def their_spectrum(frequencies: np.ndarray) -> Callable[[], object]:
    """Return PyBaMM's spectrum; its model needs a double layer for one."""
    import pybamm  # noqa: PLC0415  # a dependency of the benchmark only

    model = pybamm.lithium_ion.SPM(options={"surface form": "differential"})
    simulation = pybamm.EISSimulation(model, parameter_values=pybamm.ParameterValues("Marquis2019"))
    return lambda: simulation.solve(frequencies)


# --- the table ---------------------------------------------------------------------------------------------------


def beside(mine: Callable[[], object], other: Callable[[], object] | None, repeats: int) -> tuple[float, float | None]:
    """Return the median times of both sides in s, measured in turns so that both see the same machine.

    A sample of ours is the mean of as many calls as last about a fifth of one of theirs.
    """
    one = timed(mine, repeats=3)
    if other is None:
        return timed(mine, repeats=repeats), None
    other()
    begin = time.perf_counter()
    other()
    calls = max(1, min(50, int(0.2 * (time.perf_counter() - begin) / one)))
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(calls):
            mine()
        middle = time.perf_counter()
        other()
        found[0].append((middle - begin) / calls)
        found[1].append(time.perf_counter() - middle)
    return median(found[0]), median(found[1])


def against(quick: bool) -> list[Row]:
    """Return the rows that are ratios."""
    cell, there = load_model("marquis2019"), importlib.util.find_spec("pybamm") is not None
    other = theirs() if there else {}
    rows = []
    for name, work in ours(cell).items():
        slow = name.startswith(("100", "rate", "GITT"))
        if not (quick and slow):
            rows.append(Row(name, *beside(work, other.get(name), 3 if slow else 9), goal=20.0))
    rows.append(Row("interactive step", interactive(cell), their_interactive() if there else None, goal=120.0))
    rows.append(Row("batch of 1000, per cell-point", batch(cell), their_batch() if there else None, goal=60.0))
    frequencies, state = np.geomspace(1e-4, 1e4, 81), cell.initial()
    spectrum = their_spectrum(frequencies) if there else None
    rows.append(
        Row("EIS, 81 frequencies", *beside(lambda: cell.impedance(state, frequencies), spectrum, 5), goal=200.0)
    )
    return rows


def alone() -> list[Row]:
    """Return the rows that are times of ours."""
    return [ageing(), symmetric(), profile(), start()]


def ageing() -> Row:
    """Measure 1000 CC-CV cycles of an ageing cell with rows every 60 s."""
    plain = load_model("marquis2019").chemistry.parameters
    passed = (NOMINAL * 3600.0, NOMINAL * 2880.0)
    fade = Curve(NOMINAL, (0.0, 1000.0), passed, (1.0, 0.8), (1.0, 1.5))
    cell = Cell(Insertion(replace(plain, ageing=Ageing(curves=(fade,)))))
    short = [cycle()[0], cycle()[2], cycle()[3]]
    found: list[object] = []
    spent = timed(lambda: found.append(run(cell, short * 1000, 60.0)), repeats=1, warm=0)
    return Row("1000 CC-CV cycles with ageing, 60 s", spent, None, most=0.5, note=f"{found[0][1]} rows")


def symmetric() -> Row:
    """Measure 1000 h of stripping and plating with rows every 10 s."""
    cell = load_model("phlt-symmetric")
    area = 1e-4
    programme = [(Current(1e-4 * area / 1e-4), 3600.0, ()), (Current(-1e-4 * area / 1e-4), 3600.0, ())] * 500
    spent = timed(lambda: run(cell, programme, 10.0), repeats=3, warm=1)
    return Row("symmetric cell, 1000 h at 10 s", spent, None, most=0.2, note="360 000 rows")


def profile() -> Row:
    """Measure 24 h of an arbitrary current profile of 1 s."""
    cell = load_model("marquis2019")
    currents = 0.3 * NOMINAL * np.sin(np.arange(86400) * 0.7) * np.cos(np.arange(86400) * 0.0131)
    state = cell.initial(soc=0.5)
    spent = timed(lambda: cell.profile(state, currents, 1.0), repeats=7)
    return Row("24 h of a 1 s profile", spent, None, most=0.02, note="86 400 samples")


_START = """
import time, sys
sys.path[:0] = {path!r}
import numpy
begin = time.perf_counter()
from labctl_simulators.models import load_model
cell = load_model("marquis2019")
spent = time.perf_counter() - begin
from labctl_simulators.cell import Current
state = cell.initial()
cell.segment(state, Current(-0.68), 3600.0).rows(numpy.arange(0.0, 3600.0, 10.0))
lines = open("/proc/self/status").read().splitlines() if sys.platform == "linux" else ["VmHWM: 0 kB"]
print(spent, [line.split()[1] for line in lines if line.startswith("VmHWM")][0])
"""


def start() -> Row:
    """Measure import and build beyond numpy, and the resident memory, in fresh processes.

    With bytecode, as of an installed package: the first process writes it and is not counted.
    """
    words = [sys.executable, "-c", _START.format(path=[str(ROOT / "simulators")])]
    found = []
    with tempfile.TemporaryDirectory() as place:
        surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        surroundings["PYTHONPYCACHEPREFIX"] = place
        for _ in range(8):
            out = subprocess.run(words, capture_output=True, text=True, check=True, env=surroundings)
            found.append([float(word) for word in out.stdout.split()])
    found = found[1:]
    spent, memory = (median(column) for column in zip(*found, strict=True))
    return Row("import and build beyond numpy", spent, None, most=0.03, note=f"{memory / 1024:.0f} MB resident of 60")


def figures() -> Iterator[Figure]:
    """Measure and yield what is wanted of the simulated cell and what is found."""
    if importlib.util.find_spec("pybamm") is not None:
        for row in against(quick=False):
            yield at_least(
                f"{row.name}: times PyBaMM's speed", row.goal or 0.0, row.ratio or 0.0, remark=_time(row.ours)
            )
    for row in alone():
        yield at_most(row.name, row.most or 0.0, row.ours, " s", row.note)


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'case':38} {'ours':>12} {'PyBaMM SPM':>12} {'ratio':>8} {'goal':>10}  met")
    for row in rows:
        other = _time(row.theirs) if row.theirs is not None else "-"
        ratio = f"{row.ratio:.0f}" if row.ratio is not None else "-"
        goal = f"x {row.goal:.0f}" if row.goal is not None else f"<= {_time(row.most or 0.0)}"
        met = {True: "yes", False: "NO", None: "?"}[row.met]
        print(f"{row.name:38} {_time(row.ours):>12} {other:>12} {ratio:>8} {goal:>10}  {met}  {row.note}")


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main(argv: list[str]) -> int:
    """Print the table; 0 where no goal is missed."""
    parser = argparse.ArgumentParser(prog="labctl bench cell", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out the long programmes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plots", metavar="DIR", help="write comparison plots there (needs matplotlib) and stop")
    options = parser.parse_args(argv)
    if options.plots:
        from benchmarks.reference import plots  # noqa: PLC0415  # needs matplotlib

        return plots.write(Path(options.plots))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows = against(options.quick) + alone()
    if options.json:
        print(json.dumps([{k: getattr(row, k) for k in (*Row.__slots__, "ratio", "met")} for row in rows], indent=1))
    else:
        show(rows)
        if importlib.util.find_spec("pybamm") is None:
            print("PyBaMM is not installed: `uv sync --group bench` (or `pip install 'pybamm>=26.10'`) adds its side.")
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
