"""The whole state of one cell: a flat, versioned JSON value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.drive import AtOpenCircuit, Current, Drive, Load, Power, Voltage, VoltageSweep

Array = NDArray[np.float64]

VERSION: Final = 1
_DRIVES: Final[dict[str, Any]] = {
    "current": Current, "voltage": Voltage, "power": Power, "load": Load, "rest": AtOpenCircuit, "sweep": VoltageSweep,
}  # fmt: skip
_STORED_AS: Final = {kind: name for name, kind in _DRIVES.items()}


class CellState(NamedTuple):
    """Hold everything that a cell remembers.

    A state belongs to the cell (parameters) that made it. It is immutable; its arrays are read-only.

    Attributes:
        memory: diagonal linear memory, one number a pole, in the unit of the surface value it adds to.
        level: one integrator (or constant) for each surface value.
        slow: slow states, in the order of the chemistry's `slow_names`.
        charge: net charge since the beginning, C; positive charged.
        throughput: sum of the magnitudes of charge since the beginning, C.
        age: s of simulated time since the beginning.
        direction: sign of the last current that flowed: -1, 0 (none yet), 1.
        temperature: of the surroundings, K.
        angle: bend angle, degrees.
        radius: bend radius, m; infinity is flat.
        seed: of everything random in this cell.
        hold: where the running controlled drive began, so that cutting it changes nothing; None outside one.
        warm: starting values for the next solve; never stored, changes nothing beyond rounding and, where it brings a
            hold its mesh, beyond what a mesh is allowed.
        warmth: by how much the cell is warmer than its surroundings, K; None in a cell that has their temperature.
    """

    memory: Array
    level: Array
    slow: tuple[float, ...] = ()
    charge: float = 0.0
    throughput: float = 0.0
    age: float = 0.0
    direction: int = 0
    temperature: float = 298.15
    angle: float = 0.0
    radius: float = float("inf")
    seed: int = 0
    hold: "HoldOrigin | None" = None
    warm: Any = None
    warmth: float | None = None

    @property
    def kelvin(self) -> float:
        """Return the temperature of the cell, K."""
        return self.temperature if self.warmth is None else self.temperature + self.warmth

    def turned(self, slow: tuple[float, ...], level: Array, direction: int) -> "CellState":
        """Return this state with the current turned to `direction`."""
        return CellState(
            self.memory, level, slow, self.charge, self.throughput, self.age, direction,
            self.temperature, self.angle, self.radius, self.seed, None, self.warm, self.warmth,
        )  # fmt: skip

    def warmed(self, warm: Any) -> "CellState":
        """Return this state with other starting values for the next solve."""
        return self._replace(warm=warm)

    def free(self) -> "CellState":
        """Return this state outside a controlled drive."""
        return self._replace(hold=None)

    def at(
        self, *, temperature: float | None = None, angle: float | None = None, radius: float | None = None
    ) -> "CellState":
        """Return this state under other outer conditions; a cell that heats itself is as warm as before.

        Args:
            temperature: of the surroundings, K.
            angle: bend angle in degrees.
            radius: bend radius in m.

        Raises:
            ValueError: the temperature is not above 0 K, the angle is not finite, or the radius not above 0 m.
        """
        changed = self._replace(
            temperature=self.temperature if temperature is None else float(temperature),
            angle=self.angle if angle is None else float(angle),
            radius=self.radius if radius is None else float(radius),
            hold=None,
        )
        if not 0.0 < changed.temperature < float("inf"):
            raise ValueError(f"wanted a temperature above 0 K, found {temperature} K")
        if not abs(changed.angle) < float("inf"):
            raise ValueError(f"wanted a finite bend angle in degrees, found {angle}")
        if not changed.radius > 0.0:
            raise ValueError(f"wanted a bend radius above 0 m, found {radius} m")
        if self.warmth is None:
            return changed
        return changed._replace(warmth=self.kelvin - changed.temperature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CellState) and self.to_json() == other.to_json()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.memory.tobytes(), self.level.tobytes(), self.slow, self.charge, self.age))

    def to_json(self) -> dict[str, Any]:
        """Return a flat mapping of JSON values; `from_json` reverses it without loss."""
        value: dict[str, Any] = {
            "labctl_cell_state": VERSION,
            "memory": self.memory.tolist(),
            "level": self.level.tolist(),
            "slow": list(self.slow),
            "charge": self.charge,
            "throughput": self.throughput,
            "age": self.age,
            "direction": self.direction,
            "temperature": self.temperature,
            "angle": self.angle,
            "radius": self.radius if self.radius != float("inf") else None,
            "seed": self.seed,
        }
        if self.warmth is not None:
            value["warmth"] = self.warmth
        if self.hold is not None:
            name = _STORED_AS[type(self.hold.drive)]
            value |= {"hold_drive": [name, *self.hold.drive.numbers()], "hold_elapsed": self.hold.elapsed}
            value["hold_mesh"] = list(self.hold.mesh)
            value |= {f"hold_{key}": item for key, item in self.hold.origin.to_json().items()}
        return value

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "CellState":
        """Read a state back from `to_json`.

        Raises:
            ValueError: the version is not this one's, or a key is missing.
        """
        if value.get("labctl_cell_state") != VERSION:
            raise ValueError(f"wanted a cell state of version {VERSION}, found {value.get('labctl_cell_state')!r}")
        try:
            return _read(value)
        except KeyError as error:
            raise ValueError(f"a cell state lacks its key {error.args[0]!r}") from None


@dataclass(slots=True, eq=False, repr=False)
class HoldOrigin:
    """Remember where a controlled drive began.

    Attributes:
        drive: the drive.
        elapsed: s since it began.
        origin: the state in which it began.
        mesh: s since it began at which the elements of its solution so far end.
    """

    drive: Drive
    elapsed: float
    origin: CellState
    mesh: tuple[float, ...] = ()


def read_only(values: Any) -> Array:
    """Return `values` as a read-only array of floats."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def _read(value: Mapping[str, Any]) -> CellState:
    hold = None
    if "hold_drive" in value:
        name, *fields = value["hold_drive"]
        origin = {key.removeprefix("hold_"): item for key, item in value.items() if key.startswith("hold_")}
        mesh = tuple(map(float, origin["mesh"]))
        hold = HoldOrigin(_DRIVES[name](*fields), float(value["hold_elapsed"]), _read(origin), mesh)
    return CellState(
        memory=read_only(value["memory"]),
        level=read_only(value["level"]),
        slow=tuple(map(float, value["slow"])),
        charge=float(value["charge"]),
        throughput=float(value["throughput"]),
        age=float(value["age"]),
        direction=int(value["direction"]),
        temperature=float(value["temperature"]),
        angle=float(value["angle"]),
        radius=float("inf") if value["radius"] is None else float(value["radius"]),
        seed=int(value["seed"]),
        hold=hold,
        warmth=None if value.get("warmth") is None else float(value["warmth"]),
    )
