"""Options of analyses as people read them."""

import pytest

from labctl.protocol.analyses import option_shown, read_options


@pytest.mark.parametrize(
    ("analysis", "name", "given", "shown"),
    [
        ("gitt", "length", "300 nm", "300 nm"),
        ("retention", "below", "70 %", "70 %"),
        ("retention", "of", "max", "max"),
        ("retention", "of", "cycle 3", "3"),
        ("dcir", "longest", "2 min", "2 min"),
        ("dcir", "at", "[1 s, 1 min]", "1 s, 1 min"),
        ("window", "threshold", "10 uA/cm2", "0.01 mA/cm2"),
        ("differential", "window", "5 mV", "5 mV"),
        ("leakage", "last", "1 h", "1 h"),
        ("impedance", "circuit", '"R0-p(R1,CPE1)"', "R0-p(R1,CPE1)"),
    ],
)
def test_an_option_is_shown_with_its_unit(analysis, name, given, shown):
    assert option_shown(analysis, name, read_options(analysis, {name: given})[name]) == shown
