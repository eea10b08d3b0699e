"""The model that stands in for a cell, as the verbs see it: from its file, with the places of what does not fit."""

import pytest

from labctl.errors import CellError
from labctl.plan.compile import compile_plan
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from labctl.run.files import read_files
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.run.stand_in import model_findings, parameter_findings, plan_misfits, refuse_misfits, with_model

CELL = """labctl_cell: 1
name: c
kind: full
area: 1.54 cm2
nominal: {capacity: 4.3 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-15 mA, 15 mA]}
model: chen2020
"""
PROTOCOL = """labctl: 1
name: hot
steps:
  - temperature: {to: 120 degC, soak: 1 h}
  - discharge: {current: 1 mA, to: 2.6 V, for: 1 h}
"""
OWN = """labctl_model: 1
name: mine
like: marquis2019
about: ours
sources: {O: ours}
values:
  upper_voltage: {value: 4.15, unit: V, source: O}
"""


def cell(text=CELL, name="c.yaml"):
    return load_cell(text, name)


def test_a_model_of_another_kind_is_an_error_at_its_line():
    (finding,) = model_findings(cell(CELL.replace("chen2020", "na-bare")))
    assert str(finding).startswith(
        "c.yaml:7:1: error[cell.model]: wanted a model of kind full, found na-bare, which is of"
    )
    with pytest.raises(CellError, match="na-bare"):
        refuse_misfits(cell(CELL.replace("chen2020", "na-bare")))


def test_a_model_that_is_unknown_is_an_error_with_what_may_have_been_meant():
    (finding,) = model_findings(cell(CELL.replace("chen2020", "chen2021")))
    assert finding.hint == "did you mean chen2020?"


def test_a_cell_without_a_model_is_not_simulated(tmp_path):
    (tmp_path / "c.yaml").write_text(CELL.replace("model: chen2020\n", ""))
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    with pytest.raises(CellError) as refused:
        Simulation(DryRunRequest(str(tmp_path / "p.yaml"), str(tmp_path / "c.yaml")))
    (finding,) = refused.value.findings
    assert finding.message.endswith("found none in c.yaml")
    assert finding.hint == "add model: NAME; labctl models lists them"


def test_a_model_of_another_capacity_is_a_warning():
    (finding,) = refuse_misfits(cell())
    assert finding.severity == "warning"
    assert "wanted a model of about the nominal capacity, 4.3 mAh, found chen2020" in finding.message
    assert not model_findings(cell(CELL.replace("4.3 mAh", "7.5 mAh")))


def test_a_size_that_cannot_act_is_an_error_at_its_key():
    (finding,) = model_findings(
        cell(CELL.replace("4.3 mAh", "7.5 mAh").replace("limits", "film_thickness: 1 um\nlimits"))
    )
    assert (finding.mark.line, finding.severity) == (6, "error")


def test_a_protocol_beyond_what_a_model_is_valid_for_is_refused_and_told_in_a_plan():
    on = cell(CELL.replace("4.3 mAh", "7.5 mAh"))
    plan = compile_plan(load(PROTOCOL, "p.yaml"), on, None, None, {})
    with pytest.raises(CellError, match="within 15 to 45 degC, for which chen2020 is valid, found 120 degC"):
        refuse_misfits(on, plan)
    (told,) = plan_misfits(on, plan)
    assert told.severity == "warning"


def test_a_parameter_file_beside_the_cell_is_read_and_kept_with_the_run(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    text = CELL.replace("model: chen2020", "model: ./mine.yaml").replace("4.3 mAh", "3.7 mAh")
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "p.yaml").write_text(PROTOCOL.replace("120", "40"), encoding="utf-8")
    files = read_files(str(tmp_path / "p.yaml"), str(tmp_path / "c.yaml"))
    assert files.cell.model_text == OWN
    assert OWN in [source.text for source in files.texts]
    simulation = Simulation(DryRunRequest(str(tmp_path / "p.yaml"), str(tmp_path / "c.yaml")))
    assert not simulation.warnings
    assert simulation._new_run().options["model_text"] == OWN


def test_a_parameter_file_that_is_not_there_is_told_at_the_model(tmp_path):
    on = cell(CELL.replace("model: chen2020", "model: ./mine.yaml"), str(tmp_path / "c.yaml"))
    with pytest.raises(
        CellError, match=r"wanted the parameter file .*mine.yaml, found none that can be read"
    ) as refused:
        with_model(on)
    assert refused.value.findings[0].mark.line == 7


def test_the_findings_of_a_parameter_file_have_their_lines():
    (finding,) = parameter_findings(OWN.replace("unit: V", "unit: s"), "mine.yaml")
    assert str(finding).startswith("mine.yaml:7:1: error[cell.parameters]: upper_voltage: wanted V or mV, found 's'")
    assert not parameter_findings(OWN, "mine.yaml")


@pytest.mark.parametrize(("state", "rest"), [("soc: 30 %", 3.7), ("voltage: 3.8 V", 3.8), ("soc: 100 %", 4.1)])
def test_a_simulated_cell_begins_in_the_state_that_its_file_says(tmp_path, state, rest):
    text = CELL.replace("chen2020", "marquis2019").replace("4.3 mAh", "3.7 mAh") + f"state: {{{state}}}\n"
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "p.yaml").write_text("labctl: 1\nname: r\nsteps:\n  - rest: 1 h\n", encoding="utf-8")
    simulation = Simulation(DryRunRequest(str(tmp_path / "p.yaml"), str(tmp_path / "c.yaml")))
    made = (
        simulation.source._channel("1")
        if "1" in simulation.source._channels
        else next(iter(simulation.source._channels.values()))
    )
    assert made.cell.voltage(made.state) == pytest.approx(rest, abs=0.03 if "30" in state else 1e-6)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("soc: 130 %", "wanted a state of charge from 0 % to 100 %, found 130 %"),
        ("soc: 30 %, voltage: 3 V", "wanted soc or voltage in state, found soc and voltage"),
        ("charge: 30 %", "charge"),
    ],
)
def test_a_state_that_no_cell_can_begin_in_is_refused(state, words):
    with pytest.raises(CellError) as refused:
        cell(CELL + f"state: {{{state}}}\n")
    assert words in str(refused.value)


def test_a_state_that_the_model_cannot_begin_in_is_told():
    (told,) = model_findings(cell(CELL.replace("4.3 mAh", "7.5 mAh") + "state: {voltage: 9 V}\n"))
    assert "wanted a voltage at which the cell can rest, 2.5 to 4.2 V, found 9 V" in told.message
