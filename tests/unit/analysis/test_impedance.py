"""Circuits, fits, Kramers-Kronig and relaxation times: known parameters in, found within their error."""

import numpy as np
import pytest

from labctl.analysis.impedance.fit import fit_circuit
from labctl.analysis.impedance.kramers_kronig import kramers_kronig
from labctl.analysis.impedance.model import derivatives, impedance
from labctl.analysis.impedance.relaxation import relaxation_times
from labctl.errors import Misread
from labctl.protocol.circuit import ELEMENTS, parse_circuit

FREQUENCY = np.geomspace(1e6, 1e-2, 60)
CIRCUITS = {
    "R0-p(R1,C1)": (5.0, 100.0, 1e-6),
    "R0-p(R1,CPE1)": (10.0, 62.45, 2e-5, 0.85),
    "R0-p(R1,CPE1)-p(R2,CPE2)-W1": (20.0, 64.0, 3e-6, 0.9, 200.0, 2e-3, 0.85, 15.0),
    "R0-p(R1-W1,CPE1)": (3.0, 40.0, 5.0, 2e-5, 0.9),
    "R0-p(R1,CPE1)-Ws1": (10.0, 50.0, 1e-5, 0.9, 100.0, 2.0),
    "R0-p(R1,CPE1)-Wo1": (10.0, 50.0, 1e-5, 0.9, 100.0, 20.0),
    "R0-CPE1": (500.0, 1e-6, 0.93),
    "R0-G1": (5.0, 80.0, 0.02),
    "L1-R0-p(R1,C1)": (1e-6, 30.0, 500.0, 1e-6),
}


def noisy(spectrum, part, seed):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(spectrum)) + 1j * rng.standard_normal(len(spectrum))
    return spectrum + part * np.abs(spectrum) * noise


@pytest.mark.parametrize("text", CIRCUITS)
def test_derivatives_are_those_of_differences(text):
    circuit, values = parse_circuit(text), np.array(CIRCUITS[text])
    slopes = derivatives(circuit, values, FREQUENCY)[1]
    for at in range(len(values)):
        moved = [values * np.where(np.arange(len(values)) == at, 1.0 + step, 1.0) for step in (1e-6, -1e-6)]
        above, below = (impedance(circuit, each, FREQUENCY) for each in moved)
        difference = (above - below) / (moved[0][at] - moved[1][at])
        np.testing.assert_allclose(slopes[at], difference, rtol=1e-4, atol=1e-4 * np.abs(difference).max())


@pytest.mark.parametrize("text", CIRCUITS)
def test_a_fit_finds_what_the_spectrum_was_made_of(text):
    circuit, truth = parse_circuit(text), np.array(CIRCUITS[text])
    spectrum = impedance(circuit, truth, FREQUENCY)
    exact = fit_circuit(circuit, FREQUENCY, spectrum)
    np.testing.assert_allclose(exact.values, truth, rtol=1e-4)
    assert exact.residual < 1e-6
    fit = fit_circuit(circuit, FREQUENCY, noisy(spectrum, 0.002, 1))
    assert fit.residual < 0.003
    assert np.all((fit.low < fit.values) & (fit.values < fit.high))
    np.testing.assert_allclose(fit.values, truth, rtol=0.05)
    np.testing.assert_allclose(fit.fitted, spectrum, rtol=0.02)


def test_what_a_spectrum_cannot_tell_is_flagged():
    circuit, truth = parse_circuit("R0-p(R1,CPE1)-p(R2,CPE2)"), np.array([10.0, 62.0, 2e-5, 0.85])
    spectrum = noisy(impedance(parse_circuit("R0-p(R1,CPE1)"), truth, FREQUENCY), 0.002, 3)
    assert any("not determined" in flag for flag in fit_circuit(circuit, FREQUENCY, spectrum).flags)
    wrong = fit_circuit(
        parse_circuit("R0-p(R1,C1)"),
        FREQUENCY,
        impedance(parse_circuit("R0-CPE1"), np.array([1.0, 1e-3, 0.7]), FREQUENCY),
    )
    assert any("leaves" in flag for flag in wrong.flags)
    with pytest.raises(ValueError, match="wanted more than 3 frequencies"):
        fit_circuit(circuit, FREQUENCY[:3], spectrum[:3])


@pytest.mark.parametrize("text", CIRCUITS)
def test_what_obeys_kramers_and_kronig_passes(text):
    spectrum = impedance(parse_circuit(text), np.array(CIRCUITS[text]), FREQUENCY)
    assert kramers_kronig(FREQUENCY, noisy(spectrum, 0.001, 5)).worst < 0.01


def test_a_drifting_spectrum_fails_kramers_and_kronig():
    circuit, truth = parse_circuit("R0-p(R1,CPE1)"), np.array(CIRCUITS["R0-p(R1,CPE1)"])
    drift = np.array(
        [impedance(circuit, truth * (1, 1 + 0.3 * at / 59, 1, 1), f[None])[0] for at, f in enumerate(FREQUENCY)]
    )
    assert kramers_kronig(FREQUENCY, drift).worst > 0.01
    with pytest.raises(ValueError, match="at least 6 frequencies"):
        kramers_kronig(FREQUENCY[:5], drift[:5])


@pytest.mark.parametrize("noise", [0.0005, 0.002, 0.01])
def test_the_peaks_of_relaxation_times_are_where_the_arcs_are(noise):
    text, values = "R0-p(R1,CPE1)-p(R2,CPE2)", (20.0, 64.0, 3e-6, 0.9, 200.0, 2e-3, 0.85)
    frequency = np.geomspace(1e6, 1e-2, 81)
    drt = relaxation_times(frequency, noisy(impedance(parse_circuit(text), np.array(values), frequency), noise, 2))
    peaks = [peak for peak in drt.peaks if peak.resistance > 13.0]
    times = [(r * q) ** (1.0 / a) for r, q, a in ((64.0, 3e-6, 0.9), (200.0, 2e-3, 0.85))]
    assert [peak.time for peak in peaks] == pytest.approx(times, rel=0.1)
    assert [peak.resistance for peak in peaks] == pytest.approx([64.0, 200.0], rel=0.12)
    assert drt.ohmic == pytest.approx(20.0, rel=0.05)
    assert np.all(drt.density >= 0)


@pytest.mark.parametrize(
    ("text", "code", "offset", "hint"),
    [
        ("R0-p(R1,Q1)", "circuit.element", 8, "did you mean CPE?"),
        ("R0-(R1,C1)", "circuit.syntax", 3, "brackets stand only behind p"),
        ("R0|C1", "circuit.syntax", 2, "parts side by side are p(R1,CPE1)"),
        ("R0-p(R1,C1", "circuit.syntax", 10, "for example"),
        ("R1-R1", "circuit.element", 3, "number them"),
        ("", "circuit.syntax", 0, "for example"),
        ("R0-p(R1)", "circuit.syntax", 0, "for example p(R1,CPE1)"),
        ("R0-X3", "circuit.element", 3, "elements are R, C, L"),
    ],
)
def test_a_circuit_that_is_none_is_told_with_its_place(text, code, offset, hint):
    with pytest.raises(Misread) as error:
        parse_circuit(text)
    assert (error.value.code, error.value.offset) == (code, offset)
    assert hint in error.value.hint


def test_every_element_has_a_place_in_some_circuit():
    kinds = {element.kind for text in CIRCUITS for element in parse_circuit(text).elements}
    assert kinds == set(ELEMENTS)
