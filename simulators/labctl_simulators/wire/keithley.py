"""Keithley source meters on the wire: 2400 (SCPI-1995 style) and 2450/2460/2461 in SCPI mode.

Facts: 2400 Series User's Manual 2400S-900-01; Model 2450 Reference Manual 2450-901-01; replies as quoted by users. Traps that
are kept: `:READ?` with the output off answers nothing and queues an error, `:MEASure?` switches the output on, off states
other than high impedance put 0 V across the cell, values of +9.91E37 are not a number.
"""

import math
from functools import partial
from typing import ClassVar

from labctl_simulators.wire.scpi import Commands, boolean, split
from labctl_simulators.wire.source_unit import SourceUnit
from labctl_simulators.wire.terminal import Terminal

NOT_A_NUMBER = 9.91e37
CLOCKS = frozenset({"REL", "SEC", "FRAC", "TIME"})  # of a reading: their digits outlast a month


class SourceMeter(SourceUnit):
    """One output behind the SCPI commands that both families share."""

    no_error: ClassVar[str] = '0,"No error"'
    identity: ClassVar[str] = ""

    def __init__(self, terminal: Terminal, serial: str = "4012345") -> None:
        """Power up: output off, sourcing volts, everything at zero."""
        self.serial = serial
        self.commands = Commands()
        self._buffer = b""
        super().__init__(terminal)
        self.register()

    def reset(self) -> None:
        """Return to the defaults of *RST."""
        self.elements = ["VOLT", "CURR", "RES", "TIME", "STAT"]
        super().reset()

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes from the line at time `now` (s) and return the replies."""
        self.now = now
        self._buffer += data
        replies = []
        while (
            end := min((at for at in (self._buffer.find(b"\n"), self._buffer.find(b"\r")) if at >= 0), default=-1)
        ) >= 0:
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            answers = self.commands.execute(line.decode("ascii", "replace").strip())
            if answers:
                replies.append(";".join(answers).encode() + b"\n")
        return replies

    def greeting(self) -> bytes:
        """Say nothing at a new connection."""
        return b""

    def error(self, number: int, text: str) -> None:
        """Queue an error."""
        self.commands.errors.append((number, text))

    def next_error(self, _: str) -> str:
        """Return the oldest error, or that there is none."""
        return '{},"{}"'.format(*self.commands.errors.popleft()) if self.commands.errors else self.no_error

    def set_automatic(self, function: str, text: str) -> None:
        """Let the level choose the source range, or not."""
        self.automatic[function] = boolean(text)

    @staticmethod
    def tell(values: dict[str, float], function: str, _: str) -> str:
        """Answer a query with one of the settings."""
        return f"{values[function]:.6E}"

    def register(self) -> None:
        """Register the commands that both families share."""
        on = self.commands.on
        on("*IDN?", lambda _: self.identity.format(serial=self.serial))
        on("*RST", lambda _: self.reset())
        on("*CLS", lambda _: self.commands.errors.clear())
        on("*OPC?", lambda _: "1")
        on("*OPC", lambda _: None)
        on(":SYSTem:ERRor[:NEXT]?", self.next_error)
        on(":SYSTem:CLEar", lambda _: self.commands.errors.clear())
        on(":OUTPut[:STATe]", lambda text: self.switch(boolean(text)))
        on(":OUTPut[:STATe]?", lambda _: str(int(self.output)))
        on(":SOURce:FUNCtion[:MODE]", self.set_function)
        on(":SOURce:FUNCtion[:MODE]?", lambda _: self.function)
        for function, node in (("CURR", "CURRent"), ("VOLT", "VOLTage")):
            level = f":SOURce:{node}[:LEVel][:IMMediate][:AMPLitude]"
            on(level, partial(self.set_level, function))
            on(f"{level}?", partial(self.tell, self.level, function))
            on(f":SOURce:{node}:RANGe", partial(self.set_range, function))
            on(f":SOURce:{node}:RANGe?", partial(self.tell, self.ranges, function))
            on(f":SOURce:{node}:RANGe:AUTO", partial(self.set_automatic, function))
            on(f":SENSe:{node}:RANGe", lambda text: void(float(text)))
            on(f":SENSe:{node}:RANGe:AUTO", lambda text: void(boolean(text)))
            on(f":SENSe:{node}:NPLCycles", lambda text: void(float(text)))


def void(_: object) -> None:
    """Take a value that changes nothing here."""


class EmulatedKeithley2450(SourceMeter):
    """Models 2450, 2460 and 2461 in SCPI mode."""

    no_error = '0,"No error;0,0,0"'
    identity = "KEITHLEY INSTRUMENTS,MODEL 2450,{serial},1.6.7c"

    def register(self) -> None:
        """Add what is the 2450's own."""
        super().register()
        on = self.commands.on
        on("*LANG?", lambda _: "SCPI")
        for function, node, limit in (("CURR", "CURRent", "VLIMit"), ("VOLT", "VOLTage", "ILIMit")):
            on(f":SOURce:{node}:{limit}[:LEVel]", partial(self.set_limit, function))
            on(f":SOURce:{node}:{limit}[:LEVel]?", partial(self.tell, self.limit, function))
            on(f":SOURce:{node}:{limit}[:LEVel]:TRIPped?", lambda _: str(int(self.measured()[2])))
            on(f":SOURce:{node}:READ:BACK", lambda text: void(boolean(text)))
            on(f":SENSe:{node}:RSENse", lambda text: setattr(self, "four_wire", boolean(text)))
            on(f":SENSe:{node}:RSENse?", lambda _: str(int(self.four_wire)))
            on(f":OUTPut:{node}:SMODe", self.set_off_state)
            on(f":OUTPut:{node}:SMODe?", lambda _: self.off_state)
            on(f":MEASure:{node}?", partial(self.measure, function))
        on(":SENSe:FUNCtion", self.set_sense)
        on(":SENSe:FUNCtion?", lambda _: f'"{self.sense}:DC"')
        on(":READ?", self.read)
        on(":TRACe:CLEar", void)
        on(":TRACe:POINts", void)
        on(":DISPlay:SCReen", void)

    def reset(self) -> None:
        """Return to the defaults of *RST; the 2450 measures current when it sources volts."""
        self.sense = "CURR"
        super().reset()

    def set_sense(self, text: str) -> None:
        """Choose what READ is of."""
        wanted = text.strip().strip("\"'").upper()[:4]
        if wanted not in {"VOLT", "CURR", "RES"}:
            raise ValueError(text)
        self.sense = wanted

    def read(self, text: str) -> str | None:
        """Answer :READ? with the elements asked for; with the output off the reading is of the open leads' voltage."""
        wanted = [part.strip().upper()[:4] for part in split(text, ",")[1:]] or ["READ"]
        voltage, current, _ = self.measured()
        sourced, sensed = (current, voltage) if self.function == "CURR" else (voltage, current)
        if self.sense != self.function:
            sensed = voltage if self.sense == "VOLT" else current
        seconds = math.floor(self.now)
        values = {"SOUR": sourced, "READ": sensed, "REL": self.now, "SEC": seconds, "FRAC": self.now - seconds}
        if any(name not in values for name in wanted):
            raise ValueError(text)
        return ",".join(f"{values[name]:.9E}" if name in CLOCKS else f"{values[name]:.6E}" for name in wanted)

    def measure(self, function: str, _: str) -> str:
        """Answer :MEASure:...?, which switches the output on."""
        self.sense = function
        self.switch(on=True)
        voltage, current, _limited = self.measured()
        return f"{voltage if function == 'VOLT' else current:.6E}"


class EmulatedKeithley2400(SourceMeter):
    """Models 2400 to 2440."""

    identity = "KEITHLEY INSTRUMENTS INC.,MODEL 2400,{serial},C32   Oct  4 2010 14:20:11/A02  /S/K"

    def register(self) -> None:
        """Add what is the 2400's own."""
        super().register()
        on = self.commands.on
        on(":SENSe:VOLTage:PROTection[:LEVel]", lambda text: self.set_limit("CURR", text))
        on(":SENSe:VOLTage:PROTection[:LEVel]?", lambda _: f"{self.limit['CURR']:.6E}")
        on(":SENSe:CURRent:PROTection[:LEVel]", lambda text: self.set_limit("VOLT", text))
        on(":SENSe:CURRent:PROTection[:LEVel]?", lambda _: f"{self.limit['VOLT']:.6E}")
        for node in ("VOLTage", "CURRent"):
            on(f":SENSe:{node}:PROTection:TRIPped?", lambda _: str(int(self.measured()[2])))
            on(f":SOURce:{node}:MODE", void)
            on(f":MEASure:{node}[:DC]?", lambda _: self.measure())
        on(":MEASure?", lambda _: self.measure())
        on(":READ?", lambda _: self.read())
        on(":SENSe:FUNCtion[:ON]", void)
        on(":SENSe:FUNCtion:CONCurrent", lambda text: void(boolean(text)))
        on(":SYSTem:RSENse", lambda text: setattr(self, "four_wire", boolean(text)))
        on(":SYSTem:RSENse?", lambda _: str(int(self.four_wire)))
        on(":OUTPut:SMODe", self.set_off_state)
        on(":OUTPut:SMODe?", lambda _: self.off_state)
        on(":FORMat:ELEMents", self.set_elements)
        on(":ROUTe:TERMinals", void)
        on(":TRIGger:COUNt", void)

    def set_elements(self, text: str) -> None:
        """Choose what a reading is made of, in the instrument's own order."""
        asked = {part.strip().upper()[:4] for part in text.split(",")}
        known = ["VOLT", "CURR", "RES", "TIME", "STAT"]
        if not asked <= {*known, "RESI"}:
            raise ValueError(text)
        self.elements = [name for name in known if name in asked or (name == "RES" and "RESI" in asked)]

    def read(self) -> str | None:
        """Answer :READ?, which needs the output on: off, it is error 802 and silence."""
        if not self.output:
            self.error(802, "OUTPUT blocked by output off")
            return None
        voltage, current, limited = self.measured()
        values = {"VOLT": voltage, "CURR": current, "RES": NOT_A_NUMBER, "TIME": self.now, "STAT": float(limited << 3)}
        return ",".join(f"{values[name]:+.9E}" if name in CLOCKS else f"{values[name]:+.6E}" for name in self.elements)

    def measure(self) -> str | None:
        """Answer :MEASure?, which switches the output on."""
        self.switch(on=True)
        return self.read()


Keithley2450, Keithley2400 = EmulatedKeithley2450, EmulatedKeithley2400  # names of before: scripts of users import them
