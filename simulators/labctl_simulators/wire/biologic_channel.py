"""One channel of an emulated Bio-Logic potentiostat: it runs techniques by itself on a simulated cell and keeps their rows.

Facts: EC-Lab Development Package user's guide 6.11 as quoted by public clients. Kept: rows are 32-bit words, of another layout for
each technique and family; they wait in a memory that can be full; a disconnect stops nothing; a technique ends by its time or by
tests of voltage or current, and then the next one begins, or the cell is left at open circuit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell import (
    AtOpenCircuit,
    CellModel,
    CellState,
    Current,
    Segment,
    Voltage,
)
from labctl_simulators.wire.biologic_techniques import (
    LONGEST,
    SLOWEST,
    FrequencyPart,
    LoadedTechnique,
    TechniquePart,
    parts_of,
)
from labctl_simulators.wire.climate import LOOK, Air

TECHNIQUES: Final = {
    "ocv": 100,
    "ca": 101,
    "cp": 102,
    "cv": 103,
    "peis": 104,
    "geis": 107,
    "cplimit": 155,
    "calimit": 157,
}
TIMEBASES: Final = {"ocv": (20e-6, 20e-6), "cv": (40e-6, 45e-6), "peis": (24e-6, 24e-6), "geis": (24e-6, 24e-6),
                    "cplimit": (50e-6, 34e-6), "calimit": (50e-6, 34e-6), "cp": (21e-6, 21e-6), "ca": (24e-6, 21e-6)}  # fmt: skip
"""Seconds of one tick: of the VMP3 family and of the VMP-300 family."""
STOP_ALL: Final = 2  # what an exit test of a step does
MOST_WORDS: Final = 1000  # of one answer
PROCESS_WORDS: Final = {True: 14, False: 15}  # of a point of a spectrum, of the VMP-300 family or not

Words = NDArray[np.uint32]


@dataclass(slots=True)
class RowBlock:
    """Rows of one layout that wait: technique, process and where the technique began, s."""

    technique: int
    process: int
    begin: float
    columns: int
    words: Words


@dataclass(slots=True)
class RunningTechnique:
    """What runs: which technique, its parts, the solved one and when it and the technique began."""

    technique: int
    parts: Iterator[TechniquePart]
    begun: float
    part: TechniquePart
    segment: Segment
    part_begun: float
    due: float = 0.0


@dataclass(slots=True)
class PotentiostatChannel:
    """A channel with a cell. Times are those of the instrument's clock, s.

    Attributes:
        modern: It is of the VMP-300 family.
        air: What the cell lies in; None is air that is always as warm as the cell began.
    """

    cell: CellModel
    modern: bool = True
    state: CellState | None = None
    memory: int = 100_000  # words
    firmware: int = 5
    techniques: list[LoadedTechnique] = field(default_factory=list)
    blocks: list[RowBlock] = field(default_factory=list)
    skipped: int = 0
    started: float = 0.0
    message: str = ""
    air: Air | None = None
    _looked: float = 0.0
    _run: RunningTechnique | None = None
    _idle: Segment | None = None
    _idle_begun: float = 0.0

    def __post_init__(self) -> None:
        """Leave the cell at open circuit."""
        self.state = self.cell.initial() if self.state is None else self.state
        self._rest(0.0)

    @property
    def running(self) -> bool:
        """Tell whether techniques run."""
        return self._run is not None

    @property
    def waiting(self) -> int:
        """Return the words that wait."""
        return sum(len(block.words) for block in self.blocks)

    # --- orders ---

    def load(self, technique: LoadedTechnique, *, first: bool) -> int:
        """Add a technique to the list, or begin the list with it; return a code of the library."""
        if technique.name not in TECHNIQUES:
            return -400
        if self.running:
            return -13
        self.techniques = [technique] if first else [*self.techniques, technique]
        return 0

    def start(self, now: float) -> int:
        """Run the list; rows that wait from before are gone."""
        self.advance(now)
        if self.running:
            return -13
        if not self.techniques:
            return -405
        self.blocks, self.skipped, self.started = [], 0, now
        self._settle_idle(now)
        self._begin(0, now)
        return 0

    def stop(self, now: float) -> None:
        """End what runs and leave the cell at open circuit; rows stay."""
        self.advance(now)
        if self._run is not None:
            self._record(now, last=True)
            self._leave(now)
            self._rest(now)

    def restart(self, now: float) -> None:
        """Lose everything but the cell, as a power cut does."""
        self.stop(now)
        self.blocks, self.techniques = [], []

    # --- life ---

    def advance(self, now: float) -> None:
        """Let the channel live until `now`, its cell in the air that there is."""
        while self.air is not None and now - self._looked > LOOK:
            self._live(self._looked + LOOK)
            self._breathe(self._looked + LOOK)
        self._live(now)
        self._breathe(now)

    def _breathe(self, now: float) -> None:
        """Take the temperature of the air over where it has moved on, unless a sweep runs, which goes on as it began."""
        self._looked = max(now, self._looked)
        run = self._run
        assert self.state is not None
        if self.air is None or (run is not None and not isinstance(run.part.drive, AtOpenCircuit | Current | Voltage)):
            return
        if (moved := self.air.moved(self.cell, self.state, now)) is None:
            return
        if run is None:
            self._settle_idle(now)
            self.state = self.state.at(temperature=moved.temperature)
            self._rest(now)
            return
        passed = now - run.part_begun
        self._leave(now)
        self.state = self.state.at(temperature=moved.temperature)
        part = replace(run.part, duration=max(run.part.duration - passed, 0.0))
        segment = self.cell.segment(self.state, part.drive, part.duration, part.stops)
        self._run = replace(run, part=part, segment=segment, part_begun=now, due=run.due - passed)

    def _live(self, now: float) -> None:
        while (run := self._run) is not None:
            end = run.part_begun + run.segment.end
            if now < end:
                self._record(now, last=False)
                return
            self._record(end, last=True)
            self._leave(end)
            self._follow(run, end)
        assert self._idle is not None
        if now - self._idle_begun > self._idle.end:
            self._settle_idle(self._idle_begun + self._idle.end)
            self._rest(self._idle_begun + self._idle.end)

    def read(self, now: float) -> tuple[float, float]:
        """Return V and A at `now`."""
        self.advance(now)
        if self._run is not None:
            segment, begin = self._run.segment, self._run.part_begun
        else:
            assert self._idle is not None
            segment, begin = self._idle, self._idle_begun
        rows = segment.rows(np.array([max(0.0, min(now - begin, segment.end))]))
        return float(rows.voltage[0]), float(rows.current[0])

    def take(self) -> RowBlock | None:
        """Return the next rows of one layout, at most as many as one answer holds; None where none wait."""
        if not self.blocks:
            return None
        block = self.blocks[0]
        most = MOST_WORDS // block.columns * block.columns
        given = RowBlock(block.technique, block.process, block.begin, block.columns, block.words[:most])
        block.words = block.words[most:]
        if not len(block.words):
            self.blocks.pop(0)
        return given

    # --- techniques ---

    def _begin(self, technique: int, now: float) -> None:
        parts = parts_of(self.techniques[technique], self._open_voltage(now))
        self._enter(technique, parts, now, now)

    def _enter(self, technique: int, parts: Iterator[TechniquePart], begun: float, now: float) -> bool:
        part = next(parts, None)
        if part is None:
            return False
        assert self.state is not None
        segment = self.cell.segment(self.state, part.drive, part.duration, part.stops)
        due = 0.0 if part.every < SLOWEST else SLOWEST
        self._run = RunningTechnique(technique, parts, begun, part, segment, now, due)
        return True

    def _follow(self, run: RunningTechnique, now: float) -> None:
        """Go on with the next part, the next technique, or open circuit; a test that was met ends its technique, or all of them."""
        met = run.segment.stop is not None or run.segment.collapse is not None
        if not met and self._enter(run.technique, run.parts, run.begun, now):
            return
        stops = met and self.techniques[run.technique].number("Exit_Cond") == STOP_ALL
        if run.technique + 1 < len(self.techniques) and run.segment.collapse is None and not stops:
            self._begin(run.technique + 1, now)
            return
        self._rest(now)

    def _leave(self, now: float) -> None:
        run = self._run
        assert run is not None
        self.state = run.segment.state(max(0.0, min(now - run.part_begun, run.segment.end)))
        self._run = None

    def _rest(self, now: float) -> None:
        assert self.state is not None
        self._idle, self._idle_begun = self.cell.segment(self.state, AtOpenCircuit(), LONGEST, ()), now

    def _settle_idle(self, now: float) -> None:
        assert self._idle is not None
        self.state = self._idle.state(max(0.0, min(now - self._idle_begun, self._idle.end)))

    def _open_voltage(self, now: float) -> float:
        assert self.state is not None
        rows = self.cell.segment(self.state, AtOpenCircuit(), 1.0, ()).rows(np.array([0.0]))
        del now
        return float(rows.voltage[0])

    # --- rows ---

    def _record(self, now: float, *, last: bool) -> None:
        """Keep the rows that were due up to `now`; the last one of a part lies at its end."""
        run = self._run
        assert run is not None
        part = run.part
        if part.spectrum:
            if last and now >= run.part_begun + run.segment.end:
                self._point(run, now)
            return
        passed = max(0.0, min(now - run.part_begun, run.segment.end))
        times = np.arange(run.due, passed + 1e-9, part.every) if run.due <= passed else np.empty(0)
        if len(times):
            run.due = float(times[-1]) + part.every
        if last and (not len(times) or times[-1] < passed - 1e-6):
            times = np.append(times, passed)
        if len(times):
            rows = run.segment.rows(times)
            self._keep(run, 0, self._words(run, times + run.part_begun - run.begun, rows.voltage, rows.current))

    def _words(self, run: RunningTechnique, time: NDArray[np.float64], voltage: Any, current: Any) -> Words:
        name = self.techniques[run.technique].name
        ticks = np.rint(time / TIMEBASES[name][self.modern]).astype(np.uint64)
        clock = [(ticks >> np.uint64(32)).astype(np.uint32), (ticks & np.uint64(0xFFFFFFFF)).astype(np.uint32)]
        ewe, amperes = bits(voltage), bits(current)
        nothing = np.zeros(len(ewe), dtype=np.uint32)
        layouts = {
            "ocv": [*clock, ewe] if self.modern else [*clock, ewe, nothing],
            "cv": [*clock, amperes, ewe, nothing] if self.modern else [*clock, ewe, amperes, ewe, nothing],
            "peis": [*clock, ewe, amperes],
            "geis": [*clock, ewe, amperes],
        }
        columns = layouts.get(name, [*clock, ewe, amperes, nothing])
        return np.stack(columns, axis=1)

    def _point(self, run: RunningTechnique, now: float) -> None:
        """Keep a point of a spectrum at the frequency of the part that ends."""
        assert isinstance(run.part, FrequencyPart)
        frequency, amplitude = run.part.frequency, run.part.amplitude
        state = run.segment.state(run.segment.end)
        impedance = complex(self.cell.impedance(state, np.array([frequency]))[0])
        rows = run.segment.rows(np.array([run.segment.end]))
        ewe, amperes = float(rows.voltage[0]), float(rows.current[0])
        swing = (
            (amplitude, amplitude / abs(impedance))
            if run.part.potentiostatic
            else (amplitude * abs(impedance), amplitude)
        )
        values = [frequency, *swing, float(np.angle(impedance)), ewe, amperes, 0, 0, 0, 0, 0, 0, 0, now - run.begun]
        words = bits(np.array(values))[None, :]
        if not self.modern:
            words = np.append(words, np.array([[9]], dtype=np.uint32), axis=1)
        self._keep(run, 1, words)

    def _keep(self, run: RunningTechnique, process: int, rows: Words) -> None:
        room = max(0, self.memory - self.waiting) // rows.shape[1]
        self.skipped += len(rows) - min(room, len(rows))
        rows = rows[:room]
        if not len(rows):
            return
        begin, key = run.begun - self.started, (run.technique, process, rows.shape[1])
        if self.blocks and (self.blocks[-1].technique, self.blocks[-1].process, self.blocks[-1].columns) == key:
            self.blocks[-1].words = np.concatenate((self.blocks[-1].words, rows.ravel()))
        else:
            self.blocks.append(RowBlock(run.technique, process, begin, rows.shape[1], rows.ravel()))


def bits(values: Any) -> Words:
    """Return numbers as the bit patterns of 32-bit floats."""
    return np.asarray(values, dtype=np.float32).view(np.uint32)
