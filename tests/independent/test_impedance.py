"""Our impedance core against two programs that are not ours: impedance.py (MIT), and pyimpspec (GPL) as a process of its own."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from impedance.models.circuits import CustomCircuit

from labctl.analysis.impedance.fit import fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.model import impedance
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.protocol.circuit import parse_circuit

FREQUENCY = np.geomspace(1e6, 1e-2, 80)
CASES = {
    "R0-p(R1,C1)": (5.0, 100.0, 1e-6),
    "R0-p(R1,CPE1)-p(R2,CPE2)": (20.0, 64.0, 3e-6, 0.9, 200.0, 2e-3, 0.85),
    "R0-p(R1-Wo1,CPE1)": (55.0, 62.45, 800.0, 36.0, 2e-5, 0.95),
}


def noisy(spectrum):
    rng = np.random.default_rng(11)
    return spectrum + 0.002 * np.abs(spectrum) * (rng.normal(size=len(spectrum)) + 1j * rng.normal(size=len(spectrum)))


@pytest.mark.parametrize("text", CASES)
def test_parameters_are_those_of_impedance_py(text):
    circuit, truth = parse_circuit(text), np.array(CASES[text])
    spectrum = noisy(impedance(circuit, truth, FREQUENCY))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = CustomCircuit(
            text, initial_guess=list(truth * np.array([0.98 if name.endswith(".a") else 1.1 for name in circuit.names]))
        )
        theirs.fit(FREQUENCY, spectrum, weight_by_modulus=True)
    ours = fit_circuit(circuit, FREQUENCY, spectrum)
    np.testing.assert_allclose(ours.values, theirs.parameters_, rtol=0.01)


def test_residuals_of_kramers_and_kronig_tell_the_same_spectra_apart():
    circuit, truth = parse_circuit("R0-p(R1,CPE1)-p(R2,CPE2)"), np.array(CASES["R0-p(R1,CPE1)-p(R2,CPE2)"])
    good = noisy(impedance(circuit, truth, FREQUENCY))
    drifting = good * np.linspace(1.0, 1.3, len(good))  # the cell changed while it was measured
    assert kramers_kronig(FREQUENCY, good).rms < 0.01 < kramers_kronig(FREQUENCY, drifting).rms


def test_peaks_of_relaxation_times_are_those_of_pyimpspec():
    frequency = np.geomspace(1e6, 1e-3, 451)  # its grid is that of the frequencies: 50 a decade, 5 % apart
    circuit, truth = parse_circuit("R0-p(R1,CPE1)-p(R2,CPE2)"), np.array([20.0, 64.0, 3e-6, 0.9, 200.0, 2e-3, 0.85])
    spectrum = impedance(circuit, truth, frequency)
    given = {"frequency": frequency.tolist(), "real": spectrum.real.tolist(), "imaginary": spectrum.imag.tolist()}
    words = [sys.executable, str(Path(__file__).with_name("relaxation_elsewhere.py"))]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    largest = sorted(sorted(zip(theirs["height"], theirs["time"], strict=True))[-2:], key=lambda peak: peak[1])
    ours = sorted(
        sorted(relaxation_times(frequency, spectrum).peaks, key=lambda peak: peak.resistance)[-2:],
        key=lambda peak: peak.time,
    )
    for (_, time), peak, wanted in zip(
        largest, ours, ((64.0 * 3e-6) ** (1 / 0.9), (200.0 * 2e-3) ** (1 / 0.85)), strict=True
    ):
        assert peak.time == pytest.approx(wanted, rel=0.05)
        assert time == pytest.approx(peak.time, rel=0.05)
