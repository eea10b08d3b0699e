"""A Keithley 2600B on the wire: two channels told in TSP, the Lua text of this family.

Facts: Series 2600B Reference Manual 2600BS-901-01. Kept: an assignment never answers, only `print` does; numbers are printed with
six digits until `format.asciiprecision` says more; an output is 0, 1 or 2, which opens its relay; a call that is not the last of a
list gives its first value alone, as in Lua. What is not of this subset is an error in the queue: -285 for what is no statement,
-286 for a name that is not there. What is measured with an open relay is not known here, and printed as not a number.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from labctl_simulators.cell import AtOpenCircuit
from labctl_simulators.wire.scpi import split
from labctl_simulators.wire.source_unit import SourceUnit
from labctl_simulators.wire.terminal import Terminal

Value = float | str | bool | None
NOT_A_NUMBER = 9.91e37
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
NAME = r"[A-Za-z_]\w*(?:\.\w+)*"
ASSIGNMENT = re.compile(rf"({NAME})\s*=\s*([^=].*)")
CALL = re.compile(rf"({NAME})\s*\((.*)\)")
CONSTANTS = {
    "OUTPUT_DCAMPS": 0.0, "OUTPUT_DCVOLTS": 1.0, "OUTPUT_OFF": 0.0, "OUTPUT_ON": 1.0, "OUTPUT_HIGH_Z": 2.0, "OUTPUT_NORMAL": 0.0,
    "OUTPUT_ZERO": 1.0, "SENSE_LOCAL": 0.0, "SENSE_REMOTE": 1.0, "AUTORANGE_OFF": 0.0, "AUTORANGE_ON": 1.0,
}  # fmt: skip
OFF_MODES = ("NORM", "ZERO", "HIMP")
HIGH_Z = 2.0
SYNTAX, RUNTIME = -285, -286
NPLC = (0.001, 25.0)
SEVERE = 20.0  # of an error that was made by what was said


class TspError(Exception):
    """What Lua says of a line that it cannot run."""


class TspUnit(SourceUnit):
    """One channel: `smua` or `smub`.

    Attributes:
        open: Its relay is open, whatever the off mode.
    """

    highest_voltage = 40.4
    highest_current = 3.03
    too_much = (1101, "Parameter too big")

    def __init__(self, terminal: Terminal, errors: deque[tuple[int, str]]) -> None:
        """Power up, with the queue of its meter for errors."""
        self.errors = errors
        super().__init__(terminal)

    def reset(self) -> None:
        """Return to the defaults of a reset."""
        self.open = False
        self.nplc = 1.0
        super().reset()
        self.limit.update(VOLT=1.0, CURR=40.0)

    def error(self, number: int, text: str) -> None:
        """Queue an error."""
        self.errors.append((number, text))

    def impose(self) -> None:
        """Put what the settings say across the cell; an open relay puts nothing there."""
        if self.open and not self.output:
            self.terminal.drive(AtOpenCircuit(), self.now)
        else:
            super().impose()

    def set_output(self, value: float) -> None:
        """Switch on, off as the off mode says, or open the relay."""
        if value not in {0.0, 1.0, HIGH_Z}:
            raise TspError(f"invalid output {value:g}")
        self.open, self.output = value == HIGH_Z, value == 1.0
        self.impose()

    def set_off_mode(self, value: float) -> None:
        """Choose what the output is when it is off."""
        if value not in {0.0, 1.0, HIGH_Z}:
            raise TspError(f"invalid offmode {value:g}")
        self.set_off_state(OFF_MODES[int(value)])

    def set_automatic(self, function: str, value: float) -> None:
        """Let the level choose the source range, or not."""
        self.automatic[function] = bool(value)

    def set_nplc(self, value: float) -> None:
        """Set how long a reading takes, in cycles of the mains."""
        if not NPLC[0] <= value <= NPLC[1]:
            self.error(*(self.too_much if value > NPLC[1] else (1102, "Parameter too small")))
        else:
            self.nplc = value

    def setters(self) -> dict[str, Callable[[float], None]]:
        """Return what may be assigned, by name."""
        made: dict[str, Callable[[float], None]] = {
            "source.output": self.set_output,
            "source.offmode": self.set_off_mode,
            "source.func": lambda value: self.set_function("VOLT" if value else "CURR"),
            "sense": lambda value: setattr(self, "four_wire", bool(value)),
            "measure.nplc": self.set_nplc,
        }
        for letter, function, other in (("v", "VOLT", "CURR"), ("i", "CURR", "VOLT")):
            made[f"source.level{letter}"] = partial(self.set_level, function)
            made[f"source.limit{letter}"] = partial(self.set_limit, other)
            made[f"source.range{letter}"] = partial(self.set_range, function)
            made[f"source.autorange{letter}"] = partial(self.set_automatic, function)
            made[f"measure.range{letter}"] = made[f"measure.autorange{letter}"] = lambda _: None
        return made

    def value(self, name: str) -> Value:
        """Return an attribute, None for one that is not there."""
        values: dict[str, Value] = {
            "source.output": 1.0 if self.output else HIGH_Z if self.open else 0.0,
            "source.offmode": float(OFF_MODES.index(self.off_state)),
            "source.func": float(self.function == "VOLT"),
            "source.compliance": self.output and self.measured()[2],
            "sense": float(self.four_wire),
            "measure.nplc": self.nplc,
            **CONSTANTS,
        }
        for letter, function, other in (("v", "VOLT", "CURR"), ("i", "CURR", "VOLT")):
            values[f"source.level{letter}"] = self.level[function]
            values[f"source.limit{letter}"] = self.limit[other]
            values[f"source.range{letter}"] = self.ranges[function]
            values[f"source.autorange{letter}"] = float(self.automatic[function])
        return values.get(name)

    def call(self, name: str) -> list[Value] | None:
        """Return what a function gives, None for one that is not there."""
        if name == "reset":
            self.reset()
            return []
        measured = {"measure.v": (0,), "measure.i": (1,), "measure.iv": (1, 0)}
        if name not in measured:
            return None
        opened = not self.output and (self.open or self.off_state == "HIMP")
        both = (NOT_A_NUMBER, NOT_A_NUMBER) if opened else self.measured()[:2]
        return [both[at] for at in measured[name]]


class EmulatedKeithley2600:
    """Models 2602B and others with two channels, each with a cell of its own."""

    def __init__(self, terminals: Sequence[Terminal], serial: str = "4388888", model: str = "2602B") -> None:
        """Power up with channel a on the first terminal, b on the second where there is one."""
        self.errors: deque[tuple[int, str]] = deque(maxlen=100)
        self.units = {f"smu{letter}": TspUnit(each, self.errors) for letter, each in zip("ab", terminals, strict=False)}
        self.serial = serial
        self.model = model
        self.now = self._timed = 0.0
        self._digits = 6
        self._buffer = b""

    def greeting(self) -> bytes:
        """Say nothing at a new connection."""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes from the line at time `now` (s) and return the replies."""
        self.now = now
        for unit in self.units.values():
            unit.now = now
        self._buffer += data
        *lines, self._buffer = self._buffer.replace(b"\r", b"\n").split(b"\n")
        replies = []
        for line in lines:
            for statement in split(line.decode("ascii", "replace"), ";"):
                replies += self.execute(statement.strip())
        return [reply.encode() + b"\n" for reply in replies]

    def execute(self, statement: str) -> list[str]:
        """Run one statement and return what it prints."""
        try:
            match statement:
                case "":
                    return []
                case "*IDN?":
                    return [f"Keithley Instruments Inc., Model {self.model}, {self.serial}, 3.3.5"]
                case "*CLS" | "*RST":
                    self.errors.clear()
                    if statement == "*RST":
                        self.reset()
                    return []
                case "*OPC?":
                    return ["1"]
            return self.lua(statement)
        except TspError as error:
            self.errors.append((RUNTIME, f"TSP Runtime error at line 1: {error}"))
        except ValueError:
            self.errors.append((SYNTAX, f"TSP Syntax error at line 1: unexpected symbol near `{statement[:20]}'"))
        return []

    def lua(self, statement: str) -> list[str]:
        """Run a call or an assignment.

        Raises:
            ValueError: It is neither.
        """
        if called := CALL.fullmatch(statement):
            if called[1] != "print":
                self.evaluate(statement)
                return []
            return ["\t".join(self.shown(value) for value in self.values(called[2]))]
        if assigned := ASSIGNMENT.fullmatch(statement):
            (value, *_) = self.evaluate(assigned[2].strip())
            self.assign(assigned[1], value)
            return []
        raise ValueError(statement)

    def values(self, arguments: str) -> list[Value]:
        """Return the values of a list: of every call but the last its first."""
        parts = [part.strip() for part in split(arguments, ",")]
        found = [self.evaluate(part) for part in parts]
        return [each[0] if each else None for each in found[:-1]] + found[-1]

    def evaluate(self, text: str) -> list[Value]:
        """Return the values of an expression.

        Raises:
            ValueError: It is none.
            TspError: It names what is not there.
        """
        if NUMBER.fullmatch(text):
            return [float(text)]
        if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
            return [text[1:-1]]
        if text in {"true", "false"}:
            return [text == "true"]
        if called := CALL.fullmatch(text):
            return self.call(called[1])
        if re.fullmatch(NAME, text):
            return [self.attribute(text)]
        raise ValueError(text)

    def call(self, name: str) -> list[Value]:
        """Call a function without arguments."""
        unit, _, rest = name.partition(".")
        if unit in self.units and (found := self.units[unit].call(rest)) is not None:
            return found
        match name:
            case "errorqueue.next":
                number, text = self.errors.popleft() if self.errors else (0, "Queue Is Empty")
                return [float(number), text, SEVERE if number else 0.0, 1.0]
            case "errorqueue.clear":
                self.errors.clear()
            case "timer.measure.t":
                return [self.now - self._timed]
            case "timer.reset":
                self._timed = self.now
            case "reset":
                self.reset()
            case "waitcomplete":
                pass
            case _:
                raise TspError(f"attempt to call field `{name}' (a nil value)")
        return []

    def attribute(self, name: str) -> Value:
        """Return what a name stands for."""
        unit, _, rest = name.partition(".")
        if unit in self.units:
            return self.units[unit].value(rest)
        known: dict[str, Value] = {
            "errorqueue.count": float(len(self.errors)),
            "localnode.model": self.model,
            "localnode.serialno": self.serial,
            "format.asciiprecision": float(self._digits),
        }
        if name not in known:
            raise TspError(f"attempt to index global `{unit}' (a nil value)")
        return known[name]

    def assign(self, name: str, value: Value) -> None:
        """Set what may be set."""
        if not isinstance(value, float | bool):
            raise TspError(f"wanted a number for {name}, found {value!r}")
        unit, _, rest = name.partition(".")
        setters = self.units[unit].setters() if unit in self.units else {}
        if name == "format.asciiprecision":
            self._digits = min(16, max(1, int(value)))
        elif rest in setters:
            setters[rest](float(value))
        else:
            raise TspError(f"cannot set {name}")

    def shown(self, value: Value) -> str:
        """Return a value as `print` writes it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:.{self._digits - 1}e}"
        return "nil" if value is None else value

    def reset(self) -> None:
        """Return every channel to its defaults."""
        for unit in self.units.values():
            unit.reset()
        self._digits = 6
