"""Every number that `labctl models NAME` lists acts: change it, and the cell or what is said of it changes."""

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

from labctl_simulators import parameters
from labctl_simulators.assembly.build import _info, build_cell
from labctl_simulators.assembly.review import held_by
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import AtOpenCircuit, Current, Stop
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.parameters.own import composed

NAMES = parameters.names()
FILES = Path(parameters.__file__).parent
SIZED = {"area", "film_thickness", "electrolyte_thickness", "loading"}
"""What a set's other numbers are given for; it acts where a cell file says another size."""


def changed(values, keys):
    """Return a tree of numbers with the one under `keys` 1 % smaller, or 1000 where it was 0 (a row: its last number)."""
    key, *rest = keys
    return {**values, key: changed(values[key], rest) if rest else other(values[key])}


def bent(formula):
    """Return a formula of another shape: of some, only the shape counts."""
    return f"(1 + 0.01*x)*({formula})"


def other(value):
    if isinstance(value, str):
        return bent(value)
    return (*value[:-1], other(value[-1])) if isinstance(value, tuple) else 0.99 * value or 1e3


def plain(value):
    """Return what a cell is built from as comparable values."""
    if is_dataclass(value) and not isinstance(value, type):
        return [plain(getattr(value, item.name)) for item in fields(value)]
    if callable(value) and not isinstance(value, tuple):
        taken = inspect.signature(value).parameters
        return plain(value(np.linspace(0.5, 1.5, 5)) if taken else value())
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def built(found):
    """Return everything that is made of a parameter set."""
    size = Size(area=2e-4, **{
        name: 1e-6
        for name, key in (("film", "film_thickness"), ("layer", "electrolyte_thickness"))
        if key in found.values
    })  # fmt: skip
    if "loading" in found.values:
        size = size._replace(mass=1e-6)
    return (
        plain(build_cell(found, size).chemistry.parameters),
        plain(build_cell(found).chemistry.parameters),
        _info(found),
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_listed_number_acts(name):
    found = parameters.read(name)
    before = built(found)
    silent = []
    for origin in found.origins:
        keys = origin.path.removeprefix(f"{name}.").split(".")
        try:
            after = built(found._replace(values=changed(found.values, keys)))
        except ValueError:
            continue  # it left its range, so it acts
        if after == before:
            silent.append(".".join(keys))
    assert not silent


TOLD = {"reference", "nominal_capacity", "lowest_temperature", "highest_temperature", "highest_current"}
"""What a set says of itself or is refused by: no cell feels it."""
LIMITS = {"bend.most", "bend.least"}


def scaled(values, keys, by):
    """Return a tree of numbers with all those under `keys` multiplied, or 1000 where one is 0."""
    key, *rest = keys
    old = values[key]
    if rest:
        return {**values, key: scaled(old, rest, by)}
    if isinstance(old, str):
        return {**values, key: bent(old)}
    return {**values, key: tuple(by * item for item in old) if isinstance(old, tuple) else by * old or 1e3}


def driven(cell, state, currents, window=None, rows=6):
    """Return voltages and ends of a row of (current, time), each within a window if one is given, and the last state."""
    seen = []
    for current, time in currents:
        stops = [Stop("voltage", current > 0.0, window[current > 0.0])] if window and current else []
        segment = cell.segment(state, Current(current) if current else AtOpenCircuit(), time, stops)
        seen += [segment.rows(np.linspace(0.001, 1.0, rows) * segment.end).voltage, [segment.end]]
        state = segment.state(segment.end)
    return seen, state


def conditions(cell, worn):
    """Give states in which a cell begins: fresh, and cold, bent and worn, and warm where that is within its range."""
    numbers = cell.chemistry.parameters
    most = min(90.0, numbers.bend.most)
    yield cell.initial()
    yield cell.initial(seed=1, cycles=worn).at(
        temperature=288.15, angle=most, radius=2.0 * numbers.bend.least if most else None
    )
    yield cell.initial(seed=2).at(temperature=numbers.highest - 0.5)


def terminals(found, worn):
    """Give, stage by stage, what shows at the terminals of a set's cells, in its own size and in another."""
    numbers = found.values
    sizes = [Size()] if numbers.keys().isdisjoint(SIZED - {"area"}) else [
        Size(), Size(area=2e-4, film=1e-6 if "film_thickness" in numbers else None,
                     layer=1e-6 if "electrolyte_thickness" in numbers else None),
    ]  # fmt: skip
    for cell in (build_cell(found, size) for size in sizes):
        yield from inserted(cell, numbers, worn) if isinstance(cell.chemistry, Insertion) else plated(cell, numbers)


def curves_of(numbers):
    """Return the curves of a set's ageing."""
    return numbers.get("ageing", {}).get("curves", {}).values()


def inserted(cell, numbers, worn):
    """Give what an insertion cell shows in some cycles between its voltages, at two rates and at those of its ageing."""
    unit = held_by(cell) / 3600.0
    window = numbers["lower_voltage"], numbers["upper_voltage"]
    rates = [
        (sign * size * unit, time) for size, time in ((0.4, 9000.0), (1.0, 900.0), (0.4, 9000.0)) for sign in (-1, 1)
    ]
    for state in conditions(cell, worn):
        cycles, end = driven(cell, state, [*rates, (0.0, 3600.0)], window)
        impedance = cell.impedance(end, np.geomspace(1e-3, 1e6, 10))
        yield np.concatenate([*cycles, impedance.real, impedance.imag])
    for curve in curves_of(numbers):
        half = curve["current"] * numbers["area"], 4e5
        turns = [(sign * half[0], half[1]) for sign in (-1, 1, -1, 1)]
        yield np.concatenate(driven(cell, cell.initial(cycles=worn), turns, window)[0])


def plated(cell, numbers):
    """Give what a metal or blocking cell shows in some cycles, and through its life until after it has shorted."""
    area = cell.chemistry.parameters.area
    unit = area * (10.0 if "shorts" in numbers else 1e-4)  # A of 1 mA/cm2, or next to nothing between plates
    cycles = [
        (sign * size * unit, time) for size, time in ((0.05, 60.0), (0.4, 3600.0), (3.0, 900.0)) for sign in (-1, 1)
    ]
    for state in conditions(cell, 0.0):
        young, end = driven(cell, state, cycles)
        impedance = cell.impedance(end, np.geomspace(1e-3, 1e6, 10))
        yield np.concatenate([*young, impedance.real, impedance.imag])
    if "shorts" in numbers:
        shorts = numbers["shorts"]
        fast = 2.0 * np.max(shorts["critical"]) * area
        turns = [part for _ in range(int(shorts["margin"] / 60.0)) for part in ((-fast, 60.0), (fast, 50.0))]
        slow = [(-shorts["currents"][0] * area, 1.3 * shorts["lives"][0])]
        for currents, rows in ((slow, 400), (turns, 30)):
            for state in list(conditions(cell, 0.0))[1:]:
                yield np.concatenate(driven(cell, state, currents, rows=rows)[0])


@pytest.mark.parametrize("name", NAMES)
def test_electrolyte_numbers_without_effect_there_are_none(name):
    """Every number of every set, those of an electrolyte among them, shows at the terminals."""
    found = parameters.read(name)
    worn = min((0.7 * curve["cycles"][-1] for curve in curves_of(found.values)), default=0.0)
    before, silent = list(terminals(found, worn)), []
    told = set() if "ageing" in found.values or found.model == "insertion" else {"lower_voltage", "upper_voltage"}
    own = set(composed((FILES / f"{name}.yaml").read_text(encoding="utf-8"), name)[1])
    for origin in found.origins:
        path = origin.path.removeprefix(f"{name}.")
        keys = path.split(".")
        if keys[-1] in TOLD or path in LIMITS | told or f"values.{path}" not in own:
            continue
        try:
            by = 0.5 if keys[0] == "shorts" else 0.99  # what happens by chance, at moments, is not seen in every row
            after = terminals(found._replace(values=scaled(found.values, keys, by)), worn)
            acts = any(np.abs(new - old).max() > 1e-9 for new, old in zip(after, before, strict=True))
        except ValueError:
            acts = True  # it left its range
        if not acts:
            silent.append(path)
    assert not silent
