"""Open-circuit potentials and their entropy from the numbers of a parameter set."""

from collections.abc import Callable
from itertools import pairwise
from math import exp
from typing import Any, Final

import numpy as np

from labctl_simulators.assembly.tree import Numbers
from labctl_simulators.cell.chemistry.ocp import OpenCircuit, from_function, from_table, from_terms
from labctl_simulators.parameters import ParameterError
from labctl_simulators.parameters.expression import compile_expression, evaluated

_STEPS: Final = 2000
"""Of a table of a diffusivity."""
_SAME: Final = 1e-9
"""Relative change of a diffusivity that is none."""


def entropy(given: Numbers) -> Callable[[], OpenCircuit] | None:
    """Return what makes dU/dT by stoichiometry: one number, a table of points, or a formula; None where there is none."""
    if not given.has("entropy"):
        return None
    if isinstance(given.values["entropy"], float):
        constant = given.number("entropy")
        return lambda: from_function(lambda x: np.full(len(x), constant), walled=False)
    return lambda: _curve(given.at("entropy"), walled=False)


def _curve(numbers: Numbers, *, walled: bool) -> OpenCircuit:
    """Return a function of the stoichiometry from `points` or a formula.

    Raises:
        ParameterError: the formula is none, or has no value somewhere between 0 and 1.
    """
    try:
        if numbers.has("points"):
            return from_table(numbers.row("stoichiometry"), numbers.row("points"), walled=walled)
        formula = compile_expression(numbers.word("expression"))
        return from_function(lambda x: evaluated(formula, np.clip(x, 1e-9, 1.0 - 1e-9)), walled=walled)
    except ParameterError:
        raise
    except ValueError as error:
        raise ParameterError(f"{numbers.path}: {error}") from None


def diffusion(given: Numbers) -> tuple[float, Callable[[Any], Any] | None]:
    """Return a diffusivity, m2/s, and what it is by stoichiometry against that; None where it is one number.

    Of a formula or a table the first is that at half filling.

    Raises:
        ParameterError: both are given, or the formula is none, or not above 0 everywhere.
    """
    if not given.has("diffusivity_curve"):
        return given.above("diffusivity"), None
    curve = given.at("diffusivity_curve")
    if given.has("diffusivity"):
        raise ParameterError(f"{given.path}.diffusivity: wanted one number or diffusivity_curve, found both")
    logarithm = _logarithm(curve)
    own, whole = float(logarithm(0.5)), logarithm(np.linspace(0.0, 1.0, _STEPS + 1))
    if np.ptp(whole) < _SAME:
        return exp(own), None
    return exp(own), lambda x: np.exp(logarithm(x) - own)


def _logarithm(curve: Numbers) -> Callable[[Any], Any]:
    """Return the logarithm of a diffusivity by stoichiometry, as a table of even steps.

    Raises:
        ParameterError: it is not above 0 everywhere.
    """
    at = np.linspace(0.0, 1.0, _STEPS + 1)
    if curve.has("points"):
        x, y = curve.row("stoichiometry"), curve.row("points")
        if len(x) != len(y) or len(x) < 2 or any(b <= a for a, b in pairwise(x)):
            raise ParameterError(f"{curve.path}: wanted ascending stoichiometries with as many points, found others")
        values = np.interp(at, x, y)
    else:
        try:
            formula = compile_expression(curve.word("expression"))
        except ValueError as error:
            raise ParameterError(f"{curve.path}: {error}") from None
        values = evaluated(formula, np.clip(at, 1e-6, 1.0 - 1e-6))
    if not (values > 0.0).all():
        wrong = int(np.flatnonzero(~(values > 0.0))[0])
        raise ParameterError(
            f"{curve.path}: wanted a diffusivity above 0 at every stoichiometry, found {values[wrong]:g} at {at[wrong]:g}"
        )
    table = np.log(values)
    return lambda x: np.interp(x, at, table)


def potential(numbers: Numbers) -> OpenCircuit:
    """Return U(x): a table of points, a formula (`expression`), or constant + linear x + exponentials + steps.

    `stretch` multiplies x first.

    `exp_height` a and `exp_rate` r add a exp(-r x); `rise_height` a and `rise_rate` r add a exp(-r (1 - x));
    `step_height`, `step_centre`, `step_width` add a tanh((x - c)/w); `tanh_height`, `tanh_offset`, `tanh_slope` add
    a tanh(o + s x).
    """
    if numbers.has("points") or numbers.has("expression"):
        return _curve(numbers, walled=True)
    stretch = numbers.number("stretch", 1.0)
    falls = [(a, -r * stretch) for a, r in _rows(numbers, "exp_height", "exp_rate")]
    rises = [(a * exp(-r), r * stretch) for a, r in _rows(numbers, "rise_height", "rise_rate")]
    steps = [(a, c / stretch, w / stretch) for a, c, w in _rows(numbers, "step_height", "step_centre", "step_width")]
    lines = [
        (height, -offset / slope / stretch, 1.0 / slope / stretch)
        for height, offset, slope in _rows(numbers, "tanh_height", "tanh_offset", "tanh_slope")
    ]
    linear = numbers.number("linear", 0.0) * stretch
    return from_terms(numbers.number("constant"), linear, falls + rises, steps + lines)


def _rows(numbers: Numbers, *keys: str) -> list[tuple[float, ...]]:
    rows = [numbers.row(key) for key in keys]
    if len({len(row) for row in rows}) != 1:
        raise ParameterError(f"{numbers.path}: wanted rows of one length for {', '.join(keys)}")
    return list(zip(*rows, strict=True))
