"""Bounds of the house: names that one search finds, and modules, functions and calls of a size that one reads at once."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEYS = {  # functions whose parameters are what a person writes: options of a command, keys of an instrument in a station file
    ("drivers/labctl_drivers/neware/instrument.py", "__init__"),
    ("drivers/labctl_drivers/biologic/instrument.py", "__init__"),
    ("drivers/labctl_drivers/arbin/instrument.py", "__init__"),
    ("drivers/labctl_drivers/chamber/modbus.py", "__init__"),
    ("drivers/labctl_drivers/maccor/instrument.py", "__init__"),
    ("drivers/labctl_drivers/zaber.py", "__init__"),
}
MOST_LINES, MOST_OF_FUNCTION, MOST_PARAMETERS = 400, 60, 8

_spec = importlib.util.spec_from_file_location("house_figures", ROOT / "tools" / "house.py")
assert _spec is not None
assert _spec.loader is not None
house = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(house)

TEXTS = house.modules()
TREES = {path: house.tree_of(text) for path, text in TEXTS.items()}


def test_no_class_name_stands_twice():
    assert {name: places for name, places in house.classes(TEXTS).items() if len(places) > 1} == {}


def test_no_module_imports_itself_in_a_circle():
    assert house.circles(house.imports(TEXTS)) == []


def test_modules_are_short():
    assert {path for path, text in TEXTS.items() if text.count("\n") > MOST_LINES} == set()


@pytest.mark.parametrize("path", TREES)
def test_functions_are_short_and_take_few_parameters(path):
    for node in house.functions(TREES[path]):
        where = f"{path}:{node.lineno} {node.name}"
        assert house.length(node) <= MOST_OF_FUNCTION, where
        written = (path, node.name) in KEYS or ("/cli/" in path and node.name == "command")
        assert written or house.parameters(node) <= MOST_PARAMETERS, where
