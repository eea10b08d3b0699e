"""What the simulated instrument adds to the cell's truth: noise and resolution, a pure function of (seed, stream, row)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def normal(seed: int, stream: int, first: int, count: int) -> NDArray[np.float64]:
    """Return standard normal numbers of the rows `first` to `first + count - 1`, the same for the same arguments.

    Two rounds of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195) and the transform of Box and Muller.
    """
    key = _key(seed & 0xFFFFFFFF, stream & 0xFFFFFFFF)
    counter = np.arange(2 * first, 2 * (first + count), dtype=np.uint64)
    uniform = (_mix(counter * _GOLDEN + key) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log1p(-uniform[::2]))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform[1::2]))


@lru_cache(maxsize=1 << 16)  # one channel has few, and asks with every step
def _key(seed: int, stream: int) -> NDArray[np.uint64]:
    return _mix(np.array([seed << 32 | stream], dtype=np.uint64))


def quantised(values: NDArray[np.float64], resolution: float) -> NDArray[np.float64]:
    """Return values rounded to multiples of `resolution`; 0 leaves them as they are."""
    return np.asarray(np.rint(values / resolution) * resolution) if resolution > 0.0 else values


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return np.asarray(value ^ (value >> np.uint64(31)))
