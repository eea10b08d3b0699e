"""What TSP source meters are told about one of their channels: assignments, which never answer, and `print`, which does.

Facts: Series 2600B Reference Manual 2600BS-901-01. Every question prints the channel's own name first, so that an answer about the
other channel, or one that is out of step, is told from the one that was asked for.
"""

from typing import ClassVar

from labctl.errors import WireError
from labctl_drivers.keithley.output import SETTINGS, numbers
from labctl_drivers.keithley.visa_line import VisaLine

DIGITS = 12  # of printed numbers: with the six of a power-up the clock of a reading would stand still after a day
LETTERS = {"CURR": "i", "VOLT": "v"}
OTHER = {"CURR": "v", "VOLT": "i"}
FUNCTIONS = {0.0: "CURR", 1.0: "VOLT"}  # OUTPUT_DCAMPS, OUTPUT_DCVOLTS
ON, OFF, HIGH_Z = 1, 0, 2  # of an output; HIGH_Z is an off mode as well


class Tsp:
    """One channel of a 2600A or 2600B: off, its relay opens, and nothing is measured.

    Args:
        line: To the meter.
        unit: Its name in TSP: `smua` or `smub`.
    """

    measures_when_off: ClassVar[bool] = False

    def __init__(self, line: VisaLine, unit: str) -> None:
        self._line = line
        self._unit = unit

    def begin(self) -> None:
        """Have numbers printed with enough digits, and forget errors of before; touches no output."""
        self._line.write(f"format.asciiprecision = {DIGITS}")
        self._line.write("errorqueue.clear()")

    def output(self) -> bool:
        """Return whether the output is on.

        Raises:
            WireError: The answer is to another question.
        """
        (output,) = self._ask(1, "source.output")
        if output not in {ON, OFF, HIGH_Z}:
            raise WireError(f"{self._line.resource}: wanted whether the output is on, found {output:g}")
        return output == ON

    def function(self) -> str:
        """Return what is sourced.

        Raises:
            WireError: The answer is to another question.
        """
        (number,) = self._ask(1, "source.func")
        if number not in FUNCTIONS:
            raise WireError(f"{self._line.resource}: wanted a source function, found {number:g}")
        return FUNCTIONS[number]

    def high_impedance(self) -> None:
        """Open the relay of an output that is off, now and whenever it goes off."""
        self._write(f"source.offmode = {HIGH_Z}")
        self._write(f"source.output = {HIGH_Z}")

    def choose(self, function: str) -> None:
        """Source volts or amperes."""
        self._write(f"source.func = {1 if function == 'VOLT' else 0}")

    def prepare(self, function: str, span: float, *, four_wire: bool) -> None:
        """Set the source range, which the meter must not choose by itself, what is measured, and the sense leads."""
        self._write(f"source.autorange{LETTERS[function]} = 0")
        self.set_range(function, span)
        self._write(f"measure.autorange{OTHER[function]} = 1")
        self._write(f"sense = {int(four_wire)}")

    def set_range(self, function: str, span: float) -> None:
        """Choose the source range: a level beyond it is refused."""
        self._write(f"source.range{LETTERS[function]} = {span:.9g}")

    def set_level(self, function: str, level: float) -> None:
        """Set what is sourced."""
        self._write(f"source.level{LETTERS[function]} = {level:.9g}")

    def set_limit(self, function: str, limit: float) -> None:
        """Set the most that the other may become."""
        self._write(f"source.limit{OTHER[function]} = {limit:.9g}")

    def limit(self, function: str) -> float:
        """Read the limit back."""
        return self._ask(1, f"source.limit{OTHER[function]}")[0]

    def switch_on(self) -> None:
        """Switch the output on."""
        self._write(f"source.output = {ON}")

    def switch_off(self, function: str) -> str:
        """Open the output's relay; what is sourced stays."""
        self.high_impedance()
        return function

    def settings(self, function: str) -> tuple[float, ...]:
        """Return output, level, limit and range."""
        own, other = LETTERS[function], OTHER[function]
        names = ("source.output", f"source.level{own}", f"source.limit{other}", f"source.range{own}")
        return self._ask(len(SETTINGS), *names)

    def reading(self, function: str) -> tuple[float, float, float]:
        """Return voltage, current and the instrument's clock, s; `iv` gives two numbers, and must stand last for that."""
        del function
        words = self._line.ask(f'print("{self._unit}", timer.measure.t(), {self._unit}.measure.iv())')
        clock, current, voltage = self._numbers(words, 3)
        return voltage, current, clock

    def refusal(self) -> str:
        """Return the oldest error, and forget the others: what one set-point left must not refuse the next."""
        answer = self._line.ask("print(errorqueue.next())")
        code, _, words = answer.partition("\t")
        if numbers(code, 1) == (0.0,):
            return ""
        self._line.write("errorqueue.clear()")
        return f"{numbers(code, 1)[0]:g} {words.partition(chr(9))[0]}"

    def drain(self) -> None:
        """Get all that was said before out of the way."""
        self._line.drain()

    def _write(self, words: str) -> None:
        self._line.write(f"{self._unit}.{words}")

    def _ask(self, count: int, *names: str) -> tuple[float, ...]:
        asked = ", ".join(f"{self._unit}.{name}" for name in names)
        return self._numbers(self._line.ask(f'print("{self._unit}", {asked})'), count)

    def _numbers(self, answer: str, count: int) -> tuple[float, ...]:
        return tsp_numbers(answer, self._unit, count)


def tsp_numbers(answer: str, unit: str, count: int) -> tuple[float, ...]:
    """Return the numbers that stand behind the name of a channel in a printed answer.

    Raises:
        WireError: It is about something else.
    """
    name, _, rest = answer.partition("\t")
    if name != unit:
        raise WireError(f"wanted an answer about {unit}, found {answer[:60]!r}")
    return numbers(rest, count, "\t")
