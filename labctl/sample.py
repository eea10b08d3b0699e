"""What is measured, as columns: a `Batch` of 1..N rows of one channel, a `Snapshot` of many channels at one instant.

A Batch's columns are the store's columns, in the store's units (s, V, A, Ah, degC): what is folded is what is stored,
so a replay sees the same bits. Everything else inside labctl is SI (docs/decisions/0002-columns-as-stored.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.uint8]

SECONDS_PER_HOUR = 3600.0
ZERO_CELSIUS = 273.15  # kelvin


class Quality(IntEnum):
    """How far a row can be believed; a bad row is stored with null values, counts nothing and ends nothing."""

    GOOD = 0
    SUSPECT = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one channel in the order they were measured.

    Three stations use the same columns. *Measured* (a driver's): `time` counts from the begin of the running program and
    the counters, where the instrument counts by itself, too; otherwise they are None. *Metered* (`engine.meter`): `time`
    is run time and both counters are those of the whole run. *Folded*: the metered rows that the engine took.

    Attributes:
        time: Seconds, not decreasing.
        voltage: Volts, working electrode against the other.
        current: Amperes; positive charges the cell.
        charging_ah: Charge passed so far in the charging direction, Ah, never falling.
        discharging_ah: The same in the discharging direction, Ah, never falling.
        temperature_celsius: Surface temperature, degC, or None where nothing measures it.
        quality: One `Quality` a row.
        step: Index of the program step that was running (see `labctl.driver.Program`).
        auxiliary: Further columns by name, each of the same length; a column not measured is absent.
        charging_wh: Energy put in so far while charging, Wh: voltage over the charge. None where nothing counts it: then it is
            summed over the rows.
        discharging_wh: Energy taken out so far while discharging; it falls where the voltage is below zero, as in every second
            half-cycle of a symmetric cell.
    """

    time: Floats
    voltage: Floats
    current: Floats
    charging_ah: Floats | None = None
    discharging_ah: Floats | None = None
    temperature_celsius: Floats | None = None
    quality: Flags | None = None  # None: every row is good
    step: int = 0
    auxiliary: Mapping[str, Floats] = field(default_factory=dict)
    charging_wh: Floats | None = None
    discharging_wh: Floats | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)

    def rows(self, begin: int, end: int | None = None) -> Self:
        """Return the rows from `begin` up to, not including, `end` as views, without a copy."""
        part = slice(begin, end)
        return type(self)(
            time=self.time[part],
            voltage=self.voltage[part],
            current=self.current[part],
            charging_ah=None if self.charging_ah is None else self.charging_ah[part],
            discharging_ah=None if self.discharging_ah is None else self.discharging_ah[part],
            temperature_celsius=None if self.temperature_celsius is None else self.temperature_celsius[part],
            quality=None if self.quality is None else self.quality[part],
            step=self.step,
            auxiliary={name: column[part] for name, column in self.auxiliary.items()},
            charging_wh=None if self.charging_wh is None else self.charging_wh[part],
            discharging_wh=None if self.discharging_wh is None else self.discharging_wh[part],
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One instant of many channels of one connection, column by column, as a tick reads them.

    Attributes:
        channels: Names, in the order of the columns.
        time: Seconds since each channel's program began, or None where the instrument keeps no time of its own:
            then the connection stamps the run time at which it asked.
        voltage: Volts.
        current: Amperes; positive charges the cell.
        temperature_celsius: Degrees Celsius, NaN where a channel has no thermometer, or None where none has.
        stamp: Number or clock that the instrument gives each of its readings, of any origin, or None where it gives none. One
            that stands is the reading before once more: it is no reading.
    """

    channels: tuple[str, ...]
    voltage: Floats
    current: Floats
    time: Floats | None = None
    temperature_celsius: Floats | None = None
    stamp: Floats | None = None

    def of(self, places: NDArray[np.intp]) -> Self:
        """Return the columns of some of the channels, by their places."""
        return type(self)(
            channels=tuple(self.channels[place] for place in places),
            voltage=self.voltage[places],
            current=self.current[places],
            time=None if self.time is None else self.time[places],
            temperature_celsius=None if self.temperature_celsius is None else self.temperature_celsius[places],
            stamp=None if self.stamp is None else self.stamp[places],
        )


@dataclass(frozen=True, slots=True)
class ChannelRows:
    """Rows that many channels of one connection have recorded by themselves, column by column: those of one after those of another.

    They are *measured*: each channel's time and counters are those of its running program. All are good, and of each channel
    there is at least one.

    Attributes:
        channels: Names, each once.
        ends: Place behind the last row of each.
        steps: Of its program, to which the rows of each belong.
        time: Seconds, not decreasing within a channel.
        voltage: Volts.
        current: Amperes; positive charges the cell.
        charging_ah: Charge passed so far in the charging direction, Ah.
        discharging_ah: The same in the discharging direction.
        charging_wh: Energy put in so far, Wh.
        discharging_wh: Energy taken out so far, Wh.
    """

    channels: tuple[str, ...]
    ends: NDArray[np.intp]
    steps: NDArray[np.intp]
    time: Floats
    voltage: Floats
    current: Floats
    charging_ah: Floats
    discharging_ah: Floats
    charging_wh: Floats
    discharging_wh: Floats
    _places: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, at least one, which have no channel in common."""
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *(len(part.time) for part in parts)])
        names = ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "discharging_wh")
        return cls(
            tuple(channel for part in parts for channel in part.channels),
            np.concatenate([part.ends + begin for part, begin in zip(parts, before, strict=False)]),
            np.concatenate([part.steps for part in parts]),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in names),
        )

    def place_of(self, channel: str) -> int | None:
        """Return the place of a channel, None of one that has no rows."""
        if not self._places:
            self._places.update(zip(self.channels, range(len(self.channels)), strict=True))
        return self._places.get(channel)

    def of(self, place: int) -> Batch:
        """Return the rows of one channel, by its place, without a copy."""
        rows = slice(int(self.ends[place - 1]) if place else 0, int(self.ends[place]))
        return Batch(
            time=self.time[rows],
            voltage=self.voltage[rows],
            current=self.current[rows],
            charging_ah=self.charging_ah[rows],
            discharging_ah=self.discharging_ah[rows],
            step=int(self.steps[place]),
            charging_wh=self.charging_wh[rows],
            discharging_wh=self.discharging_wh[rows],
        )
