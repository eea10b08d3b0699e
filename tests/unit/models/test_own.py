"""Parameter files of a user's own and BPX files: read, checked with line and reason, and right against PyBaMM."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from labctl.cli.main import main as labctl
from labctl_simulators import parameters
from labctl_simulators.assembly.review import Wanted, review_cell, review_file
from labctl_simulators.cell import Current, Stop
from labctl_simulators.models import load_model, main
from labctl_simulators.parameters import ParameterError
from labctl_simulators.parameters.keys import markdown, schema
from labctl_simulators.parameters.own import _checked, composed, read_text, template

FILES = Path(__file__).parent / "files"
ROOT = Path(__file__).resolve().parents[3]
BPX = (FILES / "nmc-pouch.bpx.json").read_text(encoding="utf-8")
OWN = (FILES / "film.yaml").read_text(encoding="utf-8")
# PyBaMM 26.10 on the numbers of the same file, 300 shells, tolerances 1e-8, 12.5 A from full at 0, 600, ... 3000 s:
# `.venv-bench/bin/python` with each number of the file in the parameter of the same name, k as F k sqrt(c_e/1000) sqrt(x (1-x))
PYBAMM = {
    (298.15, "SPM"): [4.110169, 3.885862, 3.712401, 3.59343, 3.523912, 3.422522],
    (298.15, "SPMe"): [4.100258, 3.865534, 3.69201, 3.572984, 3.503402, 3.401892],
    (283.15, "SPM"): [4.041387, 3.812094, 3.639966, 3.522025, 3.45171, 3.34479],
    (283.15, "SPMe"): [4.028133, 3.783279, 3.6111, 3.493053, 3.422558, 3.315349],
}


def changed(path, value):
    """Return the BPX file with one entry changed; None takes it away."""
    document = json.loads(BPX)
    *branches, key = path
    branch = document
    for name in branches:
        branch = branch[name]
    if value is None:
        del branch[key]
    else:
        branch[key] = value
    return json.dumps(document)


@pytest.mark.parametrize(("temperature", "kind"), PYBAMM)
def test_a_bpx_file_is_the_cell_that_pybamm_makes_of_it(temperature, kind):
    cell = load_model("nmc-pouch.bpx.json", text=BPX, electrolyte=kind == "SPMe")
    segment = cell.segment(
        cell.initial().at(temperature=temperature), Current(-12.5), 3600.0, [Stop("voltage", False, 2.7)]
    )
    voltage = segment.rows(np.arange(0.0, 3001.0, 600.0)).voltage
    assert np.abs(voltage - PYBAMM[temperature, kind])[1:].max() < (2e-6 if kind == "SPM" else 6e-5)


def test_what_is_not_taken_of_a_bpx_file_is_listed():
    told = [remark.message for remark in review_file(BPX, "nmc.json")]
    assert any("Density [kg.m-3]: BPX has no key" in words for words in told)
    assert any("User-defined, Colour" in words for words in told)
    assert all(remark.warning for remark in review_file(BPX, "nmc.json"))


POSITIVE = ("Parameterisation", "Positive electrode")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("Header", "BPX"), "2.0", "wanted a version from 0.1 to 1, found 2.0"),
        (("Header", "BPX"), None, "wanted the version of the format"),
        ((*POSITIVE, "Porosity"), 1.5, "Positive electrode: wanted porosity and transport efficiency in 0..1"),
        ((*POSITIVE, "Particle radius [m]"), -1e-6, "Positive electrode: Particle radius .*above 0, found -1e-06"),
        ((*POSITIVE, "Thickness [m]"), None, "Positive electrode: Thickness .*wanted one number, found None"),
        ((*POSITIVE, "Diffusivity [m2.s-1]"), "1e-14 * (0.5 - 0.9*x)", "wanted a diffusivity above 0 at every"),
        ((*POSITIVE, "OCP [V]"), {"x": [0.0, 0.5, 0.4], "y": [4.3, 3.8, 3.5]}, "wanted ascending x"),
        ((*POSITIVE, "OCP [V]"), {"x": [0.0, 0.5], "y": [4.3, None]}, "wanted numbers in its table, found None"),
        ((*POSITIVE, "OCP [V]"), "__import__('os').system('true')", "wanted arithmetic in x"),
        ((*POSITIVE, "OCP [V]"), "4.2 - x +", "wanted a formula in x"),
        ((*POSITIVE, "Particle"), {"A": {}}, "wanted one kind of particle"),
        (("Parameterisation", "Cell", "Lower voltage cut-off [V]"), 4.3, "below the upper"),
        (("Parameterisation", "Cell", "Upper voltage cut-off [V]"), 9.0, "that the open-circuit potentials reach"),
    ],
)
def test_what_no_cell_can_be_is_refused_by_name(path, value, words):
    with pytest.raises(ParameterError, match=words):
        load_model("nmc.json", text=changed(path, value))


def test_a_file_of_ones_own_is_a_cell():
    cell = load_model("film.yaml", text=OWN)
    assert cell.name == "my-film"
    assert cell.chemistry.kind == "half_cathode"
    assert not review_file(OWN, "film.yaml")
    discharge = cell.segment(cell.initial(), Current(-5e-6), 1e6, [Stop("voltage", False, 2.0)])
    assert discharge.stop == 0
    assert discharge.rows([discharge.end]).discharging[0] == pytest.approx(
        20e-6 * 3600.0, rel=0.06
    )  # 20 uAh by its file
    twice = load_model("film.yaml", text=OWN, film=1e-6)
    assert twice.chemistry.parameters.positive.capacity == pytest.approx(
        2.0 * cell.chemistry.parameters.positive.capacity
    )


def test_a_file_may_be_laid_over_a_shipped_set():
    text = (
        "labctl_model: 1\nname: cold-chen\nlike: chen2020\nelectrolyte: off\nabout: ours\nsources: {L: our own}\n"
        "values:\n  negative:\n    diffusivity_activation: {value: 30, unit: kJ/mol, source: L}\n"
    )
    mine, plain = load_model("c.yaml", text=text), load_model("chen2020", electrolyte=False)
    assert mine.chemistry.parameters.electrolyte is None
    assert mine.chemistry.parameters.negative.time_activation == 30e3
    assert mine.voltage(mine.initial(), -5.0) == plain.voltage(plain.initial(), -5.0)
    assert not [remark for remark in review_file(text, "c.yaml") if not remark.warning]


# PyBaMM 26.10's SPMe on its Mohtat2020, 300 shells, tolerances 1e-8, 5 A from 90 % of the window at 0, 600, ... 3000 s
MOHTAT = [4.025909, 3.836752, 3.690921, 3.613007, 3.533859, 3.337612]
ECKER = (FILES / "ecker2015.yaml").read_text(encoding="utf-8")
TABLE = (FILES / "nmc-graphite.yaml").read_text(encoding="utf-8")


def test_a_published_table_is_the_cell_that_pybamm_makes_of_it():
    assert not review_file(TABLE, "nmc.yaml")
    cell = load_model("nmc.yaml", text=TABLE, heat=False)
    voltage = cell.segment(cell.initial(soc=0.9), Current(-5.0), 3600.0).rows(np.arange(0.0, 3001.0, 600.0)).voltage
    assert np.abs(voltage - MOHTAT).max() < 5e-5


# PyBaMM 26.10's half cell (SPM) on its Xu2019, 200 shells, tolerances 1e-8, 2.4 mA at 0, 500, ... 2500 s
XU = [4.181445, 4.051168, 3.968982, 3.899097, 3.841588, 3.796459]
HALF = (FILES / "nmc-lithium.yaml").read_text(encoding="utf-8")


def test_a_published_table_of_a_half_cell_is_the_cell_that_pybamm_makes_of_it():
    assert not review_file(HALF, "half.yaml")
    cell = load_model("half.yaml", text=HALF)
    voltage = cell.segment(cell.initial(), Current(-2.4e-3), 3600.0).rows(np.arange(0.0, 2501.0, 500.0)).voltage
    assert np.abs(voltage - XU).max() < 5e-5
    fresh = "    initial_concentration: {value: 4631, unit: mol/m3, source: X}\n"
    (wrong,) = review_file(HALF + "  start_voltage: {value: 4.0, unit: V, source: X}\n", "half.yaml")
    assert "start_voltage: wanted it or initial_concentration, found both" in wrong.message
    full = load_model("half.yaml", text=HALF.replace(fresh, ""))
    assert full.voltage(full.initial()) == pytest.approx(4.2)
    separator = "  separator:\n    thickness: {value: 25, unit: um, source: X}\n"
    assert any("separator.thickness" in remark.message for remark in review_file(HALF + separator, "half.yaml"))


def test_an_entropy_that_is_no_formula_is_refused_before_a_temperature_asks_for_it():
    text = TABLE.replace("90.71*x**5", "90.71*sqrt(x - 2)", 1)
    (wrong,) = review_file(text, "nmc.yaml")
    assert "negative.entropy: wanted" in wrong.message
    with pytest.raises(ParameterError, match=f"^nmc.yaml:{wrong.line}: negative.entropy"):
        load_model("nmc.yaml", text=text)


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("unit: nm", "unit: furlong", 10, "film_thickness: wanted m or cm or mm or um or nm, found 'furlong'"),
        ("source: L}\n  nominal", "}\n  nominal", 10, "film_thickness: wanted `source` of a number that is quoted"),
        (
            "{value: 20, unit: uAh/cm2, source: L}",
            "{value: -20, unit: uAh/cm2, source: L}",
            16,
            "capacity: wanted a number above 0",
        ),
        ("shape: film", "shape: cube", 15, "working.shape: wanted film or sphere, found 'cube'"),
        ("    exchange: {", "    exhcange: {", 18, "found 'exhcange' (did you mean exchange?)"),
        ("lower_voltage: {value: 2.0", "lower_voltage: {value: -9.0", 12, "lower_voltage: wanted a voltage that the"),
        ("stoichiometry: {value: [0, 0.1", "stoichiometry: {value: [0, -0.1", 20, "ascending stoichiometry"),
        ("values:", "valeus:", 8, "valeus: wanted one of labctl_model"),
        ("  temperature: ", "  area: ", 25, "wanted each key once, found 'area' twice"),
        ("reference: Li", "reference: &a Li", 9, "no aliases"),
        ("model: insertion", "model: [", 4, "wanted YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(before, after, line, words):
    assert before in OWN
    text = OWN.replace(before, after, 1)
    wrong = [remark for remark in review_file(text, "film.yaml") if not remark.warning]
    assert len(wrong) == 1
    assert words in wrong[0].message
    assert abs(wrong[0].line - line) <= 1
    with pytest.raises(ParameterError, match=f"^film.yaml:{wrong[0].line}: "):
        load_model("film.yaml", text=text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "    mass_ratio: {value: 0.3, unit: '1', source: L}",
            "found working.mass_ratio, which nothing in this file's model reads",
        ),
        ("    porosity: {value: 0.3, unit: '1', source: L}", "wanted a key of insertion models, found 'porosity'"),
    ],
)
def test_a_number_that_nothing_reads_is_an_error(line, words):
    text = OWN.replace("  counter:", f"{line}\n  counter:")
    (remark,) = review_file(text, "film.yaml")
    assert words in remark.message
    assert text.splitlines()[remark.line - 1] == line


def test_every_wrong_key_and_unit_of_a_file_is_told():
    text = OWN.replace("    exchange: {", "    exhcange: {", 1).replace("unit: nm", "unit: furlong")
    wrong = [(remark.line, remark.message.partition(":")[0]) for remark in review_file(text, "film.yaml")]
    assert [path for _, path in sorted(wrong)] == ["film_thickness", "working.exhcange"]
    assert all(path.rpartition(".")[2] in text.splitlines()[line - 1] for line, path in wrong)


@pytest.mark.parametrize("name", parameters.names())
def test_every_key_of_the_shipped_sets_is_in_the_tables_and_the_schema(name):
    document = json.loads(json.dumps(parameters.whole_document(name)))
    _checked(document, name)
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_the_page_has_the_tables():
    page = (ROOT / "docs" / "reference" / "cells.md").read_text(encoding="utf-8")
    assert markdown() in page, "write it again: python -m labctl_simulators.parameters.keys"


def test_the_files_on_the_page_are_cells():
    page = (ROOT / "docs" / "reference" / "cells.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(labctl_model: .*?)```", page, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert not [remark for remark in review_file(block, "page.yaml") if not remark.warning]
        jsonschema.Draft202012Validator(schema()).validate(composed(block, "page.yaml")[0])


def test_the_template_is_a_cell():
    assert not review_file(template(), "my-cell.yaml")
    jsonschema.Draft202012Validator(schema()).validate(composed(template(), "my-cell.yaml")[0])


def test_a_potential_that_rises_is_told():
    text = OWN.replace("points: {value: [3.9, 3.4, 3.0", "points: {value: [3.9, 3.0, 3.4")
    (remark,) = review_file(text, "film.yaml")
    assert remark.warning
    assert "that falls with the stoichiometry" in remark.message


@pytest.mark.parametrize(
    "name",
    [
        "film.yaml",
        "ecker2015.yaml",
        "nmc-lithium.yaml",
        "nmc-pouch.bpx.json",
        "lg-m50.battmo.json",
        "prada2013.pybamm.json",
    ],
)
def test_the_command_that_checks_knows_a_parameter_file_of_any_program(name, capsys):
    assert labctl(["check", str(FILES / name)]) == 0
    assert "no errors" in capsys.readouterr().out


def test_stoichiometries_that_leave_no_capacity_are_refused():
    for before, after, words in (
        ("initial_concentration: {value: 12630.8", "initial_concentration: {value: 48580", "wanted less than largest"),
        ("initial_concentration: {value: 26120.05", "initial_concentration: {value: 5", "wanted a voltage that the"),
    ):
        assert before in ECKER
        (remark,) = review_file(ECKER.replace(before, after), "e.yaml")
        assert not remark.warning
        assert remark.line > 1
        assert words in remark.message


def test_a_bomb_of_a_file_ends_in_words():
    nested = "labctl_model: 1\nname: x\nvalues: " + "[" * 3000
    for text in (nested, "{" * 5000, "[" * 100_000, '{"Header": {}}', "\x00", "- 1", "x" * (5 << 20)):
        with pytest.raises(ParameterError):
            read_text(text, "x.yaml")


def test_a_model_that_does_not_fit_its_cell_is_told():
    assert review_cell(Wanted("marquis2019", kind="full", nominal=0.68 * 3600.0)) == []
    (remark,) = review_cell(Wanted("na-bare", kind="full"))
    assert (remark.key, remark.warning) == ("model", False)
    assert "wanted a model of kind full, found na-bare, which is of kind symmetric" in remark.message
    (remark,) = review_cell(Wanted("na-bare", kind="symmetric", reference="Li"))
    assert remark.warning
    assert remark.hint.startswith("write reference: Na")
    assert not review_cell(Wanted("na-bare", kind="symmetric", reference="Na"))
    assert not review_cell(Wanted("na-bare", kind="symmetric", reference="AgCl"))
    (remark,) = review_cell(Wanted("chen2021"))
    assert remark.hint == "did you mean chen2020?"
    (remark,) = review_cell(Wanted("chen2020", kind="full", nominal=2.5 * 3600.0))
    assert remark.warning
    (remark,) = review_cell(Wanted("na-bare", kind="symmetric", temperatures=(298.15, 393.15)))
    assert "found 120 degC" in remark.message


@pytest.mark.parametrize(
    "name",
    ["chen2020", "na-bare", "phlt-blocking", "voc1-atfb", str(FILES / "film.yaml"), str(FILES / "nmc-pouch.bpx.json")],
)
def test_a_model_is_drawn(name, tmp_path, capsys):
    path = tmp_path / "x.png"
    assert main([name, "--plot", str(path)]) == 0
    assert path.stat().st_size > 20_000
    assert main([name]) == 0
    assert main([name, "--json"]) == 0
    assert main([name, "--plot", str(tmp_path / "x.doc")]) == 1
    assert ".png, .svg or .pdf" in capsys.readouterr().err
