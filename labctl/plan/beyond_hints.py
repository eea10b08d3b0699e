"""What to change where a set-point lies beyond the limits that a file states."""

import re
from collections.abc import Callable
from typing import Final

from labctl.plan.envelope import Envelope, Ranged, pair_of
from labctl.plan.number import values
from labctl.plan.step import ByPass, Line
from labctl.quantity.prefix_slip import a_thousandfold, a_thousandth
from labctl.quantity.units import ZERO_CELSIUS, display


def amplitude_of(line: Line) -> float:
    """Return the largest amplitude of a spectrum, V or A."""
    amplitude = line.settings.get("amplitude")
    return max(map(abs, values(amplitude)), default=0.0) if isinstance(amplitude, float | ByPass) else 0.0


ZERO_LIMIT: Final = "a limit of 0"
COLDEST: Final = 213.15  # K, -60 degC, and
HOTTEST: Final = 423.15  # K, 150 degC: what cells and their chambers are made for


def without_point(text: str, value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether the decimal point of a voltage was left out, `42 V` for 4.2 V, or ""."""
    if re.match(r"[-\u2212]\s*\d.*V$", text.strip()) and fits(-value):
        return f"is {text.strip()[1:].strip()} meant?"
    match = re.fullmatch(r"(\d)(\d+)\s*(V.*)", text.strip())
    power = 10 ** len(match[2]) if match else 1
    return f"is {match[1]}.{match[2]} {match[3]} meant?" if match and fits(value / power) else ""


def turned_rate(text: str, value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether a rate was written the wrong way round, `20C` for C/20, or ""."""
    match = re.fullmatch(r"([2-9]|\d\d+)\s*C", text.strip())
    number = float(match[1]) if match else 1.0
    return f"is C/{match[1]} meant?" if match and fits(value / number**2) else ""


def on_the_other_scale(value: float) -> str:
    """Return the hint at a temperature in K that hardly any cell stands: its number on the other scale, where that is likely."""
    celsius = value - ZERO_CELSIUS
    meant = f"{value:g} degC" if value < COLDEST else f"{celsius:g} K" if COLDEST <= celsius <= HOTTEST else ""
    tenth = next(
        (celsius / power for power in (10.0, 100.0) if celsius / power <= HOTTEST - ZERO_CELSIUS), celsius / 10.0
    )
    question = f"write {meant}; if the temperature is meant" if meant else f"is {tenth:g} degC meant? if not"
    return f"{question}, say it in limits: {{temperature: [lowest, highest]}}"


def at_open_circuit(setting: str, value: float) -> str:
    """Return how a spectrum or sweep is taken from the open circuit, where it was written as 0 V of another program; or ""."""
    if value != 0.0 or setting not in {"bias", "start"}:
        return ""
    return (
        "at is absolute: leave it out for the open circuit"
        if setting == "bias"
        else "write from: ocv for the open circuit"
    )


def inside(envelope: Envelope, name: Ranged) -> Callable[[float], bool]:
    """Return what tells whether a value of a quantity lies in an envelope."""
    return lambda value: not envelope.beyond(name, value)


def another_unit(text: str, value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether a value was meant with another prefix, or with a decimal point, or ""."""
    return a_thousandth(text, value, fits) or without_point(text, value, fits) or a_thousandfold(text, value, fits)


def widened(envelope: Envelope, name: Ranged, value: float, room: float = 0.0, less: str = "lower the current") -> str:
    """Return what to change where a current or voltage lies beyond limits that a file states, or "".

    A side of zero is named as such; `room` is what a voltage needs besides, as the amplitude about a bias; `less` is what
    makes a current smaller.
    """
    pair = pair_of(envelope.bounds, name)
    if name not in {"current", "voltage", "temperature"} or pair is None:
        return ""
    side, limit = ("high", pair[1]) if value > pair[1] else ("low", pair[0])
    owner = envelope.owners.get(f"{name}.{side}", "")
    if not owner.startswith("limits of "):
        return ""
    if name == "temperature":
        shown = display(limit, "temperature")
        return f"{'lower' if side == 'high' else 'raise'} it to {shown}, or widen the {owner} if the cell may be brought there"
    if name == "voltage":
        way, nearest = ("lower", limit - room) if side == "high" else ("raise", limit + room)
        return f"{way} it to {display(nearest, 'voltage')}, or widen the {owner} if the cell may be brought there"
    verb = "charges or strips" if side == "high" else "discharges or plates"
    if limit == 0.0:
        which = "second" if side == "high" else "first"
        return f"{ZERO_LIMIT} there allows no current that {verb}: it is the {which} value of current in the {owner}"
    return f"{less}, or widen the {owner} if the cell may be given as much"
