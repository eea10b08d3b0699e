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


def script(step: ProgramStep, *, galvanostat: bool, bandwidth: str = "40") -> str:
    """Return the script of one step; the caller ends it by an empty line.

    Raises:
        SettingRefused: The instrument cannot do it.
    """
    interval = min((rule.every for rule in step.record if rule.every is not None), default=1.0)
    duration = next((end.value for end in step.ends if end.quantity == "time"), LONGEST)
    names = ["var p", "var c", "set_pgstat_chan 0"]
    match step.mode:
        case Rest():
            body = ["cell_off", f"meas_loop_ocp p {literal(interval)} {literal(duration)}"]
            return "\n".join([*names, "set_pgstat_mode 2", *body, *package("p"), "endloop", ""])
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
            head = ["set_pgstat_mode 2", f"set_max_bandwidth {bandwidth}", f"set_e {literal(start)}", "cell_on"]
        case Spectrum() as spectrum:
            return spectrum_script(spectrum)
        case _:
            raise SettingRefused(f"line {step.line}: MethodSCRIPT here has no {type(step.mode).__name__}", safe=True)
    cuts = [line for end in step.ends for line in cut_off(end)] + envelope(step)
    return "\n".join([*names, *head, loop, *package("p", "c"), *cuts, "endloop", "on_finished:", "cell_off", ""])


def spectrum_script(spectrum: Spectrum) -> str:
    """Return the script of a spectrum."""
    if not spectrum.potentiostatic or spectrum.bias is None:
        raise SettingRefused("a spectrum here is potentiostatic at a stated bias", safe=True)
    first, last, count = spectrum.frequencies[0], spectrum.frequencies[-1], len(spectrum.frequencies)
    head = [
        "var f",
        "var r",
        "var j",
        "set_pgstat_chan 0",
        "set_pgstat_mode 3",
        "set_max_bandwidth 200k",
        f"set_e {literal(spectrum.bias)}",
    ]
    loop = f"meas_loop_eis f r j {literal(spectrum.amplitude)} {literal(first)} {literal(last)} {count}i {literal(spectrum.bias)}"
    return "\n".join([*head, "cell_on", loop, *package("f", "r", "j"), "endloop", "on_finished:", "cell_off", ""])


def package(*names: str) -> list[str]:
    """Return the lines that send variables."""
    return ["pck_start", *(f"pck_add {name}" for name in names), "pck_end"]


def cut_off(end: Threshold) -> list[str]:
    """Return the lines that end the loop on the instrument itself; a time is the loop's own."""
    side = ">=" if end.above else "<="
    match end.quantity:
        case "voltage":
            return [f"if p {side} {literal(end.value)}", "breakloop", "endif"]
        case "time":
            return []
    raise SettingRefused(f"MethodSCRIPT here cannot end a step by {end.quantity}", safe=True)


def envelope(step: ProgramStep) -> list[str]:
    """Return the lines that leave the loop outside the voltage envelope.

    Raises:
        SettingRefused: There is none.
    """
    if step.bounds.voltage is None:
        raise SettingRefused(f"line {step.line}: a potentiostat is not energised without a voltage limit", safe=True)
    low, high = step.bounds.voltage
    lines = []
    for side, value in ((">", high), ("<", low)):
        lines += [f"if p {side} {literal(value)}", "breakloop", "endif"]
    return lines


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a data package: its two letters, its value in SI, and whether the instrument says overload."""

    kind: str
    value: float
    overload: bool = False


def read_package(line: str) -> list[Variable]:
    """Read a line that begins with P.

    Raises:
        WireError: It is none.
    """
    if not line.startswith("P"):
        raise WireError(f"wanted a data package, found {line[:40]!r}")
    return [read_variable(text) for text in line[1:].split(";")]


def read_variable(text: str) -> Variable:
    """Read one variable: two letters, seven hex digits about an offset, an SI prefix, metadata after commas."""
    if missing := NOT_A_NUMBER.match(text):
        return Variable(missing[1], math.nan)
    found = VARIABLE.match(text)
    if found is None:
        raise WireError(f"wanted a variable of a data package, found {text[:40]!r}")
    value = (int(found[2], 16) - OFFSET) * 10.0 ** PREFIXES[found[3]]
    status = next((int(part[1], 16) for part in found[4].split(",")[1:] if part.startswith("1") and len(part) == 2), 0)
    return Variable(found[1], value, bool(status & OVERLOAD))
