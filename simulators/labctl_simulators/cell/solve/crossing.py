"""Find where a function crosses zero: Chandrupatla's bracketing method (Adv. Eng. Softw. 28 (1997) 145)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

NEAR: Final = 1e-13
"""Values below this are zero within rounding (V for voltages of a few volts)."""
SURELY: Final = 0.02
"""Share of NEAR that a last step which is not looked at may be expected to leave."""


def root(
    function: Callable[[float], float], a: float, b: float, fa: float, fb: float, guess: float = float("nan")
) -> float:
    """Return x between a and b with function(x) = 0 within rounding.

    Args:
        function: continuous and finite.
        a: one end of the bracket.
        b: the other end.
        fa: function(a).
        fb: function(b), of the other sign, or zero.
        guess: where to look first; NaN, or one outside the bracket, is ignored.
    """
    if fa == 0.0 or fb == 0.0:
        return a if fa == 0.0 else b
    t = (guess - a) / (b - a)
    if not 0.0 < t < 1.0:
        t = min(max(fa / (fa - fb), 0.02), 0.98)
    near = SURELY * NEAR * (fb - fa) ** 2
    for _ in range(100):
        x = a + t * (b - a)
        fx = function(x)
        if (fx > 0.0) == (fa > 0.0):
            c, fc = a, fa
        else:
            c, fc, b, fb = b, fb, a, fa
        a, fa = x, fx
        best, low = (a, abs(fa)) if abs(fa) < abs(fb) else (b, abs(fb))
        limit = 4e-16 * abs(best) / abs(b - a) if b != a else 1.0
        if low <= NEAR or limit > 0.25:
            return best
        share = _share(a, b, c, fa, fb, fc)
        if share is not None and abs(fa * fb * fc) <= near:
            return a + share * (b - a)
        t = min(max(0.5 if share is None else share, limit), 1.0 - limit)
    return best


def polished(
    function: Callable[[float], float], guess: float, slope: float, a: float, b: float
) -> tuple[float, float] | None:
    """Return x near `guess` with function(x) = 0 within rounding, and the slope there; None where secants do not lead there.

    Args:
        function: continuous and finite.
        guess: near the crossing.
        slope: of the function there, roughly.
        a: one end of the bracket.
        b: the other end, above a.
    """
    x, fx = guess, function(guess)
    for _ in range(6):
        if abs(fx) <= NEAR:
            return x, slope
        further = x - fx / slope
        if not a < further < b:
            return None
        value = function(further)
        if abs(value) > 0.5 * abs(fx):
            return None
        left = abs(value * (further - x) / (b - a))  # of a secant's step where the function bends over the bracket
        x, fx, slope = further, value, (value - fx) / (further - x)
        if left <= SURELY * NEAR:
            return x - fx / slope, slope
    return None


def _share(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> float | None:
    """Return where to look next, as a share of a..b, by inverse quadratic interpolation; None where that is not safe.

    What it leaves of the function is about the product of the three values over the square of the scale on which the
    function bends.
    """
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
        return fa / (fa - fb) * fc / (fc - fb) - (c - a) / (b - a) * fa / (fc - fa) * fb / (fb - fc)
    return None


def inverse(times: list[float], values: list[float]) -> float:
    """Return the time at which the polynomial through (value, time) meets 0 (Neville's scheme); NaN where it is not monotone."""
    steps = [b - a for a, b in pairwise(values)]
    if not steps or min(steps) <= 0.0 <= max(steps):
        return float("nan")
    estimates, size = times, len(times)
    for width in range(1, size):
        ends = zip(values, values[width:], estimates, estimates[1:], strict=False)
        estimates = [(b * left - a * right) / (b - a) for a, b, left, right in ends]
    return estimates[0]
