"""Techniques of an emulated Bio-Logic channel: what each imposes on the cell, piece by piece, and what ends a piece.

Facts: EC-Lab Development Package user's guide 6.11 as quoted by public clients.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from labctl_simulators.cell import AtOpenCircuit, Current, Drive, Stop, Voltage, VoltageSweep

LONGEST: Final = 3.2e7  # s
SLOWEST: Final = 1e9  # s between two rows: one that asks for none
VOLTAGE, AMPERE = 0, 3  # what an exit test compares


@dataclass(frozen=True, slots=True)
class LoadedTechnique:
    """A technique with its parameters by label and index."""

    name: str
    values: Mapping[str, Mapping[int, Any]]

    def number(self, label: str, index: int = 0, otherwise: float = 0.0) -> float:
        """Return a parameter as a number."""
        return float(self.values.get(label, {}).get(index, otherwise))


@dataclass(frozen=True, slots=True)
class TechniquePart:
    """A piece of a technique: what is imposed, for how long at most, what ends it, and how often a row is due, s."""

    drive: Drive
    duration: float
    stops: tuple[Stop, ...] = ()
    every: float = SLOWEST
    spectrum: bool = False


@dataclass(frozen=True, slots=True)
class FrequencyPart(TechniquePart):
    """The time that one point of a spectrum takes."""

    frequency: float = 1.0
    amplitude: float = 0.0
    potentiostatic: bool = True


def parts_of(technique: LoadedTechnique, open_voltage: float) -> Iterator[TechniquePart]:
    """Return what a technique imposes, piece by piece; what is against the initial voltage is against `open_voltage`, V."""
    match technique.name:
        case "ocv":
            every = technique.number("Record_every_dT") or SLOWEST
            yield TechniquePart(AtOpenCircuit(), technique.number("Rest_time_T"), (), every)
        case "cp" | "cplimit" | "ca" | "calimit":
            yield from steps(technique, open_voltage, galvanostatic=technique.name.startswith("cp"))
        case "cv":
            yield from sweeps(technique, open_voltage)
        case "peis" | "geis":
            yield from spectrum(technique, open_voltage)


def steps(technique: LoadedTechnique, open_voltage: float, *, galvanostatic: bool) -> Iterator[TechniquePart]:
    """Return the steps of a constant current or voltage, with their exit tests."""
    every = technique.number("Record_every_dT") or SLOWEST
    for index in range(int(technique.number("Step_number")) + 1):
        duration = technique.number("Duration_step", index)
        if galvanostatic:
            drive: Drive = Current(technique.number("Current_step", index))
        else:
            against = open_voltage if technique.number("vs_initial", index) else 0.0
            drive = Voltage(technique.number("Voltage_step", index) + against)
        yield TechniquePart(drive, max(duration, 1e-3), tuple(exits(technique, index)), every)


def exits(technique: LoadedTechnique, step: int) -> Iterator[Stop]:
    """Return the stops of a step's exit tests; two tests of a current about zero, joined by AND, are one of its magnitude."""
    joined = False
    for number in (1, 2, 3):
        config = int(technique.number(f"Test{number}_Config", step))
        if not config & 1:
            return
        value, above, variable = technique.number(f"Test{number}_Value", step), bool(config & 4), config >> 5
        if variable == AMPERE:
            if joined or not config & 2:
                yield Stop("current", False, abs(value), number)
            joined = bool(config & 2)
        elif variable == VOLTAGE:
            yield Stop("voltage", above, value, number)


def sweeps(technique: LoadedTechnique, open_voltage: float) -> Iterator[TechniquePart]:
    """Return the sweeps between the voltages of a CV; the rate is in mV/s."""
    points = [
        technique.number("Voltage_step", at) + (open_voltage if technique.number("vs_initial", at) else 0.0)
        for at in range(5)
    ]
    for at, (start, end) in enumerate(pairwise(points[:4])):
        rate = technique.number("Scan_Rate", at) * 1e-3
        if start != end:
            every = technique.number("Record_every_dE", 0, 1e-3) / rate
            yield TechniquePart(VoltageSweep(start, end, rate), LONGEST, (), every)


def spectrum(technique: LoadedTechnique, open_voltage: float) -> Iterator[TechniquePart]:
    """Return the points of a spectrum, each for three periods."""
    potentiostatic = technique.name == "peis"
    if potentiostatic:
        against = open_voltage if technique.number("vs_initial") else 0.0
        drive: Drive = Voltage(technique.number("Initial_Voltage_step") + against)
    else:
        drive = Current(technique.number("Initial_Current_step"))
    amplitude = technique.number("Amplitude_Voltage" if potentiostatic else "Amplitude_Current")
    ends = technique.number("Initial_frequency"), technique.number("Final_frequency")
    space = np.linspace if technique.number("sweep") else np.geomspace
    for frequency in space(*ends, int(technique.number("Frequency_number"))):
        yield FrequencyPart(
            drive, max(3.0 / frequency, 0.01), spectrum=True, frequency=float(frequency), amplitude=amplitude,
            potentiostatic=potentiostatic,
        )  # fmt: skip
