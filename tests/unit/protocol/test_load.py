from pathlib import Path

import pytest

from labctl.errors import ProtocolError
from labctl.plan.check import check
from labctl.protocol.load import load, read
from labctl.protocol.model import Computed, Range, Step, Template, Use, WrittenBlock
from labctl.protocol.step_model import CyclicVoltammetry, Drive, Impedance, MarkEvent, ProfileStep, Prompt, RestStep

ROOT = Path(__file__).parents[3]


def library(name):
    path = ROOT / "protocols" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def steps(text, reader=library):
    body = "".join(f"  {line}\n" for line in text.splitlines())
    return load(f"labctl: 1\nsteps:\n{body}", "f.yaml", reader).children


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_library_loads_without_a_finding(path):
    assert check(read(path.read_text(encoding="utf-8"), path.name, library)) == ()


def test_short_forms():
    rest, prompt, mark = steps("- rest: 2 h\n- prompt: Look\n- mark: now")
    assert isinstance(rest.verb, RestStep)
    assert rest.verb.for_.value_si == 7200
    assert prompt.verb == Prompt("Look")
    assert mark.verb == MarkEvent("now")


def test_cccv_is_one_step():
    (step,) = steps("- charge: {current: C/2, to: 4.1 V, hold_until: current < C/20, for: 5 h}")
    drive = step.verb
    assert isinstance(drive, Drive)
    assert drive.holds
    assert drive.raises
    assert drive.control == "current"
    assert drive.hold_until.any_of[0][0].quantity == "current"


def test_condition_is_a_disjunction_of_conjunctions():
    (step,) = steps("- rest: {for: 9 h, until: time > 2 h and abs(dV/dt) < 1 mV/h over 10 min or voltage > 3 V}")
    first, second = step.verb.until.any_of
    assert [term.quantity for term in first] == ["time", "dV/dt"]
    assert first[1].absolute
    assert first[1].over.value_si == 600
    assert second[0].value.value_si == 3


@pytest.mark.parametrize(
    ("text", "of"), [("retention", None), ("retention of max", "max"), ("retention of cycle 3", 3)]
)
def test_retention_names_its_reference(text, of):
    (block,) = steps(f"- repeat: 2\n  cycle: true\n  stop_if: {text} < 80 %\n  steps: [{{rest: 1 h}}]")
    assert block.stop_if.any_of[0][0].of == of


def test_blocks_ranges_and_templates():
    (block,) = steps(
        "- name: step $j\n  each: {j: {from: 1 mA, to: 2 mA, by: 1 mA}}\n  steps: [{charge: {current: $j, for: 1 h}}]"
    )
    assert isinstance(block, WrittenBlock)
    assert isinstance(block.each[0].values, Range)
    assert isinstance(block.name, Template)
    assert isinstance(block.children[0].verb.setting, Computed)


def test_cv_and_eis_defaults_are_left_out():
    _, cv, eis = steps(
        "- rest: 1 h\n- cv: {from: ocv, to: 4 V, rate: 1 mV/s}\n- eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV}"
    )
    assert isinstance(cv.verb, CyclicVoltammetry)
    assert cv.verb.back is None
    assert cv.verb.cycles is None
    assert cv.verb.from_.versus == "ocv"
    assert isinstance(eis.verb, Impedance)
    assert eis.verb.at is None


def test_use_holds_the_other_protocol():
    (use,) = steps("- use: activation")
    assert isinstance(use, Use)
    assert use.protocol.file == "activation.yaml"
    assert use.protocol.text == library("activation.yaml")


def test_a_profile_is_read_with_its_units():
    table = "# a comment\ntime / min;current / mA/cm2\n5;1\n6;-2\n7;0\n"
    (step,) = steps("- profile: {file: drive.csv, positive: discharge, scale: 0.5}", {"drive.csv": table}.get)
    profile = step.verb
    assert isinstance(profile, ProfileStep)
    assert profile.table.times == (0.0, 60.0, 120.0)
    assert profile.table.values == (1.0, -2.0, 0.0)
    assert profile.table.unit.value_si == pytest.approx(10)
    assert profile.scale.value_si == 0.5


def test_record_rules_and_interruption():
    text = "labctl: 1\nrecord: [{every: 0.1 s, for: 10 s}, {every: 10 s, dV: 2 mV, dI: 1 uA}]\non_interruption: {continue_within: 5 min, else: stop}\nsteps: [{rest: 1 h}]\n"
    protocol = load(text, "f.yaml")
    assert [rule.every.value_si for rule in protocol.record] == [0.1, 10]
    assert protocol.interruption.otherwise == "stop"
    assert protocol.interruption.continue_within.value_si == 300


def test_analyses_have_options_as_texts():
    text = "labctl: 1\nanalyse: [gitt, {retention: {of: cycle 3, below: 70 %}}, {gitt: {length: 300 nm}}]\nsteps: [{rest: 1 h}]\n"
    found = {tuple(analysis.options.items()) for analysis in load(text, "f.yaml").analyses}
    assert found == {(), (("of", "3"), ("below", "70")), (("length", "3e-07"),)}


def test_an_error_carries_every_finding_in_order():
    with pytest.raises(ProtocolError) as found:
        load("labctl: 1\nnmae: x\nsteps:\n  - rest: 5\n  - wait: 1 h\n", "f.yaml")
    assert [finding.mark.line for finding in found.value.findings] == [2, 4, 5]
    assert "f.yaml:4:11" in str(found.value)


def test_findings_of_a_used_file_name_that_file():
    found = read("labctl: 1\nsteps:\n  - use: part\n", "f.yaml", {"part.yaml": "labctl: 1\nsteps:\n  - rest: 5\n"}.get)
    assert [finding.mark.file for finding in found.findings] == ["part.yaml"]
    assert found.findings[0].line == "  - rest: 5"


def test_uses_that_multiply_are_refused():
    files = {f"f{n}.yaml": "labctl: 1\nsteps:\n" + f"  - use: f{n + 1}\n" * 9 for n in range(7)}
    files["f7.yaml"] = "labctl: 1\nsteps:\n  - rest: 1 h\n"
    found = read(files["f0.yaml"], "f0.yaml", files.get)
    assert [finding.code for finding in found.findings] == ["steps.many"]


def test_uses_are_at_most_eight_deep():
    files = {f"f{n}.yaml": f"labctl: 1\nsteps:\n  - use: f{n + 1}\n" for n in range(12)}
    assert [finding.code for finding in read(files["f0.yaml"], "top.yaml", files.get).findings] == ["use.depth"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "http://x/a", "a/../b", "", "a.b.c", "a" * 300])
def test_a_used_name_stays_in_its_folder(name):
    asked = []
    found = read(f"labctl: 1\nsteps:\n  - use: '{name}'\n", "f.yaml", asked.append)
    assert [finding.code for finding in found.findings] == ["use.name"]
    assert asked == []


def test_every_step_keeps_its_line():
    found = steps("- rest: 1 h\n- charge: {current: 1 mA, for: 1 h}")
    assert [step.mark.line for step in found if isinstance(step, Step)] == [3, 4]
