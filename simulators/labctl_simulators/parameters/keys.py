"""What may stand in a parameter file: every number of each model with the units that it may have, and every word."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from labctl_simulators.parameters.kinds import CELL_KINDS, UNITS


class NumberKey(NamedTuple):
    """Say what one number is.

    Attributes:
        kind: of `UNITS`.
        about: a few words.
    """

    kind: str
    about: str


class Word(NamedTuple):
    """Say what one word is.

    Attributes:
        choices: what it may be; empty: anything.
        about: a few words.
    """

    choices: tuple[str, ...]
    about: str


Branch = Mapping[str, Any]
"""Keys with `NumberKey`, `Word` or a further `Branch`; `*` stands for a name of one's own."""

_ACTIVATION = "its activation energy; 0 where it is left out"
_COMMON: Branch = {
    "reference": Word((), "the metal that voltages are against: Li, Na, none"),
    "area": NumberKey(
        "area", "of the electrode; numbers by area are multiplied with it, or with that of the cell file"
    ),
    "temperature": NumberKey("temperature", "at which the numbers hold"),
    "lowest_temperature": NumberKey("temperature", "for which the set is valid; -20 degC where it is left out"),
    "highest_temperature": NumberKey("temperature", "for which the set is valid; 60 degC where it is left out"),
    "highest_current": NumberKey("current by area", "mean of a step for which the set is valid; any where left out"),
    "lower_voltage": NumberKey("voltage", "of the window; state of charge 0"),
    "upper_voltage": NumberKey("voltage", "of the window; state of charge 1"),
    "bend": {
        "most": NumberKey("angle", "largest bend angle"),
        "radius": NumberKey("length", "bend radius at which the answers are given"),
        "least": NumberKey("length", "smallest bend radius"),
        "series": NumberKey("number", "share by which the series resistance grows"),
        "contact": NumberKey("resistance times area", "resistance that bending adds"),
        "area": NumberKey("number", "share of the area that is lost"),
    },
}
_ASCENDING: Final = NumberKey("number", "of a table: ascending, in 0..1")
_POTENTIAL: Branch = {
    "expression": NumberKey("voltage", "a formula in x, the stoichiometry"),
    "stoichiometry": _ASCENDING,
    "points": NumberKey("voltage", "of a table: the potential at each stoichiometry"),
    "constant": NumberKey("voltage", "of a sum of terms"),
    "linear": NumberKey("voltage", "times x"),
    "exp_height": NumberKey("voltage", "a of a exp(-r x)"),
    "exp_rate": NumberKey("number", "r"),
    "rise_height": NumberKey("voltage", "a of a exp(-r (1 - x))"),
    "rise_rate": NumberKey("number", "r"),
    "step_height": NumberKey("voltage", "a of a tanh((x - c) / w)"),
    "step_centre": NumberKey("number", "c"),
    "step_width": NumberKey("number", "w"),
    "tanh_height": NumberKey("voltage", "a of a tanh(o + s x)"),
    "tanh_offset": NumberKey("number", "o"),
    "tanh_slope": NumberKey("number", "s"),
    "stretch": NumberKey("number", "by which x is multiplied first"),
}


def _by_stoichiometry(kind: str, name: str) -> Branch:
    formula, points = NumberKey(kind, f"{name} as a formula in x"), NumberKey(kind, f"of a table: {name} at each")
    return {"expression": formula, "stoichiometry": _ASCENDING, "points": points}


_HOST: Branch = {
    "shape": Word(("film", "sphere"), "planar film, or particles"),
    "capacity": NumberKey("charge by area", "between stoichiometry 0 and 1"),
    "specific_capacity": NumberKey("charge by mass", "instead of capacity, times loading"),
    "mass_ratio": NumberKey("number", "of this electrode's mass to the loading"),
    "diffusion_time": NumberKey("time", "length squared over diffusivity"),
    "diffusion_activation": NumberKey("energy", "of the diffusivity"),
    "exchange": NumberKey("current by area", "exchange current at half filling"),
    "exchange_activation": NumberKey("energy", _ACTIVATION),
    "double_layer": NumberKey("capacitance by area", "by area of the electrode, of particles by their surface"),
    "start": NumberKey("number", "stoichiometry of the fresh electrode, in full cells"),
    "ocp": _POTENTIAL,
    "entropy": _by_stoichiometry("entropy", "dU/dT"),
    "hysteresis": {
        "gap": NumberKey("voltage", "between the potentials of both directions; the potential is the mean of them"),
        "reach": NumberKey("number", "share of the capacity in which a turned current passes over, to 1 - 1/e"),
    },
}
_PARTICLES: Branch = {
    "thickness": NumberKey("length", "of the electrode"),
    "active_fraction": NumberKey("number", "volume fraction of active material"),
    "particle_radius": NumberKey("length", "of the particles"),
    "largest_concentration": NumberKey("concentration", "at stoichiometry 1"),
    "initial_concentration": NumberKey(
        "concentration", "of the fresh electrode; of a half cell, or else start_voltage"
    ),
    "diffusivity": NumberKey("diffusivity", "in the particles; one number, or else diffusivity_curve"),
    "diffusivity_curve": _by_stoichiometry("diffusivity", "it"),
    "diffusivity_activation": NumberKey("energy", _ACTIVATION),
    "rate_constant": NumberKey("rate constant", "m of i0 = m sqrt(c_e c_s (c_max - c_s))"),
    "rate_activation": NumberKey("energy", _ACTIVATION),
}
_PORES: Branch = {
    "porosity": NumberKey("number", "volume fraction of electrolyte"),
    "bruggeman": NumberKey("number", "exponent of the porosity in the electrolyte's transport; 1.5 where left out"),
    "conductivity": NumberKey("conductivity", "electronic"),
    "conductivity_bruggeman": NumberKey("number", "exponent of the active fraction in it; 0 where it is left out"),
}
_METAL: Branch = {
    "exchange": NumberKey("current by area", "of the metal"),
    "exchange_activation": NumberKey("energy", _ACTIVATION),
    "double_layer": NumberKey("capacitance by area", "of the metal"),
}
_CURVE: Branch = {
    "current": NumberKey("current by area", "of the rate at which it was measured"),
    "cycles": NumberKey("number", "where the others are given, ascending from 0"),
    "capacity": NumberKey("charge by area", "that a half-cycle passes"),
    "health": NumberKey("number", "share of the host's capacity that is left"),
    "effort": NumberKey("number", "series resistance against the fresh cell's"),
}
INSERTION: Final[Branch] = {
    **_COMMON,
    "nominal_capacity": NumberKey("charge", "as it is quoted; C rates are the cell file's"),
    "loading": NumberKey("mass by area", "of active material; a mass in the cell file is divided by it"),
    "film_thickness": NumberKey("length", "of the film that the numbers are of; the cell file may say another"),
    "electrolyte_thickness": NumberKey(
        "length", "of the electrolyte that the numbers are of; the cell file may say another"
    ),
    "start_voltage": NumberKey(
        "voltage", "at which a fresh half cell rests; the upper end of the window where it is left out"
    ),
    "working": {**_HOST, **_PARTICLES},
    "positive": {**_HOST, **_PARTICLES, **_PORES},
    "negative": {**_HOST, **_PARTICLES, **_PORES},
    "counter": _METAL,
    "separator": {
        "thickness": NumberKey("length", "of the separator"),
        "porosity": NumberKey("number", "volume fraction of electrolyte"),
        "bruggeman": NumberKey("number", "exponent of the porosity; 1.5 where it is left out"),
    },
    "electrolyte": {
        "concentration": NumberKey("concentration", "of the salt at rest"),
        "transference": NumberKey("number", "of the cation"),
        "diffusivity": NumberKey("diffusivity", "of the salt, at rest"),
        "diffusivity_activation": NumberKey("energy", _ACTIVATION),
        "diffusivity_curve": {
            "expression": NumberKey(
                "diffusivity", "as a formula in x, the concentration in mol/l; only its shape counts"
            ),
        },
        "conductivity": NumberKey(
            "conductivity", "at rest; with it and a separator, the modes of the electrolyte are built"
        ),
        "conductivity_activation": NumberKey("energy", _ACTIVATION),
        "thermodynamic_factor": NumberKey("number", "1 + d ln f / d ln c; 1 where it is left out"),
    },
    "heat": {
        "capacity": NumberKey(
            "heat capacity", "of the whole cell at the set's own area; with it, the cell heats itself"
        ),
        "transfer": NumberKey("heat transfer", "to the surroundings, of the whole cell; 0 is none"),
    },
    "self_discharge": {
        "resistance": NumberKey("resistance times area", "beside the cell: what it loses at rest flows through it"),
    },
    "series": {
        "resistance": NumberKey("resistance times area", "of contacts and all that is not told apart"),
        "resistance_activation": NumberKey("energy", _ACTIVATION),
        "electrolyte": NumberKey("resistance times area", "of the electrolyte at its own thickness"),
        "electrolyte_activation": NumberKey("energy", _ACTIVATION),
    },
    "arcs": {
        "*": {
            "layer": Word(("electrolyte",), "marks the arc that goes with the thickness of the electrolyte"),
            "resistance": NumberKey("resistance times area", "of the arc"),
            "resistance_activation": NumberKey("energy", _ACTIVATION),
            "frequency": NumberKey("frequency", "of its top"),
            "alpha": NumberKey("number", "exponent, 0.5..1; 1 where it is left out"),
        }
    },
    "ageing": {
        "wasteful": Word(("charge", "discharge", "none"), "direction in which charge is lost"),
        "waste": Word(("working", "negative"), "electrode that the lost charge does not reach"),
        "hosts": Word(("working", "both"), "electrodes that lose capacity"),
        "loss": NumberKey("number", "share that is lost in a half-cycle"),
        "first_loss": NumberKey("number", "share that is lost in the first one"),
        "curves": {"*": _CURVE},
        "calendar": {
            "loss": NumberKey(
                "number", "share of the capacity that is lost within a time by itself, with the root of time"
            ),
            "after": NumberKey("time", "that time, at the temperature of the numbers"),
            "activation": NumberKey("energy", _ACTIVATION),
        },
    },
}
SYMMETRIC: Final[Branch] = {
    **_COMMON,
    "contact": NumberKey("resistance times area", "of contacts and leads"),
    "electrolyte": {
        "thickness": NumberKey("length", "between the electrodes"),
        "conductivity": NumberKey("conductivity", "one number, or a row at conductivity_temperatures"),
        "conductivity_activation": NumberKey("energy", _ACTIVATION),
        "conductivity_temperatures": NumberKey("temperature", "of the row"),
        "transference": NumberKey("number", "of the cation"),
        "concentration": NumberKey("concentration", "of the salt at rest"),
        "diffusivity": NumberKey("diffusivity", "of the salt; from the conductivity where it is left out"),
        "diffusivity_activation": NumberKey("energy", _ACTIVATION),
    },
    "kinetics": _METAL,
    "film": {
        "resistance": NumberKey("resistance times area", "of the fresh interphase"),
        "resistance_activation": NumberKey("energy", _ACTIVATION),
        "capacitance": NumberKey("capacitance by area", "of the interphase"),
        "growth": NumberKey("rate", "k of sqrt(1 + 2 k t), by which its resistance grows"),
        "growth_activation": NumberKey("energy", _ACTIVATION),
        "hours": NumberKey("time", "where factors are given"),
        "factors": NumberKey("number", "further factor on its resistance"),
    },
    "nucleation": {
        "height": NumberKey("voltage", "of the dip as plating begins"),
        "charge": NumberKey("charge by area", "within which it fades"),
        "again": NumberKey("number", "share of it at later turns of the current"),
        "density": NumberKey("current by area", "at which it has that height"),
    },
    "collector": {
        "bare": NumberKey("voltage", "of a bare collector against the metal"),
        "charge": NumberKey("charge by area", "until it is covered"),
        "efficiency": NumberKey("number", "share of the plated metal that can be stripped"),
    },
    "shorts": {
        "kind": Word(("hard", "soft", "recovering"), "what a grown dendrite does"),
        "currents": NumberKey("current by area", "at which lives are given"),
        "lives": NumberKey("time", "until the short at each of them"),
        "critical": NumberKey("current by area", "above which dendrites grow at once"),
        "critical_activation": NumberKey("energy", _ACTIVATION),
        "critical_temperatures": NumberKey("temperature", "of a row of critical currents"),
        "margin": NumberKey("time", "a dendrite needs beyond the critical current"),
        "spread": NumberKey("number", "of the lives of cells of one kind"),
        "resistance": NumberKey("resistance times area", "of a hard short"),
        "left": NumberKey("number", "share of the voltage that a soft short leaves"),
        "closed": NumberKey("number", "share of the time for which a soft short is closed"),
        "flicker": NumberKey("time", "of a soft short, open and closed together"),
        "harden": NumberKey("number", "how fast a soft short becomes a hard one"),
        "burn": NumberKey("charge by area", "after which a short burns through"),
        "heal": NumberKey("time", "after which a recovering short has healed"),
        "recoveries": NumberKey("number", "how often it does"),
    },
}
BLOCKING: Final[Branch] = {
    **_COMMON,
    "nominal_capacity": NumberKey("charge", "of a capacitor, as it is quoted; C rates are the cell file's"),
    "electrolyte": {
        "thickness": NumberKey("length", "between the plates"),
        "conductivity": NumberKey("conductivity", "one number, or a row at conductivity_temperatures"),
        "conductivity_activation": NumberKey("energy", _ACTIVATION),
        "conductivity_temperatures": NumberKey("temperature", "of the row"),
        "geometric": NumberKey("capacitance by area", "of the plates about the electrolyte"),
        "electronic": NumberKey("conductivity", "of electrons"),
        "electronic_activation": NumberKey("energy", _ACTIVATION),
        "electronic_temperatures": NumberKey("temperature", "of a row of electronic conductivities"),
        "boundary": {
            "resistance": NumberKey("resistance times area", "of the grain boundaries"),
            "resistance_activation": NumberKey("energy", _ACTIVATION),
            "frequency": NumberKey("frequency", "of the top of their arc"),
            "alpha": NumberKey("number", "exponent of the arc"),
        },
    },
    "contact": {
        "quantity": NumberKey("phase element", "of the contacts"),
        "alpha": NumberKey("number", "its exponent"),
        "leads": NumberKey("resistance times area", "of the leads"),
    },
}
MODELS: Final[Mapping[str, Branch]] = {"insertion": INSERTION, "symmetric": SYMMETRIC, "blocking": BLOCKING}


def meaning(model: str, path: str) -> NumberKey | Word | Branch | None:
    """Return what stands under a path of keys, `negative.ocp.constant` for instance; None where nothing may.

    >>> meaning("insertion", "negative.thickness").kind
    'length'
    """
    branch: Any = MODELS.get(model, {})
    for key in path.split("."):
        if not isinstance(branch, Mapping):
            return None
        branch = branch.get(key, branch.get("*"))
    return branch  # type: ignore[no-any-return]


def rows(branch: Branch, path: str = "") -> Iterator[tuple[str, NumberKey | Word]]:
    """Give every number and word of a model with its path; `*` is a name of one's own."""
    for key, entry in branch.items():
        here = f"{path}.{key}" if path else key
        if isinstance(entry, NumberKey | Word):
            yield here, entry
        else:
            yield from rows(entry, here)


def markdown() -> str:
    """Return the tables of docs/reference/cells.md."""
    lines = []
    for name, branch in MODELS.items():
        lines += [f"### Numbers of `{name}`", "", "| key | units | meaning |", "|---|---|---|"]
        for path, entry in rows(branch):
            units = UNITS[entry.kind] if isinstance(entry, NumberKey) else entry.choices or ("a word",)
            lines.append(f"| `{path}` | {', '.join(units)} | {entry.about} |")
        lines.append("")
    lines += [
        "Every number may also be a row of numbers where the table says so; temperatures in degC are converted.",
        "",
    ]
    return "\n".join(lines)


_ORIGIN: Final = {
    "status": {"enum": ["quoted", "fitted", "derived", "assumed"]},
    "source": {"type": "string", "description": "a key of sources, digits after it count within it"},
    "to": {"type": "string", "description": "what a fitted number reproduces"},
    "by": {"type": "string", "description": "the arithmetic of a derived number"},
    "why": {"type": "string", "description": "the reason for an assumed number"},
}


def _entry_schema(item: Any) -> dict[str, Any]:
    """Return the schema of one entry of a parameter file: a word, a number with its origin, or entries by name."""
    if isinstance(item, Word):
        words = {"enum": list(item.choices)} if item.choices else {"type": "string"}
        return {**words, "description": item.about}
    if isinstance(item, NumberKey):
        numeric = {"type": ["number", "string"]}
        return {
            "type": "object",
            "description": item.about,
            "required": ["value", "unit"],
            "additionalProperties": False,
            "properties": {
                "value": {"anyOf": [numeric, {"type": "array", "items": numeric, "minItems": 1}]},
                "unit": {"enum": list(UNITS[item.kind])},
                **_ORIGIN,
            },
        }
    named = {key: _entry_schema(one) for key, one in item.items() if key != "*"}
    more = _entry_schema(item["*"]) if "*" in item else False
    return {"type": "object", "properties": named, "additionalProperties": more}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a parameter file."""

    def branch(name: str) -> dict[str, Any]:
        body = _entry_schema(MODELS[name])
        for electrode in ("working", "positive", "negative"):
            if electrode in body["properties"]:
                host = body["properties"][electrode]["properties"]
                host["entropy"] = {"anyOf": [host["entropy"], _entry_schema(NumberKey("entropy", "dU/dT, one number"))]}
        return {
            "if": {"properties": {"model": {"const": name}}, "required": ["model"]},
            "then": {"properties": {"values": body}},
        }

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://labctl.dev/schema/1/labctl-model.schema.json",
        "title": "labctl parameter file",
        "type": "object",
        "required": ["labctl_model", "name", "values"],
        "additionalProperties": False,
        "properties": {
            "labctl_model": {"const": 1, "description": "version of the parameter file: 1"},
            "name": {"type": "string", "description": "of the set"},
            "like": {"type": "string", "description": "a shipped set that this file is laid over"},
            "model": {"enum": list(MODELS), "description": "what the cell is made of"},
            "kind": {"enum": [*CELL_KINDS]},
            "about": {"type": "string", "description": "one or two sentences"},
            "electrolyte": {"enum": ["on", "off", True, False], "description": "the modes of a liquid electrolyte"},
            "double_layers": {"enum": ["off", "on", True, False], "description": "in the rows of steps, too"},
            "sources": {"type": "object", "additionalProperties": {"type": "string"}},
            "values": {"type": "object"},
        },
        "allOf": [branch(name) for name in MODELS],
    }


if __name__ == "__main__":
    print(markdown())  # noqa: T201 - for docs/reference/cells.md
