"""What temperature and bend make of an insertion cell, whatever its age."""

from dataclasses import dataclass

import numpy as np

from labctl_simulators.cell.chemistry.ocp import Tables
from labctl_simulators.cell.physics import Array, Memory, Number


@dataclass(slots=True, eq=False, repr=False)
class Surroundings:
    """Hold what depends on temperature and bend alone.

    Attributes:
        memory: linear memory.
        active: share of the area that is active.
        gain: factors on the current of a fresh cell, shape of the memory's feed.
        thermal: 2RT/F, V.
        series: resistance in series that ageing multiplies, ohm.
        added: resistance in series that it leaves alone, ohm.
        exchange: of a fresh cell's positive and negative, A.
        tables: open-circuit potentials at this temperature.
    """

    memory: Memory
    active: Number
    gain: Array
    thermal: Number
    series: Number
    added: Number
    exchange: tuple[Number, Number]
    tables: Tables


def gains(rows: int, hosts: int, share: tuple[Number, Number], active: Number) -> Array:
    """Return the factors on the current of each row, shape (rows,), or (rows, N) where one is an array."""
    if isinstance(active, float) and isinstance(share[0], float) and isinstance(share[1], float):
        return np.array((*share[:hosts], *[1.0] * (rows - hosts)))
    factors = np.ones((rows, *np.broadcast(*share, active).shape))
    for row in range(hosts):
        factors[row] = share[row]
    return factors
