"""The step file of a Neware cycler (BTS 8, version 17): XML to steps and back to nothing; SI inside.

Facts: step files written by BTS 8.0 and by programs that real cyclers accept. Units on the wire: voltage 0.1 mV, time ms, current
mA and always positive, capacity mA s; every value is an attribute `Value`. The last step is of type 6; a step of type 5 goes back
to `Start_Step` until its block has been done `Cycle_Count` times in all.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from labctl_simulators.cell import AtOpenCircuit, Current, Drive, Load, Power, Stop, Voltage

CHARGING = frozenset({1, 3, 7, 9})
KINDS = {
    1: "cc", 2: "dc", 3: "cv", 4: "rest", 5: "cycle", 6: "end", 7: "cccv",
    8: "dp", 9: "cp", 10: "dr", 13: "pause", 19: "dv", 20: "cccd",
}  # fmt: skip
VOLT, AMPERE, SECOND, COULOMB = 1e-4, 1e-3, 1e-3, 1e-3  # of one unit on the wire


@dataclass(frozen=True, slots=True)
class FileStep:
    """One step: its type, set-points, ends and record rule, SI; None where the file says nothing."""

    kind: int
    current: float | None = None
    voltage: float | None = None
    power: float | None = None
    resistance: float | None = None
    time: float | None = None
    stop_voltage: float | None = None
    stop_current: float | None = None
    charge: float | None = None
    back_to: int = 0
    passes: int = 0
    every: float = 10.0

    @property
    def name(self) -> str:
        """Return the type as replies write it."""
        return KINDS[self.kind]

    def drive(self) -> Drive:
        """Return what the first part of the step imposes on the cell."""
        sign = 1.0 if self.kind in CHARGING else -1.0
        match self.kind:
            case 1 | 2 | 7 | 20:
                return Current(sign * need(self.current, "Curr"))
            case 3 | 19:
                return Voltage(need(self.voltage, "Volt"), self.current)
            case 8 | 9:
                return Power(sign * need(self.power, "Power"))
            case 10:
                return Load(need(self.resistance, "Res"))
        return AtOpenCircuit()

    def stops(self) -> list[Stop]:
        """Return what ends the step, besides its time, numbered 1 voltage, 2 current, 3 capacity."""
        ends = []
        if self.stop_voltage is not None:
            ends.append(Stop("voltage", self.kind in CHARGING, self.stop_voltage, 1))
        if self.kind in {7, 20}:
            ends.append(Stop("voltage", self.kind == 7, need(self.voltage, "Volt"), 4))
        if self.stop_current is not None and self.kind in {3, 19}:
            ends.append(Stop("current", False, self.stop_current, 2))
        if self.charge is not None:
            ends.append(Stop("charge", True, self.charge, 3))
        return ends


@dataclass(frozen=True, slots=True)
class StepFile:
    """A whole step file: steps in order, and the envelope that trips to `protect`; its charge in C is that of one step."""

    steps: tuple[FileStep, ...]
    voltage: tuple[float, float] | None = None
    current: tuple[float, float] | None = None
    charge: float | None = None


def need(value: float | None, name: str) -> float:
    """Return a value that the step must have.

    Raises:
        ValueError: The file does not say it.
    """
    if value is None:
        raise ValueError(f"the step has no {name}")
    return value


def read_profile(text: str) -> StepFile:
    """Read a step file.

    Raises:
        ValueError: It is not a step file, has no end step, or a step lacks what its type needs.
    """
    try:
        root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314 - what our own driver wrote
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    info = root.find(".//Step_Info")
    if info is None:
        raise ValueError("no Step_Info")
    steps = tuple(read_step(element) for element in info)
    if not steps or steps[-1].kind != 6:
        raise ValueError("the last step is not of type 6")
    for step in steps:
        step.drive()
    main = root.find(".//Whole_Prt/Protect/Main")
    volt, curr = envelope(main, "Volt", VOLT), envelope(main, "Curr", AMPERE)
    return StepFile(steps, volt, curr, number(main, "Cap/Upper", COULOMB))


def read_step(element: ET.Element) -> FileStep:
    """Read one step element."""
    kind = int(element.get("Step_Type", "0"))
    if kind not in KINDS:
        raise ValueError(f"step type {kind} is not known here")
    main, other = element.find("Limit/Main"), element.find("Limit/Other")
    return FileStep(
        kind,
        current=number(main, "Curr", AMPERE),
        voltage=number(main, "Volt", VOLT),
        power=number(main, "Power", 1e-3),
        resistance=number(main, "Res", 1e-3),
        time=number(main, "Time", SECOND),
        stop_voltage=number(main, "Stop_Volt", VOLT),
        stop_current=number(main, "Stop_Curr", AMPERE),
        charge=number(main, "Cap", COULOMB),
        back_to=int(number(other, "Start_Step", 1.0) or 0),
        passes=int(number(other, "Cycle_Count", 1.0) or 0),
        every=number(element.find("Record/Main"), "Time", SECOND) or 10.0,
    )


def number(parent: ET.Element | None, name: str, unit: float) -> float | None:
    """Return an attribute `Value` in SI, or None."""
    child = parent.find(name) if parent is not None else None
    text = child.get("Value") if child is not None else None
    return float(text) * unit if text else None


def envelope(main: ET.Element | None, name: str, unit: float) -> tuple[float, float] | None:
    """Return (low, high) of a protection, or None."""
    low, high = number(main, f"{name}/Lower", unit), number(main, f"{name}/Upper", unit)
    return (low, high) if low is not None and high is not None else None
