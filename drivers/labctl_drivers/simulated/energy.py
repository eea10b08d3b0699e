"""The simulated instrument's counters of energy: voltage over charge between its rows, however far apart they lie.

The cell knows its voltage at any instant, so the instrument looks at it between two rows as often as the straight line from one
look to the next would otherwise miss more than a few hundredths of a millivolt. What it counts does not hang on the record rule.
"""

from typing import Final, NamedTuple

import numpy as np

from labctl.sample import Floats
from labctl_drivers.simulated.written_rows import BRIEF, FEW, RAIL, Solved, Stretch

TINY: Final = 1e-9  # s: less is no time
BEND: Final = 1e-5  # V of the mean voltage that a line from one look to the next may miss
SHORTEST: Final = 2e-3  # s between two looks
ROUNDS: Final = 8  # of halving
EARLY: Final = 0.5 ** np.arange(10, 0, -1)  # of the way to the first row after a change of set-point


class CountedEnergy(NamedTuple):
    """What an instrument counted in a piece until a row: C, and J put in while charging and taken out while discharging."""

    charging: float = 0.0
    discharging: float = 0.0
    put_in: float = 0.0
    taken_out: float = 0.0


def counted_at(buffer: Stretch, row: int) -> CountedEnergy:
    """Return what was counted in a piece until a row of a buffer."""
    assert buffer.put_in is not None
    assert buffer.taken_out is not None
    columns = (buffer.charging, buffer.discharging, buffer.put_in, buffer.taken_out)
    return CountedEnergy(*(float(column[row]) for column in columns))


def energies(piece: Solved, offset: float, rows: Stretch, since: float, before: CountedEnergy) -> tuple[Floats, Floats]:
    """Return the energy counted in a piece until each of its rows, J.

    Args:
        piece: What the cell does.
        offset: Step time at which the piece began, s.
        rows: To be written, after `since`.
        since: Time in the piece until which `before` was counted, s.
        before: What was counted in the piece until then.
    """
    count = len(rows)
    if (rows.charging[-1], rows.discharging[-1]) == before[:2]:  # at rest
        return np.full(count, before.put_in), np.full(count, before.taken_out)
    seen = rows.between if rows.between is not None else _looks(piece, _known(piece, offset, rows), since)
    mean = means(seen[0], seen[1])
    energy = np.empty((2, seen.shape[1]))
    energy[:, 0] = before[2:]
    np.multiply(mean, seen[2:4, 1:] - seen[2:4, :-1], out=energy[:, 1:])
    put_in, taken_out = np.add.accumulate(energy, axis=1)[:, seen[4] == 1.0]
    return put_in, taken_out


def _known(piece: Solved, offset: float, rows: Stretch) -> Floats:
    """Return time in the piece, voltage and both charges of rows, and that a row is written there."""
    times = np.minimum(np.maximum(rows.time - offset, 0.0), piece.end)
    voltage = np.clip(rows.voltage, -RAIL, RAIL)
    return np.stack((times, voltage, rows.charging, rows.discharging, np.ones(len(rows))))


def means(times: Floats, voltage: Floats) -> Floats:
    """Return the mean voltage between neighbours: of a parabola where there are more than two (trapezoid with end correction)."""
    mean: Floats = (voltage[1:] + voltage[:-1]) * 0.5
    spans = times[1:] - times[:-1]
    if len(spans) < 2:
        return mean
    slopes = (voltage[1:] - voltage[:-1]) / np.maximum(spans, TINY)
    bends = np.empty(len(times))
    bends[1:-1] = 2.0 * (slopes[1:] - slopes[:-1]) / np.maximum(spans[1:] + spans[:-1], TINY)
    bends[0], bends[-1] = bends[1], bends[-2]
    return np.asarray(mean - spans * spans * (bends[1:] + bends[:-1]) * (1.0 / 24.0))


def _looks(piece: Solved, known: Floats, since: float) -> Floats:
    """Return time, voltage, both charges and whether a row is written there, at the rows and at as many looks as are wanted."""
    if float(known[0, 0]) > since:
        known = np.concatenate((_look(piece, np.array([since])), known), axis=1)
    if since == 0.0 and known.shape[1] > 1:
        gap = float(known[0, 1] - known[0, 0])
        early = known[0, 0] + gap * EARLY[gap * EARLY > SHORTEST]
        if len(early):
            known = _with(piece, known, early)
    if known.shape[1] < FEW and known[0, -1] - known[0, 0] > BRIEF:
        known = _with(piece, known, np.linspace(known[0, 0], known[0, -1], FEW + 1)[1:-1])
    for _ in range(ROUNDS):
        wanted = bent(known[0], known[1])
        if not wanted.any():
            break
        known = _with(piece, known, (known[0, 1:][wanted] + known[0, :-1][wanted]) * 0.5)
    return known


def _look(piece: Solved, times: Floats) -> Floats:
    seen = piece.rows(times)
    return np.stack((times, np.clip(seen.voltage, -RAIL, RAIL), seen.charging, seen.discharging, np.zeros(len(times))))


def _with(piece: Solved, known: Floats, times: Floats) -> Floats:
    whole = np.concatenate((known, _look(piece, times)), axis=1)
    return np.asarray(whole[:, np.argsort(whole[0], kind="stable")])


def bent(times: Floats, voltage: Floats) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return between which neighbours another look is wanted: where the slopes on either side differ too much."""
    spans = times[1:] - times[:-1]
    if len(spans) < 2:
        return np.zeros(len(spans), dtype=bool)
    slopes = (voltage[1:] - voltage[:-1]) / np.maximum(spans, SHORTEST)
    turns = np.abs(slopes[1:] - slopes[:-1])
    most = np.empty(len(spans))
    most[:-1], most[-1] = turns, turns[-1]
    np.maximum(most[1:], turns, out=most[1:])
    missed = most * spans * spans  # eight times the voltage missed in the middle, times how long it is
    return np.asarray((spans > 2.0 * SHORTEST) & (missed > 8.0 * BEND * (times[-1] - times[0])))
