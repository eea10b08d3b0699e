"""Randomness as a pure function of (seed, stream, counter): nothing to store, nothing to advance.

The generator is the finaliser of SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators,
OOPSLA 2014), applied to the three numbers in turn.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_WORD: Final = 0xFFFFFFFFFFFFFFFF
_GOLDEN: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def uniform(seed: int, stream: int, counter: int) -> float:
    """Return a number in (0, 1).

    >>> uniform(7, 1, 0) == uniform(7, 1, 0) != uniform(7, 1, 1)
    True
    """
    word = _mix((_mix((_mix((seed + _GOLDEN) & _WORD) + stream * _GOLDEN) & _WORD) + (counter + 1) * _GOLDEN) & _WORD)
    return ((word >> 11) + 0.5) * 2.0**-53


def uniforms(seed: int, stream: int, counters: Any) -> NDArray[np.float64]:
    """Return `uniform` for an array of counters >= 0, element by element the same numbers."""
    start = np.uint64(_mix((_mix((seed + _GOLDEN) & _WORD) + stream * _GOLDEN) & _WORD))
    with np.errstate(over="ignore"):
        word = start + (np.asarray(counters).astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
        word = word ^ (word >> np.uint64(31))
    return ((word >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int, stream: int, counter: int) -> float:
    """Return a standard normal number (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(uniform(seed, stream, 2 * counter)))
    return radius * math.cos(2.0 * math.pi * uniform(seed, stream, 2 * counter + 1))
