"""A program step as an EClib technique with its parameters, and the rows of techniques as columns.

Facts: user's guide of the EC-Lab Development Package 6.11 as quoted by public clients. The only limits that a channel holds are
the three exit tests of a step, of which each compares the voltage or the current; so a current is always given as CPLIMIT and a
voltage as CALIMIT.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from labctl.driver import (
    Galvanostatic,
    Points,
    Potentiostatic,
    Program,
    ProgramStep,
    Rest,
    Spectrum,
    Sweep,
    Threshold,
)
from labctl.errors import SettingRefused, WireError
from labctl.sample import Batch, Floats, Quality
from labctl_drivers.biologic.library import DataBlock, EccValue

LONGEST: Final = 1e6  # s, for a step whose only end is not a time
SLOWEST: Final = 1.0  # s between two rows where no record rule asks for more
ACTIVE, AND, ABOVE = 1, 2, 4  # bits of an exit test
VOLTAGE, CURRENT = 0 << 5, 3 << 5  # what it compares
NEXT_TECHNIQUE, STOP = 1, 2  # what an exit test does
MOST_TECHNIQUES: Final = 20  # of one program
CURRENT_RANGES: Final = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # A, by number
VOLTAGE_RANGES: Final = ((2.5, 0), (5.0, 1), (10.0, 2))  # V either side, number
MILLIVOLT: Final = 1e3  # a scan rate is in mV/s, as the guide's table says
STEP: Final = 1e-3  # V between two rows of a sweep
CLOSE: Final = 1e-3  # relative, of a frequency that lies on the instrument's own spacing


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique's name, without its suffix, and its parameters."""

    name: str
    parameters: tuple[EccValue, ...]


def techniques_of(program: Program, bandwidth: int) -> tuple[Technique, ...]:
    """Return the techniques of a program, one a step, which follow each other without an open circuit between them.

    Raises:
        SettingRefused: EClib cannot do it, or it has too many steps.
    """
    if not 1 <= len(program.steps) <= MOST_TECHNIQUES:
        raise SettingRefused(
            f"a channel here holds 1 to {MOST_TECHNIQUES} steps, found {len(program.steps)}", safe=True
        )
    steps = [step for step in program.steps if isinstance(step, ProgramStep)]
    if len(steps) < len(program.steps):
        raise SettingRefused("EClib here has no loops", safe=True)
    return tuple(technique_of(step, bandwidth) for step in steps)


def technique_of(step: ProgramStep, bandwidth: int) -> Technique:
    """Return the technique of a step.

    Raises:
        SettingRefused: EClib cannot do it.
    """
    match step.mode:
        case Rest():
            values = [EccValue("Rest_time_T", duration_of(step)), EccValue("Record_every_dE", record_voltage(step)),
                      EccValue("Record_every_dT", interval_of(step)), EccValue("E_Range", voltage_range(step))]  # fmt: skip
            return Technique("ocv", tuple(values))
        case Galvanostatic(current):
            see_limits(step)
            tests = voltage_tests(step)
            head = [
                EccValue("Current_step", current),
                *common(step, charged_duration(step, current), "dE", tests),
            ]
            return Technique("cplimit", (*head, *ranges(step, abs(current), bandwidth)))
        case Potentiostatic(voltage, most):
            see_limits(step)
            head = [
                EccValue("Voltage_step", voltage),
                *common(step, duration_of(step), "dI", current_tests(step)),
            ]
            return Technique("calimit", (*head, *ranges(step, most or largest_current(step), bandwidth)))
        case Sweep() as sweep:
            see_limits(step)
            return Technique("cv", (*sweep_parameters(sweep), *ranges(step, largest_current(step), bandwidth)))
        case Spectrum() as spectrum:
            see_limits(step)
            return spectrum_technique(step, spectrum, bandwidth)
    raise SettingRefused(f"line {step.line}: EClib here has no {type(step.mode).__name__}", safe=True)


# --- what ends a step -------------------------------------------------------------------------------------------------


def see_limits(step: ProgramStep) -> None:
    """Refuse to energise without a voltage limit."""
    if step.bounds.voltage is None:
        raise SettingRefused(f"line {step.line}: a potentiostat is not energised without a voltage limit", safe=True)


def duration_of(step: ProgramStep) -> float:
    """Return the time after which a step ends, s."""
    return min((end.value for end in step.ends if end.quantity == "time"), default=LONGEST)


def charged_duration(step: ProgramStep, current: float) -> float:
    """Return the time of a constant current, s: its own, and that in which a charge or the most of a step has passed."""
    charges = [end.value for end in step.ends if end.quantity == "charge"]
    charges += [] if step.bounds.charge is None else [step.bounds.charge]
    return min([duration_of(step), *(charge / abs(current) for charge in charges if current)])


def after_a_test(step: ProgramStep) -> int:
    """Return what follows where a test is met: the next technique after an end of the step's own, nothing after the envelope.

    One word serves all tests of a step. Where a step has an end by voltage, its other test is the envelope on the side from which
    the current leads away; if that is met, the next techniques find themselves outside of their own envelope and end at once.
    """
    own = isinstance(step.mode, Potentiostatic) or any(end.quantity == "voltage" for end in step.ends)
    return NEXT_TECHNIQUE if own else STOP


def voltage_tests(step: ProgramStep) -> list[tuple[int, float]]:
    """Return the exit tests of a constant current, (configuration, value): its voltage ends, or the envelope where it has none."""
    assert step.bounds.voltage is not None
    low, high = step.bounds.voltage
    for end in step.ends:
        if end.quantity == "voltage":
            low, high = (low, min(high, end.value)) if end.above else (max(low, end.value), high)
    return [(ACTIVE | ABOVE | VOLTAGE, high), (ACTIVE | VOLTAGE, low)]


def current_tests(step: ProgramStep) -> list[tuple[int, float]]:
    """Return the exit tests of a constant voltage: the magnitude of the current below a value is two tests, joined by AND."""
    below = [end.value for end in step.ends if end.quantity == "current" and not end.above]
    if not below:
        return []
    least = max(below)
    return [(ACTIVE | AND | CURRENT, least), (ACTIVE | ABOVE | CURRENT, -least)]


def common(step: ProgramStep, duration: float, other: str, tests: list[tuple[int, float]]) -> list[EccValue]:
    """Return what CPLIMIT and CALIMIT have in common: one step with its time, its rows and its exit tests."""
    change = record_voltage(step) if other == "dE" else record_current(step)
    values = [
        EccValue("vs_initial", False), EccValue("Duration_step", duration), EccValue("Step_number", 0),
        EccValue("Record_every_dT", interval_of(step)), EccValue(f"Record_every_{other}", change),
        EccValue("N_Cycles", 0), EccValue("Exit_Cond", after_a_test(step)),
    ]  # fmt: skip
    for number in (1, 2, 3):
        config, value = tests[number - 1] if number <= len(tests) else (0, 0.0)
        values += [EccValue(f"Test{number}_Config", config), EccValue(f"Test{number}_Value", value)]
    return values


# --- rows and ranges --------------------------------------------------------------------------------------------------


def interval_of(step: ProgramStep) -> float:
    """Return the s between two rows: the finest that its record rules ask for."""
    return min((rule.every for rule in step.record if rule.every is not None), default=SLOWEST)


def record_voltage(step: ProgramStep) -> float:
    """Return the change of voltage after which a row is kept, V; 0 asks for none."""
    return min((rule.voltage for rule in step.record if rule.voltage is not None), default=0.0)


def record_current(step: ProgramStep) -> float:
    """Return the change of current after which a row is kept, A; 0 asks for none."""
    return min((rule.current for rule in step.record if rule.current is not None), default=0.0)


def largest_current(step: ProgramStep) -> float:
    """Return the largest current that the limits allow, A.

    Raises:
        SettingRefused: They say none, and its range would have to be guessed.
    """
    if step.bounds.current is None:
        raise SettingRefused(
            f"line {step.line}: wanted a current limit, from which the range follows; found none", safe=True
        )
    return max(abs(side) for side in step.bounds.current)


def current_range(step: ProgramStep, most: float) -> int:
    """Return the smallest range that a current fits, by its number; never the automatic one, which no constant current has."""
    for number, full in enumerate(CURRENT_RANGES):
        if most <= full * (1.0 + 1e-6):
            return number
    raise SettingRefused(
        f"line {step.line}: wanted {most:g} A, the largest range is {CURRENT_RANGES[-1]:g} A", safe=True
    )


def voltage_range(step: ProgramStep) -> int:
    """Return the smallest range that the voltage limits fit, by its number; the largest where there are none."""
    side = max(abs(value) for value in step.bounds.voltage) if step.bounds.voltage else VOLTAGE_RANGES[-1][0]
    return next((number for full, number in VOLTAGE_RANGES if side <= full), VOLTAGE_RANGES[-1][1])


def ranges(step: ProgramStep, most: float, bandwidth: int) -> list[EccValue]:
    """Return the ranges of a technique that drives a current."""
    return [EccValue("I_Range", current_range(step, most)), EccValue("E_Range", voltage_range(step)),
            EccValue("Bandwidth", bandwidth)]  # fmt: skip


# --- sweeps and spectra -----------------------------------------------------------------------------------------------


def sweep_parameters(sweep: Sweep) -> list[EccValue]:
    """Return one linear sweep as a CV that stays at its end: Ei, E1, then E2, Ei and Ef where E1 is."""
    points = (sweep.start, sweep.end, sweep.end, sweep.end, sweep.end)
    values = [EccValue("Voltage_step", point, at) for at, point in enumerate(points)]
    values += [EccValue("vs_initial", False, at) for at in range(5)]
    values += [EccValue("Scan_Rate", sweep.rate * MILLIVOLT, at) for at in range(5)]
    return [
        *values, EccValue("Scan_number", 2), EccValue("Record_every_dE", STEP), EccValue("Average_over_dE", True),
        EccValue("N_Cycles", 0), EccValue("Begin_measuring_I", 0.5), EccValue("End_measuring_I", 1.0),
    ]  # fmt: skip


def spectrum_technique(step: ProgramStep, spectrum: Spectrum, bandwidth: int) -> Technique:
    """Return a spectrum; its frequencies must be spaced evenly, or evenly in their logarithm, as the instrument makes them."""
    linear = spacing(step, spectrum.frequencies)
    first, last = spectrum.frequencies[0], spectrum.frequencies[-1]
    shared = [
        EccValue("vs_initial", spectrum.potentiostatic and spectrum.bias is None), EccValue("Duration_step", 0.0),
        EccValue("Record_every_dT", 1e3), EccValue("Initial_frequency", first), EccValue("Final_frequency", last),
        EccValue("sweep", linear), EccValue("Frequency_number", len(spectrum.frequencies)),
        EccValue("Average_N_times", 1), EccValue("Correction", False), EccValue("Wait_for_steady", 0.0),
    ]  # fmt: skip
    bias = spectrum.bias or 0.0
    if spectrum.potentiostatic:
        own = [EccValue("Initial_Voltage_step", bias), EccValue("Record_every_dI", 0.0),
               EccValue("Amplitude_Voltage", spectrum.amplitude)]  # fmt: skip
        return Technique("peis", (*own, *shared, *ranges(step, largest_current(step), bandwidth)))
    own = [EccValue("Initial_Current_step", bias), EccValue("Record_every_dE", 0.0),
           EccValue("Amplitude_Current", spectrum.amplitude)]  # fmt: skip
    widest = max(abs(bias) + spectrum.amplitude, 2.0 * spectrum.amplitude)  # an amplitude is half of its range at most
    return Technique("geis", (*own, *shared, *ranges(step, widest, bandwidth)))


def spacing(step: ProgramStep, frequencies: tuple[float, ...]) -> bool:
    """Tell whether frequencies are spaced evenly (true) or evenly in their logarithm (false).

    Raises:
        SettingRefused: Neither.
    """
    given, count = np.asarray(frequencies), len(frequencies)
    if np.allclose(given, np.geomspace(given[0], given[-1], count), rtol=CLOSE):
        return False
    if np.allclose(given, np.linspace(given[0], given[-1], count), rtol=CLOSE):
        return True
    raise SettingRefused(
        f"line {step.line}: wanted frequencies spaced evenly or by decades, found others: one spectrum here is one of these",
        safe=True,
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def columns_of(block: DataBlock) -> list[Floats]:
    """Return the words of a block as 32-bit floats, column by column."""
    table = block.words.reshape(-1, block.columns)
    return [table[:, at].copy().view(np.float32).astype(np.float64) for at in range(block.columns)]


def seconds_of(block: DataBlock) -> Floats:
    """Return the times of rows, s after the channel began: two words of ticks, the high one first."""
    table = block.words.reshape(-1, block.columns).astype(np.uint64)
    ticks = (table[:, 0] << np.uint64(32)) + table[:, 1]
    return block.start + block.timebase * ticks.astype(np.float64)


def batch_of(block: DataBlock, name: str, *, modern: bool) -> Batch:
    """Return the rows of a technique, with its layout in either family.

    Raises:
        WireError: They have another number of columns than that technique's.
    """
    voltage, current = LAYOUTS[name, modern]
    wanted = COLUMNS[name, modern]
    if block.columns != wanted:
        raise WireError(f"EClib: wanted rows of {wanted} words from {name}, found {block.columns}")
    columns, count = columns_of(block), len(block.words) // block.columns
    quality = np.full(count, Quality.SUSPECT if block.overload else Quality.GOOD, dtype=np.uint8)
    if block.skipped:
        quality[0] = Quality.SUSPECT
    return Batch(
        seconds_of(block), columns[voltage], np.zeros(count) if current is None else columns[current],
        quality=quality if quality.any() else None, step=block.technique,
    )  # fmt: skip


LAYOUTS: Final[dict[tuple[str, bool], tuple[int, int | None]]] = {
    ("ocv", False): (2, None), ("ocv", True): (2, None), ("cv", False): (4, 3), ("cv", True): (3, 2),
    **{(name, modern): (2, 3) for name in ("cplimit", "calimit", "peis", "geis") for modern in (False, True)},
}  # fmt: skip
"""Columns of voltage and current by technique and family (true: VMP-300)."""
COLUMNS: Final = {
    ("ocv", False): 4, ("ocv", True): 3, ("cv", False): 6, ("cv", True): 5,
    **{(name, modern): 5 for name in ("cplimit", "calimit") for modern in (False, True)},
    **{(name, modern): 4 for name in ("peis", "geis") for modern in (False, True)},
}  # fmt: skip
POINT: Final = {True: 14, False: 15}  # words of a point of a spectrum


def points_of(block: DataBlock, *, modern: bool) -> Points:
    """Return the points of a spectrum; the phase is that of the impedance, rad.

    Raises:
        WireError: They have another number of columns than those of the family.
    """
    if block.columns != POINT[modern]:
        raise WireError(f"EClib: wanted points of {POINT[modern]} words, found {block.columns}")
    columns = columns_of(block)
    frequency, voltage, current, phase = columns[0], columns[1], columns[2], columns[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        impedance = voltage / current * np.exp(1j * phase)
    return Points(
        block.start + columns[13], frequency, impedance.real, impedance.imag, columns[4], columns[5], block.technique
    )


def end_of(step: ProgramStep, time: float, voltage: float, current: float, charge: float) -> Threshold | None:
    """Return the end that the last row has met, None where it met none of the step's own.

    Args:
        step: Of the program.
        time: Of the last row, s.
        voltage: V.
        current: A.
        charge: That has passed, C.
    """
    measured = {
        "voltage": (voltage, 1e-4), "current": (abs(current), 1e-3 * abs(current)),
        "charge": (charge, 1e-3 * charge), "time": (time, 1e-2 * max(1.0, interval_of(step))),
    }  # fmt: skip
    for end in sorted(step.ends, key=lambda end: end.quantity == "time"):
        value, margin = measured.get(end.quantity, (0.0, -math.inf))
        if (value - end.value if end.above else end.value - value) >= -margin:
            return end
    return None
