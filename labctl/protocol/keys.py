"""Every key of the language, once: the loader reads by this table, the JSON Schemas and `explain` are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from labctl.protocol.model import Sign
from labctl.quantity.dimension import Kind

Form: TypeAlias = Literal[
    "quantity", "condition", "text", "flag", "choice", "pair", "record", "state", "steps", "name", "mapping", "list"
]


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        about: What it says, for people and editors.
        form: How its value is read.
        kind: Kind of quantity, where it is one (or a pair).
        sign: What the quantity may be.
        required: The mapping is wrong without it.
        example: One value, as text.
        choices: The words it may have, for a choice.
    """

    about: str
    form: Form = "quantity"
    kind: Kind = "any"
    sign: Sign = "any"
    required: bool = False
    example: str = ""
    choices: tuple[str, ...] = ()


Keys: TypeAlias = Mapping[str, Key]

FOR: Final = Key("longest time", kind="duration", sign="not negative", example="1 h")
UNTIL: Final = Key("ends the step when true; the quantity stands first", "condition", example="current < C/20")

FILE: Final[Keys] = {
    "labctl": Key("version of the language: 1", "text", required=True, example="1"),
    "name": Key("what the protocol is called", "text", example="GITT"),
    "about": Key("what it does and why, for people", "text"),
    "source": Key("citation of where its values come from", "text"),
    "params": Key("values that a run may change, each with a default or `required`", "mapping", example="{rate: C/10}"),
    "requires": Key("what the cell must be", "mapping", example="{cell: full}"),
    "record": Key(
        "when rows are written: one rule, or a list by step time", "record", example="{every: 10 s, dV: 5 mV}"
    ),
    "limits": Key("safety envelope of the whole file", "mapping", example="{voltage: [2.5 V, 4.3 V]}"),
    "on_interruption": Key("what an outage does", "mapping", example="{continue_within: 10 min, else: ask}"),
    "steps": Key("what is done, in order", "steps", required=True),
    "analyse": Key("analyses of the run, by name", "list", example="[capacity, retention]"),
}

LIMITS: Final[Keys] = {
    "voltage": Key("lowest and highest voltage, or {max: 4.3 V}", "pair", "potential", example="[2.5 V, 4.3 V]"),
    "current": Key("lowest and highest current; positive charges", "pair", "current", example="[-1 mA, 1 mA]"),
    "temperature": Key("lowest and highest temperature", "pair", "temperature", example="[10 degC, 60 degC]"),
    "capacity": Key(
        "most charge that any one step may pass; twice the nominal one if not said",
        kind="capacity",
        sign="not negative",
        example="3 mAh/cm2",
    ),
}

REQUIRES: Final[Keys] = {
    "cell": Key("kind of cell, or a list of kinds", "list", example="[full, half_cathode]"),
    "ocv": Key("range of the open circuit before the first current", "pair", "potential", example="[-50 mV, 50 mV]"),
}

INTERRUPTION: Final[Keys] = {
    "continue_within": Key(
        "shorter outages go on inside the same step", kind="duration", sign="not negative", example="10 min"
    ),
    "else": Key("what longer ones do", "choice", choices=("ask", "stop"), example="ask"),
}

RECORD: Final[Keys] = {
    "every": Key("a row each time so much time has passed", kind="duration", sign="positive", example="10 s"),
    "dV": Key("a row each time the voltage has moved by as much", kind="voltage", sign="positive", example="5 mV"),
    "dI": Key("a row each time the current has moved by as much", kind="current", sign="positive", example="10 uA"),
    "for": Key("how long in the step this rule of a list holds", kind="duration", sign="positive", example="10 s"),
}

STEP: Final[Keys] = {
    "name": Key("name of the step, for people and results", "text", example="formation charge"),
    "record": Key("when rows of this step are written", "record", example="{every: 1 s}"),
    "temperature": Key("brings the chamber there before the step", kind="temperature", example="45 degC"),
}

BLOCK: Final[Keys] = {
    "name": Key("name of the block, for people and results", "text", example="rates"),
    "steps": Key("what is done in each pass", "steps", required=True),
    "repeat": Key("number of passes in all", kind="count", sign="positive", example="5"),
    "each": Key("a pass for each value", "mapping", example="{j: {from: 0.1 mA/cm2, to: 1 mA/cm2, by: 0.1 mA/cm2}}"),
    "if": Key("done only if this is true on arrival", "condition", example="retention > 80 %"),
    "cycle": Key("each pass is one cycle", "choice", choices=("true", "formation", "check"), example="true"),
    "stop_if": Key("ends the block; the run goes on after it", "condition", example="short or abs(voltage) > 2 V"),
    "abort_if": Key("ends the run", "condition", example="temperature > 55 degC"),
    "every": Key(
        "time from the begin of a pass to that of the next; it rests meanwhile",
        kind="duration",
        sign="positive",
        example="1 h",
    ),
    "for": Key("longest time of the whole block", kind="duration", sign="positive", example="48 h"),
    "record": Key("when rows of this block are written", "record", example="{every: 1 s}"),
}

RANGE: Final[Keys] = {
    "from": Key("first value", required=True, example="0.1 mA/cm2"),
    "to": Key("last value, included", required=True, example="2 mA/cm2"),
    "by": Key("added in each pass", example="0.05 mA/cm2"),
    "factor": Key("multiplied in each pass", kind="number", sign="positive", example="1.25"),
}

PICK: Final[Keys] = {
    "pick": Key("what is drawn from", "list", required=True, example="[0.5 A, 1 A, 1.5 A]"),
    "times": Key("how many are drawn", kind="count", sign="positive", required=True, example="1500"),
    "seed": Key(
        "the same seed draws the same; one is drawn and told if not said",
        kind="count",
        sign="not negative",
        example="7",
    ),
}

USE: Final[Keys] = {
    "use": Key("name of a protocol beside this file or in the library", "name", required=True, example="activation"),
    "with": Key("values for its parameters", "mapping", example="{rate: C/20}"),
    "name": Key("name of the inserted part", "text", example="activation"),
}


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its keys, and the key that a bare value stands for."""

    about: str
    keys: Keys
    example: str
    short: str = ""


def _magnitude(about: str, kind: Kind, example: str) -> Key:
    return Key(about, kind=kind, sign="positive", example=example)


_TO: Final = Key("voltage that ends the step, or is held where a hold_ end is given", kind="potential", example="4.2 V")
_DRIVE: Final[Keys] = {
    "current": _magnitude("constant current, a magnitude", "current", "0.1 mA/cm2"),
    "power": _magnitude("constant power, a magnitude", "power", "5 mW"),
    "for": FOR,
    "until": UNTIL,
    "capacity": _magnitude("charge that ends the step", "capacity", "1 mAh/cm2"),
    "energy": _magnitude("energy that ends the step", "energy", "5 mWh"),
    "to": _TO,
    "hold_until": Key("hold the voltage `to` until this is true", "condition", example="current < C/20"),
    "hold_for": Key("hold the voltage `to` for at most so long", kind="duration", sign="not negative", example="1 h"),
}
_FREQUENCY_FROM: Final = Key("first frequency", kind="frequency", sign="positive", required=True, example="1 MHz")
_SWEEP_RATE: Final = Key(
    "rate of the sweep, a magnitude", kind="scan rate", sign="positive", required=True, example="0.1 mV/s"
)

VERBS: Final[Mapping[str, Verb]] = {
    "rest": Verb("open circuit", {"for": FOR, "until": UNTIL}, "rest: 2 h", "for"),
    "wait": Verb(
        "open circuit until a date and time, at the place of the computer that runs it if no zone is said",
        {"until": Key("date and time", "text", required=True, example="2026-12-01 08:00")},
        "wait: {until: 2026-12-01 08:00}",
    ),
    "charge": Verb(
        "raise the voltage of a cell with electrodes", _DRIVE, "charge: {current: C/10, to: 4.2 V, for: 12 h}"
    ),
    "discharge": Verb(
        "lower the voltage of a cell with electrodes",
        {"resistance": _magnitude("constant load", "resistance", "100 Ohm"), **_DRIVE},
        "discharge: {current: C/10, to: 3 V, for: 12 h}",
    ),
    "strip": Verb("take metal from the working electrode", _DRIVE, "strip: {current: 0.1 mA/cm2, for: 1 h}"),
    "plate": Verb("put metal on the working electrode", _DRIVE, "plate: {current: 0.1 mA/cm2, for: 1 h}"),
    "hold": Verb(
        "constant voltage",
        {
            "voltage": Key("voltage to hold", kind="potential", required=True, example="3.8 V"),
            "current": _magnitude("the most it may draw, a magnitude", "current", "1 mA"),
            "for": FOR,
            "until": UNTIL,
        },
        "hold: {voltage: 3.8 V, current: 1 mA, until: current < C/50, for: 2 h}",
    ),
    "lsv": Verb(
        "linear sweep of the voltage",
        {
            "from": Key("first voltage", kind="potential", required=True, example="ocv"),
            "to": Key("last voltage", kind="potential", required=True, example="5 V"),
            "rate": _SWEEP_RATE,
            "until": UNTIL,
        },
        "lsv: {from: ocv, to: 5 V, rate: 0.1 mV/s}",
    ),
    "cv": Verb(
        "cyclic voltammetry (constant voltage is `hold`)",
        {
            "from": Key("voltage where it begins", kind="potential", required=True, example="ocv"),
            "to": Key("first turning point", kind="potential", required=True, example="4 V"),
            "back": Key("second turning point; `from` if not said", kind="potential", example="2 V"),
            "rate": _SWEEP_RATE,
            "cycles": Key("number of cycles; 1 if not said", kind="count", sign="positive", example="3"),
            "until": UNTIL,
        },
        "cv: {from: ocv, to: 4 V, back: 2 V, rate: 0.1 mV/s, cycles: 3}",
    ),
    "profile": Verb(
        "a table of currents, powers, voltages or temperatures from a file",
        {
            "file": Key(
                "CSV beside the protocol, header `time / s` and `current / A` (or power, voltage, temperature)",
                "text",
                required=True,
                example="drive.csv",
            ),
            "positive": Key(
                "what a positive current or power does", "choice", choices=("charge", "discharge"), example="charge"
            ),
            "only": Key(
                "set the other direction to zero", "choice", choices=("charge", "discharge"), example="discharge"
            ),
            "scale": Key("factor on every value", kind="number", sign="positive", example="0.5"),
            "peak": _magnitude("its largest current or power, instead of a factor", "peak", "2C"),
            "clip": Key(
                "voltages at which it is held instead of going on beyond", "pair", "potential", example="[2.5 V, 4.2 V]"
            ),
            "current": _magnitude("the most that a table of voltages may draw", "current", "1 mA"),
            "for": FOR,
            "until": UNTIL,
        },
        "profile: {file: drive.csv, positive: discharge}",
    ),
    "eis": Verb(
        "impedance spectrum",
        {
            "from": _FREQUENCY_FROM,
            "to": Key("last frequency", kind="frequency", sign="positive", required=True, example="0.1 Hz"),
            "amplitude": Key(
                "peak (or `rms`); in V potentiostatic, in A galvanostatic",
                kind="amplitude",
                sign="positive",
                required=True,
                example="10 mV",
            ),
            "per_decade": Key("points in each decade; 10 if not said", kind="count", sign="positive", example="6"),
            "at": Key("bias: voltage (ocv if not said), or current (0 A)", kind="bias", example="3.8 V"),
        },
        "eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 10 mV}",
    ),
    "bend": Verb(
        "move the bending stage, or ask a person",
        {
            "angle": Key("angle to bend to", kind="angle", example="90 deg"),
            "radius": Key("radius to bend to", kind="length", sign="positive", example="5 mm"),
            "times": Key("how often there and back before", kind="count", sign="positive", example="100"),
            "confirm": Key("ask a person even where there is a stage", "flag", example="true"),
        },
        "bend: {angle: 90 deg}",
    ),
    "temperature": Verb(
        "set the chamber and wait until it is there",
        {
            "to": Key("temperature", kind="temperature", required=True, example="60 degC"),
            "within": Key("how near; 1 K if not said", kind="temperature step", sign="positive", example="0.5 K"),
            "soak": Key("how long it must stay that near", kind="duration", sign="not negative", example="30 min"),
            "for": Key(
                "when it is not there after so long, the run asks", kind="duration", sign="positive", example="2 h"
            ),
        },
        "temperature: {to: 60 degC, within: 0.5 K, soak: 30 min, for: 3 h}",
        "to",
    ),
    "prompt": Verb(
        "ask a person, at open circuit",
        {
            "say": Key("what to do or to look at", "text", required=True, example="Set the pressure"),
            "for": Key(
                "when nobody has answered after so long, the run asks", kind="duration", sign="positive", example="1 d"
            ),
            "state": Key("what the person has set, by name", "state", example="{pressure: 5 MPa}"),
        },
        "prompt: {say: Set the pressure, state: {pressure: 5 MPa}}",
        "say",
    ),
    "nominal": Verb(
        "make 1C and 100 % mean what a completed cycle gave",
        {
            "from": Key(
                "the result that counts: charge_capacity or discharge_capacity, also of check or of cycle 3",
                "text",
                required=True,
                example="discharge_capacity",
            ),
            "within": Key(
                "what part of the cell file's nominal it may be; else the run asks",
                "pair",
                "fraction",
                required=True,
                example="[80 %, 120 %]",
            ),
        },
        "nominal: {from: discharge_capacity, within: [80 %, 120 %]}",
    ),
    "mark": Verb(
        "an event, and trigger output where there is one",
        {"text": Key("what is marked", "text", required=True, example="beam on")},
        "mark: beam on",
        "text",
    ),
}

DRIVES: Final = ("charge", "discharge", "strip", "plate")

CELL: Final[Keys] = {
    "labctl_cell": Key("version of the cell file: 1", "text", required=True, example="1"),
    "name": Key("the cell's own name", "text", required=True, example="VOC1-ATFB-03"),
    "kind": Key(
        "what the electrodes are",
        "choice",
        required=True,
        choices=("full", "half_cathode", "half_anode", "asymmetric", "symmetric", "blocking", "capacitor"),
        example="half_cathode",
    ),
    "area": Key("area of the working electrode", kind="area", sign="positive", example="1 cm2"),
    "diameter": Key("of a round electrode, for its area", kind="length", sign="positive", example="14 mm"),
    "active_mass": Key("mass of active material", kind="mass", sign="positive", example="0.12 mg"),
    "film_thickness": Key("thickness of the electrode film", kind="length", sign="positive", example="300 nm"),
    "electrolyte_thickness": Key("thickness of the electrolyte", kind="length", sign="positive", example="1.5 um"),
    "nominal": Key("what 1C and 100 % mean", "mapping", example="{capacity: 19.5 uAh/cm2}"),
    "limits": Key("safety envelope of this cell", "mapping", example="{voltage: [2.0 V, 4.0 V]}"),
    "reference": Key('what "V vs" means for this cell, or {name: In/InLi, vs: {Li: 0.62 V}}', "text", example="Li"),
    "model": Key("parameter set of a simulated cell in its place, or the file of one", "text", example="voc1-atfb"),
    "state": Key("state in which a simulated cell begins, at rest", "mapping", example="{soc: 30 %}"),
    "about": Key("free notes", "mapping", example="{substrate: polyimide 5 um}"),
}

REFERENCE: Final[Keys] = {
    "name": Key("the reference of this cell", "text", required=True, example="In/InLi"),
    "vs": Key("its voltage against others", "mapping", example="{Li: 0.62 V}"),
}

SIDES: Final[Keys] = {
    "min": Key("the lowest; the other side stays that of the cell", example="2.5 V"),
    "max": Key("the highest; the other side stays that of the cell", example="4.3 V"),
}

STATE: Final[Keys] = {
    "soc": Key("state of charge within the window of the model", kind="fraction", example="30 %"),
    "voltage": Key("voltage at which it rests", kind="voltage", example="3.7 V"),
    "cycles": Key("cycles that it has gone through", kind="count", sign="positive", example="200"),
}
NOMINAL: Final[Keys] = {
    "capacity": Key("capacity that is 100 %", kind="capacity", sign="positive", example="19.5 uAh/cm2"),
    "1C": Key("current that is 1C", kind="nominal rate", sign="positive", example="170 mA/g"),
    "basis": Key("where it comes from", "text", example="first charge at 5 uA/cm2"),
}

ANALYSES: Final[Mapping[str, Mapping[str, str]]] = {
    "capacity": {},
    "retention": {
        "of": "reference: first, max, or the number of a cycle",
        "below": "retention in % that ends the life; 80",
    },
    "rate": {"last": "cycles at the end of each rate that are averaged; 3"},
    "ccd": {},
    "life": {},
    "nucleation": {},
    "reservoir": {},
    "gitt": {"length": "diffusion length in m; the film thickness if not said"},
    "bending": {},
    "dcir": {"longest": "longest step that is a pulse; 60 s", "at": "times in it; [1 s, 10 s, 30 s]"},
    "window": {"threshold": "current density that ends the window; 10 uA/cm2"},
    "impedance": {"circuit": "equivalent circuit to fit, for example R0-p(R1,CPE1)-W1"},
    "conductivity": {"circuit": "circuit whose first resistance is the electrolyte, or the high-frequency intercept"},
    "activation": {
        "circuit": "equivalent circuit to fit",
        "element": "its resistance whose activation energy is wanted; R1",
        "form": "what is drawn over 1/T: T/R, or 1/R",
    },
    "transference": {"circuit": "equivalent circuit to fit; one arc or two if not said"},
    "electronic": {},
    **{name: {} for name in ("voltammetry", "b_value", "exchange_current", "limiting_current")},
    "differential": {"window": "width of the voltage window that smooths dQ/dV; 5 mV"},
    **{name: {} for name in ("half_cycles", "capacitance", "open_circuit", "self_discharge")},
    "leakage": {"last": "time at the end of each hold that is averaged, such as 1 h; its last tenth if not said"},
    **{each: {"length": "diffusion length in m; the film thickness if not said"} for each in ("pitt", "interruption")},
}
