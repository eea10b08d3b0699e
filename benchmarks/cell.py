"""The simulated cell against PyBaMM: accuracy against stored curves, speed side by side in one run.

Accuracy is against PyBaMM's single-particle model with 300 shells and tolerances of 1e-8, whose curves are stored in
`benchmarks/reference`. Speed is against the same model as PyBaMM sets it up by default, with its IDAKLU solver, built
and warm; both sides run the same parameters on the same output times in one process, and reading the voltage is
included. Ratios are of the shortest of several turns, taken alternately, in CPU time of the thread. `make bench` brings PyBaMM.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import fsum
from pathlib import Path

import numpy as np

from benchmarks.figure import Promised, at_least, at_most, shortfall, unmeasured
from benchmarks.reference import comparison, peer
from benchmarks.reference.peer import NOMINAL, RATES
from labctl_simulators import parameters
from labctl_simulators.assembly.sweep import sweep
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import AtOpenCircuit, CellModel, CellState, Current, Stop, Voltage
from labctl_simulators.cell.chemistry.ageing import Ageing, Curve
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.models import load_model

NO_SALT = Size(electrolyte=False)
ROOT = Path(__file__).resolve().parents[1]
LOW, HIGH = 3.105, 4.1
Step = tuple[object, float, tuple[Stop, ...]]


def figures() -> Iterator[Promised]:
    """Measure and yield what is wanted of the simulated cell and what is found."""
    yield from accuracy()
    yield charge()
    yield from ageing_and_profiles()  # ours alone, before anything else is in memory
    yield from ratios()
    yield from start()


def plots(folder: Path) -> list[Path]:
    """Write pictures of ours beside the reference into `folder`, and return their paths."""
    from benchmarks.reference import plots as pictures  # noqa: PLC0415  # matplotlib is slow to import

    return pictures.write(folder)


# --- accuracy ----------------------------------------------------------------------------------------------------


def accuracy() -> Iterator[Promised]:
    """Yield how far ours is from the stored curves."""
    for name, rates in comparison.RATES.items():
        cell = comparison.plain(name)
        compared = {rate: comparison.discharge(cell, name, rate) for rate in rates}
        span = f"{name}, {min(rates)}C-{max(rates)}C"
        worst = max(compared, key=lambda rate: compared[rate].largest)
        yield millivolts(f"{span}: voltage, largest difference", 0.1, compared[worst].largest, f"at {worst}C")
        late = {rate: abs(one.end - one.reference_end) for rate, one in compared.items()}
        latest = max(late, key=lambda rate: late[rate])
        yield at_most(f"{span}: time of the cut-off", 0.05, late[latest], " s", f"at {latest}C")
    cell = comparison.plain("marquis2019")
    yield millivolts("marquis2019, GITT of 25 pulses: largest difference", 0.1, comparison.pulses(cell).largest)
    *_, held = comparison.cycle(cell)
    off = 100.0 * abs(held.end / held.reference_end - 1.0)
    yield at_most("marquis2019: duration of a held voltage", 0.1, off, " %", f"of {held.reference_end:.1f} s")
    for name, rate, wanted in (
        ("marquis2019", 1.0, 0.5),
        ("marquis2019", 3.0, 2.5),
        ("chen2020", 1.0, 1.0),
        ("chen2020", 2.0, 4.0),
    ):
        salty = comparison.discharge(load_model(name), name, rate, "spme")
        yield millivolts(f"{name}, electrolyte modes at {rate}C: rms difference from SPMe", wanted, salty.rms)
    for name, rate, wanted in (("marquis2019", 1.0, 1.0), ("marquis2019", 3.0, 4.0), ("chen2020", 1.0, 1.0)):
        warm = comparison.warm_discharge(name, rate)
        yield millivolts(f"{name}, electrolyte and heat at {rate}C: rms difference from SPMe, lumped", wanted, warm.rms)
        yield at_most(f"{name}, electrolyte and heat at {rate}C: temperature", 0.1, warm.warmest, " K")
    yield millivolts("marquis2019 at -10 degC, C/2: largest difference", 0.1, comparison.cold(cell, "cold").largest)


def millivolts(name: str, wanted: float, found: float, remark: str = "") -> Promised:
    """Return a figure of a voltage (V) that should be at most `wanted` mV."""
    return at_most(name, wanted, 1e3 * found, " mV", remark)


def charge() -> Promised:
    """Compare the integrators of 1000 CC-CV cycles with the sum of what their segments say has passed."""
    cell = comparison.plain("marquis2019")
    state, parts = cell.initial(), []
    begin, integrator = state.level, cell.physics(state).memory.integrator
    for drive, duration, stops in cycle() * 1000:
        segment = cell.segment(state, drive, duration, stops)
        last = segment.rows([segment.end])
        parts += [float(last.charging[0]), -float(last.discharging[0])]
        state = segment.state(segment.end)
    charges = [state.charge, *((state.level - begin) / integrator).tolist()]
    off = max(abs(value - fsum(parts)) for value in charges) / state.throughput
    return at_most("charge after 1000 CC-CV cycles: share of the throughput that is lost", 1e-12, off)


# --- our side ----------------------------------------------------------------------------------------------------


def steps(rate: float) -> list[Step]:
    """Return discharge and charge at `rate` C as (drive, duration, stops)."""
    current = rate * NOMINAL
    return [
        (Current(-current), np.inf, (Stop("voltage", False, LOW),)),
        (Current(current), np.inf, (Stop("voltage", True, HIGH),)),
    ]


def cycle() -> list[Step]:
    """Return `peer.CYCLE` as (drive, duration, stops)."""
    down, up = steps(1.0)
    hold = (Voltage(HIGH), np.inf, (Stop("current", False, NOMINAL / 50),))
    return [down, (AtOpenCircuit(), 600.0, ()), up, hold, (AtOpenCircuit(), 1500.0, ())]


def run(cell: CellModel, programme: list[Step], period: float, state: CellState | None = None) -> tuple[CellState, int]:
    """Run a programme with rows every `period` s; return the last state and the number of rows."""
    state = cell.initial() if state is None else state
    rows = 0
    for drive, duration, stops in programme:
        segment = cell.segment(state, drive, duration, stops)
        columns = segment.rows(np.arange(0.0, segment.end, period))
        rows += len(columns.voltage)
        state = segment.state(segment.end)
    return state, rows


def programmes(cell: CellModel) -> dict[str, Callable[[], object]]:
    """Return our side of each of `peer.programmes`."""
    grid, fresh = np.arange(0.0, 3601.0, 10.0), cell.initial()
    cycled = fresh.warmed(run(cell, cycle(), 60.0)[0].warm)  # a hold was solved before, as in any cycled cell
    gitt = [(Current(-NOMINAL / 10), 600.0, ()), (AtOpenCircuit(), 3600.0, ())] * 25
    rated = [step for rate in RATES for _ in range(5) for step in steps(rate)]
    return {
        "CC 1C, 10 s": lambda: cell.segment(fresh, Current(-NOMINAL), 3600.0).rows(grid),
        "CC-CV, 10 s": lambda: run(cell, cycle(), 10.0, cycled),
        "CC-CV, 1 s": lambda: run(cell, cycle(), 1.0, cycled),
        "GITT 25 pulses, 10 s": lambda: run(cell, gitt, 10.0),
        "100 CC-CV cycles, 60 s": lambda: run(cell, cycle() * 100, 60.0),
        "rate test 0.1C-5C, 60 s": lambda: run(cell, rated, 60.0),
    }


def stepping(cell: CellModel, count: int) -> Callable[[], object]:
    """Return `count` steps of a live cell, each with a new current."""
    live = cell.stepper(cell.initial(soc=0.5))
    currents = [0.2 if k % 2 else -0.2 for k in range(count)]

    def work() -> None:
        for current in currents:
            live.step(current, 1.0)

    return work


def batch(cell: CellModel, cells: int, count: int) -> Callable[[], object]:
    """Return a discharge of a batch under interactive control, of `count` steps, each cell at its own current."""
    states = [cell.initial()] * cells
    currents = np.linspace(-0.5, -0.4, cells) * NOMINAL

    def work() -> None:
        many = cell.batch(states)
        for _ in range(count):
            many.step(currents, 10.0)

    return work


def swept(cell: CellModel, cells: int, count: int) -> Callable[[], object]:
    """Return a discharge of cells that all have parameters of their own, from making them on."""
    state, parameter_set = cell.initial(), parameters.read("marquis2019")
    currents = np.linspace(-0.5, -0.4, cells) * NOMINAL
    rise = np.linspace(0.5, 2.0, cells)
    numbers = {"negative.diffusivity": 3.9e-14 * rise, "positive.diffusivity": 1e-13 * rise[::-1]}

    def work() -> None:
        many = sweep(parameter_set, numbers, NO_SALT, cell).batch([state] * cells)
        for _ in range(count):
            many.step(currents, 10.0)

    return work


# --- side by side ------------------------------------------------------------------------------------------------


def ratios() -> Iterator[Promised]:
    """Yield how many times faster than PyBaMM ours is."""
    cell = comparison.plain("marquis2019")
    theirs = peer.programmes() if peer.present() else {}
    for name, work in programmes(cell).items():
        turns = 5 if name.startswith(("100", "rate")) else 9
        yield ratio(name, 20.0, (work, 1), (theirs.get(name), 1), turns)
    salty = load_model("marquis2019")
    theirs = peer.programmes("SPMe") if peer.present() else {}
    for name, work in programmes(salty).items():
        turns = 3 if name.startswith(("100", "rate")) else 5
        yield ratio(f"with electrolyte, {name}", 10.0, (work, 1), (theirs.get(name), 1), turns)
    theirs = peer.programmes("SPMe", thermal="lumped") if peer.present() else {}
    for name, work in programmes(load_model("marquis2019-heat")).items():
        turns = 3 if name.startswith(("100", "rate")) else 5
        yield ratio(f"with electrolyte and heat, {name}", 10.0, (work, 1), (theirs.get(name), 1), turns)
    mine, other = stepping(cell, 1000), peer.stepping(200) if peer.present() else None
    yield ratio("interactive step", 120.0, (mine, 1000), (other, 200), 3)
    mine, other = batch(cell, 1000, 320), peer.listed(200, 321) if peer.present() else None
    yield ratio("batch of 1000 cells, each point", 60.0, (mine, 320_000), (other, 64_200), 3)
    mine, other = swept(cell, 1000, 320), peer.swept(100, 321) if peer.present() else None
    yield ratio("sweep of 1000 sets of parameters, each point", 60.0, (mine, 320_000), (other, 32_100), 3)
    frequencies, state = np.geomspace(1e-4, 1e4, 81), cell.initial()
    other = peer.spectrum(frequencies) if peer.present() else None
    yield ratio("EIS, 81 frequencies", 200.0, (lambda: cell.impedance(state, frequencies), 1), (other, 1), 9)


Side = tuple[Callable[[], object] | None, int]


def ratio(name: str, wanted: float, mine: Side, other: Side, turns: int) -> Promised:
    """Return how many times faster ours is; a side is a call and how many pieces of work that call does."""
    name = f"{name}: times PyBaMM's speed"
    ours, theirs = beside(mine[0], other[0], turns)
    ours /= mine[1]
    if theirs is None:
        why = f"ours alone takes {unit(ours)}; PyBaMM is not installed here, `make bench` brings and measures it"
        return unmeasured(name, f"at least {wanted:g}", why)
    theirs /= other[1]
    remark = f"{unit(ours)} against {unit(theirs)}"
    short = shortfall(theirs / ours / wanted)
    return at_least(name, wanted, theirs / ours, remark=f"{short}; {remark}" if short else remark)


def beside(
    mine: Callable[[], object] | None, other: Callable[[], object] | None, turns: int
) -> tuple[float, float | None]:
    """Return the shortest CPU times of both sides in s, measured in turns so that both see the same machine.

    A sample of ours is the mean of as many calls as last about a fifth of one of theirs.
    """
    assert mine is not None
    one = min(cpu(mine) for _ in range(4))
    if other is None:
        return min(one, *(cpu(mine) for _ in range(turns))), None
    other()
    calls = max(1, min(50, int(0.2 * cpu(other) / one)))
    pairs = [(cpu(mine, calls), cpu(other)) for _ in range(turns)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def cpu(work: Callable[[], object], calls: int = 1) -> float:
    """Return the CPU time of a call in s, the mean of several; threads of numpy that only wait do not count."""
    begin = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - begin) / calls


def unit(seconds: float) -> str:
    """Return a time in words."""
    for word, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds / 1e-9:.3g} ns"


# --- times of ours alone -----------------------------------------------------------------------------------------


def ageing_and_profiles() -> Iterator[Promised]:
    """Yield the times of long runs of ours."""
    for name, wanted, work, turns, remark in (
        ("1000 CC-CV cycles with ageing, 60 s", 0.5, ageing(), 9, "about 156 000 rows"),
        ("symmetric cell, 1000 h at 10 s", 0.2, symmetric(), 3, "360 000 rows"),
        ("24 h of a 1 s profile", 0.02, profile(), 7, "86 400 samples"),
    ):
        spent = min(cpu(work) for _ in range(turns))
        yield at_most(name, wanted, spent, " s", "; ".join(filter(None, (shortfall(wanted / spent), remark))))


def ageing() -> Callable[[], object]:
    """Return 1000 CC-CV cycles of an ageing cell, fresh each time, with rows every 60 s."""
    plain = comparison.plain("marquis2019").chemistry.parameters
    passed = (NOMINAL * 3600.0, NOMINAL * 2880.0)
    fade = Curve(NOMINAL, (0.0, 1000.0), passed, (1.0, 0.8), (1.0, 1.5))
    parameters = replace(plain, ageing=Ageing(curves=(fade,)))
    short = [cycle()[0], cycle()[2], cycle()[3]]
    return lambda: run(CellModel(Insertion(parameters)), short * 1000, 60.0)


def symmetric() -> Callable[[], object]:
    """Return 1000 h of stripping and plating at 0.1 mA/cm2 with rows every 10 s."""
    cell = load_model("phlt-symmetric", area=1e-4)
    programme = [(Current(1e-4), 3600.0, ()), (Current(-1e-4), 3600.0, ())] * 500
    return lambda: run(cell, programme, 10.0)


def profile() -> Callable[[], object]:
    """Return 24 h of an arbitrary current profile of 1 s."""
    cell = comparison.plain("marquis2019")
    currents = 0.3 * NOMINAL * np.sin(np.arange(86400) * 0.7) * np.cos(np.arange(86400) * 0.0131)
    state = cell.initial(soc=0.5)
    return lambda: cell.profile(state, currents, 1.0)


_START = """
import time, sys
sys.path[:0] = {path!r}
import numpy
begin = time.thread_time()
from labctl_simulators.models import load_model
cell = load_model("marquis2019")
spent = time.thread_time() - begin
from labctl_simulators.cell import Current
state = cell.initial()
cell.segment(state, Current(-0.68), 3600.0).rows(numpy.arange(0.0, 3600.0, 10.0))
lines = open("/proc/self/status").read().splitlines() if sys.platform == "linux" else ["VmHWM: 0 kB"]
print(spent, [line.split()[1] for line in lines if line.startswith("VmHWM")][0])
"""


def start() -> Iterator[Promised]:
    """Yield what import and build cost beyond numpy, and the resident memory, of fresh processes.

    With bytecode, as of an installed package: the first process writes it and is not counted.
    """
    words = [sys.executable, "-c", _START.format(path=[str(ROOT / "simulators")])]
    spent_each = []
    with tempfile.TemporaryDirectory() as place:
        surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        surroundings["PYTHONPYCACHEPREFIX"] = place
        for _ in range(8):
            out = subprocess.run(words, capture_output=True, text=True, check=True, env=surroundings)
            spent_each.append([float(word) for word in out.stdout.split()])
    spent, memory = (min(column) for column in zip(*spent_each[1:], strict=True))
    yield at_most("import and build beyond numpy", 0.03, spent, " s")
    yield at_most("resident memory after a discharge", 60.0, memory / 1024, " MB")
