import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import Misread
from labctl.quantity.dimension import TABLES, UNITS
from labctl.quantity.parse import parse
from labctl.quantity.units import display, like, measure_unit

KINDS = st.sampled_from(sorted(TABLES))
PLAIN = [unit for unit in UNITS if unit not in {"C", "%"}]


@given(st.text(max_size=60), KINDS)
def test_any_text_is_a_finite_quantity_or_a_finding(text, kind):
    try:
        found = parse(text, kind)
    except Misread as error:
        found = error
    if isinstance(found, Misread):
        assert found.code
        assert str(found).startswith("wanted ")
    else:
        assert math.isfinite(found.value_si)


LENGTHS = [name for name in PLAIN if measure_unit(f"{name}2") is not None]
UNDER = st.one_of(st.tuples(st.sampled_from(PLAIN), st.just(1)), st.tuples(st.sampled_from(LENGTHS), st.integers(1, 3)))


@given(st.sampled_from(PLAIN), UNDER)
def test_spellings_of_a_quotient_are_one(first, under):
    """Lengths have powers; a 1 behind any other unit is most often the decimals of `4V1`, and refused."""
    second, power = under
    spelled = [
        f"{first}/{second}{power if power > 1 else ''}",
        f"{first} {second}-{power}",
        f"{first} {second}^-{power}",
    ]
    found = [measure_unit(text) for text in spelled]
    assert found[0] is not None
    assert found[1] == found[0]
    assert found[2] == found[0]


@given(st.floats(1e-6, 1e6), st.sampled_from(["current", "voltage", "capacity", "power", "frequency", "length"]))
def test_display_can_be_read_again(value, kind):
    assert parse(display(value, kind, 9), kind).value_si == pytest.approx(value, rel=1e-6)


@given(st.floats(1e-3, 1e3), st.sampled_from(["0.1 mA/cm2", "5 uA", "C/10", "3 V", "1 h", "25 degC", "50 %", "2 MHz"]))
def test_like_can_be_read_again(value, text):
    pattern = parse(text, "any")
    value = value + 300 if pattern.offset else value
    assert parse(like(value, pattern), "any").value_si == pytest.approx(value, rel=1e-5)
