"""An interpreter of MethodSCRIPT, the subset that a battery driver needs: settings, measurement loops, cut-offs, spectra.

Facts: MethodSCRIPT 1.8 manual and communication protocol as quoted by public clients. A script is parsed whole before it is
acknowledged; output is real-time and never repeated; `on_finished:` runs after a normal end and after an abort, but not after a
runtime error, which leaves the cell on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labctl_simulators.cell import AtOpenCircuit, Current, Voltage
from labctl_simulators.wire.terminal import Terminal

PREFIXES = {
    "a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, " ": 1.0, "": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "i": 1.0,
}  # fmt: skip
LITERAL = re.compile(r"(-?\d+|0x[0-9A-Fa-f]+)([afpnumkMGTi]?)$")
OFFSET = 0x8000000
TECHNIQUES = {"ca": "0007", "cp": "000A", "ocp": "000B", "lsv": "0000", "eis": "000D", "geis": "000E"}
ARGUMENTS = {"ca": 5, "cp": 5, "ocp": 3, "lsv": 6, "eis": 8, "geis": 8}
SIMPLE = {
    "var": 1, "store_var": 3, "set_pgstat_chan": 1, "set_pgstat_mode": 1, "set_max_bandwidth": 1, "set_range": 2,
    "set_autoranging": 3, "set_range_minmax": 3, "set_e": 1, "set_i": 1, "cell_on": 0, "cell_off": 0, "wait": 1,
    "add_var": 2, "sub_var": 2, "mul_var": 2, "div_var": 2,
    "timer_start": 0, "timer_get": 1, "pck_start": 0, "pck_add": 1, "pck_end": 0, "breakloop": 0, "send_string": 1,
}  # fmt: skip
COMPARISONS = {">": lambda a, b: a > b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b}

Out = tuple[float, bytes]


class ScriptError(Exception):
    """A script that does not parse or fails while it runs: a code of the instrument and the line from 1."""

    def __init__(self, code: str, line: int) -> None:
        """Take the four hex digits and the line."""
        super().__init__(f"!{code}: Line {line}")
        self.code = code
        self.line = line


@dataclass(slots=True)
class Statement:
    """One line of a script, with the body of what it opens."""

    line: int
    words: list[str]
    body: list["Statement"] = field(default_factory=list)


def parse(lines: list[str]) -> tuple[list[Statement], list[Statement]]:
    """Return the statements of a script and those after `on_finished:`.

    Raises:
        ScriptError: An unknown command, a wrong number of arguments, a literal with a decimal point, a block left open.
    """
    main: list[Statement] = []
    finished: list[Statement] = []
    target, stack = main, list[list[Statement]]()
    for number, text in enumerate(lines, 1):
        words = text.split("#", 1)[0].split()
        if not words:
            continue
        if words == ["on_finished:"]:
            target = finished
            continue
        statement = checked(number, words)
        if words[0] in {"endloop", "endif"}:
            if not stack:
                raise ScriptError("4018", number)
            target = stack.pop()
            continue
        target.append(statement)
        if words[0].startswith("meas_loop_") or words[0] == "if":
            if words[0] != "if" and any(True for _ in stack):
                raise ScriptError("400B", number)
            stack.append(target)
            target = statement.body
    if stack:
        raise ScriptError("4018", len(lines))
    return main, finished


def checked(number: int, words: list[str]) -> Statement:
    """Return a statement whose command and number of arguments are known."""
    arity(number, words)
    for word in words[1:]:
        if re.match(r"-?\d", word) and not LITERAL.match(word):
            raise ScriptError("4039", number)
    return Statement(number, words)


def arity(number: int, words: list[str]) -> None:
    """Refuse an unknown command or one with too few arguments."""
    name = words[0]
    if name in {"endloop", "endif"}:
        return
    if name == "if":
        wanted = 3 if len(words) == 4 and words[2] in COMPARISONS else 99
    elif name.startswith("meas_loop_"):
        wanted = ARGUMENTS.get(name.removeprefix("meas_loop_"), -1)
    else:
        wanted = SIMPLE.get(name, -1)
    if wanted < 0:
        raise ScriptError("4001", number)
    if len(words) - 1 < wanted:
        raise ScriptError("4200", number)


def literal(word: str) -> float:
    """Return the value of a literal: an integer and a prefix."""
    match = LITERAL.match(word)
    if match is None:
        raise ValueError(word)
    return int(match[1], 0) * PREFIXES[match[2]]


def packed(kind: str, value: float) -> str:
    """Write a variable of a data package: seven hex digits about an offset, and an SI prefix."""
    if not np.isfinite(value):
        return f"{kind}     nan"
    for prefix in ("a", "f", "p", "n", "u", "m", " ", "k", "M", "G"):
        scaled = round(value / PREFIXES[prefix])
        if abs(scaled) < OFFSET:
            return f"{kind}{scaled + OFFSET:07X}{prefix}"
    return f"{kind}     nan"


class Interpreter:
    """Runs a parsed script on a cell, yielding (time, bytes) in order of time; time is the instrument's, in s."""

    def __init__(self, terminal: Terminal, begin: float, *, galvanostat: bool) -> None:
        """Begin at a time; `galvanostat` tells whether the instrument has one."""
        self.terminal = terminal
        self.now = begin
        self.begin = begin
        self.galvanostat = galvanostat
        self.values: dict[str, float] = {}
        self.kinds: dict[str, str] = {}
        self.on = False
        self.mode = 0
        self._package: list[str] = []
        self._broken = False

    def run(self, statements: list[Statement]) -> Iterator[Out]:
        """Run statements one after the other.

        Raises:
            ScriptError: One of them fails.
        """
        for statement in statements:
            if self._broken:
                return
            yield from self.statement(statement)

    def statement(self, statement: Statement) -> Iterator[Out]:
        """Run one statement."""
        name, *arguments = statement.words
        if name.startswith("meas_loop_"):
            yield from self.loop(statement, name.removeprefix("meas_loop_"), arguments)
        elif name == "if":
            if COMPARISONS[arguments[1]](self.value(arguments[0], statement), self.value(arguments[2], statement)):
                yield from self.run(statement.body)
        elif name == "send_string":
            yield self.now, b"T" + " ".join(arguments).strip('"').encode() + b"\n"
        elif name == "pck_end":
            yield self.now, b"P" + ";".join(self._package).encode() + b"\n"
        else:
            self.simple(name, arguments, statement)

    def simple(self, name: str, arguments: list[str], statement: Statement) -> None:  # noqa: C901, PLR0912 - a table
        """Run a statement that says nothing."""
        match name:
            case "var":
                self.values.setdefault(arguments[0], 0.0)
            case "store_var":
                self.values[arguments[0]], self.kinds[arguments[0]] = literal(arguments[1]), arguments[2]
            case "add_var" | "sub_var" | "mul_var" | "div_var":
                self.compute(name, arguments[0], self.value(arguments[1], statement), statement)
            case "set_pgstat_mode":
                self.set_mode(int(literal(arguments[0])), statement)
            case "set_e":
                self.impose(Voltage(self.value(arguments[0], statement)))
            case "set_i":
                self.impose(Current(self.value(arguments[0], statement)))
            case "cell_on":
                self.on = True
            case "cell_off":
                self.on = False
                self.terminal.drive(AtOpenCircuit(), self.now)
            case "wait":
                self.now += self.value(arguments[0], statement)
            case "timer_start":
                self.begin = self.now
            case "timer_get":
                self.values[arguments[0]], self.kinds[arguments[0]] = self.now - self.begin, "eb"
            case "pck_start":
                self._package = []
            case "pck_add":
                self.value(arguments[0], statement)
                self._package.append(packed(self.kinds.get(arguments[0], "aa"), self.values[arguments[0]]))
            case "breakloop":
                self._broken = True

    def compute(self, name: str, target: str, value: float, statement: Statement) -> None:
        """Change a variable by another value."""
        before = self.value(target, statement)
        match name:
            case "add_var":
                self.values[target] = before + value
            case "sub_var":
                self.values[target] = before - value
            case "mul_var":
                self.values[target] = before * value
            case _:
                if value == 0.0:
                    raise ScriptError("0028", statement.line)
                self.values[target] = before / value

    def set_mode(self, mode: int, statement: Statement) -> None:
        """Choose the mode; the Pico has no galvanostat."""
        if mode not in {0, 2, 3, 4, 5, 6} or (mode == 6 and not self.galvanostat):
            raise ScriptError("0021", statement.line)
        self.mode = mode

    def impose(self, drive: Any) -> None:
        """Put a set-point across the cell, if it is on."""
        if self.on:
            self.terminal.drive(drive, self.now)

    def value(self, word: str, statement: Statement) -> float:
        """Return a literal or the value of a variable."""
        if word in self.values:
            return self.values[word]
        try:
            return literal(word)
        except ValueError:
            raise ScriptError("420B", statement.line) from None

    def loop(self, statement: Statement, kind: str, arguments: list[str]) -> Iterator[Out]:
        """Run a measurement loop."""
        yield self.now, f"M{TECHNIQUES[kind]}\n".encode()
        rounds = {
            "ca": self.steady,
            "cp": self.steady,
            "ocp": self.steady,
            "lsv": self.sweep,
            "eis": self.spectrum,
            "geis": self.spectrum,
        }
        yield from rounds[kind](statement, kind, arguments)
        self._broken = False
        yield self.now, b"*\n"

    def steady(self, statement: Statement, kind: str, arguments: list[str]) -> Iterator[Out]:
        """Measure at an interval under a constant set-point: `ca p c E`, `cp p c I`, `ocp p`."""
        if kind == "ocp":
            if self.on:
                raise ScriptError("0014", statement.line)
            potential, current, interval, duration = arguments[0], None, *arguments[1:3]
        else:
            if not self.on:
                raise ScriptError("4027", statement.line)
            potential, current, level, interval, duration = arguments[:5]
            wanted = self.value(level, statement)
            self.impose(Voltage(wanted) if kind == "ca" else Current(wanted))
        pause, begin = self.value(interval, statement), self.now
        for count in range(int(self.value(duration, statement) / pause + 1e-9) + 1):
            self.now = begin + count * pause
            self.measure(potential, current)
            yield from self.run(statement.body)
            if self._broken:
                return

    def sweep(self, statement: Statement, _: str, arguments: list[str]) -> Iterator[Out]:
        """Measure at steps of a linear sweep: `lsv p c begin end step rate`."""
        if not self.on:
            raise ScriptError("4027", statement.line)
        begin, end, step, rate = (self.value(word, statement) for word in arguments[2:6])
        for level in np.linspace(begin, end, max(2, round(abs(end - begin) / abs(step)) + 1)):
            self.impose(Voltage(float(level)))
            self.now += abs(step) / rate
            self.measure(arguments[0], arguments[1])
            yield from self.run(statement.body)
            if self._broken:
                return

    def spectrum(self, statement: Statement, kind: str, arguments: list[str]) -> Iterator[Out]:
        """Measure a spectrum: `eis f zr zi amplitude f_start f_end n bias`, or `geis` with currents.

        A potentiostat holds the bias while it measures, a galvanostat its current; one is needed for each.
        """
        if not self.on:
            raise ScriptError("4027", statement.line)
        if (kind == "geis") != (self.mode == 6):
            raise ScriptError("0023", statement.line)
        names, numbers = arguments[:3], [self.value(word, statement) for word in arguments[3:8]]
        first, last, count, bias = numbers[1:5]
        self.impose(Voltage(bias) if kind == "eis" else Current(bias))
        for frequency in np.geomspace(first, last, int(count)):
            self.now += max(3.0 / frequency, 0.01)
            self.terminal.advance(self.now)
            impedance = complex(self.terminal.cell.impedance(self.terminal.state, np.array([frequency]))[0])
            point = (frequency, impedance.real, impedance.imag)
            self.values.update(zip(names, map(float, point), strict=True))
            self.kinds.update(zip(names, ("dc", "cc", "cd"), strict=True))
            yield from self.run(statement.body)
            if self._broken:
                return

    def measure(self, potential: str, current: str | None) -> None:
        """Take a point into the loop's variables."""
        voltage, ampere, _ = self.terminal.read(self.now)
        self.values[potential], self.kinds[potential] = voltage, "ab"
        if current is not None:
            self.values[current], self.kinds[current] = ampere, "ba"
