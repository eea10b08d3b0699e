import math

import pytest

from labctl.errors import Misread
from labctl.quantity.dimension import TABLES, name_of
from labctl.quantity.parse import parse
from labctl.quantity.units import Quantity, display, like, number, reference_label

GOOD = [
    ("1 nA", "current", 1e-9),
    ("1 µA", "current", 1e-6),
    ("1 μA", "current", 1e-6),
    ("1 mA", "current", 1e-3),
    ("1 A", "current", 1.0),
    ("5 µA cm⁻²", "current", 0.05),
    ("0.1 mA cm⁻²", "current", 1.0),
    ("0.1 mA/cm2", "current", 1.0),
    ("0.1 mA cm-2", "current", 1.0),
    ("0.1 mA cm^-2", "current", 1.0),
    ("0.1 mA/cm²", "current", 1.0),
    ("0.1 mA·cm⁻²", "current", 1.0),
    ("100 mA g⁻¹", "current", 100.0),
    ("0.5 A g⁻¹", "current", 500.0),
    ("0.5 A/g", "current", 500.0),
    ("0.1C", "current", 0.1 / 3600),
    ("C/10", "current", 0.1 / 3600),
    ("C / 10", "current", 0.1 / 3600),
    ("2 C", "current", 2 / 3600),
    ("50C", "current", 50 / 3600),
    ("1C/3", "current", 1 / 3 / 3600),
    ("1 µAh", "capacity", 3.6e-3),
    ("1 mAh", "capacity", 3.6),
    ("1 mA h", "capacity", 3.6),
    ("1 Ah", "capacity", 3600.0),
    ("1 mAh cm⁻²", "capacity", 3.6e4),
    ("76 µAh cm⁻² µm⁻¹", "capacity", 76e-6 * 3600 / 1e-4 / 1e-6),
    ("76 uAh/cm2/um", "capacity", 76e-6 * 3600 / 1e-4 / 1e-6),
    ("150 mAh g⁻¹", "capacity", 150 * 3600),
    ("50 %", "capacity", 0.5),
    ("1 mV", "voltage", 1e-3),
    ("1 V", "voltage", 1.0),
    ("−50 mV", "voltage", -0.05),
    ("3.8 V vs Li⁺/Li", "potential", 3.8),
    ("2 V vs Na+/Na", "potential", 2.0),
    ("1 mV s⁻¹", "scan rate", 1e-3),
    ("1 mV/s", "scan rate", 1e-3),
    ("1 Hz", "frequency", 1.0),
    ("1 kHz", "frequency", 1e3),
    ("1 MHz", "frequency", 1e6),
    ("1 mHz", "frequency", 1e-3),
    ("1e-3 Hz", "frequency", 1e-3),
    ("1 Ω", "resistance", 1.0),
    ("1 mOhm", "resistance", 1e-3),
    ("100 Ω cm²", "resistance", 0.01),
    ("100 ohm", "resistance", 100.0),
    ("1 S cm⁻¹", "any", 100.0),
    ("1 mS cm⁻¹", "any", 0.1),
    ("1 µWh", "any", 3.6e-3),
    ("1 mWh", "any", 3.6),
    ("1 s", "duration", 1.0),
    ("1 min", "duration", 60.0),
    ("1 h", "duration", 3600.0),
    ("1 d", "duration", 86400.0),
    ("1 h 30 min", "duration", 5400.0),
    ("2h 30min 10 s", "duration", 9010.0),
    (".5 h", "duration", 1800.0),
    ("25 °C", "temperature", 298.15),
    ("25 degC", "temperature", 298.15),
    ("25 ℃", "temperature", 298.15),
    ("298 K", "temperature", 298.0),
    ("1 nm", "length", 1e-9),
    ("1 µm", "length", 1e-6),
    ("1 mm", "length", 1e-3),
    ("1 cm", "length", 1e-2),
    ("1 cm²", "area", 1e-4),
    ("1.539 cm2", "area", 1.539e-4),
    ("1.2 mg cm⁻²", "mass", 1.2e-2),
    ("1 mg", "mass", 1e-6),
    ("1 g", "mass", 1e-3),
    ("61.42 kJ mol⁻¹", "any", 61420.0),
    ("0.22 eV", "any", 0.22 * 1.602176634e-19),
    ("180°", "angle", math.pi),
    ("180 deg", "angle", math.pi),
    ("5 MPa", "pressure", 5e6),
    ("80 %", "fraction", 0.8),
    ("10 mV", "amplitude", 0.01),
    ("10 mV rms", "amplitude", 0.01 * math.sqrt(2)),
    ("10 uA rms", "amplitude", 1e-5 * math.sqrt(2)),
    ("1 uA/h", "current slope", 1e-6 / 3600),
    ("1 mV/h", "voltage slope", 1e-3 / 3600),
    ("0 V", "potential", 0.0),
    ("5", "count", 5.0),
    ("1.25", "number", 1.25),
]


@pytest.mark.parametrize(("text", "kind", "value"), GOOD)
def test_text_is_a_quantity(text, kind, value):
    assert parse(text, kind).value_si == pytest.approx(value, rel=1e-12, abs=0)


BAD = [
    ("5", "current", "unit.bare"),
    ("5 mV", "current", "unit.kind"),
    ("30 m", "duration", "unit.kind"),
    ("25 C", "temperature", "unit.celsius"),
    ("5 C", "capacity", "unit.coulomb"),
    ("12:30:00", "duration", "unit.clock"),
    ("1,5 h", "duration", "yaml.comma"),
    ("1e999 V", "voltage", "unit.number"),
    ("nan", "voltage", "unit.number"),
    ("c/10", "current", "unit.rate"),
    ("C/0", "current", "unit.unknown"),
    ("20 mV vs ocv", "voltage", "unit.versus"),
    ("2.5", "count", "value.count"),
    ("0.1 mA/cm", "any", "unit.kind"),
    ("5 mA/", "current", "unit.unknown"),
    ("1 s/cm2", "duration", "unit.kind"),
    ("1 h -30 min", "duration", "unit.unknown"),
    ("", "voltage", "unit.empty"),
    ("0x10 V", "voltage", "unit.unknown"),
    ("1_000 V", "voltage", "unit.number"),
]


@pytest.mark.parametrize(("text", "kind", "code"), BAD)
def test_text_is_refused_with_a_code(text, kind, code):
    with pytest.raises(Misread) as found:
        parse(text, kind)
    assert found.value.code == code


@pytest.mark.parametrize("kind", TABLES)
def test_every_proposed_unit_is_accepted(kind):
    for unit in TABLES[kind].units:
        parse(f"1 {unit}", kind)
    parse(TABLES[kind].example, kind)


def test_c_is_a_rate_and_percent_of_the_nominal():
    assert name_of(parse("1C", "current").dimension) == "C-rate"
    assert name_of(parse("50 %", "capacity").dimension) == "percentage"


@pytest.mark.parametrize("text", ["Li", "Li+/Li", "Li⁺/Li", "Li/Li+", "lithium", "Lithium metal"])
def test_spellings_of_a_reference_are_one(text):
    assert reference_label(text) == "Li"


def test_ocv_is_no_volts_against_the_last_rest():
    assert parse("ocv", "potential") == Quantity(0.0, parse("1 V", "voltage").dimension, "ocv", None, "ocv")
    assert parse("20 mV vs ocv", "potential").versus == "ocv"


def test_a_step_of_temperature_drops_the_zero_of_its_scale():
    assert parse("5 degC", "temperature").in_kind("temperature step") == pytest.approx(5)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1.2e-3, "current", "1.2 mA"),
        (0.0, "voltage", "0 V"),
        (5400.0, "duration", "1 h 30 min"),
        (7.02e-2, "capacity", "19.5 uAh"),
        (298.15, "temperature", "25 degC"),
        (0.8, "fraction", "80 %"),
        (1e6, "frequency", "1 MHz"),
        (math.pi, "angle", "180 deg"),
        (1e-4, "area", "1 cm2"),
        (0.12e-6, "mass", "0.12 mg"),
        (30.0, "duration", "30 s"),
    ],
)
def test_display_reads_well(value, kind, text):
    assert display(value, kind) == text


def test_like_keeps_the_unit_of_its_pattern():
    assert like(1.5, parse("0.1 mA/cm2", "current")) == "0.15 mA/cm2"
    assert like(303.15, parse("25 degC", "temperature")) == "30 degC"
    assert like(0.2 / 3600, parse("C/10", "current")) == "0.2C"


@pytest.mark.parametrize("text", ["9" * 1_000_000, "1e400", "", "1.2.3", "--1", "1e", "٣"])
def test_what_is_no_number_is_none(text):
    assert number(text) is None
