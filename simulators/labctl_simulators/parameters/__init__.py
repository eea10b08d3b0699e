"""Parameter sets of the simulated cells, as YAML files beside this module, and the one function that reads them.

Every number in a file is a leaf that says where it comes from::

    film_thickness: {value: 300, unit: nm, status: quoted, source: B4}
    diffusion_time: {value: 0.4, unit: h, status: fitted, source: B8, to: capacities at 5, 20 and 80 uA/cm2}
    double_layer: {value: 20, unit: uF/cm2, status: assumed, why: a smooth oxide film}

`quoted` is printed in the source, `fitted` reproduces reported values that are named, `derived` follows from quoted
numbers by the arithmetic that is named, `assumed` has a reason and no source. What comes out is SI.
"""

import json
import math
import os
from binascii import crc32
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

# Paths are plain words here and YAML is imported where it is needed: start-up is a promise.
# ruff: noqa: PTH118, PTH120, PTH123, PTH208, PLC0415

VERSION = 1
STATUSES = {
    "quoted": "source",
    "fitted": "to",
    "derived": "by",
    "assumed": "why",
}  # status -> what must stand beside it

Leaf: TypeAlias = "float | tuple[float, ...]"
Tree: TypeAlias = "Mapping[str, Tree | Leaf | str]"

_HERE = os.path.dirname(__file__)
_PARSED = os.path.join(_HERE, "parsed.jsonl")
_HOUR, _FARADAY = 3600.0, 96485.33212
# A closed table, as in the protocol language: nothing is guessed from prefixes. Factors to SI, by kind.
_UNITS: dict[str, float] = {
    "1": 1.0, "%": 0.01, "m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9,
    "m2": 1.0, "cm2": 1e-4, "g": 1e-3, "mg": 1e-6, "kg": 1.0, "mg/cm2": 1e-2, "kg/m2": 1.0, "g/cm3": 1e3, "kg/m3": 1.0,
    "s": 1.0, "min": 60.0, "h": _HOUR, "d": 86400.0, "1/s": 1.0, "1/h": 1 / _HOUR, "K": 1.0, "deg": 1.0,
    "V": 1.0, "mV": 1e-3, "V/K": 1.0, "mV/K": 1e-3, "V/h": 1 / _HOUR,
    "A": 1.0, "mA": 1e-3, "uA": 1e-6, "A/m2": 1.0, "mA/cm2": 10.0, "uA/cm2": 1e-2, "A/g": 1e3, "mA/g": 1.0, "A/kg": 1.0,
    "C": 1.0, "C/m2": 1.0, "Ah": _HOUR, "mAh": 3.6, "uAh": 3.6e-3, "mAh/cm2": 3.6e4, "uAh/cm2": 36.0,
    "mAh/g": 3600.0, "uAh/cm2/um": 3.6e7, "uWh": 3.6e-3,
    "ohm": 1.0, "ohm cm2": 1e-4, "ohm m2": 1.0, "S/m": 1.0, "S/cm": 100.0, "mS/cm": 0.1, "uS/cm": 1e-4,
    "F": 1.0, "F/m2": 1.0, "uF/cm2": 1e-2, "mF/cm2": 10.0, "nF/cm2": 1e-5, "ohm-1 s^n/m2": 1.0,
    "m2/s": 1.0, "cm2/s": 1e-4, "mol/m3": 1.0, "mol/l": 1e3, "(A/m2)(m3/mol)^1.5": 1.0,
    "J/K": 1.0, "W/K": 1.0, "J/mol": 1.0, "kJ/mol": 1e3, "eV": _FARADAY, "mHz": 1e-3, "Hz": 1.0, "kHz": 1e3,
}  # fmt: skip


class Origin(NamedTuple):
    """Where a number comes from: its place in the file, its status, the words beside it, and how the file gives it."""

    path: str
    status: str
    source: str
    words: str
    given: str


class ParameterSet(NamedTuple):
    """One parameter file, read: SI numbers in a tree, and the origin of each.

    Attributes:
        name: The name under which it is loaded.
        model: Which model it is for: `insertion`, `symmetric` or `blocking`.
        kind: What a cell file calls such a cell, `half_cathode` for instance.
        about: One or two sentences.
        sources: The citations, by the short names used on the numbers.
        values: SI numbers, tuples of them and words, in the nesting of the file.
        origins: One for every number.
        electrolyte: Whether the modes of a liquid electrolyte are wanted where its numbers are given.
        double_layers: Whether double layers are wanted in the rows of steps, too, and not in spectra alone.
    """

    name: str
    model: str
    kind: str
    about: str
    sources: Mapping[str, str]
    values: Tree
    origins: tuple[Origin, ...]
    electrolyte: bool = True
    double_layers: bool = False


class ParameterError(ValueError):
    """A parameter file or set does not say what it must, or says something that no cell can be.

    Attributes:
        line: Of a file of a user's own, from 1.
        words: What is wrong, without the place.
    """

    def __init__(self, message: str, line: int = 1, words: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.words = words or message


def names() -> list[str]:
    """Return the names of all parameter sets, in alphabetical order."""
    return sorted(entry.removesuffix(".yaml") for entry in os.listdir(_HERE) if entry.endswith(".yaml"))


def read(name: str) -> ParameterSet:
    """Read one parameter set.

    Args:
        name: As in `names()`.

    Raises:
        ParameterError: There is none of that name, or a number in it lacks its unit, status or source.

    >>> read("voc1-atfb").kind
    'half_cathode'
    """
    return parse(whole_document(name), name)


def whole_document(name: str) -> Mapping[str, object]:
    """Return the document of a shipped parameter file, laid over the one that it is `like`.

    Raises:
        ParameterError: There is none of that name.
    """
    own = document(name)
    if "like" not in own:
        return own
    return laid_over(whole_document(str(own["like"])), {key: value for key, value in own.items() if key != "like"})


def laid_over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Return one document laid over another: numbers of the upper one replace those of the lower, branch by branch."""
    out = dict(below)
    for key, value in above.items():
        known = out.get(key)
        branch = isinstance(value, Mapping) and isinstance(known, Mapping) and "value" not in value
        # potentials are replaced as a whole: a table and a formula do not add up
        out[key] = laid_over(known, value) if branch and key not in {"ocp", "entropy"} else value  # type: ignore[arg-type]
    return out


def near(name: str) -> list[str]:
    """Return the shipped models whose names hold one that is not there, or the nearest one."""
    import difflib

    holding = [known for known in names() if len(name) > 1 and name.lower() in known]
    return holding if 0 < len(holding) < 5 else difflib.get_close_matches(name.lower(), names(), n=1)


def document(name: str) -> Mapping[str, object]:
    """Return the document of a shipped parameter file.

    Raises:
        ParameterError: There is none of that name.
    """
    known = names()
    if name not in known:
        nearest = near(name)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are {', '.join(known)}"
        raise ParameterError(f"wanted a model, found {name!r}; {hint}")
    with open(os.path.join(_HERE, f"{name}.yaml"), encoding="utf-8") as file:
        text = file.read()
    return _composed(name, text)


def _composed(name: str, text: str) -> Mapping[str, object]:
    """Return the document of a file's text: as it was composed before, if the text is still the same."""
    try:
        with open(_PARSED, encoding="utf-8") as file:
            line = next((line for line in file if line.startswith(f'["{name}",')), "[0, 0, 0]")
        _, of, kept = json.loads(line)
    except (OSError, ValueError):
        return compose(text)
    return kept if of == crc32(text.encode()) and isinstance(kept, dict) else compose(text)


def compose(text: str) -> Mapping[str, object]:
    """Return the document of a parameter file's text."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # shipped files only, never a submitted one
    composed: Mapping[str, object] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    return composed


def keep() -> None:
    """Write `parsed.jsonl`: a line for every shipped file, its name, the checksum of its text, and the document.

    A file that has changed since is composed anew each time it is read; nothing else depends on this one.
    Run `python -m labctl_simulators.parameters` after changing a file.
    """
    with open(_PARSED, "w", encoding="utf-8") as kept:
        for name in names():
            with open(os.path.join(_HERE, f"{name}.yaml"), encoding="utf-8") as file:
                text = file.read()
            entry = [name, crc32(text.encode()), compose(text)]
            kept.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")


def parse(document: Mapping[str, object], name: str) -> ParameterSet:
    """Turn a composed document into a parameter set, checking every number's unit, status and source.

    Args:
        document: As it is composed.
        name: What it must be called; messages begin with it and the path of keys.

    Raises:
        ParameterError: One of them is missing.
    """
    if document.get("labctl_model") != VERSION:
        raise ParameterError(f"{name}: wanted labctl_model: {VERSION}, found {document.get('labctl_model')!r}")
    if document.get("name") != name:
        raise ParameterError(f"{name}: wanted name: {name}, found {document.get('name')!r}")
    sources = {str(key): str(text) for key, text in _mapping(document, "sources", name).items()}
    origins: list[Origin] = []
    values = _branch(_mapping(document, "values", name), name, sources, origins)
    words = {key: " ".join(str(document.get(key, "")).split()) for key in ("model", "kind", "about")}
    for key, text in words.items():
        if not text:
            raise ParameterError(f"{name}: wanted {key}, found nothing")
    return ParameterSet(name, words["model"], words["kind"], words["about"], sources, values, tuple(origins))


def _mapping(document: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    """Return the mapping under `key`."""
    entry = document.get(key)
    if not isinstance(entry, Mapping):
        raise ParameterError(f"{where}: wanted a mapping under {key}, found {entry!r}")
    return entry


def _branch(branch: Mapping[str, object], path: str, sources: Mapping[str, str], origins: list[Origin]) -> Tree:
    """Read a nesting of leaves; `origins` gathers what stands beside each number."""
    out: dict[str, Tree | Leaf | str] = {}
    for key, entry in branch.items():
        here = f"{path}.{key}"
        if isinstance(entry, str):
            out[key] = entry
        elif not isinstance(entry, Mapping):
            raise ParameterError(f"{here}: wanted value, unit and source (or why it is assumed), found {entry!r}")
        elif "value" in entry:
            origins.append(_origin(entry, here, sources))
            out[key] = str(entry["value"]) if key == "expression" else _number(entry, here)
        else:
            out[key] = _branch(entry, here, sources, origins)
    return out


def _origin(leaf: Mapping[str, object], path: str, sources: Mapping[str, str]) -> Origin:
    """Check and return what a leaf says about where its number comes from."""
    status = str(leaf.get("status", "assumed" if "why" in leaf else "quoted"))
    if status not in STATUSES:
        raise ParameterError(f"{path}: wanted status {', '.join(STATUSES)}, found {status!r}")
    words = str(leaf.get(STATUSES[status], ""))
    if not words:
        raise ParameterError(f"{path}: wanted `{STATUSES[status]}` of a number that is {status}, found nothing")
    source = str(leaf.get("source", ""))
    if status != "assumed" and source.rstrip("0123456789") not in sources and source not in sources:
        raise ParameterError(f"{path}: wanted a source of this file ({', '.join(sources)}), found {source!r}")
    value, unit = leaf["value"], str(leaf.get("unit"))
    given = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Origin(path, status, source, words, given if unit == "1" else f"{given} {unit}")


def _number(leaf: Mapping[str, object], path: str) -> Leaf:
    """Return the value of a leaf in SI."""
    unit = str(leaf.get("unit"))
    if unit not in _UNITS and unit != "degC":
        raise ParameterError(f"{path}: wanted one of the known units, found {unit!r}")
    value = leaf["value"]
    if isinstance(value, list):
        return tuple(_si(item, unit, path) for item in value)
    return _si(value, unit, path)


def _si(value: object, unit: str, path: str) -> float:
    """Convert one number; YAML 1.1 reads 1e-9 as a text, so texts that are numbers are accepted."""
    try:
        number = float(str(value))
    except ValueError:
        raise ParameterError(f"{path}: wanted a number, found {value!r}") from None
    if not math.isfinite(number):
        raise ParameterError(f"{path}: wanted a finite number, found {value!r}")
    return number + 273.15 if unit == "degC" else number * _UNITS[unit]
