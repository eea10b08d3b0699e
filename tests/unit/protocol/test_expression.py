import pytest

from labctl.errors import Misread, ProtocolError
from labctl.finding import Mark
from labctl.protocol.cell import Cell
from labctl.protocol.expression import parse_given, parse_reference, parse_template, settle, settle_text
from labctl.quantity.parse import parse

VALUES = {
    "areal": parse("1 mAh/cm2", "any"),
    "j": parse("0.5 mA/cm2", "any"),
    "rate": parse("C/10", "any"),
    "hot": parse("60 degC", "any"),
    "cold": parse("25 degC", "any"),
    "step": parse("5 K", "any"),
    "n": parse("3", "any"),
    "word": "ocv",
    "many": (parse("1 h", "any"),),
    "dv": parse("20 mV vs ocv", "any"),
    "zero": parse("0 mA", "any"),
}
CELL = Cell("c", "full", area=1e-4, active_mass=1e-6, film_thickness=3e-7, nominal=36.0)


def places(offset):
    return Mark("f.yaml", 1, offset + 1)


def value(text, kind, sign="any"):
    return settle(parse_given(text, kind, places, sign), VALUES)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("$(1.2 * areal / j)", "duration", 1.2 * 7200),
        ("$(2 * (areal - 0.5 * areal) / j)", "duration", 7200),
        ("$(-j + 2 * j)", "current", 5.0),
        ("$(abs(-j))", "current", 5.0),
        ("$j", "current", 5.0),
        ("$n", "count", 3),
        ("$(n * 2)", "count", 6),
        ("$(hot - cold)", "temperature step", 35),
        ("$(cold + step)", "temperature", 303.15),
        ("$(1 / 2 * n)", "number", 1.5),
    ],
)
def test_units_go_along(text, kind, expected):
    assert value(text, kind).value_si == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("$(areal / rate)", "duration", 3.6e-4 * 1e4 / (36.0 / 36000)),
        ("$rate", "current", 36.0 / 36000),
        ("$(2 * j)", "current", 1e-3),
        ("50 %", "capacity", 18.0),
        ("5 A/kg", "current", 5e-6),
        ("76 uAh/cm2/um", "capacity", 76e-6 * 3600 * 0.3),
        ("100 Ohm cm2", "resistance", 100.0),
        ("10 uA/cm2", "amplitude", 1e-5),
        ("10 mV", "amplitude", 0.01),
    ],
)
def test_a_cell_makes_relative_quantities_absolute(text, kind, expected):
    assert CELL.resolve(value(text, kind), kind) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("$(j + areal)", "current", "reference.units"),
        ("$(j + 1)", "current", "reference.units"),
        ("$(j / (n - n))", "current", "reference.zero"),
        ("$(2 * word)", "current", "reference.kind"),
        ("$many", "duration", "reference.kind"),
        ("$(2 * hot)", "temperature", "reference.units"),
        ("$(2 * dv)", "potential", "reference.units"),
        ("$nothing", "current", "reference.unknown"),
        ("$j", "duration", "unit.kind"),
        ("$(j * j)", "current", "unit.kind"),
        ("$(n / 2)", "count", "unit.kind"),
        ("$dv", "voltage", "unit.kind"),
    ],
)
def test_what_has_no_value_is_found(text, kind, code):
    with pytest.raises(ProtocolError) as found:
        value(text, kind)
    assert [finding.code for finding in found.value.findings] == [code]


def test_signs_are_those_of_the_place():
    with pytest.raises(ProtocolError):
        value("$(-j)", "current", "positive")
    with pytest.raises(ProtocolError):
        value("$zero", "current", "positive")
    assert value("$zero", "current", "not negative").value_si == 0


def test_a_voltage_against_ocv_stays_so():
    assert value("$word", "potential").versus == "ocv"
    assert value("$(dv + dv)", "potential").versus == "ocv"
    assert value("$(dv - dv)", "potential").versus == ""


@pytest.mark.parametrize(
    "text",
    [
        "$",
        "$5",
        "$(",
        "$()",
        "$(1",
        "$(1 +)",
        "$(* 1)",
        "$(a b)",
        "$(1 mA)",
        "$(a.b)",
        "$(f(1))",
        "$(1 ** 2)",
        "$(a[0])",
        "$($a)",
        "$(" + "(" * 60 + "1" + ")" * 60 + ")",
        "$(" + "-" * 100 + "1)",
        "$(" + "1+" * 300 + "1)",
    ],
)
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(Misread) as found:
        parse_reference(text, places)
    assert found.value.code.startswith("reference.")


def test_texts_are_filled_in():
    text = parse_template("at $j, $(2 * j), $$5 and $word", places, places(0))
    assert settle_text(text, VALUES) == "at 0.5 mA/cm2, 1 mA/cm2, $5 and ocv"
    assert parse_template("plain $$", places, places(0)) == "plain $"
