"""The envelope: what file, included file, cell and channel allow, the tightest of each, and who said so.

Every set-point and cut-off is held against it when a plan is made; those against an open circuit when their program is
(`outside`). A value may lie on a limit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from labctl.driver import (
    OPEN,
    Bounds,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    Spectrum,
    Sweep,
)
from labctl.quantity.units import display

Ranged: TypeAlias = Literal["voltage", "current", "temperature"]
RANGED: Final[tuple[Ranged, ...]] = ("voltage", "current", "temperature")
ROUNDING: Final = 1e-9  # relative: what conversions may lose
Pair: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The limits in force at a place.

    Attributes:
        bounds: The tightest of all, SI.
        owners: Who set each side, by `voltage.low`, `voltage.high`, ..., `charge`, in words for a message.
    """

    bounds: Bounds = field(default_factory=Bounds)
    owners: Mapping[str, str] = field(default_factory=dict)

    def within(self, bounds: Bounds, owner: str) -> "Envelope":
        """Return the tighter of this envelope and further bounds."""
        owners = dict(self.owners)
        pairs = {name: self._tighter(name, pair_of(bounds, name), owner, owners) for name in RANGED}
        charge = self.bounds.charge
        if bounds.charge is not None and (charge is None or bounds.charge < charge):
            charge, owners["charge"] = bounds.charge, owner
        return Envelope(Bounds(pairs["voltage"], pairs["current"], pairs["temperature"], charge), owners)

    def _tighter(self, name: Ranged, new: Pair | None, owner: str, owners: dict[str, str]) -> Pair | None:
        old = pair_of(self.bounds, name)
        if new is None:
            return old
        if old is None or new[0] > old[0]:
            owners[f"{name}.low"] = owner
        if old is None or new[1] < old[1]:
            owners[f"{name}.high"] = owner
        return new if old is None else (max(old[0], new[0]), min(old[1], new[1]))

    def empty(self) -> tuple[Ranged, ...]:
        """Return the quantities for which the limits leave nothing between them."""
        pairs = {name: pair_of(self.bounds, name) for name in RANGED}
        return tuple(name for name, pair in pairs.items() if pair is not None and pair[0] > pair[1])

    def beyond(self, name: Ranged, value: float, written: str = "") -> str:
        """Return what is wrong with a value of a quantity that was written as a text, or "" if it lies within."""
        pair = pair_of(self.bounds, name)
        if pair is None:
            return ""
        if above(value, pair[1]):
            side, limit = "high", pair[1]
        elif above(-value, -pair[0]):
            side, limit = "low", pair[0]
        else:
            return ""
        word = "at most" if side == "high" else "at least"
        owner = self.owners.get(f"{name}.{side}", "the limits")
        return f"wanted a {name} of {word} {display(limit, name)} ({owner}), found {_found(value, name, written)}"

    def beyond_charge(self, value: float, written: str = "") -> str:
        """Return what is wrong with a charge in C that one step is to pass, or "" if it is allowed."""
        limit = self.bounds.charge
        if limit is None or not above(value, limit):
            return ""
        owner = self.owners.get("charge", "the limits")
        most, shown = display(limit, "capacity"), _found(value, "capacity", written)
        return f"wanted a capacity of at most {most} ({owner}), found {shown}"


def _found(value: float, kind: str, written: str) -> str:
    """Return a value as it was written and, where that tells it differently, in the unit of the limits."""
    plain, text = display(value, kind), written.replace(" ", "")
    if not text or text == plain.replace(" ", ""):
        return plain
    if value < 0 and text == plain.replace(" ", "").lstrip("-"):
        return f"{written} that discharges"
    return f"{written} = {plain}"


def pair_of(bounds: Bounds, name: Ranged) -> Pair | None:
    """Return the (low, high) of a quantity."""
    match name:
        case "voltage":
            return bounds.voltage
        case "current":
            return bounds.current
        case "temperature":
            return bounds.temperature


def above(value: float, limit: float) -> bool:
    """Tell whether a value lies above a limit by more than rounding; never for NaN."""
    return value > limit + ROUNDING * max(abs(limit), abs(value))


OVERSHOOT: Final = 0.05  # V beyond a limit that a row may lie which meets the own end of its step, or
OVERSHOOT_SHARE: Final = 0.01  # of the width of the limits, whichever is larger


def overshoot_of(voltage: Pair | None, hardware: Pair) -> Pair:
    """Return how far below and above voltage limits the own end of a step may be met, never beyond the channel's, V."""
    if voltage is None:
        return 0.0, 0.0
    width = voltage[1] - voltage[0]
    most = max(OVERSHOOT, OVERSHOOT_SHARE * width if width < OPEN else 0.0)
    return max(0.0, min(most, voltage[0] - hardware[0])), max(0.0, min(most, hardware[1] - voltage[1]))


Asked: TypeAlias = Iterator[tuple[str, Ranged, float]]


def extremes(mode: Mode, bounds: Bounds) -> Asked:
    """Give (setting, quantity, value) for every value that a mode asks for and that an envelope can refuse.

    A power or load asks for the least current that it can mean inside the voltage limits: what needs more than the current
    limit at every voltage is refused, what needs it at some is left to the watch.
    """
    match mode:
        case Galvanostatic(current):
            yield "current", "current", current
        case Potentiostatic():
            yield from _of_hold(mode, bounds)
        case ConstantPower() | ConstantLoad():
            yield from _of_demand(mode, bounds.voltage)
        case Sweep(start, end):
            yield from (("start", "voltage", start), ("end", "voltage", end))
        case Profile():
            yield from _of_profile(mode, bounds)
        case Spectrum():
            yield from _of_spectrum(mode)
        case Chamber(temperature):
            yield "temperature", "temperature", temperature


def _of_hold(mode: Potentiostatic, bounds: Bounds) -> Asked:
    yield "voltage", "voltage", mode.voltage
    if mode.most is not None:
        yield from _of_most(mode.most, bounds)


def _of_profile(mode: Profile, bounds: Bounds) -> Asked:
    rows = mode.values[:-1] if mode.quantity == "voltage" else mode.values  # the last row only ends it
    ends = min(rows or mode.values), max(rows or mode.values)
    if mode.quantity != "power":
        name: Ranged = "voltage" if mode.quantity == "voltage" else "current"
        yield from (("values", name, value) for value in ends)
    if mode.most is not None:
        yield from _of_most(mode.most, bounds)
    yield from (("clip", "voltage", edge) for edge in mode.clip or () if abs(edge) < OPEN)


def _of_most(most: float, bounds: Bounds) -> Asked:
    low, high = bounds.current or (0.0, 0.0)
    yield "most", "current", most if abs(high) >= abs(low) else -most


def _of_demand(mode: ConstantPower | ConstantLoad, voltage: Pair | None) -> Asked:
    low, high = voltage or (0.0, 0.0)
    if isinstance(mode, ConstantPower):
        most = max(abs(low), abs(high))
        if most:
            yield "power", "current", mode.power / most
    elif low > 0 and mode.resistance:
        yield "resistance", "current", -low / mode.resistance


def _of_spectrum(mode: Spectrum) -> Asked:
    name: Ranged = "voltage" if mode.potentiostatic else "current"
    if mode.bias is None:
        return
    yield "bias", name, mode.bias
    yield "amplitude", name, mode.bias - mode.amplitude
    yield "amplitude", name, mode.bias + mode.amplitude


def outside(mode: Mode, bounds: Bounds) -> str:
    """Return why a resolved mode may not be applied inside these bounds, or "" if it may.

    For voltages against an open circuit, which are known only when their program is made.
    """
    envelope = Envelope(bounds)
    return next((why for _, name, value in extremes(mode, bounds) if (why := envelope.beyond(name, value))), "")
