"""Direct mode as values: what a set-point becomes on the wire, and what a status says. Nothing here touches anything."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from labctl.driver import Bounds
from labctl_drivers.maccor.client import number_of
from labctl_drivers.one_way import OneWay, Reach

MARGIN = 10e-3  # V by which the tester's own safety limit lies beyond ours
BEYOND = 1.01  # the same of currents, as a factor
LEAST = 1e-6  # A, of a safety limit
Output = dict[str, float | str]


def output(drive: OneWay, ranges: Sequence[float], voltage: float) -> Output:
    """Return a set-point as direct mode has it, in the smallest range that holds it.

    What says no power holds the most: a quantity that is not active when direct mode starts never is.

    Args:
        drive: The set-point.
        ranges: Full scales of the tester's ranges, A, from the smallest.
        voltage: The most that it gives, V.
    """
    number = next((place for place, full in enumerate(ranges, 1) if drive.current <= full), len(ranges))
    power = voltage * ranges[-1] if drive.power is None else drive.power
    return {
        "Current": drive.current, "Voltage": drive.voltage, "Power": power, "Resistance": 0.0,
        "CurrentRange": number, "ChMode": "C" if drive.charge else "D",
    }  # fmt: skip


def safety(bounds: Bounds, drive: OneWay, reach: Reach) -> dict[str, float]:
    """Return the tester's own safety limits, a little beyond those of a step: a limit is held, not tripped at."""
    low, high = bounds.voltage or (0.0, reach.voltage)
    charging, discharging = (max(BEYOND * max(each, drive.current), LEAST) for each in reach.most(bounds))
    power = BEYOND * (reach.voltage + MARGIN) * reach.current
    return {
        "VSafeMax": min(high, reach.voltage) + MARGIN, "VSafeMin": max(low, 0.0) - MARGIN,
        "ISafeChg": charging, "ISafeDis": discharging, "PBatSafeChg": power, "PBatSafeDis": power,
    }  # fmt: skip


def signed_current(found: Mapping[str, Any]) -> float:
    """Return the current of a status in A, positive where it charges: RF1 tells the direction, whatever sign the tester gives."""
    current = number_of(found, "Current")
    match found.get("RF1"):
        case 1:
            return abs(current)
        case 2:
            return -abs(current)
    return current


def second_of(found: Mapping[str, Any]) -> float:
    """Return the tester's clock in s, of an origin of its own; 0 where it tells none."""
    try:
        told = datetime.fromisoformat(str(found.get("TesterTime"))).replace(tzinfo=None)
    except ValueError:
        return 0.0
    return (told - datetime(2000, 1, 1)).total_seconds()  # noqa: DTZ001 - the wall clock of the tester's PC, only differences count
