"""What temperature and bend make of an insertion cell, whatever its age."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labctl_simulators.cell import kinetics
from labctl_simulators.cell.chemistry import Array, Memory, Number

if TYPE_CHECKING:
    from labctl_simulators.cell.insertion import Insertion


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
        shift: of the voltage, by the entropy of the electrodes, V.
    """

    memory: Memory
    active: Number
    gain: Array
    thermal: Number
    series: Number
    added: Number
    exchange: tuple[Number, Number]
    shift: Number


def surroundings(chemistry: "Insertion", temperature: Number, angle: Number, radius: Number) -> Surroundings:
    """Return what depends on temperature and bend alone.

    Raises:
        ValueError: the bend is beyond its limits.
    """
    p = chemistry.parameters
    strain = p.bend.strain(angle, radius)
    active = 1.0 - p.bend.area * strain
    memory = chemistry.memory(temperature)
    series = p.resistance / kinetics.arrhenius(p.resistance_activation, temperature, p.temperature)
    salt = p.electrolyte.ohmic(temperature) if p.electrolyte is not None else 0.0
    positive, negative = (
        host.exchange * active * kinetics.arrhenius(host.exchange_activation, temperature, p.temperature)
        for host in (p.positive, p.negative)
    )
    shift = 0.0 + sum(
        sign * host.entropic * (temperature - p.temperature)
        for host, sign in zip(chemistry.hosts, (1.0, -1.0), strict=False)
    )
    return Surroundings(
        memory=memory,
        active=active,
        gain=gains(len(memory.feed), len(chemistry.hosts), (1.0, 1.0), active),
        thermal=2.0 * kinetics.GAS * temperature / kinetics.FARADAY,
        series=series * (1.0 + p.bend.series * strain),
        added=p.bend.contact * strain + salt,
        exchange=(positive, negative),
        shift=shift,
    )


def gains(rows: int, hosts: int, share: tuple[Number, Number], active: Number) -> Array:
    """Return the factors on the current of each row, shape (rows,), or (rows, N) where one is an array."""
    if isinstance(active, float) and isinstance(share[0], float) and isinstance(share[1], float):
        return np.array((*share[:hosts], *[1.0] * (rows - hosts)))
    found = np.ones((rows, *np.broadcast(*share, active).shape))
    for row in range(hosts):
        found[row] = share[row]
    return found
