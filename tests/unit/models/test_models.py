"""Parameter files, loading and scaling, the command, the cell files, the examples in the documentation."""

import doctest
import importlib
import json
import pathlib
import re

import numpy as np
import pytest
import yaml

from labctl.protocol.cellfile import load_cell
from labctl_simulators import models, parameters
from labctl_simulators.assembly.tree import Numbers
from labctl_simulators.cell import AtOpenCircuit, Current, Stop
from labctl_simulators.models import list_models, load_model, main
from labctl_simulators.parameters import ParameterError

ASKED = [
    "marquis2019",
    "chen2020",
    "n-lvo",
    "n-lvo-tfb",
    "vo",
    "voc1",
    "voc2",
    "vo-atfb",
    "voc1-atfb",
    "na-bare",
    "na-vn",
    "nvp-na-bare",
    "nvp-na-vn",
    "phl-blocking",
    "phlt-blocking",
    "phl-symmetric",
    "phlt-symmetric",
    "phlt-lfp",
    "phl-ncm811",
    "phlt-ncm811",
    "pvhlp-blocking",
    "pvhlp-symmetric",
    "msi-c",
    "lfp-msi-c",
    "bcap0350",
]
CELLS = pathlib.Path(__file__).parents[3] / "protocols" / "cells"


def test_every_paper_cell_is_there():
    assert set(ASKED) <= set(parameters.names())


@pytest.mark.parametrize("name", parameters.names())
def test_every_number_says_where_it_comes_from(name):
    found = parameters.read(name)
    assert found.origins
    for origin in found.origins:
        assert origin.status in ("quoted", "fitted", "derived", "assumed")
        assert origin.status == "assumed" or origin.source
        assert origin.words
    raw = yaml.safe_load((pathlib.Path(parameters.__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))
    assert bare_numbers(raw["values"]) == []


def bare_numbers(tree) -> list[str]:
    """Return the keys of numbers that stand without status."""
    found = []
    for key, entry in tree.items():
        if isinstance(entry, dict) and "value" not in entry:
            found += bare_numbers(entry)
        elif not isinstance(entry, dict | str):
            found.append(key)
        elif isinstance(entry, dict):
            found += [extra for extra in entry if extra not in {"value", "unit", "status", "source", "to", "by", "why"}]
    return found


LEAF = {"value": 1, "unit": "V", "status": "quoted", "source": "B4"}
FILE = {"labctl_model": 1, "name": "x", "model": "insertion", "kind": "full", "about": "x", "sources": {"B": "x"}}


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (3.0, "wanted value, unit and source"),
        (LEAF | {"unit": "furlong"}, "known units"),
        (LEAF | {"status": "guessed"}, "wanted status"),
        (LEAF | {"source": "Z9"}, "source of this file"),
        (LEAF | {"status": "fitted"}, "wanted `to` of a number that is fitted"),
        (LEAF | {"status": "assumed"}, "wanted `why` of a number that is assumed"),
        (LEAF | {"value": "many"}, "wanted a number"),
        (LEAF | {"value": ".inf"}, "wanted a number"),
        (LEAF | {"value": float("nan")}, "finite"),
    ],
)
def test_a_number_that_hides_something_is_refused(leaf, words):
    with pytest.raises(ParameterError, match=words):
        parameters.parse(FILE | {"values": {"u": leaf}}, "x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labctl_model": 2}, "labctl_model: 1"),
        ({"name": "y"}, "name: x"),
        ({"sources": None}, "mapping under sources"),
        ({"about": ""}, "wanted about"),
    ],
)
def test_a_file_that_is_none_is_refused(change, words):
    with pytest.raises(ParameterError, match=words):
        parameters.parse(FILE | {"values": {"u": LEAF}} | change, "x")


def test_units_become_si():
    values = {key: LEAF | {"value": value, "unit": unit} for key, value, unit in [
        ("a", 25, "degC"), ("b", "1e-9", "S/cm"), ("c", [1, 2], "uAh/cm2"), ("d", 72.96, "kJ/mol"), ("e", 2137, "mAh/g"),
    ]}  # fmt: skip
    numbers = Numbers(parameters.parse(FILE | {"values": values}, "x").values, "x")
    assert numbers.number("a") == 298.15
    assert numbers.number("b") == pytest.approx(1e-7)
    assert numbers.row("c") == pytest.approx((36.0, 72.0))
    assert numbers.number("d") == pytest.approx(72960.0)
    assert numbers.number("e") == pytest.approx(2137 * 3600.0)
    with pytest.raises(ParameterError, match="one number for c"):
        numbers.number("c")
    with pytest.raises(ParameterError, match="numbers under a"):
        numbers.at("a")


def test_unknown_models_are_named_with_those_there_are():
    with pytest.raises(ParameterError, match="found 'qqq9'; there are"):
        load_model("qqq9")


@pytest.mark.parametrize("name", parameters.names())
def test_every_model_loads_rests_and_gives_a_spectrum(name):
    cell = load_model(name)
    assert cell is load_model(name)
    state = cell.initial(seed=5)
    rows = cell.segment(state, AtOpenCircuit(), 100.0).rows([0.0, 100.0])
    assert np.all(np.isfinite(rows.voltage))
    impedance = cell.impedance(state, np.geomspace(1e7, 1e-4, 40))
    assert np.all(np.isfinite(impedance))
    assert np.all(impedance.real > 0.0)


@pytest.mark.parametrize("name", ["voc1-atfb", "phlt-symmetric", "phlt-blocking", "marquis2019", "lfp-msi-c"])
def test_area_scales_everything_extensive(name):
    own = float(parameters.read(name).values["area"])  # type: ignore[arg-type]
    one, two = load_model(name), load_model(name, area=2.0 * own)
    small, large = one.segment(one.initial(), Current(1e-6), 50.0), two.segment(two.initial(), Current(2e-6), 50.0)
    assert large.rows([50.0]).voltage[0] == pytest.approx(small.rows([50.0]).voltage[0], rel=1e-9, abs=1e-12)


def test_mass_sets_the_loading():
    loading, area = 2.5e-2, 1.131e-4
    plain, half = load_model("phlt-ncm811"), load_model("phlt-ncm811", area=area, mass=0.5 * loading * area)
    same = load_model("phlt-ncm811", mass=loading * area)
    capacities = [cell.chemistry.parameters.positive.capacity for cell in (plain, half, same)]
    assert capacities[1] == pytest.approx(0.5 * capacities[0])
    assert capacities[2] == pytest.approx(capacities[0])
    for name in ("phlt-symmetric", "phlt-blocking", "voc1"):  # a cell file may state a mass that nothing depends on
        assert load_model(name, mass=1e-6).initial() == load_model(name).initial()
    for scale in ({"area": 0.0}, {"area": -1.0}, {"mass": float("nan")}):
        with pytest.raises(ParameterError, match="above 0"):
            load_model("phlt-ncm811", **scale)


def test_command_lists_them(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ASKED)
    assert main(["--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == parameters.names()
    assert {one["kind"] for one in listed} == {
        "full",
        "half_cathode",
        "half_anode",
        "symmetric",
        "asymmetric",
        "blocking",
        "capacitor",
    }


def test_command_shows_numbers_with_their_sources(capsys):
    assert main(["na-bare"]) == 0
    text = capsys.readouterr().out
    assert "kinetics.exchange" in text
    assert "D2NH00152G" in text
    assert main(["--json", "na-bare"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    exchange = next(number for number in found["numbers"] if number["name"] == "kinetics.exchange")
    assert exchange == {
        "name": "kinetics.exchange",
        "value": 0.68,
        "given": "0.068 mA/cm2",
        "status": "quoted",
        "source": "C7",
        "note": None,
    }
    assert main(["no-such"]) == 1
    assert "there are" in capsys.readouterr().err


def test_infos_count_their_numbers():
    for info in list_models():
        assert info.quoted + info.fitted + info.assumed == len(parameters.read(info.name).origins)
        assert info.window[0] < info.window[1]
        assert info.area > 0.0


@pytest.mark.parametrize("name", parameters.names())
def test_the_cell_file_beside_it_fits(name):
    cell = load_cell((CELLS / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
    found = parameters.read(name)
    numbers = Numbers(found.values, name)
    assert (cell.model, cell.kind) == (name, found.kind)
    if cell.kind != "capacitor":  # of whose electrodes no area is stated
        assert cell.area == pytest.approx(numbers.number("area"), rel=1e-3)
    low, high = cell.limits.voltage
    assert low <= numbers.number("lower_voltage")
    assert numbers.number("upper_voltage") <= high
    assert cell.limits.current is not None
    if cell.active_mass is not None:
        assert cell.active_mass == pytest.approx(numbers.number("loading") * numbers.number("area"), rel=2e-3)
    if cell.nominal is not None:
        assert cell.nominal == pytest.approx(numbers.number("nominal_capacity"), rel=0.02)
    model = load_model(name, area=cell.area, mass=cell.active_mass)
    assert low <= model.voltage(model.initial()) <= high


@pytest.mark.parametrize("name", [name for name in parameters.names() if parameters.read(name).model == "insertion"])
def test_driven_to_its_limits_it_collapses_in_words(name):
    cell = load_model(name)
    capacity = float(parameters.read(name).values["nominal_capacity"])  # type: ignore[arg-type]
    for direction in (-1, 1):
        segment = cell.segment(cell.initial(), Current(direction * capacity / 3600.0), 1e6)
        assert segment.collapse
        assert segment.end < 1e6
        assert np.all(np.isfinite(segment.rows(np.linspace(0.0, segment.end, 30)).voltage))


@pytest.mark.parametrize(
    "module",
    [
        "models",
        "assembly.build",
        "parameters",
        "cell",
        "cell.chance",
        "cell.model",
        "cell.solve.segment",
        "cell.stepper",
        "cell.batch",
    ],
)
def test_examples_in_the_documentation_run(module):
    found = doctest.testmod(importlib.import_module(f"labctl_simulators.{module}"))
    assert found.failed == 0
    assert module != "models" or found.attempted > 10


def test_stops_are_met_exactly():
    cell = load_model("voc1-atfb")
    segment = cell.segment(cell.initial(), Current(-5e-6), 1e6, (Stop("voltage", False, 2.5, 7),))
    assert segment.stop == 7
    assert segment.rows([segment.end]).voltage[0] == pytest.approx(2.5, abs=1e-9)


def test_module_says_its_paths():
    assert all(word in (models.__doc__ or "") for word in ("segment", "stepper", "batch", "impedance"))


def test_the_listing_says_what_each_model_stands_for_and_where_each_number_comes_from(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for info in list_models():
        line = next(line for line in lines if line.startswith(f"{info.name} "))
        assert info.about.rstrip(".") in line
    assert main(["voc1-atfb"]) == 0
    shown = capsys.readouterr().out
    origins = parameters.read("voc1-atfb").origins
    assert len(origins) > 40
    for origin in origins:
        assert any(
            origin.given in line and origin.status in line and origin.words in line for line in shown.splitlines()
        )
    assert "300 nm" in shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lfp", "did you mean lfp-msi-c or phlt-lfp?"),
        ("LFP", "did you mean lfp-msi-c or phlt-lfp?"),
        ("marquis", "did you mean marquis2019 or marquis2019-heat?"),
        ("chen2002", "did you mean chen2020?"),
        ("qqq", "there are bcap0350, "),
    ],
)
def test_a_model_that_is_not_there_is_told_with_those_that_it_may_mean(name, hint):
    with pytest.raises(ParameterError, match=re.escape(f"found {name!r}; {hint}")):
        parameters.document(name)
