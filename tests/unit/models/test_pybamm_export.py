"""Exports of PyBaMM (`ParameterValues.to_json`): read, right against PyBaMM, and refused with the reason."""

import json
from pathlib import Path

import numpy as np
import pytest

import benchmarks.reference
from labctl_simulators.assembly.review import review_file
from labctl_simulators.cell import Current, Stop
from labctl_simulators.models import load_model
from labctl_simulators.parameters import ParameterError
from labctl_simulators.parameters.pybamm_export import LITHIUM, spline

TEXT = (Path(__file__).parent / "files/prada2013.pybamm.json").read_text(encoding="utf-8")


def changed(**entries):
    """Return the export with entries changed; None takes one away."""
    document = json.loads(TEXT)
    for key, value in entries.items():
        document[key] = value
        if value is None:
            del document[key]
    return json.dumps(document)


def test_an_export_is_the_cell_that_pybamm_solves():
    cell = load_model("prada.json", text=TEXT, electrolyte=False)
    with np.load(Path(benchmarks.reference.__file__).with_name("others.npz")) as stored:
        times, reference = stored["Prada2013/time"], stored["Prada2013/voltage"]
    segment = cell.segment(cell.initial(), Current(-2.3), 4000.0, [Stop("voltage", False, 2.0)])
    rows = segment.rows(times[times <= segment.end])
    assert np.abs(rows.voltage - reference[: len(rows.voltage)]).max() < 0.1e-3


def test_the_electrolyte_of_an_export_acts():
    plain, salty = (load_model("prada.json", text=TEXT, electrolyte=on) for on in (False, True))
    before, after = (
        one.segment(one.initial(), Current(-2.3), 600.0).rows([600.0]).voltage[0] for one in (plain, salty)
    )
    assert 1e-3 < before - after < 0.2


def test_an_export_with_lithium_metal_is_a_half_cell():
    text = changed(
        **{LITHIUM: 70.0, "Lower voltage cut-off [V]": 3.0, "Negative electrode double-layer capacity [F.m-2]": 0.1}
    )
    cell, whole = (load_model("half.json", text=one, electrolyte=False) for one in (text, TEXT))
    half, full = cell.chemistry.parameters, whole.chemistry.parameters
    area = half.negative.double_layer / 0.1
    assert (half.kind, half.negative.exchange) == ("half_cathode", pytest.approx(70.0 * area))
    assert (half.positive.capacity, half.positive.start) == (full.positive.capacity, full.positive.start)
    remarks = [remark.message for remark in review_file(text, "half.json")]
    assert any("Separator porosity" in words for words in remarks)
    assert not any("Lithium" in words or "lithium metal electrode" in words for words in remarks)


def test_what_is_not_taken_is_listed():
    remarks = review_file(TEXT, "prada.json")
    assert all(remark.warning for remark in remarks)
    assert any("Electrolyte diffusivity" in remark.message or "charge transfer" in remark.message for remark in remarks)


STO = {"name": "sto", "$type": "pybamm.expression_tree.parameter.Parameter"}
T = {"name": "T", "$type": "pybamm.expression_tree.parameter.Parameter"}
SHIFTED = {"$type": "pybamm.expression_tree.binary_operators.Power", "children": [STO, T]}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"Negative electrode thickness [m]": "thin"}, "wanted one number, found 'thin'"),
        ({"Positive particle diffusivity [m2.s-1]": SHIFTED}, "one activation energy at all compositions"),
        ({"Positive particle diffusivity [m2.s-1]": -1e-15}, "numbers above 0"),
        ({"Positive electrode OCP [V]": {"$type": "a.Heaviside", "children": [STO, STO]}}, "Heaviside"),
        ({"Separator porosity": None}, "Separator porosity: wanted one number, found None"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(entries, words):
    with pytest.raises(ParameterError, match=words):
        load_model("prada.json", text=changed(**entries))


def test_a_diffusivity_may_depend_on_the_composition_and_a_function_may_call_another():
    minus = {"$type": "pybamm.expression_tree.binary_operators.Subtraction", "children": [{"value": 1.0}, STO]}
    curve = {"$type": "pybamm.expression_tree.binary_operators.Multiplication", "children": [{"value": 6e-14}, minus]}
    call = {
        "$type": "pybamm.expression_tree.parameter.FunctionParameter",
        "name": "Electrolyte conductivity [S.m-1]",
        "children": [{"value": 1200.0}, T],
    }
    called = {
        "$type": "pybamm.expression_tree.binary_operators.Multiplication",
        "func_args": ["c_e", "T"],
        "children": [{"value": 2.5e-13}, {"$type": "pybamm.expression_tree.parameter.Parameter", "name": "c_e"}],
    }
    text = changed(
        **{
            "Negative particle diffusivity [m2.s-1]": curve,
            "Electrolyte diffusivity [m2.s-1]": call,
            "Electrolyte conductivity [S.m-1]": called,
        }
    )
    parameters = load_model("e.json", text=text).chemistry.parameters
    assert parameters.negative.speed(np.array([0.25, 0.75])) == pytest.approx([1.5, 0.5], rel=1e-3)
    assert parameters.electrolyte.diffusivity == pytest.approx(3e-10)


def test_an_expression_that_runs_in_circles_is_refused():
    loop = {"name": "Separator porosity", "$type": "pybamm.expression_tree.parameter.Parameter"}
    with pytest.raises(ParameterError, match="wanted"):
        load_model("prada.json", text=changed(**{"Separator porosity": loop, "Positive electrode OCP [V]": loop}))


def test_the_spline_of_a_table_has_no_knot_beside_its_ends():
    x = np.array([0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
    at = np.linspace(-0.1, 1.1, 60)
    assert np.abs(spline(x, 2.0 - x + 3.0 * x**3, at) - (2.0 - at + 3.0 * at**3)).max() < 1e-12
