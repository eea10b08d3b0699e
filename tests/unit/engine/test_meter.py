"""The meter: charge, record rules, the watch, over many channels at once."""

import numpy as np
import pytest

from labctl.driver import RecordRule
from labctl.engine.meter import Meter, charge, mapped
from labctl.engine.record_rule import first_rule
from labctl.engine.state_parts import Counters
from labctl.engine.watch import Box
from labctl.errors import InternalError
from labctl.sample import Batch, Quality, Snapshot

NAN = float("nan")


def meter(
    *channels: str, record: tuple[RecordRule, ...] = (RecordRule(every=10.0),), warm: tuple[str, ...] = ()
) -> Meter:
    found = Meter(channels, warm)
    for channel in channels:
        found.resume(channel, Counters())
        found.begin(channel, 0.0, record)
        found.watch(channel, Box())
    return found


def tick(found: Meter, time: float, voltage: float = 3.7, current: float = 0.36, celsius: float | None = None):
    count = len(found.channels)
    warm = None if celsius is None else np.full(count, celsius)
    return found.step(
        Snapshot(found.channels, np.full(count, voltage), np.full(count, current), None, warm), np.full(count, time)
    )


@pytest.mark.parametrize(
    ("earlier", "later", "up", "down"),
    [
        (1.0, 1.0, 1.0, 0.0),
        (-1.0, -1.0, 0.0, 1.0),
        (0.0, 2.0, 1.0, 0.0),
        (2.0, -2.0, 0.5, 0.5),
        (-3.0, 1.0, 0.125, 1.125),
        (0.0, 0.0, 0.0, 0.0),
    ],
)
def test_charge_is_the_area_under_a_line_split_by_sign(earlier, later, up, down):
    found = charge(np.array([earlier]), np.array([later]), np.array([3600.0]))
    assert (found[0][0], found[1][0]) == pytest.approx((up, down))


def test_rows_are_due_by_time_on_a_grid_that_jitter_does_not_move():
    found = meter("a")
    due = [time for time in np.arange(0.1, 41.0, 0.1) + np.resize([0.0, 0.004, -0.004], 409) if tick(found, time)[0][0]]
    assert due == pytest.approx([0.1, 10.0, 20.0, 30.0, 40.0], abs=0.02)


def test_rows_are_due_when_voltage_or_current_moved():
    found = meter("a", record=(RecordRule(None, 0.01, 0.1),))
    volts = [3.7, 3.705, 3.711, 3.715, 3.7]
    assert [bool(tick(found, 1.0 + at, volt)[0][0]) for at, volt in enumerate(volts)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert tick(found, 9.0, 3.7, 0.5)[0][0]


def test_the_time_of_a_run_never_goes_back_where_two_clocks_differ():
    found = meter("a", "b", record=(RecordRule(every=0.0),))
    tick(found, 10.0)
    assert found.not_before(("a", "b"), np.array([9.2, 10.5])).tolist() == [10.0, 10.5]
    assert found.begin("a", 9.5, (RecordRule(every=0.0),)) == found.counters("a")
    assert found.not_before(("a",), np.array([9.7])).tolist() == [10.0]
    assert np.isnan(found.not_before(("a",), np.array([NAN])))[0]


def test_rules_follow_each_other_by_step_time():
    rules = (RecordRule(every=1.0, until=3.0), RecordRule(every=10.0))
    found = meter("a", record=rules)
    due = [time for time in np.arange(0.5, 25.0, 0.5) if tick(found, float(time))[0][0]]
    assert due == [0.5, 1.0, 2.0, 3.0, 10.0, 20.0]
    assert first_rule(rules, 5.0).every == 10.0
    assert first_rule((), 0.0).every == float("inf")


def test_charge_counts_rows_that_are_not_due():
    found = meter("a")
    for time in range(1, 101):
        tick(found, float(time))
    batch = found.take("a")
    assert batch.charging_ah is not None
    assert batch.charging_ah[-1] == pytest.approx(0.36 * 100.0 / 3600.0)
    assert len(batch) == 11
    assert found.counters("a")[0] == batch.charging_ah[-1]
    assert len(found.take("a")) == 0


def test_the_old_current_holds_until_the_confirmation():
    found = meter("a")
    tick(found, 1.0)
    assert found.begin("a", 2.5, ())[0] == pytest.approx(0.36 * 2.5 / 3600.0)
    tick(found, 3.5, 3.6, -0.72)
    assert found.counters("a")[:2] == pytest.approx((0.36 * 2.5 / 3600.0, 0.72 / 3600.0))
    assert found.counters("a")[2:] == pytest.approx((3.7 * 0.36 * 2.5 / 3600.0, 3.6 * 0.72 / 3600.0))


def test_a_row_outside_the_watch_waits_whether_due_or_not():
    found = meter("a", "b")
    tick(found, 1.0)
    found.watch("a", Box(voltage=(3.0, 3.75)))
    due, outside = tick(found, 2.0, 3.75)
    assert due.tolist() == [False, False]
    assert outside.tolist() == [True, False]
    assert (len(found.take("a")), len(found.take("b"))) == (2, 1)


@pytest.mark.parametrize(
    "box", [Box(current=(-1.0, 0.3)), Box(charging_ah=(-1.0, 1e-4)), Box(deadline=2.0), Box(temperature=(0.0, 20.0))]
)
def test_every_side_of_the_box_is_watched(box):
    found = meter("a", warm=("a",))
    tick(found, 1.0, celsius=25.0)
    found.watch("a", box)
    assert tick(found, 2.0, celsius=25.0)[1][0]


def test_a_temperature_that_nothing_measures_is_outside_every_bound():
    found = meter("a")
    found.watch("a", Box(temperature=(0.0, 60.0)))
    assert tick(found, 1.0)[1][0]


def test_bad_rows_are_outside_marked_and_count_nothing():
    found = meter("a")
    tick(found, 1.0)
    assert tick(found, 2.0, NAN)[1][0]
    assert tick(found, 3.0, 3.7, float("inf"))[1][0]
    tick(found, 4.0)
    batch = found.take("a")
    assert batch.quality is not None
    assert batch.quality.tolist() == [Quality.GOOD, Quality.BAD, Quality.BAD]
    assert found.counters("a")[0] == pytest.approx(0.36 * 4.0 / 3600.0)


def test_rows_that_a_driver_marked_keep_their_marks_and_bad_ones_count_nothing():
    found = meter("a", record=(RecordRule(every=1.0),))
    marks = np.array([Quality.GOOD, Quality.SUSPECT, Quality.BAD, Quality.GOOD], np.uint8)
    current = np.array([0.36, 0.36, 36.0, 0.36])
    found.rows("a", Batch(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 3.7), current, quality=marks))
    batch = found.take("a")
    assert batch.quality.tolist() == marks.tolist()
    assert found.counters("a")[0] == pytest.approx(0.36 * 4.0 / 3600.0)


def test_the_last_good_row_goes_out_before_a_bad_one_with_what_was_counted():
    found = meter("a")
    tick(found, 1.0)
    tick(found, 2.0)
    tick(found, 2.5, NAN)
    found.hold_last("a")
    batch = found.take("a")
    assert batch.time.tolist() == [1.0, 2.0, 2.5]
    assert batch.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.BAD]
    assert batch.charging_ah[1] == batch.charging_ah[2] == pytest.approx(0.36 * 2.0 / 3600.0)


def test_the_last_row_before_a_command_is_kept():
    found = meter("a")
    tick(found, 1.0)
    tick(found, 2.0, 3.71)
    found.hold_last("a")
    found.hold_last("a")
    assert found.take("a").voltage.tolist() == [3.7, 3.71]


def test_some_channels_of_a_connection():
    found = meter("a", "b", "c")
    due, _ = found.step(Snapshot(("c", "a"), np.array([3.0, 4.0]), np.array([0.1, 0.2])), np.array([1.0, 2.0]))
    assert due.tolist() == [True, False, True]
    assert found.take("c").voltage.tolist() == [3.0]
    assert found.take("a").time.tolist() == [2.0]
    assert found.waiting().tolist() == [False, False, False]


def test_a_channel_without_a_run_gives_nothing():
    found = meter("a", "b")
    found.stop("b")
    due, outside = tick(found, 1.0)
    assert (due.tolist(), outside.tolist()) == ([True, False], [False, False])


def test_many_rows_wait():
    found = meter("a", record=(RecordRule(every=1.0),))
    for time in range(1, 101):
        tick(found, float(time))
    assert found.take("a").time.tolist() == [float(time) for time in range(1, 101)]


def test_what_other_parts_read_enters_as_a_column():
    found = meter("a")
    found.auxiliary("a", "ambient_temperature_celsius", 25.5)
    tick(found, 1.0)
    assert found.take("a").auxiliary["ambient_temperature_celsius"].tolist() == [25.5]


def test_rows_of_a_source_that_counts_are_mapped():
    batch = Batch(
        np.array([0.0, 1.0]), np.array([3.0, 3.1]), np.array([0.1, 0.1]), np.array([0.0, 0.5]), np.array([0.0, 0.0])
    )
    found = mapped(batch, 100.0, Counters(2.0, 3.0))
    assert found.time.tolist() == [100.0, 101.0]
    assert found.charging_ah.tolist() == [2.0, 2.5]
    with pytest.raises(InternalError, match="counters"):
        mapped(Batch(batch.time, batch.voltage, batch.current), 0.0, Counters())


def test_a_negative_zero_is_folded_as_it_is_stored():
    found = meter("a", warm=("a",))
    tick(found, 1.0, -0.0, -0.0, -0.0)
    taken, zero = found.take("a"), np.array([-0.0])
    counted = mapped(Batch(np.array([0.0]), zero, zero, np.zeros(1), np.zeros(1), zero), 0.0, Counters())
    for batch in (taken, counted):
        assert not np.signbit([batch.voltage, batch.current, batch.temperature_celsius]).any()


def test_an_unknown_channel_is_ours():
    with pytest.raises(InternalError, match="nobody"):
        meter("a").take("nobody")


@pytest.mark.parametrize("every", [1.0, 600.0, 3600.0])
def test_energy_by_record_rule(every):
    """Energy is counted at every measured row, like charge: how seldom rows are stored changes no bit of it."""
    found = meter("a", record=(RecordRule(every=every),))
    times = np.arange(1.0, 7201.0)
    for time in times:
        tick(found, float(time), 3.7 + 0.4 * np.sin(time / 700.0), 0.36)
    voltage = 3.7 + 0.4 * np.sin(times / 700.0)
    wanted = 0.36 * (voltage[0] + np.trapezoid(voltage, times)) / 3600.0
    assert found.counters("a").charging_wh == pytest.approx(wanted, rel=1e-12)
    batch = found.take("a")
    assert batch.charging_wh is not None
    assert batch.charging_wh[-1] == found.counters("a").charging_wh
    assert batch.discharging_wh is not None
    assert not batch.discharging_wh.any()


def test_energy_while_the_old_set_point_holds_is_at_its_last_voltage():
    found = meter("a")
    tick(found, 1.0, 3.7, 0.36)
    assert found.begin("a", 3.0, ()).charging_wh == pytest.approx(3.7 * 0.36 * 3.0 / 3600.0)


def test_energies_of_an_instrument_are_taken_where_it_has_them_and_the_run_knows_its_own():
    zero, one = np.zeros(1), np.ones(1)
    batch = Batch(zero, one, one, one, zero, charging_wh=4.0 * one, discharging_wh=zero)
    assert mapped(batch, 0.0, Counters(1.0, 2.0, 8.0, 9.0)).charging_wh == [12.0]
    assert mapped(batch, 0.0, Counters(1.0, 2.0, None, None)).charging_wh is None
    assert mapped(Batch(zero, one, one, one, zero), 0.0, Counters(1.0, 2.0, 8.0, 9.0)).charging_wh is None
