"""Counters are the same bits whatever the cutting, and no row moves charge that did not flow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.driver import RecordRule
from labctl.engine.meter import Meter, charge
from labctl.engine.state_parts import Counters
from labctl.engine.watch import Box
from labctl.sample import Batch, Snapshot

CURRENT = st.one_of(st.floats(-2.0, 2.0), st.sampled_from([0.0, float("nan"), float("inf"), 1e300]))
ROWS = st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(-5.0, 5.0), CURRENT), min_size=1, max_size=40)
RULES = st.sampled_from(
    [(RecordRule(every=10.0, voltage=1.0),), (RecordRule(every=1.0, until=20.0), RecordRule(current=0.5)), ()]
)


def meter(count: int, rules: tuple[RecordRule, ...]) -> Meter:
    names = tuple(str(number) for number in range(count))
    found = Meter(names)
    for name in names:
        found.resume(name, Counters(1.25, 0.75, 4.5, 2.5))
        found.begin(name, 0.0, rules)
        found.watch(name, Box(voltage=(-4.0, 4.0)))
    return found


@given(ROWS, RULES, st.integers(1, 3), st.data())
@settings(max_examples=100)
def test_ticks_batches_and_neighbours_change_no_bit(measured, rules, neighbours, data):
    steps, voltage, current = (np.array(column) for column in zip(*measured, strict=True))
    time = np.cumsum(steps)
    alone, among, pieces = meter(1, rules), meter(neighbours + 1, rules), meter(1, rules)
    for at in range(len(time)):
        alone.step(Snapshot(("0",), voltage[at : at + 1], current[at : at + 1]), time[at : at + 1])
        others = np.full(neighbours, data.draw(st.floats(-1.0, 1.0)))
        row = np.concatenate((others, current[at : at + 1]))
        among.step(
            Snapshot(among.channels, np.full(neighbours + 1, voltage[at]), row), np.full(neighbours + 1, time[at])
        )
    last = among.channels[-1]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(time)), max_size=5)))
    for begin, end in zip([0, *cuts], [*cuts, len(time)], strict=True):
        pieces.rows("0", Batch(time, voltage, current).rows(begin, end))
    assert alone.counters("0") == among.counters(last) == pieces.counters("0")
    one, two, three = alone.take("0"), among.take(last), pieces.take("0")
    for name in ("time", "voltage", "current", "charging_ah", "discharging_ah", "charging_wh", "discharging_wh"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


@given(ROWS, RULES)
@settings(max_examples=100)
def test_counters_never_fall_and_only_good_rows_move_them(measured, rules):
    found = meter(1, rules)
    time, before, most = 0.0, found.counters("0"), 0.0
    for step, voltage, current in measured:
        time += step
        found.step(Snapshot(("0",), np.array([voltage]), np.array([current])), np.array([time]))
        after = found.counters("0")
        good = abs(current) < 1e12
        assert after[0] >= before[0]
        assert after[1] >= before[1]
        assert good or after == before
        most = max(most, abs(current) if good else 0.0)
        before = after
    assert sum(before[:2]) - 2.0 <= most * time / 3600.0 * (1.0 + 1e-9) + 1e-12


@given(st.floats(-10.0, 10.0), st.floats(-10.0, 10.0), st.floats(0.0, 1e4))
def test_net_charge_is_the_trapezoid(earlier, later, seconds):
    up, down = charge(np.array([earlier]), np.array([later]), np.array([seconds]))
    assert np.isclose(up[0] - down[0], 0.5 * (earlier + later) * seconds / 3600.0, rtol=1e-9, atol=1e-12)
    assert up[0] >= 0.0
    assert down[0] >= 0.0
