"""Keithley source meters through pyvisa: 2450, 2460, 2461 in SCPI mode, the 2400 family, and the 2600A and 2600B by TSP.

A puppet: it sources the last level for ever, so the daemon is the control loop and a guard switches off when the daemon dies.
Never run on hardware by us.

Every read asks for the settings first, by a query whose answer has another shape than a reading: what was changed at the front
panel is told, and a line that is out of step is noticed. Every reading carries the instrument's own clock.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

import numpy as np

from labctl.driver import Capabilities, Changed, Identity, Program, ProgramStep, ReadBack, Readings, Status
from labctl.driver.option_range import Positive, Visa
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl.sample import Snapshot
from labctl_drivers.keithley.output import ACCURACY, Language, SourceOutput
from labctl_drivers.keithley.scpi import Scpi2400, Scpi2450
from labctl_drivers.keithley.tsp import Tsp
from labctl_drivers.keithley.visa_line import VisaLine

T = TypeVar("T")

HIGHEST = {  # model: highest voltage in V, highest current in A
    "2400": (210.0, 1.05),
    "2410": (1100.0, 1.05),
    "2420": (63.0, 3.15),
    "2425": (105.0, 3.15),
    "2430": (105.0, 3.15),
    "2440": (42.0, 5.25),
    "2450": (210.0, 1.05),
    "2460": (105.0, 7.35),
    "2461": (105.0, 10.5),
    **dict.fromkeys(("2601", "2602", "2604"), (40.4, 3.03)),
    **dict.fromkeys(("2611", "2612", "2614", "2634", "2635", "2636"), (202.0, 1.515)),
}
OF_TWO_CHANNELS = frozenset({"2602", "2604", "2612", "2614", "2634", "2636"})


class Keithley2450:
    """One source meter, one channel.

    Args:
        resource: VISA address, `TCPIP0::10.0.0.5::5025::SOCKET` or another.
        serial: Serial number that must answer, or None for any.
        four_wire: Sense leads are connected.
        timeout: Seconds to wait for a reply.
        poll: Seconds between two reads, at least.
        backend: VISA library; `@py` is pyvisa-py.
    """

    models: ClassVar[frozenset[str]] = frozenset({"2450", "2460", "2461"})

    def __init__(
        self,
        resource: Visa,
        serial: str | None = None,
        *,
        four_wire: bool = True,
        timeout: Positive = 0.8,
        poll: Positive = 0.05,
        backend: str = "@py",
    ) -> None:
        self.resource = resource
        self.serial = serial
        self.poll = poll
        self._identity = Identity("Keithley", min(self.models))
        self._line = VisaLine(resource, timeout, backend)
        self._outputs = {
            channel: SourceOutput(f"{resource} {channel}".strip(), language, four_wire=four_wire)
            for channel, language in self.languages(self._line).items()
        }
        self._present = tuple(self._outputs)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"keithley {resource}")
        self._thread.submit(self._line.manager)  # ahead: a guard that must switch off has no time for it

    def languages(self, line: VisaLine) -> dict[str, Language]:
        """Return what each channel is told in; the only one of a meter is called anything."""
        return {"": Scpi2450(line)}

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, compare model and serial number, and see that an output that is off is at high impedance."""
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; touches no output."""
        await self._in_thread(self._line.close)

    def channels(self) -> Sequence[str]:
        """Return its only channel, which need not be named."""
        return ("1", "")

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a source meter can do: one set-point, its limits, no ends."""
        del channel
        voltage, current = HIGHEST[self._identity.model[:4]]
        return Capabilities(
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic"}),
            limits=frozenset({"voltage", "current"}),
            voltage=(-voltage, voltage),
            current=(-current, current),
            voltage_accuracy=ACCURACY,
            current_accuracy=1e-6,
            poll_at_most=self.poll,
        )

    async def status(self, channel: str) -> Status:
        """Return whether the output is on; what it does for whom, a source meter cannot say."""
        output = self._output(channel)
        if not await self._in_thread(output.language.output):
            return Status("idle")
        known = output.attempt is not None
        return Status("running" if known else "unknown", output.attempt, 0 if known else None, text="output is on")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Make the output what the program's one step says."""
        output = self._output(channel)
        match program.steps:
            case (ProgramStep() as step,):
                back = await self._in_thread(lambda: output.apply(step.mode, step.bounds))
            case _:
                raise SettingRefused(f"a source meter holds one step, found {len(program.steps)}", safe=not output.on)
        output.attempt = program.attempt
        return back

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return voltage and current now, and what was changed at the front panel; some measure nothing while off."""
        outputs = [(channel, self._output(channel)) for channel in channels]
        found = await self._in_thread(lambda: [(channel, *output.read()) for channel, output in outputs])
        changes = {channel: (Changed(changed),) for channel, changed, _ in found if changed}
        measured = [(channel, *reading) for channel, _, reading in found if reading is not None]
        if not measured:
            return Readings(None, changes)
        names, *columns = zip(*measured, strict=True)
        voltage, current, clock = (np.array(column) for column in columns)
        return Readings(Snapshot(names, voltage, current, stamp=clock), changes)

    async def output_off(self, channel: str) -> None:
        """Switch off into high impedance."""
        output = self._output(channel)
        await self._in_thread(output.off)
        output.attempt = None

    # --- in the instrument's own thread ----------------------------------------------------------------------------

    def _open(self) -> Identity:
        words = self._line.open("Keithley").split(",")
        model = words[1].strip().upper().removeprefix("MODEL ") if len(words) == 4 else "?"
        if model not in self.models:
            raise WireError(
                f"{self.resource}: wanted a Keithley {'/'.join(sorted(self.models))}, found {','.join(words)}"
            )
        serial, firmware = words[2].strip(), words[3].strip()
        if self.serial is not None and serial != self.serial:
            raise WireError(f"{self.resource}: wanted serial number {self.serial}, found {serial}")
        self._identity = Identity("Keithley", model, serial, firmware)
        self._present = self.fitted(model)
        for channel in self._present:
            self._outputs[channel].look()
        return self._identity

    def fitted(self, model: str) -> tuple[str, ...]:
        """Return the channels that a model has."""
        del model
        return tuple(self._outputs)

    def _output(self, channel: str) -> SourceOutput:
        """Return a channel's output; a meter that has one gives it for any name."""
        del channel
        return self._outputs[""]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Keithley2400(Keithley2450):
    """The 2400 family: with its output off it measures nothing, so a rest sources zero amperes."""

    models = frozenset({"2400", "2410", "2420", "2425", "2430", "2440"})

    def languages(self, line: VisaLine) -> dict[str, Language]:
        """Return what each channel is told in; the only one of a meter is called anything."""
        return {"": Scpi2400(line)}


class Keithley2600(Keithley2450):
    """The 2600 series, 2600A and 2600B: channels `a` and `b`; a rest sources zero amperes, as nothing is measured while off."""

    models = frozenset(f"{model}{edition}" for model in HIGHEST if model.startswith("26") for edition in ("", "A", "B"))

    def languages(self, line: VisaLine) -> dict[str, Language]:
        """Return what each channel is told in."""
        return {channel: Tsp(line, f"smu{channel}") for channel in ("a", "b")}

    def channels(self) -> Sequence[str]:
        """Return the channels that a meter of the series may have."""
        return tuple(self._outputs)

    def fitted(self, model: str) -> tuple[str, ...]:
        """Return the channels that a model has."""
        return ("a", "b") if model[:4] in OF_TWO_CHANNELS else ("a",)

    def _output(self, channel: str) -> SourceOutput:
        """Return a channel's output.

        Raises:
            InstrumentError: The meter has none of that name.
        """
        if channel not in self._present:
            raise InstrumentError(
                f"{self.resource}: wanted a channel of {', '.join(self._present)}, found {channel!r}", safe=True
            )
        return self._outputs[channel]
