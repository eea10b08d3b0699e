"""Records that go on in the steps that run, of all channels of a poll at once, to the same bits as one channel after the other."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.sample import ChannelRows, Floats
from labctl_drivers.neware.records import APART, MILLI, NEWS, Draining, Following
from labctl_drivers.neware.replies import ENERGY, MOST, Records

CARRY: Final = (
    "last", "step", "cycle", "in_step", "before", "after",
    "charge", "charging", "discharging", "energy", "charging_wh", "discharging_wh",
)  # fmt: skip
_CARRY: Final = attrgetter(*CARRY)
_ROWS: Final = ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "discharging_wh")
Places = NDArray[np.intp]


def take_steadily(
    records: Records, channels: Sequence[str], readers: Sequence[Draining | Following]
) -> tuple[ChannelRows | None, list[int]]:
    """Take the records of channels whose step of the file goes on and asks for every one of them, as `take_records` would.

    Args:
        records: Of one download of each channel.
        channels: Their names.
        readers: What was read of each before.

    Returns:
        Their rows, None of no channel; and the places of channels with records of which none was taken.
    """
    counts = np.diff(records.ends, prepend=0)
    begins = np.asarray(records.ends, np.intp) - counts
    likely = np.array(
        [isinstance(reader, Draining) and reader.is_steady for reader in readers]
        if ENERGY in records.columns
        else False
    )
    likely = likely & (counts > 0) & (counts < MOST)  # of a full block there may be more to come in this poll
    rows: dict[str, Floats] = {name: np.empty(len(records)) for name in _ROWS}
    taken = np.zeros(len(readers), bool)
    for count in np.unique(counts[likely]).tolist():
        places = np.flatnonzero(likely & (counts == count))
        lines = begins[places][:, None] + np.arange(count)
        group = [reader for place in places.tolist() if isinstance(reader := readers[place], Draining)]
        goes_on, columns = _rows_of({name: column[lines] for name, column in records.columns.items()}, group)
        taken[places] = goes_on
        for name, column in zip(_ROWS, columns, strict=True):
            rows[name][lines] = column
    others = np.flatnonzero(~taken & (counts > 0)).tolist()
    if not taken.any():
        return None, others
    if others:
        wanted = np.repeat(taken, counts)
        rows = {name: column[wanted] for name, column in rows.items()}
    mine = np.flatnonzero(taken).tolist()
    steps = np.array([reader.index for at in mine if isinstance(reader := readers[at], Draining)], np.intp)
    return ChannelRows(tuple(channels[at] for at in mine), np.cumsum(counts[taken]), steps, **rows), others


def _rows_of(records: dict[str, Floats], group: Sequence[Draining]) -> tuple[NDArray[np.bool_], tuple[Floats, ...]]:
    """Return of which channels the records go on, and their rows; those channels stand after them.

    Args:
        records: Columns over channels and records, as many of each channel.
        group: What was read of each before.
    """
    carry = dict(zip(CARRY, np.array([_CARRY(reader) for reader in group], np.float64).T[:, :, None], strict=True))
    since, voltage, current = records["testtime"] * MILLI, records["volt"], records["curr"]
    time = carry["before"] + np.where(carry["before"] != 0.0, np.maximum(since, APART), since)
    goes_on = records["seqid"].astype(int) == carry["last"] + np.arange(1, since.shape[1] + 1)
    goes_on &= (records["stepid"].astype(int) == carry["step"]) & (records["cycleid"].astype(int) == carry["cycle"])
    goes_on &= np.diff(since, axis=1, prepend=carry["in_step"]) >= 0.0
    goes_on &= time > carry["after"] + NEWS
    taken: NDArray[np.bool_] = goes_on.all(axis=1)

    passed = np.diff(records["cap"], axis=1, prepend=carry["charge"])
    charging, discharging = _summed(passed, current, carry["charging"], carry["discharging"])
    gained = np.diff(records[ENERGY], axis=1, prepend=carry["energy"]) * np.where(voltage < 0.0, -1.0, 1.0)
    put_in, taken_out = _summed(gained, current, carry["charging_wh"], carry["discharging_wh"])
    last = (
        since, voltage, current, records["cap"], charging, discharging, records[ENERGY], put_in, taken_out,
    )  # fmt: skip
    for reader, goes, values in zip(
        group, taken.tolist(), np.array([column[:, -1] for column in last]).T.tolist(), strict=True
    ):
        if goes:
            reader.last += since.shape[1]
            reader.in_step, reader.voltage, reader.current = values[:3]
            reader.charge, reader.charging, reader.discharging = values[3:6]
            reader.energy, reader.charging_wh, reader.discharging_wh = values[6:]
    return taken, (time, voltage, current, charging, discharging, put_in, taken_out)


def _summed(passed: Floats, current: Floats, up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return the counters in both directions at each record, from those before: sums one by one, as `records.batch` makes them."""
    positive = np.where(current >= 0.0, passed, 0.0)
    first, second = (
        np.cumsum(np.concatenate((carry, terms), axis=1), axis=1)[:, 1:]
        for carry, terms in ((up, positive), (down, passed - positive))
    )
    return first, second
