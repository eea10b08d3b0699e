"""What SCPI source meters are told: the 2450 family, and the 2400 family, which measures nothing while its output is off.

Facts: Model 2450 Reference Manual 2450-901-01, 2400 Series User's Manual 2400S-900-01.
"""

from typing import ClassVar

from labctl.errors import WireError
from labctl_drivers.keithley.output import SETTINGS, numbers
from labctl_drivers.keithley.visa_line import VisaLine


class Scpi2450:
    """Models 2450, 2460 and 2461 in SCPI mode: they measure the open circuit while the output is off."""

    limit_nodes: ClassVar[dict[str, str]] = {"CURR": ":SOUR:CURR:VLIM", "VOLT": ":SOUR:VOLT:ILIM"}
    measures_when_off: ClassVar[bool] = True

    def __init__(self, line: VisaLine) -> None:
        self._line = line

    def begin(self) -> None:
        """Agree on nothing: each question names the form of its answer."""

    def output(self) -> bool:
        """Return whether the output is on.

        Raises:
            WireError: The answer is to another question.
        """
        answer = self._line.ask(":OUTP?")
        if answer not in {"0", "1"}:
            raise WireError(f"{self._line.resource}: wanted whether the output is on, found {answer[:40]!r}")
        return answer == "1"

    def function(self) -> str:
        """Return what is sourced.

        Raises:
            WireError: The answer is to another question.
        """
        function = self._line.ask(":SOUR:FUNC?")[:4]
        if function not in self.limit_nodes:
            raise WireError(f"{self._line.resource}: wanted a source function, found {function!r}")
        return function

    def high_impedance(self) -> None:
        """Choose high impedance as the off state, and wait until that is done."""
        self._set_off_state()
        self._line.ask("*OPC?")

    def choose(self, function: str) -> None:
        """Source volts or amperes."""
        self._line.write(f":SOUR:FUNC {function}")

    def prepare(self, function: str, span: float, *, four_wire: bool) -> None:
        """Set the source range, what is measured and the sense leads."""
        other = "VOLT" if function == "CURR" else "CURR"
        self.set_range(function, span)
        self._line.write(f":SENS:{other}:RSEN {'ON' if four_wire else 'OFF'}")
        self._line.write(f':SENS:FUNC "{other}"')
        self._line.write(f":SOUR:{function}:READ:BACK ON")

    def set_range(self, function: str, span: float) -> None:
        """Choose the source range: a level beyond it is refused as a settings conflict."""
        self._line.write(f":SOUR:{function}:RANG {span:.9G}")

    def set_level(self, function: str, level: float) -> None:
        """Set what is sourced."""
        self._line.write(f":SOUR:{function} {level:.9G}")

    def set_limit(self, function: str, limit: float) -> None:
        """Set the most that the other may become."""
        self._line.write(f"{self.limit_nodes[function]} {limit:.9G}")

    def limit(self, function: str) -> float:
        """Read the limit back."""
        return numbers(self._line.ask(f"{self.limit_nodes[function]}?"), 1)[0]

    def switch_on(self) -> None:
        """Switch the output on."""
        self._line.write(":OUTP ON")

    def switch_off(self, function: str) -> str:
        """Switch the output off into high impedance and return what is sourced then: amperes, so that volts can be read."""
        self._set_off_state()
        self._line.write(":OUTP OFF")
        if function != "CURR":
            self._line.write(":SOUR:FUNC CURR")
        self._line.write(':SENS:FUNC "VOLT"')
        return "CURR"

    def settings(self, function: str) -> tuple[float, ...]:
        """Return output, level, limit and range."""
        text = self._line.ask(f":OUTP?;:SOUR:{function}?;{self.limit_nodes[function]}?;:SOUR:{function}:RANG?")
        return numbers(text, len(SETTINGS), ";")

    def reading(self, function: str) -> tuple[float, float, float]:
        """Return voltage, current and the instrument's clock, s."""
        answer = self._line.ask(':READ? "defbuffer1",SOUR,READ,SEC,FRAC')
        sourced, sensed, seconds, fraction = numbers(answer, 4)
        clock = seconds + fraction
        return (sensed, sourced, clock) if function == "CURR" else (sourced, sensed, clock)

    def refusal(self) -> str:
        """Return the oldest error, and forget the others: what one set-point left must not refuse the next."""
        answer = self._line.ask(":SYST:ERR?")
        if answer.startswith(("0,", "+0,")):
            return ""
        self._line.write("*CLS")
        return answer

    def drain(self) -> None:
        """Get all that was said before out of the way."""
        self._line.drain()

    def _set_off_state(self) -> None:
        for function in ("CURR", "VOLT"):
            self._line.write(f":OUTP:{function}:SMOD HIMP")


class Scpi2400(Scpi2450):
    """The 2400 family."""

    limit_nodes: ClassVar[dict[str, str]] = {"CURR": ":SENS:VOLT:PROT", "VOLT": ":SENS:CURR:PROT"}
    measures_when_off = False

    def prepare(self, function: str, span: float, *, four_wire: bool) -> None:
        """Set the source range, what is measured and the sense leads."""
        self._line.write(f":SOUR:{function}:MODE FIX")
        self.set_range(function, span)
        self._line.write(':SENS:FUNC "VOLT","CURR"')
        self._line.write(f":SYST:RSEN {'ON' if four_wire else 'OFF'}")
        self._line.write(":FORM:ELEM VOLT,CURR,TIME")

    def switch_off(self, function: str) -> str:
        """Switch the output off into high impedance; what is sourced stays."""
        self._set_off_state()
        self._line.write(":OUTP OFF")
        return function

    def reading(self, function: str) -> tuple[float, float, float]:
        """Return voltage, current and the instrument's clock, s."""
        del function
        voltage, current, clock = numbers(self._line.ask(":READ?"), 3)
        return voltage, current, clock

    def _set_off_state(self) -> None:
        self._line.write(":OUTP:SMOD HIMP")
