"""Fit the pole tables; run `python -m labctl_simulators.cell.chemistry.pole_fit` to write `pole_tables.py` anew.

A diffusion transfer function is an exact series of poles, but cutting it converges slowly. A fitted set of n positive
poles with positive residues (so passive and stable), integrator and gain at zero frequency kept exact, converges
exponentially. The fit is Levenberg-Marquardt on the logarithms of poles and residues, over the relative error on the
imaginary axis.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.chemistry import transfer

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

DIFFUSION: dict[str, tuple[Callable[[Complex], Complex], float, float, float]] = {
    # kind: (exact function, integrator, first exact pole, gain at zero frequency without the integrator)
    "sphere": (transfer.sphere, 3.0, 20.190728556426629, 1.0 / 5.0),
    "film": (transfer.film, 1.0, np.pi**2, 1.0 / 3.0),
    "open_end": (transfer.open_end, 0.0, np.pi**2 / 4.0, 1.0),
}
ALPHAS = tuple(round(0.50 + 0.05 * k, 2) for k in range(10))
ZARC_DECADES = 5.0
CPE_DECADES = 5.0


def _model(p: Array, s: Complex, n: int) -> tuple[Complex, Complex]:
    """Return the pole sum and its derivatives by the logarithms p = (log a, log b, log d)."""
    a, b, d = np.exp(p[:n]), np.exp(p[n : 2 * n]), np.exp(p[2 * n :])
    terms = b / (s[:, None] + a)
    by_a = -terms * a / (s[:, None] + a)
    by_d = np.broadcast_to(d, (len(s), len(d)))
    return terms.sum(axis=1) + d.sum(), np.hstack([by_a, terms, by_d])


def fit(target: Complex, s: Complex, start: Array, n: int, scale: Array, rounds: int = 400) -> Array:
    """Return the logarithms that minimise |model - target| / scale by Levenberg-Marquardt.

    Args:
        target: values wanted at `s`.
        s: points on the imaginary axis (a real one where the imaginary part is 0).
        start: first guess of (log a, log b, log d); the d part may be empty.
        n: number of poles.
        scale: what an error is measured against, for each point.
        rounds: most iterations.
    """
    p, damping = start.copy(), 1e-2
    value, slope = _model(p, s, n)
    error = (value - target) / scale
    for _ in range(rounds):
        stacked = np.vstack([(slope / scale[:, None]).real, (slope / scale[:, None]).imag])
        residual = np.concatenate([error.real, error.imag])
        normal = stacked.T @ stacked
        move = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), stacked.T @ residual)
        trial = p - np.clip(move, -1.0, 1.0)
        value, trial_slope = _model(trial, s, n)
        new = (value - target) / scale
        if np.sum(np.abs(new) ** 2) < np.sum(np.abs(error) ** 2):
            done = np.max(np.abs(move)) < 1e-10
            p, slope, error, damping = trial, trial_slope, new, max(damping / 5.0, 1e-13)
            if done:
                break
        else:
            damping *= 4.0
            if damping > 1e8:
                break
    return p


def fit_diffusion(kind: str, n: int, top: float) -> tuple[Array, Array, float]:
    """Return rates, residues and feed-through of a diffusion element with n poles, good up to |s| = `top`."""
    exact, integrator, first, gain = DIFFUSION[kind]
    w: Array = np.geomspace(first / 300.0, top, 400)
    s = np.concatenate([1j * w, [1e-9 + 0j]])
    whole = exact(np.asarray(1j * w, dtype=np.complex128))
    target = np.concatenate([whole - integrator / (1j * w), [gain + 0j]])
    scale = np.concatenate([np.abs(whole), [gain * 1e-3]])
    second = first * (8.0 if integrator == 0.0 else 3.3)
    rates = np.concatenate([[first], np.geomspace(second, 2.0 * top, n - 1)])
    residues = np.sqrt(rates) * np.gradient(np.log(rates)) / np.pi
    residues[0] = 2.0
    start = np.log(np.concatenate([rates, residues, [0.3 / np.sqrt(top)]]))
    p = fit(target, s, start, n, scale)
    order = np.argsort(p[:n])
    rates, residues, feed = np.exp(p[:n])[order], np.exp(p[n : 2 * n])[order], float(np.exp(p[2 * n]))
    residues[0] += (gain - np.sum(residues / rates) - feed) * rates[0]
    return rates, residues, feed


def fit_zarc(alpha: float, n: int, start: Array | None = None) -> Array:
    """Return (log rates, log residues) of a ZARC with n poles over ten decades about its own frequency."""
    w = np.geomspace(10.0**-ZARC_DECADES, 10.0**ZARC_DECADES, 400)
    s = np.concatenate([1j * w, [1e-12 + 0j]])
    target = np.concatenate([transfer.zarc(1j * w, alpha), [1.0 + 0j]])
    scale = np.concatenate([np.abs(transfer.zarc(1j * w, alpha)), [1e-3]])
    if start is not None:
        return fit(target, s, start, n, scale, rounds=100)
    return fit(target, s, _zarc_start(alpha, n), n, scale, rounds=600)


def _zarc_start(alpha: float, n: int) -> Array:
    """Return poles at even distances, or denser about the peak where the distribution is narrow.

    The distribution of relaxation times is that of K. S. Cole and R. H. Cole, J. Chem. Phys. 9 (1941) 341.
    """
    peak = (1.0 - alpha) * np.pi
    reach = (ZARC_DECADES + 0.3) * np.log(10.0)
    place = np.linspace(-reach + 3.0, reach, n)
    if alpha > 0.87:
        place = peak * np.sinh(np.linspace(-1.0, 1.0, n) * np.arcsinh(reach / peak))
    weight = np.gradient(place) / (np.cosh(alpha * place) - np.cos(peak))
    return np.asarray(np.log(np.concatenate([np.exp(place), weight * np.exp(place) / weight.sum()])))


def fit_cpe(alpha: float, n: int, start: Array | None = None) -> Array:
    """Return (log rates, log residues) of s^-alpha over ten decades about s = 1."""
    w = np.geomspace(10.0**-CPE_DECADES, 10.0**CPE_DECADES, 400)
    target = transfer.cpe(1j * w, alpha)
    if start is None:
        rates = np.geomspace(10.0 ** (-CPE_DECADES - 0.7), 10.0 ** (CPE_DECADES + 0.5), n)
        weight = np.sin(alpha * np.pi) / np.pi * rates ** (1.0 - alpha) * np.gradient(np.log(rates))
        start = np.log(np.concatenate([rates, weight]))
        return fit(target, 1j * w, start, n, np.abs(target), rounds=600)
    return fit(target, 1j * w, start, n, np.abs(target), rounds=100)


def _numbers(values: Array) -> str:
    return "(" + ", ".join(repr(float(f"{value:.13g}")) for value in values) + ")"


def tables(n: int = 12, top: float = 1e6, distributed: int = 22) -> str:
    """Return the text of `pole_tables.py`."""
    lines = ['"""Pole tables, written by `python -m labctl_simulators.cell.chemistry.pole_fit`; do not edit."""', ""]
    lines += ["# kind: (rates, residues, feed-through, integrator)", "DIFFUSION = {"]
    for kind in DIFFUSION:
        rates, residues, feed = fit_diffusion(kind, n, top)
        lines += [
            f'    "{kind}": (',
            f"        {_numbers(rates)},",
            f"        {_numbers(residues)},",
            f"        {feed:.13g},",
            f"        {DIFFUSION[kind][1]},",
            "    ),",
        ]
    lines.append("}")
    for name, one in (("ZARC", fit_zarc), ("CPE", fit_cpe)):
        lines += ["# alpha: (rates, residues)", f"{name} = {{"]
        for alpha in ALPHAS:
            p = one(alpha, distributed)
            order = np.argsort(p[:distributed])
            rates, residues = np.exp(p[:distributed])[order], np.exp(p[distributed:])[order]
            lines += [f"    {alpha}: (", f"        {_numbers(rates)},", f"        {_numbers(residues)},", "    ),"]
        lines.append("}")
    return "\n".join(["# fmt: off", "# ruff: noqa: E501", *lines]) + "\n"


def main() -> None:
    """Write the tables beside this file."""
    Path(__file__).with_name("pole_tables.py").write_text(tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
