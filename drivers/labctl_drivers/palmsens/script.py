"""A program step as MethodSCRIPT, and the lines that a running script sends back.

Facts: MethodSCRIPT manual 1.8 as quoted by public clients. Literals are integers with an SI prefix, so the prefix is chosen
that keeps most digits; `if p > x / breakloop` inside the loop is a cut-off on the instrument itself; `on_finished:` switches
the cell off after a normal end and after an abort, but not after a runtime error.
"""

import math
import re
from dataclasses import dataclass

from labctl.driver import Galvanostatic, Potentiostatic, ProgramStep, Rest, Spectrum, Sweep, Threshold
from labctl.errors import SettingRefused, WireError

PREFIXES = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, " ": 0, "k": 3, "M": 6, "G": 9, "T": 12, "i": 0}
OFFSET = 0x8000000
VARIABLE = re.compile(r"([a-j][a-z])([0-9A-F]{7})([afpnum kMGTi])((?:,[0-9A-F]+)*)$")
NOT_A_NUMBER = re.compile(r"([a-j][a-z])\s+nan")
SLOWEST = 1.0  # s between two points, at which ends and limits are asked
WIDER = 1.01  # of a limit of current or charge: what lies on it is inside, resolution included
LONGEST = 1e6  # s, for a step whose only end is not a time
OVERLOAD = 0x2  # bit of the status nibble


def literal(value: float) -> str:
    """Write a number as an integer with the largest SI prefix that keeps six digits of it."""
    if value == 0:
        return "0"
    for prefix, power in (
        ("a", -18),
        ("f", -15),
        ("p", -12),
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
    ):
        scaled = round(value / 10.0**power)
        if abs(scaled) < 2**31 and math.isclose(scaled * 10.0**power, value, rel_tol=1e-6):
            return f"{scaled}{prefix}"
    raise SettingRefused(f"wanted a number an instrument's script can hold, found {value:g}", safe=True)


def interval_of(step: ProgramStep) -> float:
    """Return the seconds between two points: as its record rules ask, and once a second for its ends and limits."""
    return min((rule.every for rule in step.record if rule.every is not None), default=SLOWEST)


def script(step: ProgramStep, *, galvanostat: bool, bandwidth: str = "40") -> str:
    """Return the script of one step; the caller ends it by an empty line.

    Raises:
        SettingRefused: The instrument cannot do it.
    """
    interval = min(interval_of(step), SLOWEST)
    duration = min((end.value for end in step.ends if end.quantity == "time"), default=LONGEST)
    names = ["var p", "var c", "var q", "var d", "store_var q 0 ja", "store_var d 0 ja", "set_pgstat_chan 0"]
    match step.mode:
        case Rest():
            cuts = [line for end in step.ends for line in cut_off(step, end)]
            body = ["cell_off", f"meas_loop_ocp p {literal(interval)} {literal(duration)}"]
            return "\n".join([*names, "set_pgstat_mode 2", *body, *package("p"), *cuts, "endloop", ""])
        case Galvanostatic(current):
            if not galvanostat:
                raise SettingRefused(f"line {step.line}: this module has no galvanostat", safe=True)
            loop = f"meas_loop_cp p c {literal(current)} {literal(interval)} {literal(duration)}"
            head = [
                "set_pgstat_mode 6",
                f"set_max_bandwidth {bandwidth}",
                f"set_range ba {literal(abs(current))}",
                "set_i 0",
                "cell_on",
            ]
        case Potentiostatic(voltage, most):
            loop = f"meas_loop_ca p c {literal(voltage)} {literal(interval)} {literal(duration)}"
            head = ["set_pgstat_mode 2", f"set_max_bandwidth {bandwidth}"]
            head += [f"set_range ba {literal(most)}"] if most else []
            head += [f"set_e {literal(voltage)}", "cell_on"]
        case Sweep(start, end, rate):
            loop = f"meas_loop_lsv p c {literal(start)} {literal(end)} 1m {literal(rate)}"
            interval = 1e-3 / rate
            head = ["set_pgstat_mode 2", f"set_max_bandwidth {bandwidth}", f"set_e {literal(start)}", "cell_on"]
        case Spectrum() as spectrum:
            return spectrum_script(step.line, spectrum, galvanostat=galvanostat)
        case _:
            raise SettingRefused(f"line {step.line}: MethodSCRIPT here has no {type(step.mode).__name__}", safe=True)
    cuts = [line for end in step.ends for line in cut_off(step, end)] + envelope(step)
    counted = coulombs(interval) if any(" q " in line for line in cuts) else []
    return "\n".join(
        [*names, *head, loop, *package("p", "c"), *counted, *cuts, "endloop", "on_finished:", "cell_off", ""]
    )


def coulombs(interval: float) -> list[str]:
    """Return the lines that count charge: what flowed since the point before, at that point's current."""
    return ["add_var q d", "store_var d 0 ja", "add_var d c", f"mul_var d {literal(interval)}"]


def spectrum_script(line: int, spectrum: Spectrum, *, galvanostat: bool) -> str:
    """Return the script of a spectrum; one at open circuit first measures where that is."""
    first, last, count = spectrum.frequencies[0], spectrum.frequencies[-1], len(spectrum.frequencies)
    names = ["var f", "var r", "var j", "var p", "set_pgstat_chan 0"]
    sizes = f"{literal(spectrum.amplitude)} {literal(first)} {literal(last)} {count}i"
    if not spectrum.potentiostatic:
        if not galvanostat:
            raise SettingRefused(f"line {line}: this module has no galvanostat", safe=True)
        bias = literal(spectrum.bias or 0.0)
        largest = literal(abs(spectrum.bias or 0.0) + spectrum.amplitude)
        head = ["set_pgstat_mode 6", "set_max_bandwidth 200k", f"set_range ba {largest}", f"set_i {bias}"]
        loop = f"meas_loop_geis f r j {sizes} {bias}"
    else:
        seen = ["set_pgstat_mode 2", "cell_off", f"meas_loop_ocp p {literal(0.1)} {literal(0.5)}", "endloop"]
        bias = "p" if spectrum.bias is None else literal(spectrum.bias)
        head = [
            *(seen if spectrum.bias is None else []),
            "set_pgstat_mode 3",
            "set_max_bandwidth 200k",
            f"set_e {bias}",
        ]
        loop = f"meas_loop_eis f r j {sizes} {bias}"
    return "\n".join(
        [*names, *head, "cell_on", loop, *package("f", "r", "j"), "endloop", "on_finished:", "cell_off", ""]
    )


def package(*names: str) -> list[str]:
    """Return the lines that send variables."""
    return ["pck_start", *(f"pck_add {name}" for name in names), "pck_end"]


def cut_off(step: ProgramStep, end: Threshold) -> list[str]:
    """Return the lines that end the loop on the instrument itself; a time is the loop's own.

    Raises:
        SettingRefused: There are none.
    """
    match end.quantity:
        case "voltage":
            return leave("p", ">=" if end.above else "<=", end.value)
        case "time" if end.above:
            return []
        case "charge" if end.above and not isinstance(step.mode, Rest):
            return [*leave("q", ">=", end.value), *leave("q", "<=", -end.value)]
        case "current" if not end.above and not isinstance(step.mode, Rest):
            return [f"if c <= {literal(end.value)}", *leave("c", ">=", -end.value), "endif"]
    side = "above" if end.above else "below"
    raise SettingRefused(
        f"line {step.line}: MethodSCRIPT here cannot end it by {end.quantity} {side} {end.value:g}", safe=True
    )


def leave(variable: str, side: str, value: float) -> list[str]:
    """Return the lines that leave the loop where a variable lies beyond a value."""
    return [f"if {variable} {side} {literal(value)}", "breakloop", "endif"]


def envelope(step: ProgramStep) -> list[str]:
    """Return the lines that leave the loop outside the limits of voltage and current, or beyond the charge of one step.

    Raises:
        SettingRefused: There is no voltage limit.
    """
    bounds = step.bounds
    if bounds.voltage is None:
        raise SettingRefused(f"line {step.line}: a potentiostat is not energised without a voltage limit", safe=True)
    lines = [*leave("p", ">", bounds.voltage[1]), *leave("p", "<", bounds.voltage[0])]
    if bounds.current is not None:
        lines += [*leave("c", ">", bounds.current[1] * WIDER), *leave("c", "<", bounds.current[0] * WIDER)]
    if bounds.charge is not None:
        lines += [*leave("q", ">", bounds.charge * WIDER), *leave("q", "<", -bounds.charge * WIDER)]
    return lines


@dataclass(frozen=True, slots=True)
class ScriptVariable:
    """One variable of a data package: its two letters, its value in SI, and whether the instrument says overload."""

    kind: str
    value: float
    overload: bool = False


def read_package(line: str) -> list[ScriptVariable]:
    """Read a line that begins with P.

    Raises:
        WireError: It is none.
    """
    if not line.startswith("P"):
        raise WireError(f"wanted a data package, found {line[:40]!r}")
    return [read_variable(text) for text in line[1:].split(";")]


def read_variable(text: str) -> ScriptVariable:
    """Read one variable: two letters, seven hex digits about an offset, an SI prefix, metadata after commas."""
    if missing := NOT_A_NUMBER.match(text):
        return ScriptVariable(missing[1], math.nan)
    match = VARIABLE.match(text)
    if match is None:
        raise WireError(f"wanted a variable of a data package, found {text[:40]!r}")
    value = (int(match[2], 16) - OFFSET) * 10.0 ** PREFIXES[match[3]]
    status = next((int(part[1], 16) for part in match[4].split(",")[1:] if part.startswith("1") and len(part) == 2), 0)
    return ScriptVariable(match[1], value, bool(status & OVERLOAD))
