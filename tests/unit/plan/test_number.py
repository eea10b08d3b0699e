from labctl.plan.number import inverse, magnitude, negative, scaled, values
from labctl.plan.step import ByPass

TABLE = ByPass((1,), (2,), (1.0, -2.0))


def test_arithmetic_goes_through_the_table():
    assert negative(TABLE) == ByPass((1,), (2,), (-1.0, 2.0))
    assert scaled(3.0, 2.0) == 6.0
    assert magnitude(TABLE) == ByPass((1,), (2,), (1.0, 2.0))
    assert magnitude(-3.0) == 3.0
    assert inverse(ByPass((1,), (2,), (2.0, 4.0)), 8.0) == ByPass((1,), (2,), (4.0, 2.0))
    assert inverse(2.0, 8.0) == 4.0
    assert (values(TABLE), values(1.0)) == ((1.0, -2.0), (1.0,))
