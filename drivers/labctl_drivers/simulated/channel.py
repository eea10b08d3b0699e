"""One channel of the simulated instrument: a cell, the program on it, and rows of it up to any moment, there and back.

Everything is a pure function of the state at the begin of a piece, so going back to a row is solving the piece again (or
not even that), and the saved state is that begin, where the buffer of rows begins in it, and the time of the last row.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from labctl import driver
from labctl.driver import Ended, Fault, Program, ProgramStep, Reading, RecordRule
from labctl.sample import Batch
from labctl_drivers.simulated import drives, program_json
from labctl_drivers.simulated.energy import CountedEnergy, counted_at, energies
from labctl_drivers.simulated.interval import SHORTEST, Instant, Piece, over_at_once
from labctl_drivers.simulated.readout import BatchOrigin, Readout, joined, spectrum_points
from labctl_drivers.simulated.written_rows import RAIL, LastWritten, Stretch, stretch
from labctl_simulators.cell import AtOpenCircuit, CellModel, CellState, Segment

VERSION = 1
AHEAD = 1024  # rows worked out at once, whoever asks: where they are cut decides where dV and dI put rows
MARGIN = 1.5  # of the voltage accuracy: a row lies there when a limit is broken
IDLE = (RecordRule(every=10.0, voltage=5e-3),)


class SimulatedChannel:
    """A simulated cell on one channel."""

    def __init__(self, cell: CellModel, state: CellState, instrument: Readout) -> None:
        """Hold `cell` in `state`."""
        self.cell = cell
        self.instrument = instrument
        self.applied = 0
        self.program: Program | None = None
        self._step: ProgramStep | None = None
        self._rest = state
        self._resting = False  # output off within the program
        self._begun_at = state.temperature  # K as the program began: a ramp of the chamber is cut into parts from there
        self._trail: list[Piece] = []
        self._prefix: bytes | None = None
        self._buffer: Stretch | None = None
        self._before: LastWritten | None = None
        self._next = self._pointed = 0
        self._since = 0.0

    # --- verbs ---

    def begin(self, program: Program, begun_at: float | None = None) -> None:
        """Run a program from where the cell is now, or one that was begun at another temperature, K."""
        state = self.state
        step = program.steps[0]
        if not isinstance(step, ProgramStep):
            raise TypeError("a simulated cell holds programs of one step, found a loop")
        self.program, self._step, self._resting = program, step, False
        self.applied += 1
        self._begun_at = state.temperature if begun_at is None else begun_at
        self._parts = drives.parts(step.mode, self._begun_at)
        self._timed = drives.timed(step)
        self._enter(Piece(0, 0.0, state))

    def off(self) -> None:
        """Leave the cell at open circuit; its program's time runs on, rows included."""
        if self.program is None or self._step is None:
            return
        here = self._here(self._piece.index)
        self._resting, self._timed = True, None
        self._step = replace(self._step, mode=driver.Rest(), ends=(), record=IDLE)
        self._parts = (drives.TimedDrive(AtOpenCircuit()),)
        self._enter(replace(here, index=0))

    @property
    def state(self) -> CellState:
        """The cell as it was at the last row."""
        return self._rest if self.program is None else self._state_at(self._last)

    @property
    def time(self) -> float:
        """Seconds since the program began, of the last row."""
        return 0.0 if self.program is None or self._last is None else self._last.time

    # --- rows ---

    def advance(self, until: float, most: int) -> list[Reading]:
        """Return what there is up to `until` s of the program's time, about `most` rows, each piece at most once."""
        found: list[Reading] = []
        if self.program is None:
            return found
        try:
            self._advance(until, most, found)
        except ValueError as error:  # a condition outside what the cell's parameters cover
            self._over = True
            found.append(Fault(f"the simulated cell cannot do that: {error}", safe=True))
        return joined(found)

    def _advance(self, until: float, most: int, found: list[Reading]) -> None:
        del self._trail[:-1]
        while most > 0 and not self._over:
            if self._turn:
                self._next_piece()
            most -= self._advance_piece(until, most, found)
            if not self._turn and self._next < len(self._fill()):
                break

    def ahead(self) -> Batch | None:
        """Return the rows of the buffer that were not read, up to what ends the piece; None of a spectrum, with points between."""
        buffer = self._buffer
        if self.program is None or buffer is None or self._over or self._turn:
            return None
        if isinstance(self._step_mode, driver.Spectrum) and not self._resting:
            return None
        end = len(buffer) - buffer.complete
        return self._seen.rows(self._next, end) if end > self._next else None

    def skip(self, count: int) -> None:
        """Count so many rows of `ahead` as read."""
        self._next += count

    def rewind(self, time: float) -> None:
        """Go back to the row at `time`, of those that the last `advance` gave."""
        hair = 1e-9 * max(1.0, time)
        while len(self._trail) > 1 and self._trail[-1].offset > time + hair:
            self._trail.pop()
        if self._trail[-1] is not self._piece or self._buffer is None or self._buffer.time[0] > time + hair:
            self._enter(self._trail.pop())
        self._go_to(time)

    def _go_to(self, time: float) -> None:
        """Stand after the row at `time`, which lies in the buffer or in one that follows."""
        hair = 1e-9 * max(1.0, time)
        self._over = self._turn = False
        while True:
            buffer = self._fill()
            self._next = int(buffer.time.searchsorted(time + hair, "right"))
            if self._next < len(buffer) or buffer.complete:
                break

    # --- one piece ---

    def _enter(self, entered: Piece) -> None:
        """Stand at the begin of a piece, nothing of it read."""
        self._piece = entered
        self._part = self._parts[entered.index]
        self._trail = [entered] if entered.index == 0 or not self._trail else [*self._trail, entered]
        self._segment: Segment | Instant | None = None
        self._buffer = None
        self._passed = CountedEnergy()  # in the piece until the row before the buffer's first
        self._since = 0.0  # s of the piece then
        self._next = 0  # row of the buffer that is read next
        self._base = entered.row  # number of the buffer's first row
        self._pointed = 0  # points of a spectrum that were read
        self._before = entered.last  # the row before the buffer's first
        self._over = self._turn = False
        self._prefix = None

    def _solve(self) -> Segment | Instant:
        if self._segment is None:
            self._segment = self._solved()
        return self._segment

    def _solved(self) -> Segment | Instant:
        here, step = self._piece, self._step
        assert step is not None
        part = self._part
        state = part.outside(here.state)
        drive, duration = part.drive, part.duration
        if here.clipped and isinstance(step.mode, driver.Profile):
            drive, duration = drives.held_at(step.mode, drive), max(0.0, step.mode.times[here.index + 1] - here.offset)
        left = duration if self._timed is None else min(duration, max(0.0, self._timed.value - here.offset))
        if left <= 0.0:
            return Instant(self.cell.segment(state, drive, SHORTEST, []))
        stops = drives.stops(step, abs(here.charging - here.discharging))
        stops += [] if here.clipped else drives.edges(step.mode, drive)
        fences = drives.fences(step.bounds, MARGIN * self.instrument.voltage_accuracy) if here.fenced else []
        solved = self.cell.segment(state, drive, left, [*stops, *fences])
        if solved.stop == drives.EDGE and solved.end <= 0.0:  # it begins beyond the edge: hold that at once
            self._piece = replace(here, clipped=True)
            return self._solved()
        if solved.stop is not None and solved.stop < 0 and solved.end <= 0.0:  # it begins outside: let it come back
            self._piece = replace(here, fenced=False)
            solved = self.cell.segment(state, drive, left, stops)
        return over_at_once(self.cell, state, step, drive, solved) or solved

    def _fill(self) -> Stretch:
        """Return the buffer, with rows in it that were not read, as long as the piece has any."""
        buffer = self._buffer
        if buffer is None or (self._next >= len(buffer) and not buffer.complete):
            assert self._step is not None
            solved = self._solve()
            rules, offset = self._step.record or IDLE, self._piece.offset
            self._before = self._last
            if buffer is not None:
                self._base += len(buffer)
                self._passed, self._since = counted_at(buffer, -1), float(buffer.time[-1]) - offset
            buffer = stretch(solved, offset, self._before, rules, AHEAD).counted_from(*self._passed[:2])
            put_in, taken_out = energies(solved, offset, buffer, self._since, self._passed)
            buffer = replace(buffer, put_in=put_in, taken_out=taken_out)
            self._buffer, self._next = buffer, 0
            self._seen = self._measured(buffer)
        return buffer

    def _advance_piece(self, until: float, most: int, found: list[Reading]) -> int:
        """Add what this piece has up to `until` to `found`, and return the number of rows."""
        buffer = self._fill()
        begin, end = self._next, len(buffer)
        if until < buffer.time[-1]:
            end = bisect_right(buffer.time, until, begin)  # not of numpy: it would let go of the interpreter
        end = max(begin, min(end, begin + most))
        complete = end == len(buffer) and buffer.complete
        batch = self._seen.rows(begin, end) if end > begin else None
        if isinstance(self._step_mode, driver.Spectrum) and not self._resting:
            found.extend(self._with_points(batch, until, complete=complete))
        elif batch is not None:
            found.append(batch)
        self._next = end
        if complete:
            self._finish(found)
        return end - begin

    @property
    def _last(self) -> LastWritten | None:
        """The row read last."""
        buffer, row = self._buffer, self._next - 1
        if buffer is None or row < 0:
            return self._before
        return LastWritten(float(buffer.time[row]), float(buffer.voltage[row]), float(buffer.current[row]))

    def _finish(self, found: list[Reading]) -> None:
        """Decide what follows the last row of a piece."""
        solved, step = self._solve(), self._step
        assert step is not None
        time = self._piece.offset + solved.end
        timed = self._timed
        if solved.collapse is not None:
            self._over = True
            found.extend(self._collapsed(solved, time))
        elif solved.stop is not None and solved.stop >= 0:
            self._over = True
            found.append(Ended(0, time, solved.stop, drives.words(step, solved.stop)))
        elif solved.stop is not None or (
            (timed is None or time < timed.value)
            and (self._piece.index + 1 < len(self._parts) or drives.goes_on(self._part, solved.end))
        ):
            self._turn = True
        elif timed is not None and time >= timed.value * (1 - 1e-12):
            self._over = True
            found.append(Ended(0, time, timed.number, drives.words(step, timed.number)))
        elif not self._resting:
            self._over = True
            found.append(Ended(0, time, None, f"the {type(step.mode).__name__.lower()} is complete"))

    def _next_piece(self) -> None:
        solved = self._solve()
        met = solved.stop is not None  # a limit, or an edge: the same part goes on without a fence, or held there
        same = met or drives.goes_on(self._part, solved.end)
        here = self._here(self._piece.index + (0 if same else 1))
        if solved.stop == drives.EDGE:
            self._enter(replace(here, clipped=True))
            return
        here = replace(here, clipped=self._piece.clipped and same)
        self._enter(replace(here, fenced=False) if met else here)

    def _here(self, index: int) -> Piece:
        """Return a piece that begins at the last row."""
        if self._last is None:
            return replace(self._piece, index=index)
        counted, here = self._counted(), self._piece
        return Piece(
            index=index,
            offset=self._last.time,
            state=self.state,
            charging=here.charging + counted.charging,
            discharging=here.discharging + counted.discharging,
            put_in=here.put_in + counted.put_in,
            taken_out=here.taken_out + counted.taken_out,
            row=self._base + self._next,
            last=self._last,
            fenced=self._piece.fenced,
        )

    def _counted(self) -> CountedEnergy:
        """Return what was counted in the piece until the row read last."""
        buffer, row = self._buffer, self._next - 1
        if buffer is None or row < 0:
            return self._passed
        return counted_at(buffer, row)

    def _state_at(self, last: LastWritten | None) -> CellState:
        if last is None or (self._segment is None and last is self._piece.last):
            return self._piece.state
        solved = self._solve()
        return solved.state(min(solved.end, max(0.0, last.time - self._piece.offset)))

    def _collapsed(self, solved: Segment | Instant, time: float) -> list[Reading]:
        """Return what an instrument sees when the cell cannot carry its drive: the voltage runs to an end or to the rail."""
        last, step = self._last, self._step
        if last is None or step is None or isinstance(self._part.drive, AtOpenCircuit):
            return [Fault(f"the cell cannot go on: {solved.collapse}", safe=True)]
        up = last.current > 0
        ends = [end for end in step.ends if end.quantity == "voltage" and end.above == up]
        if ends:
            end = min(ends, key=lambda item: abs(item.value - last.voltage))
            return [
                self._row_like(time, end.value),
                Ended(0, time, end.number, f"the cell gave out: {solved.collapse}"),
            ]
        return [self._row_like(time, RAIL if up else -RAIL), Fault(f"the cell gave out: {solved.collapse}", safe=True)]

    # --- rows as the instrument sees them ---

    def _measured(self, buffer: Stretch) -> Batch:
        """Return a buffer as the instrument measures it."""
        here, segment = self._piece, self._segment
        collapsed = segment is not None and segment.collapse is not None
        view = BatchOrigin(
            (self.applied << 32) + self._base, here.charging, here.discharging, collapsed, here.put_in, here.taken_out
        )
        return self.instrument.batch(buffer, view)

    def _row_like(self, time: float, voltage: float) -> Batch:
        """Return a row at `time` like the last one, at another voltage."""
        return replace(self._seen.rows(len(self._seen) - 1), time=np.array([time]), voltage=np.array([voltage]))

    def _with_points(self, batch: Batch | None, until: float, *, complete: bool) -> list[Reading]:
        """Return rows and the points of a spectrum that were measured between them, in order."""
        assert isinstance(self._step_mode, driver.Spectrum)
        times = self._piece.offset + np.cumsum(drives.durations(self._step_mode))
        count = len(times) if complete else int(np.searchsorted(times, until, side="right"))
        points: list[Reading] = []
        if count > self._pointed:
            part = slice(self._pointed, count)
            frequency = np.array(self._step_mode.frequencies[part])
            points.append(spectrum_points(self.cell, self._solve(), frequency, times[part], self._piece.offset))
        self._pointed = max(self._pointed, count)
        if batch is None or not complete:
            return points if batch is None else [batch, *points]
        before = [batch.rows(0, len(batch) - 1)] if len(batch) > 1 else []
        return [*before, *points, batch.rows(len(batch) - 1)]

    @property
    def _step_mode(self) -> driver.Mode:
        assert self._step is not None
        return self._step.mode

    # --- the checkpoint ---

    def save(self) -> bytes:
        """Return the state as of the last row, as JSON."""
        if self._prefix is None:
            self._prefix = orjson.dumps(self._saved())[:-1]
        return self._prefix + b',"time":%s,"pointed":%d%s}' % (self._time(), self._pointed, self._origin())

    def _origin(self) -> bytes:
        """Return as JSON from where the rows of the buffer are worked out: none before them are when the cell comes back."""
        if not self._since:
            return b""
        return b',"buffer":' + orjson.dumps([self._base, self._before, [*self._passed], self._since])

    def _time(self) -> bytes:
        """Return the time of the last row as JSON."""
        if self._buffer is not None and self._next:
            return orjson.dumps(float(self._buffer.time[self._next - 1]))
        return orjson.dumps(None if self._before is None else self._before.time)

    def _saved(self) -> dict[str, Any]:
        value: dict[str, Any] = {"labctl_simulated": VERSION, "applied": self.applied, "resting": self._resting}
        if self.program is None:
            return value | {"program": None, "cell": self._rest.to_json()}
        begun = {"program": program_json.program_to_json(self.program), "begun_at": self._begun_at}
        return value | begun | program_json.piece_to_json(self._piece)

    def restore(self, data: bytes) -> None:
        """Go back to a saved state.

        Raises:
            ValueError: It was not saved by this version.
        """
        value: Mapping[str, Any] = orjson.loads(data)
        if value.get("labctl_simulated") != VERSION:
            raise ValueError(f"wanted a simulated cell of version {VERSION}, found {value.get('labctl_simulated')!r}")
        state = self.cell.taken_over(CellState.from_json(value["cell"]))
        self._rest, self.program, self._trail = state, None, []
        if value["program"] is not None:
            self.begin(program_json.program_from_json(value["program"]), value.get("begun_at"))
            if value["resting"]:
                self.off()
            self.applied = value["applied"]  # the noise of its rows hangs on it
            self._enter(program_json.piece_from_json(value, state))
            last = self._piece.last
            if "buffer" in value:  # where it was not kept yet, rows are worked out from the begin of the piece
                self._base, before, passed, self._since = value["buffer"]
                self._before, self._passed = LastWritten(**before), CountedEnergy(*passed)
            if value["time"] is not None and (last is None or value["time"] > last.time):
                self._go_to(value["time"])
            self._pointed = value["pointed"]
        self.applied = value["applied"]
