import math

import pytest

from labctl.driver import Bounds, Chamber, ConstantPower, Galvanostatic, Potentiostatic, Profile, Spectrum, Sweep
from labctl.plan.envelope import Envelope, outside

CELL = Bounds((2.0, 4.2), (-1e-3, 2e-3), (273.15, 333.15), 3.6)


def test_the_tightest_side_counts_and_its_owner_is_named():
    envelope = (
        Envelope().within(Bounds(voltage=(0.0, 4.3)), "the file").within(CELL, "the cell").within(Bounds(), "nobody")
    )
    assert envelope.bounds == CELL
    envelope = envelope.within(Bounds(voltage=(2.5, 5.0), charge=7.2), "the channel")
    assert envelope.bounds.voltage == (2.5, 4.2)
    assert envelope.beyond("voltage", 4.3) == "wanted a voltage of at most 4.2 V (the cell), found 4.3 V"
    assert envelope.beyond("voltage", 2.4) == "wanted a voltage of at least 2.5 V (the channel), found 2.4 V"
    assert envelope.beyond_charge(3.7).startswith("wanted a capacity of at most 1 mAh (the cell), found")


@pytest.mark.parametrize("value", [4.2, 2.0, math.nextafter(4.2, 5), math.nan])
def test_a_value_may_lie_on_a_limit(value):
    assert Envelope(CELL).beyond("voltage", value) == ""


def test_limits_may_leave_nothing():
    assert Envelope().within(CELL, "a").within(Bounds(voltage=(4.5, 5.0)), "b").empty() == ("voltage",)


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [
        (Galvanostatic(2e-3), False),
        (Galvanostatic(-1.1e-3), True),
        (Potentiostatic(4.2, 2e-3), False),
        (Potentiostatic(4.2, 3e-3), True),
        (Potentiostatic(4.3), True),
        (Sweep(2.0, 4.2, 1e-3), False),
        (Sweep(2.0, 1.9, 1e-3), True),
        (Profile((0.0, 1.0), (1e-3, 3e-3)), True),
        (ConstantPower(0.1), True),
        (ConstantPower(5e-3), False),
        (Spectrum((1.0,), 0.01, bias=4.2), True),
        (Spectrum((1.0,), 0.01), False),
        (Spectrum((1.0,), 2e-3, potentiostatic=False, bias=0.0), True),
        (Chamber(340.0), True),
    ],
)
def test_a_resolved_mode_against_an_envelope(mode, wrong):
    assert bool(outside(mode, CELL)) == wrong
