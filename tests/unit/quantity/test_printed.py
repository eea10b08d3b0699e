"""Quantities as diagrams and typesetters print them: refused, and answered with the plain one."""

import pytest

from labctl.errors import Misread
from labctl.quantity.parse import parse

PRINTED = [
    ("4V1", "voltage", "write 4.1 V"),
    ("-0V5", "voltage", "write -0.5 V"),
    ("4V1 vs Li", "potential", "write 4.1 V vs Li"),
    ("1mA1", "current", "write 1.1 mA"),
    ("0mA5/cm2", "current", "write 0.5 mA/cm2"),
    ("0C5", "current", "write 0.5C"),
    ("10u0", "current", "write 10.0 uA"),
    ("1k5", "resistance", "write 1.5 kOhm"),
    ("4k7 Ohm", "resistance", "write 4.7 kOhm"),
    ("4K7", "resistance", "write 4.7 kOhm"),
    ("2R2", "resistance", "write 2.2 Ohm"),
    ("1M0", "frequency", "write 1.0 MHz"),
    ("2h1", "duration", "2.1 h or 2 h 1 min?"),
    ("1 h1", "duration", "1.1 h or 1 h 1 min?"),
    ("1h30", "duration", "write 1 h 30 min"),
    (r"\SI{0.1}{\milli\ampere\per\square\centi\meter}", "current", "write 0.1 mA/cm2"),
    (r"\SI{10}{\micro\ampere\per\centi\metre\squared}", "current", "write 10 uA/cm2"),
    (r"10~\mathrm{mA\,cm^{-2}}", "current", "write 10 mA cm^-2"),
    (r"$1\times10^{-4}$ A", "current", "write 1e-4 A"),
    (r"10 \mu A cm^{-2}", "current", "write 10 uA cm^-2"),
    (r"\frac{C}{10}", "current", "write C/10"),
    (r"25~$^\circ$C", "temperature", "write 25 degC"),
    (r"25 ^oC", "temperature", "write 25 degC"),
    (r"80 \%", "capacity", "write 80 %"),
    (r"50 k\Omega", "resistance", "write 50 kOhm"),
]

TYPED = [
    ("10 \u00c2\u00b5A", "current", "write 10 \u00b5A: the text was read in another encoding than it was saved in"),
    ("50 \u00ce\u00a9", "resistance", "write 50 \u03a9: the text was read in another encoding than it was saved in"),
    ("10 &micro;A", "current", "write 10 \u00b5A, as the web page shows it"),
    ("4.2 V\uff0c", "voltage", "leave \uff0c out: write 4.2 V"),
    ("5 E-4 A", "current", "no spaces inside a number: write 5E-4 A"),
    ("5 VDC", "voltage", "one value is wanted here: write 5 V"),
    (">= 4.2 V", "voltage", "one value is wanted here: write 4.2 V"),
    ("max. C/2", "current", "one value is wanted here: write C/2"),
    ("10 mV (rms)", "amplitude", "no brackets: write 10 mV rms"),
    ("C0.5", "current", "write 0.5C, or 2C if C/0.5 is meant"),
    ("12 mm x 12 mm", "area", "one number is wanted: write 144 mm2"),
    ("1 x 2 cm2", "area", "one number is wanted: write 2 cm2"),
    ("\u230012 mm", "area", "write diameter: 12 mm in place of area"),
    ("\u300c1 h\u300d", "duration", "those are no plain quotes: write 1 h"),
]


@pytest.mark.parametrize(("text", "kind", "hint"), TYPED)
def test_what_is_typed_or_copied_elsewhere_is_answered_with_the_value(text, kind, hint):
    with pytest.raises(Misread) as refused:
        parse(text, kind)
    assert refused.value.hint == hint


@pytest.mark.parametrize("text", ["20 mV (pp)", "20 mV (peak to peak)", "1 mA (per cm2)"])
def test_a_remark_that_changes_the_value_is_not_left_out(text):
    with pytest.raises(Misread) as refused:
        parse(text, "amplitude")
    assert "leave" not in refused.value.hint


@pytest.mark.parametrize(("text", "kind", "hint"), PRINTED)
def test_what_is_printed_is_answered_with_the_plain_quantity(text, kind, hint):
    with pytest.raises(Misread) as refused:
        parse(text, kind)
    assert refused.value.hint.split(": the unit")[0] == hint


@pytest.mark.parametrize(
    "text", ["4V1", "4 V^1", "4V2", "1 V¹", "2h1", "3 s2", "1 mA1", "1 mA2 V", "4V0", "1 cm1", "1 cm4", "0.1 mA/cm1"]
)
def test_a_unit_has_a_power_only_where_one_is_meant(text):
    with pytest.raises(Misread):
        parse(text, "any")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 cm2", 1e-4),
        ("10 mA cm-2", 100.0),
        ("1 A g-1", 1e3),
        ("2 mV s-1", 2e-3),
        ("5 s-1", 5.0),
        ("1 mAh cm-3", 3.6e6),
    ],
)
def test_powers_of_areas_and_of_what_is_per_something_are_read(text, value):
    assert parse(text, "any").value_si == pytest.approx(value)
