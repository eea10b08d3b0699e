"""One rulebook: `check --cell` finds no error exactly where a plan is made; without a cell nothing that a cell would cure."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from labctl.driver import Bounds
from labctl.errors import FileError
from labctl.plan.check import check
from labctl.plan.compile import compile_plan
from labctl.protocol.cell import CELL_KINDS, Cell
from labctl.protocol.load import load, read

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / "corpus"
LIBRARY = HERE.parents[2] / "protocols"


def module(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


plans = module("plans_of_texts", HERE / "test_plans.py")
pin = module("pin_of_texts", CORPUS / "pin.py")

pairs = st.sampled_from([None, (0.0, 2.0), (2.0, 4.3), (2.5, 4.2), (-5.0, 5.0), (4.25, 4.5)])
currents = st.sampled_from([None, (-0.02, 0.02), (-0.002, 0.01), (0.0, 0.001)])
cells = st.builds(
    lambda kind, area, mass, film, nominal, voltage, current, charge, reference: Cell(
        "cell", kind, area=area, active_mass=mass, film_thickness=film, nominal=nominal, reference=reference,
        limits=Bounds(voltage, current, None, charge),
    ),
    st.sampled_from(CELL_KINDS), st.sampled_from([None, 1e-4]), st.sampled_from([None, 1e-6]),
    st.sampled_from([None, 3e-7]), st.sampled_from([None, 3.6, 18.0]), pairs, currents, st.sampled_from([None, 3.6]),
    st.sampled_from(["", "Li"]),
)  # fmt: skip


def errors(findings):
    return [finding for finding in findings if finding.severity == "error"]


def refusal(text, cell, reader):
    """What `plan` answers: its errors, or none."""
    try:
        compile_plan(load(text, "made.yaml", reader), cell, None, None, {})
    except FileError as error:
        return errors(error.findings)
    return []


def agree(text, cell, reader):
    found = errors(check(read(text, "made.yaml", reader), cell))
    refused = refusal(text, cell, reader)
    assert bool(found) == bool(refused)
    assert set(refused) <= set(found)  # plan may stop at the text, check goes on
    return refused


@settings(max_examples=150)
@given(plans.protocols, cells)
def test_check_finds_nothing_exactly_when_plan_accepts(text, cell):
    event("refused" if agree(text, cell, plans.FILES.get) else "accepted")


@settings(max_examples=100)
@given(plans.protocols, cells)
def test_without_a_cell_nothing_is_found_that_some_cell_cures(text, cell):
    found = errors(check(read(text, "made.yaml", plans.FILES.get)))
    if found:
        event("found without a cell")
        assert refusal(text, cell, plans.FILES.get)


@pytest.mark.parametrize(
    "path", [path for path in pin.bad_files() if path.parent.name not in {"cells", "stations"}], ids=lambda p: p.stem
)
def test_check_and_plan_agree_about_the_bad_files(path):
    for cell in (plans.CELL, Cell("bare", "full"), Cell("foils", "symmetric", area=1e-4, limits=Bounds((-5.0, 5.0)))):
        agree(path.read_bytes(), cell, pin.beside)


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda p: p.stem)
def test_check_and_plan_agree_about_the_library(path):
    def library(name):
        beside = LIBRARY / name
        return beside.read_text(encoding="utf-8") if beside.is_file() else None

    for cell in (plans.CELL, Cell("bare", "full"), Cell("foils", "symmetric", area=1e-4, limits=Bounds((-5.0, 5.0)))):
        agree(path.read_text(encoding="utf-8"), cell, library)


ROOM = Cell("cell", "full", area=1e-4, nominal=0.018 * 3600 / 3600, limits=Bounds((2.5, 4.2), (-0.005, 0.005)))


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("charge: {power: 100 W, for: 1 min}", "limit.set_point"),
        ("discharge: {resistance: 1 mOhm, for: 1 min}", "limit.set_point"),
        ("charge: {current: 1 mA, until: time > 3 h}", "limit.charge"),
        ("eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: 4.195 V}", "limit.set_point"),
        ("eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}", "ocv.rest"),
        ("cv: {from: 3 V, to: 3 V, rate: 1 mV/s}", "sweep.none"),
    ],
)
def test_what_one_of_two_rulebooks_missed_both_faces_refuse(step, code):
    text = f"labctl: 1\nsteps:\n  - {step}\n"
    assert {finding.code for finding in agree(text, ROOM, {}.get)} == {code}


def test_all_errors_are_found_each_at_its_place_not_the_first():
    text = (
        "labctl: 1\nsteps:\n  - charge: {current: 9 mA, to: 4.3 V, for: 1 min}\n  - use: nowhere\n"
        "  - repeat: 2\n    steps:\n      - hold: {voltage: 5 V, for: 1 h}\n      - lsv: {from: ocv, to: 3 V, rate: 1 mV/s}\n"
    )
    found = [(finding.code, finding.mark.line, finding.mark.column) for finding in check(read(text, "f.yaml"), ROOM)]
    assert found == [
        ("limit.set_point", 3, 23), ("limit.cut_off", 3, 33), ("use.missing", 4, 10),
        ("limit.set_point", 7, 25), ("ocv.rest", 8, 21),
    ]  # fmt: skip
