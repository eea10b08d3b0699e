"""The papers measured again, sweeps, and what analyses and reports of long runs cost.

Times of single analyses are CPU times; those of all papers and of a sweep on two cores are wall times, which say something
on an idle machine alone: the remark tells its load. PyBaMM comes with `make bench`, pyimpspec with `make test-independent`.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figure import Promised, at_least, at_most, cpu_seconds, unmeasured
from benchmarks.reference import peer
from labctl.analysis.differential import analyse_differential
from labctl.analysis.impedance.fit import fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.model import impedance
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.protocol.circuit import parse_circuit
from labctl.report.files import write_of_run
from labctl.report.plots.choose import Wish
from labctl.report.reproduce import experiments, hours, run_all
from labctl.report.run_data import record_of
from labctl.report.sweep import SweepRequest, points_of, run_chunk
from labctl.report.worker_pool import carried_out, processes
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl_simulators import parameters
from labctl_simulators.assembly.sweep import sweep
from labctl_simulators.assembly.tree import Size

CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)-W1"
TRUTH = np.array([20.0, 60.0, 2e-6, 0.9, 120.0, 3e-4, 0.85, 30.0])
NOISE = 0.002
LONG = """\
labctl: 1
name: long
record: {every: 10 s}
steps:
  - repeat: 4000
    cycle: true
    steps:
      - discharge: {current: 20 uA/cm2, to: 2.15 V, for: 30 h}
      - charge: {current: 20 uA/cm2, to: 3.8 V, for: 30 h}
analyse: [capacity, {retention: {of: max}}, differential]
"""
TEN_CYCLES = """\
labctl: 1
name: ten cycles
params: {current: 0.68 A}
record: {every: 60 s}
steps:
  - repeat: 10
    cycle: true
    steps:
      - discharge: {current: $current, to: 3.105 V, for: 2 h}
      - charge: {current: $current, to: 4.1 V, for: 2 h}
analyse: [capacity]
"""
FULL_CELL = """\
labctl_cell: 1
name: full
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
CELLS, AT_A_TIME, CYCLES, STEP = 10_000, 1000, 10, 60.0
LOW, HIGH = 3.105, 4.1
ELSEWHERE = Path(__file__).resolve().parents[1] / ".venv-independent" / "bin" / "python"


def figures() -> Iterator[Promised]:
    """Measure single spectra, then a run of 4000 cycles with 2.7 million rows, then all papers on two cores."""
    yield from spectrum()
    with tempfile.TemporaryDirectory() as folder:
        yield from long_run(Path(folder))
        yield from sweeps(Path(folder))
    begin = time.perf_counter()
    compared = list(run_all(experiments("all"), processes(2)))
    took = time.perf_counter() - begin
    met, simulated = sum(each.met for each in compared), hours(compared)
    speed = f"{simulated:.0f} simulated hours, {simulated / took:.0f} a second"
    remark = f"{met} of {len(compared)} published numbers met; {speed}; {beside()}"
    yield at_most("labctl reproduce all on two cores", 90, took, " s", remark)


def beside() -> str:
    """Say how much else the machine was doing."""
    return (
        f"load of the machine {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load of the machine unknown"
    )


def spectrum() -> Iterator[Promised]:
    """Measure fit, consistency test and relaxation times of a noisy spectrum of 60 points."""
    circuit, frequency = parse_circuit(CIRCUIT), np.logspace(6, -1, 60)
    rng = np.random.default_rng(1)
    clean = impedance(circuit, TRUTH, frequency)
    noisy = clean * (1 + NOISE * (rng.normal(size=60) + 1j * rng.normal(size=60)))
    for name, wanted, work in (
        ("circuit fit of a spectrum of 60 points", 20, lambda: fit_circuit(circuit, frequency, noisy)),
        ("Kramers-Kronig test of it", 20, lambda: kramers_kronig(frequency, noisy)),
        ("distribution of relaxation times of it", 50, lambda: relaxation_times(frequency, noisy)),
    ):
        spent = cpu_seconds(work)
        yield at_most(name, wanted, 1e3 * spent, " ms")
    yield from beside_pyimpspec(frequency, noisy, spent)


def beside_pyimpspec(frequency: np.ndarray, spectrum: np.ndarray, ours: float) -> Iterator[Promised]:
    """Yield how many times faster our distribution of relaxation times is than two of pyimpspec, each choosing its regularisation.

    One is of the same kind, the other its Bayesian one. It is GPL, so a process of its own, and measures itself.
    """
    given = {"frequency": frequency.tolist(), "real": spectrum.real.tolist(), "imaginary": spectrum.imag.tolist()}
    for method, wanted, words in (
        ("tr-nnls", 5, "regularised, non-negative"),
        ("bht", 100, "Bayesian Hilbert transform"),
    ):
        name = f"relaxation times: times the speed of pyimpspec, {words}"
        if not ELSEWHERE.exists():
            yield unmeasured(name, f"at least {wanted}", "pyimpspec is not here, `make test-independent` brings it")
            continue
        script = ELSEWHERE.parents[2] / "tests" / "independent" / "relaxation_elsewhere.py"
        asked = json.dumps({**given, "method": method})
        done = subprocess.run([ELSEWHERE, script], input=asked, capture_output=True, text=True, check=True)
        theirs = float(json.loads(done.stdout)["seconds"])
        yield at_least(name, wanted, theirs / ours, remark=f"{1e3 * ours:.3g} ms against {1e3 * theirs:.4g} ms")


def cycled(first_and_count: tuple[int, int]) -> float:
    """Cycle some of the cells of the sweep, each with diffusivities of its own, and return their mean voltage at the end."""
    first, count = first_and_count
    rise = np.linspace(0.5, 2.0, CELLS)
    numbers = {"negative.diffusivity": 3.9e-14 * rise, "positive.diffusivity": 1e-13 * rise[::-1]}
    mine = {name: values[first : first + count] for name, values in numbers.items()}
    cells = sweep(parameters.read("marquis2019"), mine, Size(electrolyte=False))
    many = cells.batch([cells.initial()] * count)
    current, half_cycles = np.full(count, -peer.NOMINAL), np.zeros(count)
    voltage = np.zeros(count)
    while half_cycles.min() < 2 * CYCLES:
        going = half_cycles < 2 * CYCLES
        voltage = many.step(np.where(going, current, 0.0), STEP)
        turned = going & np.where(current < 0, voltage <= LOW, voltage >= HIGH)
        half_cycles += turned
        current = np.where(turned, -current, current)
    return float(voltage.mean())


def sweeps(folder: Path) -> Iterator[Promised]:
    """Measure 10 000 cells over 10 cycles on one core and two, beside PyBaMM's list of inputs, and what one costs as a run."""
    jobs = {at: (first, AT_A_TIME) for at, first in enumerate(range(0, CELLS, AT_A_TIME))}
    spent = cpu_seconds(lambda: cycled(jobs[0]), times=1) * len(jobs)
    name, size = "sweep of 10 000 cells over 10 cycles", "cells of diffusivities of their own, a row a minute"
    if peer.present():
        one = cpu_seconds(peer.swept(50, 61, STEP), times=3) / 50  # a discharge
        ratio = one * 2 * CYCLES * CELLS / spent
        yield at_least(f"{name}: times PyBaMM's list of inputs", 60, ratio, remark=f"{spent:.3g} s; {size}")
    else:
        yield unmeasured(
            f"{name}: times PyBaMM's list of inputs",
            "at least 60",
            f"ours takes {spent:.3g} s; `make bench` brings PyBaMM",
        )
    walls = []
    for workers in (1, 2):
        begin = time.perf_counter()
        list(carried_out(processes(workers), cycled, jobs, "batch"))
        walls.append(time.perf_counter() - begin)
    yield at_least(
        f"{name}: times one core on two",
        1.8,
        walls[0] / walls[1],
        remark=f"{walls[0]:.3g} and {walls[1]:.3g} s; {beside()}",
    )
    (folder / "ten.yaml").write_text(TEN_CYCLES, encoding="utf-8")
    (folder / "full.yaml").write_text(FULL_CELL, encoding="utf-8")
    currents = [f"{0.5 + 0.01 * at:.2f} A" for at in range(20)]
    asked = SweepRequest(str(folder / "ten.yaml"), str(folder / "full.yaml"), {"current": currents}, chunk=20)
    spent = cpu_seconds(lambda: run_chunk(asked, folder, (0, points_of(asked))), times=1) / len(currents)
    yield at_most(
        "one of them as a run: protocol, plan, journal, analysis",
        100,
        1e3 * spent,
        " ms",
        "of `labctl simulate --replicates`",
    )


def long_run(folder: Path) -> Iterator[Promised]:
    """Measure dQ/dV and the report of a run of 4000 cycles."""
    (folder / "long.yaml").write_text(LONG, encoding="utf-8")
    with Journal.open(folder / "long.db") as journal:
        done = Simulation(DryRunRequest(str(folder / "long.yaml"), "voc1")).run(journal)
    with Reader(folder / "long.db") as reader:
        run = reader.run(done.run_id)
        record = record_of(reader, run)
        size = f"{run.rows / 1e6:.2f} million rows, {done.cycles} cycles"
        took = cpu_seconds(lambda: analyse_differential(record, {}), times=3)
        yield at_most("dQ/dV of a run of 4000 cycles", 2, took, " s", size)
        took = cpu_seconds(lambda: write_of_run(folder / "run.html", reader, run, Wish()), times=1)
        yield at_most("report of it", 5, took, " s", size)
