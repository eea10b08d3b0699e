"""What is read of the techniques of a program: rows with their charge, points, and the ends of steps between them."""

from dataclasses import dataclass, field

import numpy as np

from labctl.driver import Changed, Ended, Galvanostatic, Points, Program, ProgramStep, Reading
from labctl.errors import WireError
from labctl.sample import SECONDS_PER_HOUR, Batch
from labctl_drivers.biologic.library import DataBlock
from labctl_drivers.biologic.techniques import Technique, batch_of, end_of, points_of

NEWS = 1e-6  # s after the last row that the listener has
BY_THEMSELVES = frozenset({"cv", "peis", "geis"})  # techniques with an end of their own


@dataclass(slots=True)
class TechniqueReader:
    """What has been read of a program that runs: the last row, and what is read and not given yet.

    Attributes:
        program: What runs.
        techniques: What it became, one a step.
        after: Program time of the last row that the listener has, s.
        position: Index of the program step in which the listener stands: ends of earlier ones are no news.
        index: Of the step that runs.
        begun: Program time at which it began, s.
        before: Charge that had passed then, C.
        charging: Passed so far, C, by the trapezoidal rule over the rows: the library counts none.
        discharging: The same in the other direction.
    """

    program: Program
    techniques: tuple[Technique, ...]
    after: float = -1.0
    position: int = 0
    found: list[Reading] = field(default_factory=list)
    index: int = 0
    begun: float = 0.0
    before: float = 0.0
    time: float = 0.0
    voltage: float = float("nan")
    current: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    stopped: bool = False
    done: bool = False

    @property
    def step(self) -> ProgramStep:
        """Return the step that runs."""
        step = self.program.steps[self.index]
        assert isinstance(step, ProgramStep)
        return step

    @property
    def charge(self) -> float:
        """Charge that has passed in the step, in either direction, C."""
        return self.charging + self.discharging - self.before

    def take(self, block: DataBlock, *, modern: bool) -> None:
        """Take rows or points, without what the listener has already; those of a later technique end the steps before it.

        Raises:
            WireError: They are not of a technique that was given.
        """
        if not self.index <= block.technique < len(self.techniques):
            raise WireError(f"EClib: wanted rows of technique {self.index} or a later one, found {block.technique}")
        while self.index < block.technique:
            self._end(block.start if self.index == block.technique - 1 else self.time, "the technique ended")
            self.index += 1
            self.begun, self.before = block.start, self.charging + self.discharging
        if block.process == 1:
            self._take_points(points_of(block, modern=modern))
        else:
            self._take_rows(batch_of(block, self.techniques[self.index].name, modern=modern))

    def _take_points(self, points: Points) -> None:
        if (new := points.time > self.after + NEWS).any():
            self.found.append(
                Points(
                    points.time[new],
                    points.frequency[new],
                    points.real[new],
                    points.imaginary[new],
                    points.voltage[new],
                    points.current[new],
                    points.step,
                )
            )
        self.time = float(points.time[-1])

    def _take_rows(self, rows: Batch) -> None:
        batch = self._counted(rows)
        begin = int(np.searchsorted(batch.time, self.after + NEWS, side="right"))
        if begin < len(batch):
            self.found.append(batch.rows(begin))

    def _counted(self, batch: Batch) -> Batch:
        """Return rows with the charge that has passed in the program, and remember the last one."""
        first = batch.current[:1] if self.time <= self.begun else np.array([self.current])
        currents = np.concatenate((first, batch.current))
        passed = (currents[1:] + currents[:-1]) / 2.0 * np.diff(batch.time, prepend=self.time)
        charging = self.charging + np.cumsum(np.maximum(passed, 0.0))
        discharging = self.discharging + np.cumsum(np.maximum(-passed, 0.0))
        self.time, self.voltage, self.current, self.charging, self.discharging = (
            float(column[-1]) for column in (batch.time, batch.voltage, batch.current, charging, discharging)
        )
        return Batch(
            batch.time, batch.voltage, batch.current, charging / SECONDS_PER_HOUR, discharging / SECONDS_PER_HOUR,
            quality=batch.quality, step=batch.step,
        )  # fmt: skip

    def finish(self) -> None:
        """Take what ends the program: its last step's end, the envelope, or somebody who stopped it."""
        self.done = True
        if self.stopped:
            return
        last = self.index == len(self.techniques) - 1
        if (last and self._met() is not None) or (last and self._by_itself()) or self._tripped():
            self._end(self.time, "the technique ended")
        else:
            self.found.append(Changed("the channel stopped before an end of the step: somebody stopped it"))

    def _end(self, time: float, why: str) -> None:
        if self.index >= self.position:
            self.found.append(Ended(self.index, time, self._met(), why))

    def _met(self) -> int | None:
        """Return the number of the end that the last row has met."""
        end = end_of(self.step, self.time - self.begun, self.voltage, self.current, self.charge)
        return None if end is None else end.number

    def _by_itself(self) -> bool:
        return self.techniques[self.index].name in BY_THEMSELVES

    def _tripped(self) -> bool:
        """Tell whether the last row lies at the envelope's edge, or a step's most charge has passed."""
        bounds = self.step.bounds
        low, high = bounds.voltage or (-np.inf, np.inf)
        full = bounds.charge is not None and self.charge >= bounds.charge * (1.0 - 1e-3)
        return isinstance(self.step.mode, Galvanostatic) and (full or not low + 1e-4 < self.voltage < high - 1e-4)
