import pytest

from labctl.errors import ProtocolError
from labctl.protocol.binding import bind, bind_use, passes, repeats
from labctl.protocol.load import load

TEXT = """labctl: 1
params: {j: 0.1 mA/cm2, n: 3, word: slow, rates: [0.1C, 1C], high: required}
steps:
  - rest: 10 min
  - mark: $j $n $word $rates $high
"""


def protocol(text=TEXT, reader=lambda name: None):
    return load(text, "f.yaml", reader)


def test_defaults_and_given_values():
    found = bind(protocol(), {"high": "4.2 V", "j": "C/20", "rates": "[1 mA, 2 mA]"})
    assert found["high"].value_si == 4.2
    assert found["j"].text == "C/20"
    assert [rate.text for rate in found["rates"]] == ["1 mA", "2 mA"]
    assert found["word"] == "slow"


def test_a_text_that_begins_with_a_digit_is_a_text_where_the_default_is_one():
    protocol = load("labctl: 1\nparams: {operator: Anna}\nsteps:\n  - mark: by $operator\n", "a.yaml")
    assert bind(protocol, {"operator": "3rd shift"}) == {"operator": "3rd shift"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "params.required"),
        ({"high": "4 V", "jj": "1 mA"}, "params.unknown"),
        ({"high": "4 V", "j": "1 V"}, "params.kind"),
        ({"high": "4 V", "j": "fast"}, "params.kind"),
        ({"high": "4 V", "word": "1 mA"}, "params.kind"),
        ({"high": "4 V", "rates": "1C"}, "params.kind"),
        ({"high": "4 V", "j": "1 mAx"}, "unit.unknown"),
        ({"high": "4,2 V"}, "yaml.comma"),
    ],
)
def test_a_wrong_value_is_found(given, code):
    with pytest.raises(ProtocolError) as found:
        bind(protocol(), given)
    assert [finding.code for finding in found.value.findings] == [code]


def test_a_text_that_is_nearly_a_value_is_answered_with_the_value():
    with pytest.raises(ProtocolError) as found:
        bind(protocol(), {"high": "4 V", "j": "C/5x"})
    assert [finding.hint for finding in found.value.findings] == ["did you mean C/5?"]


@pytest.mark.parametrize(
    ("default", "given", "hint"),
    [
        ("4.1 V", "4100", "is 4100 mV meant?"),
        ("4.1 V", "4.2", "write 4.2 V"),
        ("100 mA", "120000", "is 120000 uA meant?"),
        ("0 V", "100", "write 100 V"),
        ("80 %", "70", "write 70 %"),
    ],
)
def test_a_bare_number_is_answered_with_the_unit_of_the_default(default, given, hint):
    with pytest.raises(ProtocolError) as found:
        bind(load(f"labctl: 1\nparams: {{a: {default}}}\nsteps:\n  - mark: $a\n", "a.yaml"), {"a": given})
    assert [finding.hint for finding in found.value.findings] == [
        f"a parameter keeps the kind of its default, {default}: {hint}"
    ]


def test_a_value_with_the_word_of_a_count_is_answered_with_the_units_of_the_kind_of_the_default():
    for default, found in (("days: 1 d", "2 x"), ("days: [1 d, 2 d]", "[1 d, 2 x]")):
        with pytest.raises(ProtocolError, match=r"wanted a duration, found '2 x'\n.*units here are s, min, h, d"):
            bind(load(f"labctl: 1\nparams: {{{default}}}\nsteps:\n  - mark: x $days\n", "a.yaml"), {"days": found})
    with pytest.raises(ProtocolError, match="a count is a bare number: write 2"):
        bind(load("labctl: 1\nparams: {days: 1}\nsteps:\n  - mark: x $days\n", "a.yaml"), {"days": "2 x"})


def each(text, environment=None):
    steps = f"labctl: 1\nsteps:\n  - rest: 1 s\n  - each: {text}\n    steps: [{{mark: $j}}]\n"
    block = protocol(steps).children[1]
    return [found["j"].text for found in passes(block, environment or {})]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{j: {from: 0.1 mA/cm2, to: 0.3 mA/cm2, by: 0.1 mA/cm2}}", ["0.1 mA/cm2", "0.2 mA/cm2", "0.3 mA/cm2"]),
        ("{j: {from: 1 mA, to: 2.5 mA, by: 1 mA}}", ["1 mA", "2 mA"]),
        ("{j: {from: 2 h, to: 1 h, by: -30 min}}", ["2 h", "1.5 h", "1 h"]),
        ("{j: {from: 1 mA, to: 8 mA, factor: 2}}", ["1 mA", "2 mA", "4 mA", "8 mA"]),
        ("{j: {from: 25 degC, to: 35 degC, by: 5 K}}", ["25 degC", "30 degC", "35 degC"]),
        ("{j: {from: 25 degC, to: 35 degC, by: 5 degC}}", ["25 degC", "30 degC", "35 degC"]),
        ("{j: {from: 1, to: 3, by: 1}}", ["1", "2", "3"]),
        ("{j: {from: 1 V, to: 1 V, by: 1 V}}", ["1 V"]),
        ("{j: {from: 0.1C, to: 0.2C, by: 0.05C}}", ["0.1C", "0.15C", "0.2C"]),
        ("{j: [0.1C, C/5]}", ["0.1C", "C/5"]),
    ],
)
def test_ranges_include_their_ends(text, values):
    assert each(text) == values


def test_the_last_value_is_the_end_to_the_bit():
    block = protocol(
        "labctl: 1\nsteps:\n  - each: {j: {from: 0.1 mA, to: 2 mA, by: 0.05 mA}}\n    steps: [{charge: {current: $j, for: 1 h}}]\n"
    ).children[0]
    found = passes(block, {})
    assert len(found) == 39
    assert found[-1]["j"].value_si == 2e-3


def test_several_variables_go_in_step():
    block = protocol(
        "labctl: 1\nsteps:\n  - each: {a: [1 h, 2 h], b: {from: 1 mA, to: 2 mA, by: 1 mA}}\n    steps: [{charge: {current: $b, for: $a}}]\n"
    ).children[0]
    assert [(found["a"].text, found["b"].text) for found in passes(block, {})] == [("1 h", "1 mA"), ("2 h", "2 mA")]
    assert repeats(block, {}) == 2


def test_a_used_file_sees_its_own_parameters_only():
    part = "labctl: 1\nparams: {t: 1 h, list: [1 h]}\nsteps:\n  - rest: $t\n  - each: {x: $list}\n    steps: [{rest: $x}]\n"
    use = protocol(
        "labctl: 1\nparams: {mine: [2 h, 3 h]}\nsteps:\n  - use: part\n    with: {t: $(2 * j), list: $mine}\n".replace(
            "$(2 * j)", "30 min"
        ),
        {"part.yaml": part}.get,
    ).children[0]
    inner = bind_use(
        use, {"mine": bind(protocol("labctl: 1\nparams: {mine: [2 h, 3 h]}\nsteps: [{mark: $mine}]\n"))["mine"]}
    )
    assert set(inner) == {"t", "list"}
    assert inner["t"].value_si == 1800
    assert [item.text for item in inner["list"]] == ["2 h", "3 h"]
