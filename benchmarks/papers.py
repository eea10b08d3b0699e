"""The papers measured again, and what analyses and reports of long runs cost."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figure import Promised, at_most, cpu_seconds
from labctl.analysis.differential import analyse_differential
from labctl.analysis.impedance.fit import fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.model import impedance
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.protocol.circuit import parse_circuit
from labctl.report.files import write_of_run
from labctl.report.plots.choose import Wish
from labctl.report.reproduce import experiments, run_all
from labctl.report.run_data import record_of
from labctl.report.worker_pool import processes
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader

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


def figures() -> Iterator[Promised]:
    """Measure single spectra, then a run of 4000 cycles with 2.7 million rows, then all papers on two cores."""
    yield from spectrum()
    with tempfile.TemporaryDirectory() as folder:
        yield from long_run(Path(folder))
    begin = time.perf_counter()
    compared = list(run_all(experiments("all"), processes(2)))
    took = time.perf_counter() - begin
    met = sum(each.met for each in compared)
    yield at_most(
        "labctl reproduce all on two cores", 90, took, " s", f"{met} of {len(compared)} published numbers met"
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
        yield at_most(name, wanted, 1e3 * cpu_seconds(work), " ms")


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
