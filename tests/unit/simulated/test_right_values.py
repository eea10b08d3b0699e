"""Numbers that a simulated cell once got wrong, each with the value that is right and where that is known from."""

from itertools import pairwise

import numpy as np
import pytest

from labctl.driver import (
    Bounds,
    Ended,
    Galvanostatic,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Spectrum,
    Threshold,
)
from labctl.errors import SettingRefused
from labctl.sample import Batch
from labctl_drivers.simulated import Simulated
from labctl_simulators.cell import Current, Stop
from labctl_simulators.models import load_model

HOUR = 3600.0
NONE = Bounds()


def put_in(model):
    source = Simulated(voltage_noise=0.0)
    source.insert("1", {"model": model}, 0)
    return source


def run(source, mode, seconds, every=20.0, bounds=NONE):
    """Return the rows of a step as columns, its points, and how it ended."""
    ends = (Threshold("time", above=True, value=seconds, number=0),) if seconds else ()
    source.begin("1", Program(1, (ProgramStep(1, mode, ends, (RecordRule(every=every),), bounds),)))
    rows, points, ended = [], [], None
    while ended is None:
        for reading in source.advance("1", float("inf"), 500):
            match reading:
                case Batch():
                    rows.append(
                        [reading.time, reading.voltage, reading.current, reading.charging_ah, reading.discharging_ah]
                    )
                case Ended():
                    ended = reading
                case _:
                    points.append(reading)
    return np.concatenate(rows, axis=1), points, ended


def test_long_hold_counter_falls_nowhere():
    source = put_in("chen2020")
    rows, _, ended = run(source, Potentiostatic(4.1, most=3.0), 48 * HOUR)
    assert ended.end == 0
    assert (np.diff(rows[3]) >= 0.0).all()
    assert (np.diff(rows[4]) >= 0.0).all()
    assert rows[3, -1] - rows[4, -1] == pytest.approx(source._channel("1").state.charge / 3600.0, abs=1e-9)


@pytest.mark.parametrize("seconds", [400 * 24 * HOUR, 3 * 365 * 24 * HOUR])
def test_step_longer_than_a_year_and_rest_over_370_days_end_when_they_should(seconds):
    rows, _, ended = run(put_in("marquis2019"), Rest(), seconds, every=10 * 24 * HOUR)
    assert (ended.end, ended.time, rows[0, -1]) == (0, seconds, seconds)
    assert np.ptp(rows[1]) < 1e-5


def test_an_idle_cell_of_more_than_a_year_answers():
    source = put_in("marquis2019")
    source.begin("1", Program(1, (ProgramStep(1, Galvanostatic(0.1), (), (RecordRule(every=10.0),), Bounds()),)))
    source.advance("1", 60.0)
    source.off("1")
    times = [
        float(reading.time[-1])
        for until in (1e7, 3.3e7, 7e7)
        for _ in range(12_000)
        for reading in source.advance("1", until, 10**6)
        if isinstance(reading, Batch)
    ]
    assert all(b >= a for a, b in pairwise(times))
    assert times[-1] > 6.9e7


def test_eis_under_bias_is_that_of_the_biased_cell():
    """Re Z at 1 Hz is 384 ohm at rest and 187 ohm at -1C, the differences of the same cell's voltage by current."""
    source = put_in("phlt-ncm811")
    run(source, Galvanostatic(0.05655e-3), 6 * HOUR)
    run(source, Rest(), 5 * HOUR)
    _, points, _ = run(source, Spectrum((1e3, 1.0), 1e-5, potentiostatic=False, bias=None), None)
    at_rest = np.concatenate([part.real for part in points])
    _, points, _ = run(source, Spectrum((1e3, 1.0), 1e-5, potentiostatic=False, bias=-0.5655e-3), None)
    biased = np.concatenate([part.real for part in points])
    assert (at_rest[1], biased[1]) == pytest.approx((383.6, 187.5), rel=2e-3)


def test_a_spectrum_is_the_same_however_it_is_read():
    whole, parts = put_in("phlt-ncm811"), put_in("phlt-ncm811")
    mode = Spectrum((1e3, 1.0, 0.1), 1e-5, potentiostatic=False, bias=-1e-4)
    once = np.concatenate([part.real for part in run(whole, mode, None)[1]])
    parts.begin("1", Program(1, (ProgramStep(1, mode, (), (RecordRule(every=20.0),), Bounds()),)))
    seen = []
    for until in (0.05, 1.0, 3.5, 20.0, 40.0, 60.0):
        seen += [reading.real for reading in parts.advance("1", until) if not isinstance(reading, Batch | Ended)]
    assert np.concatenate(seen) == pytest.approx(once, rel=1e-9)


@pytest.mark.parametrize("pulses", [0, 1, 20])
def test_first_loss_skipped_by_no_pulse(pulses):
    """The set's first-cycle efficiency is 1 - 0.12; the ends of the cycle and the rate bring it to 0.876."""
    cell = load_model("phlt-ncm811")
    state = cell.initial()
    current = 0.05655e-3
    for _ in range(pulses):
        state = cell.segment(state, Current(current), 10.0).state(10.0)
        state = cell.segment(state, Current(-current), 10.0).state(10.0)
    passed = []
    for way, stop in ((1.0, Stop("voltage", True, 4.3)), (-1.0, Stop("voltage", False, 3.0))) * 2:
        segment = cell.segment(state, Current(way * current), 20 * HOUR, [stop])
        state = segment.state(segment.end)
        passed.append(segment.end)
    assert passed[1] / passed[0] == pytest.approx(0.876, abs=0.001)
    assert passed[3] / passed[2] > 0.98


def test_hold_at_own_upper_limit_trips_nothing():
    """A hold at the end of the window comes near the end of a host, where the numbers end too; its current only decays."""
    rows, _, ended = run(put_in("nvp-na-vn"), Potentiostatic(4.1, most=1e-3), 48 * HOUR)
    assert ended.end == 0
    assert rows[1].max() < 4.101
    assert abs(rows[2, -1]) < 1e-9


def test_hold_limit_not_kept_by_no_short():
    rows, _, ended = run(
        put_in("phlt-symmetric"), Potentiostatic(0.1, most=20e-3), 48 * HOUR, bounds=Bounds((-5.0, 5.0))
    )
    assert ended.end == 0
    assert np.abs(rows[2]).max() <= 20e-3 * (1 + 1e-5)
    assert rows[2, -1] == pytest.approx(20e-3)  # a hard short draws the limit
    assert rows[1, -1] < 0.1


def test_a_hold_keeps_its_limit_when_the_current_rises_within_it():
    """After a hard discharge the surface relaxes: a hold below the rest voltage draws more later than at its begin."""
    source = put_in("marquis2019")
    rows, _, _ = run(source, Galvanostatic(-2.0), 600.0)
    level = float(rows[1, -1])
    rows, _, _ = run(source, Potentiostatic(level + 0.05, most=0.3), 2 * HOUR)
    assert np.abs(rows[2]).max() <= 0.3 * (1 + 1e-5)


def test_a_cell_that_was_saved_without_its_electrolyte_goes_on_with_its_salt_at_rest():
    old, new = put_in("marquis2019"), put_in("marquis2019")
    plain = load_model("marquis2019", electrolyte=False)
    old._channels["1"].cell, old._channels["1"]._rest = plain, plain.initial(soc=0.6)
    run(old, Galvanostatic(-0.3), 600.0)
    saved = old.save("1")
    new.restore("1", saved)
    state = new._channel("1").state
    assert state.charge == pytest.approx(-180.0)
    assert new._channel("1").cell.voltage(state) == pytest.approx(plain.voltage(old._channel("1").state), abs=5e-3)
    assert new._channel("1").cell.taken_over(plain.initial()).memory[-12:].tolist() == [0.0] * 12


def test_a_state_of_another_cell_is_refused():
    other = put_in("voc1")
    with pytest.raises(SettingRefused, match=r"wanted a state of voc1 with .* it was stored of another cell"):
        other.restore("1", put_in("chen2020").save("1"))


@pytest.mark.parametrize(("current", "above", "value"), [(0.3, True, 3.7), (-0.3, False, 4.0)])
def test_a_drive_that_begins_beyond_its_end_passes_no_current_the_other_way(current, above, value):
    """The cell rests beyond the voltage already: a charge that is over at once discharges nothing, not even for a row."""
    source = put_in("marquis2019")
    rested = float(run(source, Rest(), 10.0)[0][1, -1])
    assert (rested > value) == above
    step = ProgramStep(1, Galvanostatic(current), (Threshold("voltage", above, value, 0),), (), Bounds((2.5, 4.5)))
    source.begin("1", Program(1, (step,)))
    (batch, ended) = source.advance("1", float("inf"), 500)
    assert (ended.end, len(batch)) == (0, 1)
    assert (batch.current[0], batch.voltage[0]) == pytest.approx((0.0, rested), abs=1e-4)
