"""The parameters of an insertion cell, and how it may age."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, Protocol

from labctl_simulators.cell.chemistry.bend import BendResponse
from labctl_simulators.cell.chemistry.electrode import Arc, Electrode, Metal
from labctl_simulators.cell.chemistry.electrolyte import Electrolyte
from labctl_simulators.cell.chemistry.hysteresis import Hysteresis
from labctl_simulators.cell.physics import Heat, Number


class Effects(NamedTuple):
    """Hold what ageing does to an insertion cell; the defaults are a fresh cell.

    Attributes:
        positive: fraction of the positive electrode's capacity that is left.
        negative: the same of the negative (ignored for metal).
        efficiency: fraction of the current that reaches the positive's host (the rest feeds a side reaction).
        negative_efficiency: the same of the negative.
        resistance: factor on the series resistance.
        exchange: factor on both exchange currents.
    """

    positive: Number = 1.0
    negative: Number = 1.0
    efficiency: Number = 1.0
    negative_efficiency: Number = 1.0
    resistance: Number = 1.0
    exchange: Number = 1.0


class AgeingLaw(Protocol):
    """Say how a cell ages. `slow` is this part's own slow states; everything broadcasts."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its slow states."""
        ...

    def after(self, slow: tuple[float, ...], cycles: float) -> tuple[float, ...]:
        """Return the slow states of a fresh cell after so many cycles."""
        ...

    def start(self, seed: int) -> tuple[float, ...]:
        """Return the slow states of a fresh cell."""
        ...

    def effects(self, slow: tuple[Number, ...], temperature: Number) -> Effects:
        """Return what `slow` does; constant while the current keeps its direction (see `Chemistry.turn`)."""
        ...

    def advance(
        self, slow: tuple[Number, ...], time: Number, charge: Number, throughput: Number, temperature: Number
    ) -> tuple[Number, ...]:
        """Return the slow states `time` s, `charge` C (signed) and `throughput` C later."""
        ...

    def turn(self, slow: tuple[float, ...], direction: int) -> tuple[float, ...]:
        """Return the slow states as the current turns to `direction`."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class InsertionParameters:
    """Hold an insertion cell.

    Attributes:
        name: of the parameter set.
        kind: `full`, `half_cathode` or `half_anode`.
        positive: the electrode on the positive lead (of half cells: the working electrode).
        negative: an insertion electrode or a metal.
        resistance: series resistance, ohm.
        resistance_activation: J/mol, of 1/R.
        layer: resistance of the electrolyte between the electrodes, ohm, which use leaves alone.
        layer_activation: J/mol, of one over it.
        arcs: further linear elements in series.
        electrolyte: modes of the electrolyte; None is the plain single-particle model.
        bend: answer to bending.
        ageing: answer to use; None never ages.
        temperature: of the numbers, K.
        lowest: smallest temperature that they cover, K.
        highest: largest, K.
        highest_current: largest that they cover, A.
        heat: thermal numbers; None has the temperature of its surroundings.
        hysteresis: of one of the potentials; None has none.
        leak: conductance beside the cell, by which it discharges itself, S.
        layers: whether the double layers act in every path, and not in spectra alone.
    """

    name: str
    kind: str
    positive: Electrode
    negative: Electrode | Metal
    resistance: float = 0.0
    resistance_activation: float = 0.0
    layer: float = 0.0
    layer_activation: float = 0.0
    arcs: Sequence[Arc] = ()
    electrolyte: Electrolyte | None = None
    bend: BendResponse = field(default_factory=BendResponse)
    ageing: AgeingLaw | None = None
    temperature: float = 298.15
    lowest: float = 230.0
    highest: float = 400.0
    highest_current: float = inf
    heat: Heat | None = None
    hysteresis: Hysteresis | None = None
    leak: float = 0.0
    layers: bool = False

    def __post_init__(self) -> None:
        if not (self.resistance >= 0.0 and self.layer >= 0.0):
            raise ValueError(
                f"wanted series resistances of 0 ohm or more, found {self.resistance} and {self.layer} ohm"
            )
        if self.heat is not None and any(getattr(one, "speed", None) for one in (self.positive, self.negative)):
            raise ValueError(
                "wanted constant diffusivities in a cell that heats itself, found one that depends on the composition: "
                "leave heat or the curve out"
            )
        if self.layers:
            self._check_layers()

    def _check_layers(self) -> None:
        """Refuse double layers in the rows of a cell that cannot have them."""
        if not max(self.positive.double_layer, self.negative.double_layer) > 0.0:
            raise ValueError("wanted the capacitance of a double layer for double_layers: on, found none")
        if not (self.resistance > 0.0 or self.layer > 0.0 or self.electrolyte is not None):
            raise ValueError(
                "wanted a resistance in series with the double layers, found none: a held voltage would charge them with "
                "a current without bounds"
            )
        if any(getattr(one, "speed", None) for one in (self.positive, self.negative)):
            raise ValueError(
                "wanted constant diffusivities beside double_layers: on, found one that depends on the composition"
            )
