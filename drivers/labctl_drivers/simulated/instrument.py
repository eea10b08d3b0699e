"""The simulated instrument: any number of channels, a cell on each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from labctl.driver import (
    SIMULATED_CELL,
    Capabilities,
    Galvanostatic,
    Identity,
    Misfit,
    ParameterOrigin,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
)
from labctl.driver.option_range import NotNegative
from labctl.errors import SettingRefused
from labctl.sample import Batch
from labctl_drivers.simulated.channel import SimulatedChannel
from labctl_drivers.simulated.readout import Readout
from labctl_simulators import parameters
from labctl_simulators.assembly import review
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import CellModel
from labctl_simulators.models import load_model
from labctl_simulators.parameters.keys import schema
from labctl_simulators.parameters.own import template

MODES = frozenset({
    "Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad",
    "Sweep", "Profile", "Spectrum", "Bend", "Chamber",
})  # fmt: skip
ROWS = 4096  # of one read
MOST_CURRENT = 1e4  # A


class Simulated:
    """Cells in the daemon. They energise nothing: their states lie in the checkpoints of their runs."""

    def __init__(
        self,
        *,
        model: str = "",
        voltage_noise: NotNegative = 1e-5,
        current_noise: NotNegative = 0.0,
        voltage_resolution: NotNegative = 1e-6,
        current_resolution: NotNegative = 0.0,
        thermometer: bool = True,
        seed: int = 0,
    ) -> None:
        """Take what the instrument adds to the truth (V and A, rms and steps), and the model of cells that name none."""
        self.model = model
        self.instrument = Readout(
            voltage_noise, current_noise, voltage_resolution, current_resolution, thermometer=thermometer, seed=seed
        )
        self._channels: dict[str, SimulatedChannel] = {}

    # --- a cell is put in ---

    def insert(self, channel: str, cell: Mapping[str, object], seed: int = 0) -> None:
        """Put a fresh cell on a channel.

        Args:
            channel: Name.
            cell: `model`, where known `area` (m2), `active_mass` (kg), `film_thickness` and `electrolyte_thickness` (m),
                `soc` and `cycles`: what stands for the cell of a run.
            seed: Of everything random in it and its noise.

        Raises:
            SettingRefused: No such model, or it cannot be of that size, or has no number that a size acts on.
        """
        name = str(cell.get("model") or self.model)
        if not name:
            raise SettingRefused(f"channel {channel} is simulated and its cell file names no `model`", safe=True)
        try:
            made = load_model(name, size_of(cell), str(cell.get("model_text") or ""))
            state = made.initial(begin_of(made, cell), seed, _number(cell.get("cycles")) or 0.0)
        except (KeyError, ValueError, OSError) as error:
            raise SettingRefused(f"channel {channel}: the cell model {name!r}: {error}", safe=True) from error
        instrument = replace(self.instrument, seed=self.instrument.seed + seed)
        self._channels[channel] = SimulatedChannel(made, state, instrument)

    @staticmethod
    def examine(
        cell: Mapping[str, object], temperatures: Sequence[float] = (), currents: Sequence[float] = ()
    ) -> list[Misfit]:
        """Return what does not fit between the model of a cell file and the rest of it."""
        name = str(cell.get("model") or "")
        if not name:
            return []
        text, kind = str(cell.get("model_text") or ""), str(cell.get("kind") or "")
        begin = _number(cell.get("soc")), _number(cell.get("rest_voltage")), _number(cell.get("cycles"))
        nominal, metal = _number(cell.get("nominal")), str(cell.get("reference") or "")
        wanted = review.Wanted(name, text, size_of(cell), kind, nominal, temperatures, currents, begin, metal)
        return [Misfit(*remark) for remark in review.review_cell(wanted)]

    @staticmethod
    def capacity(cell: Mapping[str, object]) -> float | None:
        """Return what the model of a cell holds at that cell's size, C; None where it holds none, or cannot be of that size."""
        model = _model_of(cell)
        return None if model is None else review.held_by(model)

    @staticmethod
    def largest_current(cell: Mapping[str, object]) -> float:
        """Return the largest current for which the model of a cell is valid at that cell's size, A; infinity: every one."""
        model = _model_of(cell)
        return inf if model is None else review.largest_current(model)

    @staticmethod
    def examine_parameters(text: str, file: str) -> list[Misfit]:
        """Return what is wrong with a parameter file of a user's own."""
        return [Misfit(*remark) for remark in review.review_file(text, file)]

    @staticmethod
    def origins(model: str) -> list[ParameterOrigin]:
        """Return where each number of a shipped model comes from; none where there is no such model."""
        if model not in parameters.names():
            return []
        return [
            ParameterOrigin(each.path.removeprefix(f"{model}."), each.status, each.source, each.words, each.given)
            for each in parameters.read(model).origins
        ]

    @staticmethod
    def parameters_schema() -> Mapping[str, object]:
        """Return the JSON Schema of a parameter file."""
        return schema()

    @staticmethod
    def parameters_template() -> str:
        """Return the text of a commented parameter file to start from."""
        return template()

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
                self._channel(channel).begin(program)
            case _:
                raise SettingRefused(
                    f"a simulated cell holds programs of one step, found {len(program.steps)}", safe=True
                )
        return ReadBack()

    def advance(self, channel: str, until: float, most: int = ROWS) -> Sequence[Reading]:
        """Return what there is up to `until` s after the program began, about `most` rows."""
        return self._channel(channel).advance(until, most)

    def ahead(self, channel: str) -> Batch | None:
        """Return rows that are worked out and that `advance` would give next."""
        return self._channel(channel).ahead()

    def skip(self, channel: str, count: int) -> None:
        """Stand after so many of the rows that `ahead` gave last."""
        self._channel(channel).skip(count)

    def off(self, channel: str) -> None:
        """Leave the cell at open circuit; the program's time runs on."""
        if channel in self._channels:
            self._channels[channel].off()

    def save(self, channel: str) -> bytes:
        """Return the cell and its program as of the last row, as JSON."""
        return self._channel(channel).save()

    def restore(self, channel: str, state: bytes) -> None:
        """Go back to a saved state; the cell must have been put in.

        Raises:
            SettingRefused: It was saved by another version.
        """
        simulated = self._channel(channel)
        try:
            simulated.restore(state)
        except (KeyError, ValueError) as error:
            raise SettingRefused(f"channel {channel}: {error}", safe=True) from error

    def rewind(self, channel: str, time: float) -> None:
        """Go back to the row at `time` s after the program began, one of those read last."""
        self._channel(channel).rewind(time)

    # --- what it is ---

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
            records=True,
            modes=MODES,
            ends=frozenset({"time", "voltage", "current", "charge", "power"}),
            clips=True,
            measures=frozenset({"voltage", "current", *(["temperature"] if self.instrument.thermometer else [])}),
            voltage=(-10.0, 10.0),
            current=(-MOST_CURRENT, MOST_CURRENT),
            voltage_accuracy=self.instrument.voltage_accuracy,
            current_accuracy=1e-9,
            poll_at_most=0.0,
        )

    def _channel(self, channel: str) -> SimulatedChannel:
        try:
            return self._channels[channel]
        except KeyError:
            raise SettingRefused(
                f"no cell was put on channel {channel} of the simulated instrument", safe=True
            ) from None


def begin_of(made: CellModel, cell: Mapping[str, object]) -> float | None:
    """Return the state of charge at which a cell file lets its cell begin, or None for the model's own.

    Raises:
        ValueError: The model has none, or rests at no such voltage within its window.
    """
    soc, voltage = _number(cell.get("soc")), _number(cell.get("rest_voltage"))
    return soc if voltage is None else made.charge_at(voltage)


def size_of(cell: Mapping[str, object]) -> Size:
    """Return how large a cell file says a cell is."""
    area, mass, film, layer = (_number(cell.get(key)) for key in SIMULATED_CELL[1:5])
    return Size(area, mass, film, layer)


def _model_of(cell: Mapping[str, object]) -> CellModel | None:
    """Return the model of a cell at that cell's size; None where there is none, or it cannot be of that size."""
    name = str(cell.get("model") or "")
    try:
        return load_model(name, size_of(cell), str(cell.get("model_text") or "")) if name else None
    except (KeyError, ValueError, OSError):
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
