import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from labctl.plan.check import check
from labctl.protocol.keys import FILE, VERBS
from labctl.protocol.load import read
from labctl.protocol.schema import pattern, schema
from labctl.protocol.template import TEMPLATES, template
from labctl.quantity.dimension import TABLES
from labctl.quantity.parse import parse

ROOT = Path(__file__).parents[3]


class Core(yaml.SafeLoader):
    """Read as an editor does: YAML 1.2, where `on` is a text and 1:30 no number."""


Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), "tf")
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), "-+0123456789")
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]*\.[0-9]+$"), "-+0123456789.")


def errors(name, text):
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(yaml.load(text, Core))]


@pytest.mark.parametrize("name", ["protocol", "cell", "station"])
def test_schema_is_one_and_accepts_its_template(name):
    Draft202012Validator.check_schema(schema(name))
    assert errors(name, template(name)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_library_is_valid(path):
    assert errors("protocol", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("word", VERBS)
def test_every_verb_has_a_description_and_its_example_is_valid(word):
    properties = schema("protocol")["$defs"]["step"]["properties"]
    assert VERBS[word].about in properties[word]["description"]
    text = f"labctl: 1\nsteps:\n  - rest: 1 h\n  - {VERBS[word].example}\n"
    assert errors("protocol", text) == []
    assert {finding.code for finding in check(read(text, "f"))} <= {
        "profile.missing",
        "nominal.from",
    }  # no table beside it, no cycle before it


@pytest.mark.parametrize(
    "text",
    [
        "labctl: 1\nsteps: [{rest: 10}]",
        "labctl: 1\nsteps: [{wait: 10 min}]",
        "labctl: 1\nsteps: [{charge: {curent: 1 mA, for: 1 h}}]",
        "labctl: 1\nsteps: [{rest: 1 h, mark: now}]",
        "labctl: 1\nsteps: [{charge: {current: 5 mV, for: 1 h}}]",
        "labctl: 1\nsteps: [{repeat: 2, each: {a: [1]}, steps: [{rest: 1 h}]}]",
        "labctl: 1",
        "labctl: 2\nsteps: [{rest: 1 h}]",
        "labctl: 1\nnmae: x\nsteps: [{rest: 1 h}]",
        "labctl: 1\nsteps: [{rest: 2 hours}]",
        "labctl: 1\nsteps: [{rest: -1 h}]",
        "labctl: 1\nsteps: [{rest: {until: voltage > 3 V}}]",
        "labctl: 1\nsteps: [{rest: {for: 1 h, until: Ewe > 3 V}}]",
        "labctl: 1\nsteps: [{rest: {for: 1 h, until: retention < 80 %}}]",
        "labctl: 1\nsteps: [{rest: {for: 1 h, until: voltage > 3 V && time > 1 h}}]",
        "labctl: 1\nsteps: [{repeat: 2, stop_if: time > 1 h, steps: [{rest: 1 h}]}]",
        "labctl: 1\nsteps: [{charge: {for: 1 h}}]",
        "labctl: 1\nsteps: [{charge: {current: 1 mA}}]",
        "labctl: 1\nsteps: [{charge: {current: 1 mA, power: 1 mW, for: 1 h}}]",
        "labctl: 1\nsteps: [{charge: {current: 1 mA, hold_for: 1 h, for: 1 h}}]",
        "labctl: 1\nsteps: [{charge: {current: -1 mA, for: 1 h}}]",
        "labctl: 1\nsteps: [{hold: {voltage: 4 V, current: 1 mA}}]",
        "labctl: 1\nsteps: [{bend: {times: 3}}]",
        "labctl: 1\nsteps: [{each: {t: {from: 1 h, to: 2 h}}, steps: [{rest: $t}]}]",
        "labctl: 1\nrecord: {every: 1 s, for: 10 s}\nsteps: [{rest: 1 h}]",
        "labctl: 1\nrecord: {}\nsteps: [{rest: 1 h}]",
        "labctl: 1\nsteps: [{use: ../activation}]",
    ],
)
def test_what_is_surely_wrong_is_marked_in_an_editor(text):
    assert errors("protocol", text)


@pytest.mark.parametrize(
    "text",
    [
        "limits: {voltage: {max: 4.2 V}}\nsteps: [{rest: 1 h}]",
        "analyse: gitt\nsteps: [{rest: 1 h}]",
        "analyse: [gitt, {retention: {of: max}}]\nsteps: [{rest: 1 h}]",
        "steps: [{charge: {current: C, capacity: 10 mA h}}, {discharge: {resistance: 100 ohms, until: voltage ≤ 3 V}}]",
        "steps: [{charge: {current: 5 µA cm⁻², to: 4.1 V, hold_until: current < C/20, for: 1 h 30 min}}]",
        "steps: [{rest: {for: 1 h, until: abs (dV/dt) < 1 mV/h over 10 min or voltage > −0.1 V}}, {bend: {angle: 90 º}}]",
        "steps: [{rest: 1 h}, {hold: {voltage: -20 mV vs ocv, until: current < 1 uA}}, {use: activation.yaml}]",
        "steps: [{repeat: 3, cycle: true, stop_if: short.soft or retention of max < 80 %, steps: [{rest: 1 h}]}]",
        "record: [{every: 1 s, for: 10 s}, {dV: 5 mV}]\nsteps: [{each: {t: {from: 2 h, to: 1 h, by: -1 h}}, steps: [{rest: $t}]}]",
    ],
)
def test_what_is_right_is_not_marked_in_an_editor(text):
    text = "labctl: 1\n" + text
    assert errors("protocol", text) == []
    assert not [finding for finding in check(read(text, "f", library)) if finding.severity == "error"]


def library(name):
    path = ROOT / "protocols" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


@pytest.mark.parametrize("kind", [kind for kind in TABLES if TABLES[kind].units and kind != "any"])
def test_patterns_let_every_unit_through(kind):
    for unit in (*TABLES[kind].units, "Ω" if kind == "resistance" else TABLES[kind].units[0]):
        parse(f"1 {unit}", kind)
        for text in (f"1 {unit}", f"0.5{unit}", f"1e-3 {unit}", "$j", "$(2 * j)"):
            assert re.search(pattern(kind), text), text


def test_every_key_of_the_file_is_described():
    properties = schema("protocol")["properties"]
    assert set(properties) == set(FILE)
    assert all("description" in value or "$ref" in value for value in properties.values())


def test_templates_have_a_schema():
    assert set(TEMPLATES) == {"protocol", "cell", "station"}
