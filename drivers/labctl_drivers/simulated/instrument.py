"""The simulated instrument: any number of channels, a cell on each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from labctl.clock import Clock, RealClock
from labctl.driver import (
    Capabilities,
    Galvanostatic,
    Identity,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Status,
)
from labctl.errors import SettingRefused
from labctl_drivers.simulated.bay import Bay
from labctl_drivers.simulated.view import Instrument
from labctl_simulators.cell import Cell
from labctl_simulators.models import load_model

MODES = frozenset({
    "Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad",
    "Sweep", "Profile", "Spectrum", "Bend", "Chamber",
})  # fmt: skip
ROWS = 4096  # of one read
MOST_CURRENT = 1e4  # A


class Simulated:
    """Cells in the daemon. They energise nothing: their states lie in the checkpoints of their runs."""

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        *,
        model: str = "",
        voltage_noise: float = 1e-5,
        current_noise: float = 0.0,
        voltage_resolution: float = 1e-6,
        current_resolution: float = 0.0,
        thermometer: bool = True,
        seed: int = 0,
    ) -> None:
        """Take what the instrument adds to the truth (V and A, rms and steps), and the model of cells that name none."""
        self.model = model
        self.instrument = Instrument(
            voltage_noise, current_noise, voltage_resolution, current_resolution, thermometer=thermometer, seed=seed
        )
        self.clock: Clock = RealClock()
        self._bays: dict[str, Bay] = {}
        self._begun: dict[str, float] = {}

    # --- a cell is put in ---

    def insert(self, channel: str, cell: Mapping[str, object], seed: int = 0) -> None:
        """Put a fresh cell on a channel.

        Args:
            channel: Name.
            cell: `model`, and where known `area` (m2), `active_mass` (kg) and `soc`: what stands for the cell of a run.
            seed: Of everything random in it and its noise.

        Raises:
            SettingRefused: No such model, or it cannot be of that size.
        """
        name = str(cell.get("model") or self.model)
        if not name:
            raise SettingRefused(f"channel {channel} is simulated and its cell file names no `model`", safe=True)
        try:
            area, mass, soc = (_number(cell.get(key)) for key in ("area", "active_mass", "soc"))
            made = _model(name, area, mass)
            state = made.initial(soc, seed)
        except (KeyError, ValueError, OSError) as error:
            raise SettingRefused(f"channel {channel}: the cell model {name!r}: {error}", safe=True) from error
        instrument = replace(self.instrument, seed=self.instrument.seed + seed)
        self._bays[channel] = Bay(made, state, instrument)

    # --- time is told ---

    def begin(self, channel: str, program: Program) -> ReadBack:
        """Run a program from where the cell is, now.

        Raises:
            SettingRefused: It is not one step, or beyond the instrument.
        """
        match program.steps:
            case (ProgramStep(mode=Galvanostatic(current)),) if abs(current) > MOST_CURRENT:
                raise SettingRefused(
                    f"channel {channel}: wanted {current:g} A, found at most {MOST_CURRENT:g} A", safe=True
                )
            case (ProgramStep(),):
                self._bay(channel).begin(program)
            case _:
                raise SettingRefused(
                    f"a simulated cell holds programs of one step, found {len(program.steps)}", safe=True
                )
        self._begun[channel] = self.clock.now()
        return ReadBack()

    def advance(self, channel: str, until: float, most: int = ROWS) -> Sequence[Reading]:
        """Return what there is up to `until` s after the program began, about `most` rows."""
        return self._bay(channel).advance(until, most)

    def off(self, channel: str) -> None:
        """Leave the cell at open circuit; the program's time runs on."""
        if channel in self._bays:
            self._bays[channel].off()

    def save(self, channel: str) -> bytes:
        """Return the cell and its program as of the last row, as JSON."""
        return self._bay(channel).save()

    def restore(self, channel: str, state: bytes) -> None:
        """Go back to a saved state; the cell must have been put in.

        Raises:
            SettingRefused: It was saved by another version.
        """
        bay = self._bay(channel)
        try:
            bay.restore(state)
        except (KeyError, ValueError) as error:
            raise SettingRefused(f"channel {channel}: {error}", safe=True) from error
        self._begun[channel] = self.clock.now() - bay.time

    def rewind(self, channel: str, time: float) -> None:
        """Go back to the row at `time` s after the program began, one of those read last."""
        self._bay(channel).rewind(time)
        self._begun[channel] = self.clock.now() - time

    # --- as any instrument ---

    async def open(self) -> Identity:
        """Say who answers."""
        return Identity("labctl", "simulated", serial=f"seed-{self.instrument.seed}")

    async def close(self) -> None:
        """Forget nothing."""

    def capabilities(self, channel: str) -> Capabilities:
        """Return what any channel can do."""
        del channel
        return Capabilities(
            energises=False,
            rewindable=True,
            records=True,
            modes=MODES,
            ends=frozenset({"time", "voltage", "current", "charge", "power"}),
            measures=frozenset({"voltage", "current", *(["temperature"] if self.instrument.thermometer else [])}),
            voltage=(-10.0, 10.0),
            current=(-MOST_CURRENT, MOST_CURRENT),
            voltage_accuracy=self.instrument.voltage_accuracy,
            current_accuracy=1e-9,
            poll_at_most=0.0,
            verified=True,
        )

    async def status(self, channel: str) -> Status:
        """Return what a channel is doing."""
        bay = self._bays.get(channel)
        if bay is None or bay.program is None:
            return Status("idle")
        return Status("running", attempt=bay.program.attempt, step=0)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Run a program from where the cell is, now."""
        return self.begin(channel, program)

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return all that is new by the clock."""
        now = self.clock.now()
        return Readings(by_channel={name: self.advance(name, now - self._begun.get(name, now)) for name in channels})

    async def output_off(self, channel: str) -> None:
        """Leave the cell at open circuit."""
        self.off(channel)

    def _bay(self, channel: str) -> Bay:
        try:
            return self._bays[channel]
        except KeyError:
            raise SettingRefused(
                f"no cell was put on channel {channel} of the simulated instrument", safe=True
            ) from None


@lru_cache(maxsize=64)
def _model(name: str, area: float | None, mass: float | None) -> Cell:
    return load_model(name, area=area, mass=mass)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
