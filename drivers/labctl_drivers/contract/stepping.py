"""Cells to which time is given: the verbs that the daemon calls, and the ways back.

The other half of the suite, for a `Stepped`: `from labctl_drivers.contract.stepping import *`.
"""

# ruff: noqa: D103 - each test says in its name what must hold; a suite asserts

from typing import Any

import numpy as np
import pytest

from labctl.driver import Ended, Galvanostatic, Reading, Rest, Stepped, Threshold
from labctl.errors import InstrumentError
from labctl.sample import Batch
from labctl_drivers.contract.handling import program, until

COLUMNS = ("time", "voltage", "current", "charging_ah", "discharging_ah")


def stepped_of(stepped_bench: Any) -> Stepped:
    """Return the cells of a bench, charging since now."""
    stepped: Stepped = stepped_bench.driver.stepped
    stepped.begin(stepped_bench.channel, program(stepped_bench, Galvanostatic(stepped_bench.current), until(1e5)))
    return stepped


def columns(readings: list[Reading]) -> np.ndarray:
    batches = [reading for reading in readings if isinstance(reading, Batch)]
    return np.concatenate([np.stack([getattr(batch, name) for name in COLUMNS]) for batch in batches], axis=1)


def all_up_to(stepped: Stepped, channel: str, time: float, most: int = 4096) -> list[Reading]:
    readings: list[Reading] = []
    for _ in range(1000):
        more = stepped.advance(channel, time, most)
        if not more:
            return readings
        readings += more
    raise AssertionError("it never comes to an end")


async def test_is_the_contract_of_cells_that_time_is_given_to(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    assert isinstance(stepped, Stepped)
    assert not stepped.capabilities(stepped_bench.channel).energises


async def test_no_row_lies_beyond_the_time_that_was_given(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    rows = columns(all_up_to(stepped, stepped_bench.channel, 10.5))
    assert rows[0][-1] == pytest.approx(10.0)
    assert not all_up_to(stepped, stepped_bench.channel, 10.5)
    assert columns(all_up_to(stepped, stepped_bench.channel, 20.0))[0][0] > rows[0][-1]


@pytest.mark.parametrize("most", [1, 7, 4096])
async def test_rows_are_the_same_however_many_are_read_at_once(stepped_bench: Any, most: int) -> None:
    stepped = stepped_of(stepped_bench)
    saved = stepped.save(stepped_bench.channel)
    whole = columns(all_up_to(stepped, stepped_bench.channel, 40.0))
    stepped.restore(stepped_bench.channel, saved)
    again = columns(all_up_to(stepped, stepped_bench.channel, 40.0, most))
    assert np.array_equal(whole, again)


async def test_goes_back_to_a_row_and_on_from_it_to_the_bit(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    rows = columns(all_up_to(stepped, stepped_bench.channel, 20.0))
    stepped.rewind(stepped_bench.channel, float(rows[0][7]))
    assert np.array_equal(columns(all_up_to(stepped, stepped_bench.channel, 20.0)), rows[:, 8:])


async def test_a_saved_state_is_taken_up_by_another_cell_of_its_kind_to_the_bit(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    all_up_to(stepped, stepped_bench.channel, 15.0)
    saved = stepped.save(stepped_bench.channel)
    rows = columns(all_up_to(stepped, stepped_bench.channel, 30.0))
    other = stepped_bench.make_stepped()
    other.restore(stepped_bench.channel, saved)
    assert np.array_equal(columns(all_up_to(other, stepped_bench.channel, 30.0)), rows)


async def test_a_state_of_another_version_is_refused(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    with pytest.raises(InstrumentError):
        stepped.restore(stepped_bench.channel, b'{"version": 99}')


async def test_a_program_begins_at_the_row_that_called_for_it(stepped_bench: Any) -> None:
    """The charge between the two programs is that up to the row, and not one bit more."""
    stepped = stepped_of(stepped_bench)
    rows = columns(all_up_to(stepped, stepped_bench.channel, 20.0))
    stepped.rewind(stepped_bench.channel, float(rows[0][9]))
    stepped.begin(stepped_bench.channel, program(stepped_bench, Rest(), until(1e5), attempt=2))
    first = columns(all_up_to(stepped, stepped_bench.channel, 1.0))
    assert first[0][0] == 0.0
    assert first[2][0] == 0.0
    assert first[3][0] == 0.0


async def test_off_is_open_circuit_and_time_runs_on(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    before = columns(all_up_to(stepped, stepped_bench.channel, 10.0))
    stepped.off(stepped_bench.channel)
    after = columns(all_up_to(stepped, stepped_bench.channel, 30.0))
    assert (after[2] == 0.0).all()
    assert after[0][0] >= before[0][-1]
    assert after[3][-1] == before[3][-1]


async def test_an_end_comes_once_and_after_its_rows(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    end = Threshold("charge", above=True, value=10 * stepped_bench.current, number=5)
    stepped.begin(
        stepped_bench.channel,
        program(stepped_bench, Galvanostatic(stepped_bench.current), end, until(1e5, 0), attempt=2),
    )
    readings = all_up_to(stepped, stepped_bench.channel, 60.0)
    at = [place for place, reading in enumerate(readings) if isinstance(reading, Ended)]
    assert len(at) == 1
    assert columns(readings[: at[0]])[0][-1] == pytest.approx(10.0)
    assert readings[at[0]].end == 5  # type: ignore[union-attr]


async def test_a_program_that_is_refused_leaves_the_cell_as_it_was(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    all_up_to(stepped, stepped_bench.channel, 10.0)
    saved = stepped.save(stepped_bench.channel)
    beyond = 3 * stepped.capabilities(stepped_bench.channel).current[1]
    with pytest.raises(InstrumentError):
        stepped.begin(stepped_bench.channel, program(stepped_bench, Galvanostatic(beyond), until(10.0), attempt=2))
    assert stepped.save(stepped_bench.channel) == saved


async def test_a_cell_that_is_put_in_is_a_fresh_one(stepped_bench: Any) -> None:
    stepped = stepped_of(stepped_bench)
    first = columns(all_up_to(stepped, stepped_bench.channel, 10.0))
    stepped = stepped_bench.make_stepped()
    stepped.begin(stepped_bench.channel, program(stepped_bench, Galvanostatic(stepped_bench.current), until(1e5)))
    assert np.array_equal(columns(all_up_to(stepped, stepped_bench.channel, 10.0)), first)


async def test_rows_that_are_ready_are_those_that_come(stepped_bench: Any) -> None:
    """`ahead` may give none, or fewer than there are; what it gives, and skips, `advance` would have given."""
    stepped, channel = stepped_of(stepped_bench), stepped_bench.channel
    stepped.advance(channel, 5.0)
    saved, ready = stepped.save(channel), stepped.ahead(channel)
    count = 0 if ready is None else len(ready) // 2
    stepped.skip(channel, count)
    end = 100.0 if ready is None else float(ready.time[min(count + 20, len(ready) - 1)])
    rest = columns(all_up_to(stepped, channel, end))
    stepped.restore(channel, saved)
    rows = columns(all_up_to(stepped, channel, end))
    assert np.array_equal(rows[:, count:], rest)
    assert ready is None or np.array_equal(rows[:, :count], columns([ready])[:, :count])
