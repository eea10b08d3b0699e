"""JSON Schemas (2020-12) of protocol, cell and station files, for completion and checks in editors.

Made from the same table of keys as the loader. Patterns are wider than the language: an editor shows what is surely
wrong, `labctl check` says why.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from labctl.protocol.condition import FLAGS, KINDS
from labctl.protocol.keys import (
    ANALYSES,
    BLOCK,
    CELL,
    DRIVES,
    FILE,
    INTERRUPTION,
    LIMITS,
    NOMINAL,
    PICK,
    RANGE,
    RECORD,
    REFERENCE,
    REQUIRES,
    SIDES,
    STATE,
    STEP,
    UNTIL,
    USE,
    VERBS,
    Key,
    Keys,
    Verb,
)
from labctl.quantity.dimension import SYMBOLS, TABLES, Kind, accepts
from labctl.quantity.units import NUMBER
from labctl.station.faces import NOTIFY_KEYS, ROUTE_KEYS, WEB_KEYS
from labctl.station.load import HTTP_KEYS, MQTT_KEYS, STATION_KEYS
from labctl.station.settings import ROLES

Schema = dict[str, Any]

OWN: Final = frozenset({"time", "capacity", "energy", "dV/dt", "dI/dt", "dT/dt"})  # of one step
RESULTS: Final = frozenset(
    {"charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention", "cycle", "every", *FLAGS}
)
_REFERENCE: Final = r"\$[A-Za-z_(].*"
_VERSUS_KINDS: Final = frozenset({"potential", "bias"})


def schema(name: str) -> Schema:
    """Return the schema of `protocol`, `cell` or `station` files.

    Raises:
        KeyError: There is no schema of that name.
    """
    return {"protocol": protocol_schema, "cell": cell_schema, "station": station_schema}[name]()


def _head(name: str, title: str) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://labctl.dev/schema/1/labctl-{name}.schema.json",
        "title": title,
    }


# --- quantities -------------------------------------------------------------------------------------------------------


def pattern(kind: Kind) -> str:
    """Return the regular expression of a kind of quantity: a number, and a unit that begins as one of its own does."""
    starts = [
        f"(?:{'|'.join(['', *prefixes])})?{re.escape(symbol)}" if prefixes else re.escape(symbol)
        for symbol, prefixes in _starts(kind)
    ]
    starts += _PRODUCTS.get(kind, [])
    choices = [rf"{_NUMBER}\s*(?:{'|'.join(starts)})(?![A-Za-z]).*", _REFERENCE]
    if kind in _VERSUS_KINDS:
        choices.append("ocv")
    if accepts(kind, _RATE):
        choices.append(rf"(?:{_NUMBER})?\s*C(?:\s*/\s*{_NUMBER})?")
    return rf"^\s*(?:{'|'.join(choices)})\s*$"


_NUMBER: Final = NUMBER.replace("[-+]?(?:", "[-+\u2212\u2013]?(?:", 1)
_RATE: Final = next(dimension for symbol, dimension, _, _ in SYMBOLS if symbol == "C")
_SPELLED: Final[Mapping[str, tuple[str, ...]]] = {"Ohm": ("Ohm", "ohms", "ohm", "Ω", "\u2126"), "deg": ("deg", *"°º˚")}
_PRODUCTS: Final[Mapping[Kind, list[str]]] = {  # units written as products of others
    "capacity": [r"[pnumµμ]?A[\s*·⋅]+[hs]"],
    "frequency": [r"s(?:-|\^-|⁻)[1¹]"],
}


def _starts(kind: Kind) -> list[tuple[str, list[str]]]:
    """Return (symbol, prefixes) with which a unit of the kind may begin, in every spelling."""
    wanted = {re.split(r"[/\s]", unit)[0] for unit in TABLES[kind].units}
    starts: list[tuple[str, list[str]]] = []
    if wanted & {"degC"}:
        starts += [(spelling, []) for spelling in ("degC", "°C", "° C", "ºC", "º C", "˚C", "˚ C", "\u2103")]
    for symbol, _, _, prefixes in SYMBOLS:
        if wanted & {prefix + symbol for prefix in ("", *prefixes)}:
            micro = ["\u00b5", "\u03bc"] if "u" in prefixes else []
            starts += [(spelling, [*prefixes, *micro]) for spelling in _SPELLED.get(symbol, (symbol,))]
    return starts


def _quantity(key: Key) -> Schema:
    if key.kind in {"count", "number"}:
        number: Schema = {"type": "integer" if key.kind == "count" else "number"}
        number |= {"exclusiveMinimum": 0} if key.sign == "positive" else {}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_REFERENCE}$"}]}
    if key.kind == "any":
        return {"type": ["string", "number"]}
    sign = "" if key.sign == "any" else r"(?!\s*[-\u2212\u2013])"
    return {"type": "string", "pattern": f"^{sign}{pattern(key.kind).removeprefix('^')}"}


def _condition(names: Iterable[str]) -> str:
    """Return the regular expression of a condition: a quantity of these first, and no words of programming languages."""
    first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    lead = r"(?:abs\s*\(\s*|(?:spread|change)\s+of\s+)?"
    return rf"^(?!.*(?:&&|\|\||==|!=|=>|=<|\bAND\b|\bOR\b|\bnot\b))\s*{lead}(?:{first})(?![A-Za-z_])"


# --- keys -------------------------------------------------------------------------------------------------------------


def _value(key: Key) -> Schema:  # noqa: C901 - one arm a form
    match key.form:
        case "quantity":
            body = _quantity(key)
        case "pair":
            both = {"type": "array", "items": _quantity(key), "minItems": 2, "maxItems": 2}
            sides = dict.fromkeys(SIDES, _quantity(key))
            one = {"type": "object", "properties": sides, "additionalProperties": False, "minProperties": 1}
            body = {"anyOf": [both, one]}
        case "flag":
            body = {"type": "boolean"}
        case "choice" if "true" in key.choices:
            body = {"enum": [True, *(choice for choice in key.choices if choice != "true")]}
        case "choice":
            body = {"enum": list(key.choices)}
        case "record":
            body = {"$ref": "#/$defs/record"}
        case "steps":
            body = {"$ref": "#/$defs/steps"}
        case "state":
            body = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
        case "condition":
            own = key is UNTIL or "hold" in key.about
            choice = "" if own else rf"|^\s*{_REFERENCE.removesuffix('.*')}\w*\s*(?:==?|is)\s*\S"
            body = {"type": "string", "pattern": _condition({*KINDS, *FLAGS} - (RESULTS if own else OWN)) + choice}
        case "name":
            body = {"type": "string", "pattern": r"^[A-Za-z0-9][\w-]*(?:/[A-Za-z0-9][\w-]*)*(?:\.ya?ml)?$"}
        case _:
            body = {"type": ["string", "number", "boolean"]}
    return body | _words(key)


def _words(key: Key) -> Schema:
    example: Any = key.example
    if key.kind in {"count", "number"} and key.form == "quantity":
        example = float(example) if "." in example else int(example)
    flow = not isinstance(example, str) or not example or example[0] in "[{" or example == "true"
    return {"description": key.about} | ({} if flow and isinstance(example, str) else {"examples": [example]})


def _object(keys: Keys, **more: Any) -> Schema:
    required = [name for name, key in keys.items() if key.required]
    properties = {name: _value(key) for name, key in keys.items()} | more.pop("properties", {})
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
        **more,
    }


# --- protocol ---------------------------------------------------------------------------------------------------------


def protocol_schema() -> Schema:
    """Return the schema of protocol files."""
    properties = {
        "labctl": {"const": 1, "description": FILE["labctl"].about},
        "params": {
            "type": "object",
            "description": FILE["params"].about,
            "additionalProperties": {"$ref": "#/$defs/value"},
        },
        "requires": _object(REQUIRES, properties={"cell": _kinds()}) | {"description": FILE["requires"].about},
        "limits": {"$ref": "#/$defs/limits"},
        "on_interruption": _object(INTERRUPTION) | {"description": FILE["on_interruption"].about},
        "analyse": _analyse(),
    }
    return (
        _head("protocol", "labctl protocol, version 1")
        | _object(FILE, properties=properties)
        | {
            "$defs": {
                "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
                "item": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("step", "block", "use")]},
                "step": _step(),
                "block": _block(),
                "use": _object(USE, properties={"with": _with()}),
                "record": {"anyOf": [_rule(alone=True), {"type": "array", "minItems": 1, "items": _rule(alone=False)}]},
                "limits": _object(LIMITS) | {"description": FILE["limits"].about},
                "value": {
                    "anyOf": [
                        {"type": ["string", "number"]},
                        {"type": "array", "items": {"type": ["string", "number"]}},
                    ]
                },
            }
        }
    )


def _rule(*, alone: bool) -> Schema:
    """Return the schema of a record rule; one that stands alone holds to the end of the step and has no `for`."""
    keys = {name: key for name, key in RECORD.items() if not (alone and name == "for")}
    return _object(keys) | _one_at_least("every", "dV", "dI")


def _one_at_least(*names: str) -> Schema:
    return {"anyOf": [{"required": [name]} for name in names]}


def _one_only(*names: str) -> Schema:
    return {"oneOf": [{"required": [name]} for name in names]}


def _kinds() -> Schema:
    kinds = {"enum": list(CELL["kind"].choices)}
    return {"description": REQUIRES["cell"].about, "anyOf": [kinds, {"type": "array", "items": kinds}]}


def _with() -> Schema:
    return {"type": "object", "description": USE["with"].about, "additionalProperties": {"$ref": "#/$defs/value"}}


def _analyse() -> Schema:
    named = {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                option: {"type": ["string", "number", *(["array"] if option == "at" else [])], "description": about}
                for option, about in options.items()
            },
        }
        for name, options in ANALYSES.items()
    }
    one = {
        "anyOf": [
            {"enum": list(ANALYSES)},
            {"type": "object", "additionalProperties": False, "properties": named, "maxProperties": 1},
        ]
    }
    return {"description": FILE["analyse"].about, "anyOf": [{"type": "array", "items": one}, one]}


def _step() -> Schema:
    verbs = {word: _verb(word, verb) for word, verb in VERBS.items()}
    return _object(STEP, properties=verbs) | _one_only(*VERBS)


_ENDS: Final = ("for", "until", "capacity", "energy", "to")


def _needs(word: str) -> Schema:
    """Return what a verb needs beyond its required keys: something held constant, an end."""
    if word in DRIVES:
        controls = ("current", "power", "resistance") if word == "discharge" else ("current", "power")
        required = {"hold_until": ["to"], "hold_for": ["to"]}
        return {"allOf": [_one_only(*controls), _one_at_least(*_ENDS)], "dependentRequired": required}
    needs = {
        "rest": {"required": ["for"]},
        "hold": _one_at_least("for", "until"),
        "bend": _one_at_least("angle", "radius"),
    }
    return needs.get(word, {})


def _verb(word: str, verb: Verb) -> Schema:
    keys = {name: key for name, key in verb.keys.items() if name != "text"}
    words = {"description": f"{verb.about}; {verb.example}"}
    full = _object(keys) | _needs(word)
    if not verb.short:
        return full | words
    short = _value(verb.keys[verb.short])
    return {"anyOf": [short, full] if keys else [short]} | words


def _block() -> Schema:
    one = {
        "anyOf": [
            _object(RANGE) | _one_only("by", "factor"),
            _object(PICK, properties={"pick": {"type": ["array", "string"], "items": {"type": ["string", "number"]}}}),
            {"type": "array", "items": {"type": ["string", "number"]}},
            {"type": "string", "pattern": f"^{_REFERENCE}$"},
        ]
    }
    each = {"type": "object", "description": BLOCK["each"].about, "additionalProperties": one, "minProperties": 1}
    alone = [{"required": [first, second]} for first, second in (("repeat", "each"), ("repeat", "if"), ("each", "if"))]
    return _object(BLOCK, properties={"each": each}) | {"not": {"anyOf": alone}}


# --- cell and station -------------------------------------------------------------------------------------------------


def cell_schema() -> Schema:
    """Return the schema of cell files."""
    nominal = _object(NOMINAL) | {
        "description": CELL["nominal"].about,
        "oneOf": [{"required": ["capacity"]}, {"required": ["1C"]}],
    }
    properties = {
        "labctl_cell": {"const": 1, "description": CELL["labctl_cell"].about},
        "nominal": nominal,
        "limits": _object(LIMITS) | {"description": CELL["limits"].about},
        "state": _object(STATE) | {"description": CELL["state"].about, "minProperties": 1, "maxProperties": 1},
        "about": {"type": ["object", "string"], "description": CELL["about"].about},
        "reference": {"anyOf": [{"type": "string"}, _reference()], "description": CELL["reference"].about},
    }
    return _head("cell", "labctl cell file, version 1") | _object(CELL, properties=properties)


def _reference() -> Schema:
    volts = {"type": "string", "pattern": pattern("voltage")}
    vs: Schema = {"type": "object", "description": REFERENCE["vs"].about, "additionalProperties": volts}
    return _object(REFERENCE, properties={"vs": vs})


def station_schema() -> Schema:
    """Return the schema of station files."""
    part = {
        "type": "object",
        "required": ["instrument"],
        "additionalProperties": False,
        "properties": {
            "instrument": {"type": "string", "description": "name of an instrument of this file"},
            "at": {"type": ["string", "integer"], "description": "which of its channels"},
        },
    }
    channel = {
        "type": "object",
        "required": ["cell"],
        "additionalProperties": False,
        "properties": dict.fromkeys(ROLES, part) | {"limits": _object(LIMITS)},
    }
    instrument = {
        "type": "object",
        "required": ["driver"],
        "properties": {"driver": {"type": "string", "description": "name of an installed driver: labctl drivers"}},
    }
    properties: Schema = {name: {"description": about} for name, about in STATION_KEYS.items()}
    properties["labctl_station"] |= {"const": 1}
    properties["name"] |= {"type": "string"}
    properties["store"] |= {"type": "string"}
    properties["instruments"] |= {"type": "object", "additionalProperties": instrument}
    properties["channels"] |= {"type": "object", "additionalProperties": channel}
    properties["mqtt"] |= _settings(
        MQTT_KEYS,
        broker={"type": ["string", "object"]},
        commands={"enum": ["off", "stop-only", "all", "signed", False]},
    )
    properties["postgres"] |= {"type": ["string", "object"]}
    properties["http"] |= _settings(HTTP_KEYS)
    texts: Schema = {"type": ["string", "array"], "items": {"type": "string"}}
    route = _settings(ROUTE_KEYS, mail=texts, last={"type": "boolean"})
    properties["web"] |= _settings(WEB_KEYS, names=texts)
    properties["notify"] |= _settings(NOTIFY_KEYS, routes={"type": "object", "additionalProperties": route})
    properties["clock"] |= {"type": ["string", "number"], "examples": ["real", "fast", 60]}
    return _head("station", "labctl station file, version 1") | {
        "type": "object",
        "additionalProperties": False,
        "required": ["labctl_station", "instruments", "channels"],
        "properties": properties,
    }


def _settings(keys: Mapping[str, str], **special: Schema) -> Schema:
    types: dict[str, Schema] = {"port": {"type": "integer"}, "tls": {"type": "boolean"}} | special
    properties = {name: types.get(name, {"type": "string"}) | {"description": about} for name, about in keys.items()}
    return {"type": ["object", "string"], "additionalProperties": False, "properties": properties}
