"""Cell files of BattMo: read as they stand, the same cell as the set of the same numbers, and refused with the reason."""

import json
from pathlib import Path

import numpy as np
import pytest

from labctl_simulators.assembly.review import review_file
from labctl_simulators.cell import Current
from labctl_simulators.models import load_model
from labctl_simulators.parameters import ParameterError

TEXT = (Path(__file__).parent / "files/lg-m50.battmo.json").read_text(encoding="utf-8")


def changed(path, value):
    """Return the file with one entry changed; None takes it away."""
    document = json.loads(TEXT)
    *branches, key = path.split(".")
    branch = document
    for name in branches:
        branch = branch[name]
    if value is None:
        del branch[key]
    else:
        branch[key] = value
    return json.dumps(document)


def discharged(cell, state, kelvin=298.15):
    return cell.segment(state.at(temperature=kelvin), Current(-5.0), 3000.0).rows(np.arange(0.0, 3001.0, 300.0)).voltage


SAME = """\
labctl_model: 1
name: as-battmo
like: chen2020
about: chen2020, whose electrodes conduct by Bruggeman's law, as BattMo has it.
sources: {B: BattMo}
values:
  positive: {conductivity_bruggeman: {value: 1.5, unit: "1", source: B}}
  negative: {conductivity_bruggeman: {value: 1.5, unit: "1", source: B}}
"""


def test_a_cell_of_battmo_is_the_set_of_the_same_numbers():
    cell, known = load_model("m50.json", text=TEXT), load_model("same.yaml", text=SAME)
    state = cell.initial(soc=0.95)
    same = known.initial()._replace(level=np.append(state.level[:2], known.initial().level[2:]))
    assert np.abs(discharged(cell, state) - discharged(known, same)).max() < 2e-4
    assert (cell.voltage(cell.initial(soc=0.0)), cell.voltage(cell.initial(soc=1.0))) == pytest.approx(
        (2.5, 4.2), abs=0.05
    )


def test_what_is_not_taken_is_listed_and_what_describes_is_not():
    told = [remark.message for remark in review_file(TEXT, "m50.json")]
    assert "not taken: NegativeElectrode.CurrentCollector.Thickness: nothing here reads it" in told
    assert "not taken: Electrolyte.IonicConductivity: taken at the concentration at rest" in told
    assert not [words for words in told if "Title" in words or "NominalVoltage" in words or "Density" in words]
    assert all(remark.warning for remark in review_file(TEXT, "m50.json"))


def test_a_formula_in_the_temperature_gives_entropy_and_an_activation_energy():
    own = json.loads(TEXT)["PositiveElectrode"]["ActiveMaterial"]["OpenCircuitPotential"]
    text = changed("PositiveElectrode.ActiveMaterial.OpenCircuitPotential", f"{own} + 2e-4*(T - refT)")
    cell, plain = load_model("m50.json", text=text), load_model("m50.json", text=TEXT)
    warm, cold = (one.voltage(one.initial(soc=0.5).at(temperature=308.15)) for one in (cell, plain))
    assert warm - cold == pytest.approx(2e-3, rel=1e-6)
    text = changed("Electrolyte.IonicConductivity", "0.95*exp(-2000*(1/T - 1/refT))")
    assert load_model("m50.json", text=text).chemistry.parameters.electrolyte.conductivity_activation == pytest.approx(
        2000 * 8.31446, rel=1e-4
    )


def test_a_potential_may_be_a_table():
    x = np.linspace(0.01, 0.99, 400)
    formula = load_model("m50.json", text=TEXT).chemistry.parameters.positive.potential
    table = {"X": x.tolist(), "Y": [float(formula(float(one))) for one in x]}
    cell = load_model("m50.json", text=changed("PositiveElectrode.ActiveMaterial.OpenCircuitPotential", table))
    plain = load_model("m50.json", text=TEXT)
    assert cell.voltage(cell.initial(soc=0.5)) == pytest.approx(plain.voltage(plain.initial(soc=0.5)), abs=1e-3)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("Separator.Thickness", None, "Separator.Thickness: wanted one number, found None"),
        ("Separator.Porosity", 1.4, "porosity: wanted a number in 0..1"),
        ("NegativeElectrode.ActiveMaterial.DiffusionCoefficient", "1e-14*(0.5 - c/cmax)", "wanted a diffusivity above 0"),
        ("NegativeElectrode.ActiveMaterial.ChargeTransferCoefficient", 0.3, "wanted 0.5, for which the models are made"),
        ("PositiveElectrode.ActiveMaterial.OpenCircuitPotential", {"FunctionName": "ocp"}, "wanted a formula, a table"),
        ("PositiveElectrode.ActiveMaterial.OpenCircuitPotential", "4.2 - open('x')", "wanted arithmetic in x"),
        ("PositiveElectrode.ElectrodeCoating.EffectiveDensity", 9000, "wanted fractions of volume in 0..1"),
        ("Electrolyte.IonicConductivity", "-1*c", "wanted numbers above 0"),
        ("Electrolyte", 3, "Electrolyte: wanted a branch of numbers"),
        ("PositiveElectrode.Coating", {}, "which is one file"),
    ],
)  # fmt: skip
def test_what_no_model_takes_is_refused_by_name(path, value, words):
    text = changed(path, value)
    with pytest.raises(ParameterError, match=words):
        load_model("m50.json", text=text)
    assert any(words in remark.message and not remark.warning for remark in review_file(text, "m50.json"))
