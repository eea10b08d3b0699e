"""Envelopes: the order of limits does not matter, none widens, and what lies outside is found."""

import functools
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from labctl.driver import Bounds
from labctl.plan.envelope import Envelope

sides = st.floats(-10, 10)
pairs = st.none() | st.tuples(sides, sides).map(lambda pair: (min(pair), max(pair)))
bounds = st.builds(Bounds, pairs, pairs, pairs, st.none() | st.floats(0, 10))


@given(st.lists(bounds, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_limits_does_not_matter_and_none_widens(given_bounds, random):
    def intersection(items):
        return functools.reduce(lambda envelope, one: envelope.within(one, "x"), items, Envelope())

    shuffled = random.sample(given_bounds, len(given_bounds))
    envelope = intersection(given_bounds)
    assert envelope.bounds == intersection(shuffled).bounds
    for one, name in product(given_bounds, ("voltage", "current", "temperature")):
        outer, inner = getattr(one, name), getattr(envelope.bounds, name)
        assert outer is None or (inner is not None and inner[0] >= outer[0] and inner[1] <= outer[1])


@given(bounds, sides)
def test_a_value_is_beyond_one_envelope_if_it_is_outside(one, value):
    envelope = Envelope(one)
    inside = one.voltage is None or one.voltage[0] <= value <= one.voltage[1]
    assert not (inside and envelope.beyond("voltage", value))
    if one.voltage is not None and (value < one.voltage[0] - 1e-6 or value > one.voltage[1] + 1e-6):
        assert envelope.beyond("voltage", value)
