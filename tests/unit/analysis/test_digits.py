"""Figures show the digits that they carry, and a value that is withheld is a dash."""

import pytest

from labctl.analysis.capacity import scales
from labctl.analysis.digits import scale, shown, texts
from labctl.plan.step import CellFigures


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (229.9834, "mAh/g", "230.0"),
        (2995.412, "uAh/cm2", "2995"),
        (849478.7, "mAh", "849479"),
        (0.147732, "V", "0.1477"),
        (8.123456e-12, "cm2/s", "8.123e-12"),
        (99.98765, "%", "99.99"),
        (-1e-9, "%", "0.00"),
        (16.0, "cycles", "16"),
        (float("nan"), "%", "-"),
        (None, "V", "-"),
        (7, "", "7"),
        ("strip", "", "strip"),
    ],
)
def test_a_figure_has_the_digits_that_it_carries(value, unit, said):
    assert shown(value, unit) == said


def test_a_mean_has_those_of_its_spread():
    table = {"mean capacity / mAh/g": (229.9834, 90.1), "standard deviation / mAh/g": (0.116, 0.0)}
    assert texts(table) == {
        "mean capacity / mAh/g": ["229.98", "90.10"],
        "standard deviation / mAh/g": ["0.12", "0.000"],
    }


def test_a_value_with_an_interval_beside_it_ends_where_that_ends():
    table = {"R1 / ohm": (929.71, 50.0), "R1 +- / ohm": (219.3, 0.0), "CPE1.a": (0.61703,), "CPE1.a +-": (0.04423,)}
    said = texts(table)
    assert (said["R1 / ohm"], said["R1 +- / ohm"]) == (["930", "50.000"], ["220", "0.000"])
    assert (said["CPE1.a"], said["CPE1.a +-"]) == (["0.617"], ["0.044"])


def test_a_column_of_charge_has_a_unit_of_a_readable_size():
    assert scale("Ah", [7.695e-05, 1e-6]) == (1e-6, "uAh")
    assert scale("Ah", [0.85]) == (1e-3, "mAh")
    assert scale("A", [2.5, float("nan")]) == (1.0, "A")
    assert scale("A", []) == (1.0, "A")
    assert next(iter(scales(CellFigures("film", "half_cathode", nominal=0.07)))) == "uAh"
    assert next(iter(scales(CellFigures("cell", "full", nominal=2450.0)))) == "mAh"
