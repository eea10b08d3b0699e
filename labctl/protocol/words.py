"""Words of other programs, and what to write for them here."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.text.own_value import FROM_AND_TO, TO_OR_UNTIL, UNTIL_CURRENT

_DRIVES = "charge or discharge (strip or plate on metal)"
_SPECTRUM = "eis: {from: 1 MHz, to: 0.1 Hz, amplitude: "

NO_JUMPS: Final = "there are no jumps: leave it out, and write a block with repeat, if or stop_if"

VERB_WORDS: Final[Mapping[str, str]] = {
    "ocv": "open circuit is a step `rest: 2 h`; `ocv` is the voltage it ends at",
    "ocp": "open circuit is a step `rest: 2 h`",
    **dict.fromkeys(("wait_until", "start_at", "begin_at"), "write wait: {until: 2026-12-01 08:00}"),
    **dict.fromkeys(("soak", "equilibrate"), "write temperature: {to: ..., soak: 2 h}, or rest: 2 h"),
    "pause": "write rest: 10 min; to wait for a person, prompt: text",
    "sleep": "write rest: 10 min",
    "delay": "write rest: 10 min",
    "relax": "write rest: 10 min",
    "cc": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    "gc": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    "gcpl": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}, in a block with repeat",
    "galvanostatic": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    "constant_current": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    "current": f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    "cccv": "write one step: charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 5 h}",
    "cc_cv": "write one step: charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 5 h}",
    "cp": f"constant power is {_DRIVES}: {{power: 5 mW, for: 1 h}}; chronopotentiometry the same with current",
    "ca": "chronoamperometry is hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}",
    "chronoamperometry": "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}",
    "chronopotentiometry": f"write {_DRIVES}: {{current: 1 mA, for: 1 h}}",
    "potentiostatic": "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}",
    "constant_voltage": "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}",
    "voltage": "constant voltage is hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}",
    "peis": f"write {_SPECTRUM}10 mV}}: an amplitude in V makes it potentiostatic",
    "geis": f"write {_SPECTRUM}10 uA}}: an amplitude in A makes it galvanostatic",
    "impedance": f"write {_SPECTRUM}10 mV}}",
    "scan": "one direction is lsv: {from: ocv, to: 5 V, rate: 0.1 mV/s}, there and back is cv",
    "sweep": "a sweep of the voltage is lsv or cv; a list of values is a block with each: {j: [0.1C, 1C]}",
    "cva": "write cv: {from: ocv, to: 4 V, back: 2 V, rate: 0.1 mV/s, cycles: 3}",
    "loop": "write a block: repeat: 5 with steps: below it",
    "loops": "write a block: repeat: 5 with steps: below it",
    "cycles": "write a block: repeat: 5 with cycle: true and steps: below it",
    "matrix": "write a block: each: {j: [0.1C, 1C]} with steps: below it",
    "while": "write a block with repeat: and stop_if:",
    **dict.fromkeys(("goto", "go_to", "jump"), NO_JUMPS),
    "power": f"constant power is {_DRIVES}: {{power: 5 mW, for: 1 h}}",
    "load": "a constant load is discharge: {resistance: 100 Ohm, to: 3 V, for: 1 h}",
    "resistance": "a constant load is discharge: {resistance: 100 Ohm, to: 3 V, for: 1 h}",
    "lithiate": "of a half_anode cell lithiation is discharge, of a half_cathode or full cell too; metal is plated: plate",
    "delithiate": "delithiation is charge; metal is stripped: strip",
    "sodiate": "sodiation is discharge; metal is plated: plate",
    "desodiate": "desodiation is charge; metal is stripped: strip",
    "deposit": "write plate",
    "dissolve": "write strip",
    "message": "write prompt: text to ask a person, mark: text for an event",
    "ask": "write prompt: text",
    "note": "write mark: text",
    "trigger": "write mark: text",
    "event": "write mark: text",
    "chamber": "write temperature: {to: 60 degC, soak: 30 min}",
    "include": "write use: name",
    "import": "write use: name",
    "gitt": "write use: gitt, or a block with repeat, a pulse and a rest",
    "drive_cycle": "write profile: {file: drive.csv, positive: discharge}",
    "bending": "write bend: {angle: 90 deg}",
    "float": "write hold: {voltage: 4.2 V, current: 1 mA, for: 20 h}",
    "formation": "write a block: cycle: formation with steps: below it, or use: activation",
    "rpt": "write a block: cycle: check with steps: below it",
    "reference_performance_test": "write a block: cycle: check with steps: below it",
    "activation": "write use: activation",
    "ccd": "write use: ccd-time-constant",
    **dict.fromkeys(
        ("dcir", "hppc", "pulse", "pulses"),
        "a pulse is charge or discharge: {current: 1C, for: 10 s} between two rests, with record: {every: 0.1 s}",
    ),
    **dict.fromkeys(
        ("crate", "c_rate", "rate"),
        "a C-rate is the current of charge or discharge: {current: 0.1C, to: 4.2 V, for: 12 h}",
    ),
    **dict.fromkeys(("cc_chg", "cc_charge", "charge_cc", "chg"), "write charge: {current: C/10, to: 4.2 V, for: 12 h}"),
    **dict.fromkeys(
        ("cc_dchg", "cc_dischg", "cc_discharge", "discharge_cc", "dchg", "dischg"),
        "write discharge: {current: C/10, to: 3 V, for: 12 h}",
    ),
    **dict.fromkeys(
        ("cccv_chg", "cccv_charge", "charge_cccv", "cv_chg", "cv_charge"),
        "write one step: charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 5 h}",
    ),
    **dict.fromkeys(
        ("cv_hold", "constant_voltage_hold", "ps", "pstat"), "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}"
    ),
    **dict.fromkeys(
        ("tafel", "lpr", "polarisation", "polarization"), "write lsv: {from: ocv, to: 0.2 V vs ocv, rate: 0.1 mV/s}"
    ),
    **dict.fromkeys(
        ("cycle_life", "end", "stop"), "a run ends after its last step; stop_if and abort_if end a block or run"
    ),
    **dict.fromkeys(("comment", "text"), "write mark: text for an event, or # in front of a comment"),
    "step": "a step is its verb: write - rest: 1 h; several steps of a block stand below steps:",
    **dict.fromkeys(("open_circuit_voltage", "open_circuit"), "open circuit is a step `rest: 2 h`"),
    **dict.fromkeys(("impedance_spectroscopy", "eis_spectrum"), f"write {_SPECTRUM}10 mV}}"),
    **dict.fromkeys(
        ("advance_cycle", "adv_cycle", "inc_cycle", "increment_cycle", "set_variable", "advance", "advcycle"),
        "cycle: true on a block makes each of its passes one cycle",
    ),
    **dict.fromkeys(
        ("bcd", "gcpl2", "gcpl3", "gcpl4", "gcpl5", "gcpl6", "cld", "cpw", "cstc"),
        f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    ),
    "do": "write a block: repeat: 5 with steps: below it",
    **dict.fromkeys(
        ("mb", "modulo_bat", "modulobat", "sequence", "sequences"),
        "write each sequence as a step of its own, or as a block with repeat and steps: below it",
    ),
    **dict.fromkeys(
        ("sim", "simulation", "drive", "dst", "udds", "wltp"), "write profile: {file: drive.csv, positive: discharge}"
    ),
    **dict.fromkeys(
        ("set_current", "apply_current", "set_i"),
        f"constant current is {_DRIVES}: {{current: C/10, to: 4.2 V, for: 12 h}}",
    ),
    **dict.fromkeys(("set_voltage", "apply_voltage", "set_v"), "write hold: {voltage: 3.8 V, current: 1 mA, for: 1 h}"),
    "tag": "a block has its own name: name: formation, and steps: below it",
}

TYPE_KEYS: Final = frozenset(
    {"step", "type", "mode", "step_type", "technique", "method", "action", "command", "operation", "verb"}
)

STEP_KEY_WORDS: Final[Mapping[str, str]] = {
    "duration": "did you mean for?",
    "time": "did you mean for?",
    "t": "did you mean for?",
    "hours": "write for: 1 h",
    **dict.fromkeys(
        (
            "timeout",
            "max_time",
            "maxtime",
            "time_limit",
            "t_max",
            "step_time",
            "steptime",
            "max_duration",
            "time_max",
            "length",
            "dur",
        ),
        "did you mean for?",
    ),
    **dict.fromkeys(("goto", "go_to", "jump", "next"), NO_JUMPS),
    "end": "did you mean until?",
    "stop": "did you mean until?",
    "while": "write until: with the opposite condition",
    "stop_if": "stop_if belongs to a block; the ends of a step are until, to, capacity, for",
    "abort_if": "abort_if belongs to a block; the ends of a step are until, to, capacity, for",
    **dict.fromkeys(("cutoff", "cut_off", "limit", "max"), TO_OR_UNTIL),
    **dict.fromkeys(
        (
            *("cutoff_voltage", "voltage_cutoff", "cut_off_voltage", "end_voltage", "vcut", "v_cut", "vmax", "vmin"),
            *("v_max", "v_min", "upper_voltage", "lower_voltage", "max_voltage", "min_voltage", "voltage_limit"),
        ),
        "write to: 4.2 V",
    ),
    **dict.fromkeys(
        (
            *("upper_cutoff", "lower_cutoff", "upper_cut_off", "lower_cut_off", "until_voltage", "u"),
            *(
                "upper_limit",
                "lower_limit",
                "upper",
                "lower",
                "end_v",
                "cutoff_v",
                "voltage_end",
                "stop_voltage",
                "target_voltage",
            ),
        ),
        "write to: 4.2 V",
    ),
    **dict.fromkeys(("tr", "t_r", "until_time"), "did you mean for?"),
    **dict.fromkeys(
        (
            *("cutoff_current", "current_cutoff", "cut_off_current", "end_current", "taper", "taper_current"),
            *("stop_current", "termination_current", "i_cut", "icut", "i_end", "final_current"),
        ),
        "write hold_until: current < C/20",
    ),
    **dict.fromkeys(("voltage", "v", "volt", "volts", "voltage_v"), "write to: 4.2 V"),
    **dict.fromkeys(("value", "setpoint", "set_value", "level"), "did you mean current?"),
    **dict.fromkeys(("end_value", "limit_value", "end_condition", "limit1", "cutoff_value"), TO_OR_UNTIL),
    **dict.fromkeys(
        ("end_type", "limit_type", "control", "control_mode"), "leave it out: the key of the value says what it is"
    ),
    "mode": "leave mode out: the verb says it; to with hold_until is CC-CV",
    "potential": "did you mean voltage, or to?",
    "hold": "write hold_until: current < C/20 or hold_for: 1 h, with to:",
    "cv": "write hold_until: current < C/20 or hold_for: 1 h, with to:",
    "rate": "a C-rate is a current: current: 0.1C",
    "limits": "limits stand once for the whole file; what ends this step is to: 4.2 V or until:",
    "c_rate": "a C-rate is a current: current: 0.1C",
    "crate": "a C-rate is a current: current: 0.1C",
    **dict.fromkeys(("ewe", "ecell", "e", "em"), "did you mean voltage, or to?"),
    "i": "did you mean current?",
    **dict.fromkeys(("is", "i_s"), "did you mean current?"),
    "current_density": "did you mean current? it takes mA/cm2",
    "charge": "did you mean capacity?",
    "q": "did you mean capacity?",
    "soc": "write capacity: 50 %",
    "dod": "write capacity: 80 %",
    "load": "did you mean resistance?",
    "temperature": "temperature stands beside the verb: a line of its own below it",
    "record": "record stands beside the verb: a line of its own below it",
    "name": "name stands beside the verb: a line of its own",
    "sign": "the verb gives the direction",
    "direction": "the verb gives the direction",
    "message": "did you mean say?",
    "text": "did you mean say?",
    "start": "did you mean from?",
    "vertex": "did you mean to and back?",
    "scan_rate": "did you mean rate?",
    "speed": "did you mean rate?",
    "points": "did you mean per_decade?",
    "points_per_decade": "did you mean per_decade?",
    "ppd": "did you mean per_decade?",
    "bias": "did you mean at?",
    "dc": "did you mean at?",
    "repeat": "repeat belongs to a block with steps",
}

PROFILE_WORDS: Final[Mapping[str, str]] = (
    dict.fromkeys(
        ("voltage", "window", "limits", "between", "hold"), "did you mean clip? clip: [2.5 V, 4.2 V] holds the edge"
    )
    | dict.fromkeys(
        ("max", "maximum", "normalise", "normalize", "rate", "crate", "amplitude"), "did you mean peak? peak: 2C"
    )
    | dict.fromkeys(("path", "csv", "name", "source", "filename", "table"), "did you mean file?")
    | {"column": "the header of the file names the columns", "loop": "repeat belongs to a block with steps"}
)
SIGN_WORDS: Final[Mapping[str, str]] = dict.fromkeys(
    ("true", "yes", "+", "positive", "+1", "1", "-1", "-", "negative", "up", "anodic"),
    "say what a positive value does to the cell: charge or discharge",
)
WAIT_WORDS: Final[Mapping[str, str]] = dict.fromkeys(
    ("for", "duration", "time", "hours"), "a time that long is a rest: - rest: 2 h; a wait is until a date"
) | dict.fromkeys(("date", "at"), "did you mean until?")
CHAMBER_WORDS: Final[Mapping[str, str]] = (
    dict.fromkeys(
        ("file", "profile", "table"), "a table of temperatures is a step of its own: - profile: {file: chamber.csv}"
    )
    | dict.fromkeys(("hold", "dwell", "wait", "stabilise", "stabilize", "equilibrate"), "did you mean soak?")
    | dict.fromkeys(
        ("rate", "ramp", "speed"),
        "leave it out: the chamber goes as fast as it can; a table of temperatures is a profile",
    )
    | dict.fromkeys(("tolerance", "accuracy"), "did you mean within?")
    | dict.fromkeys(("set", "setpoint", "set_point", "target", "value", "at"), "did you mean to?")
)
BEND_WORDS: Final[Mapping[str, str]] = dict.fromkeys(
    ("cycles", "repeat", "repeats", "number", "count", "n", "bends"), "did you mean times?"
) | dict.fromkeys(("degree", "degrees", "deg", "to"), "did you mean angle?")
CYCLIC_WORDS: Final[Mapping[str, str]] = dict.fromkeys(
    ("scans", "sweeps", "n_cycles", "number", "times", "repeats", "nc"), "did you mean cycles?"
) | dict.fromkeys(
    ("segments", "n_segments", "half_cycles"), "two segments make one of cycles: write cycles: with half as many"
)

HOLD_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("to", "at", "value", "set", "u", "e"), "did you mean voltage?"),
    **dict.fromkeys(
        ("cutoff", "cut_off", "cutoff_current", "current_cutoff", "cut_off_current", "end_current", "hold_until"),
        UNTIL_CURRENT,
    ),
    "hold_for": "did you mean for?",
}

TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")  # without its date
REPEATED: Final = re.compile(r"(\d+) *[x×*](?:$|\W)")  # `5x charge`, `3x`
CV_VOLTAGE: Final = (
    "constant voltage is hold: {voltage: 4.2 V, current: 1 mA, until: current < C/20, for: 2 h}; "
    "cv is cyclic voltammetry"
)

SWEEP_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("frequency", "frequencies", "freq", "f"), "write from: 1 MHz and to: 0.1 Hz with your values"),
    **dict.fromkeys(("range", "window", "limits", "between", "vertices", "potentials"), FROM_AND_TO),
    **dict.fromkeys(
        ("end", "stop", "high", "final", "fend", "f_end", "fmin", "ff", "vertex1", "e1"), "did you mean to?"
    ),
    **dict.fromkeys(("fstart", "f_start", "fmax", "fi", "ei"), "did you mean from?"),
    **dict.fromkeys(
        (
            "start_frequency",
            "initial_frequency",
            "high_frequency",
            "max_frequency",
            "f_max",
            "f_high",
            "f_initial",
            "fhigh",
        ),
        "did you mean from?",
    ),
    **dict.fromkeys(
        (
            "end_frequency",
            "stop_frequency",
            "final_frequency",
            "low_frequency",
            "min_frequency",
            "f_min",
            "f_low",
            "flow",
        ),
        "did you mean to?",
    ),
    **dict.fromkeys(("nd", "ppd", "points_per_decade", "frequencies_per_decade"), "did you mean per_decade?"),
    **dict.fromkeys(("ia", "iac", "ac_amplitude", "amp"), "did you mean amplitude?"),
    **dict.fromkeys(("vertex2", "e2", "ef"), "did you mean back?"),
    "el": "did you mean to?",
    **dict.fromkeys(("de/dt", "dv/dt", "de_dt", "scanrate", "sweep_rate", "v_s"), "did you mean rate?"),
    **dict.fromkeys(("ac", "va", "vac", "sinus", "perturbation"), "did you mean amplitude?"),
    **dict.fromkeys(("low", "lower", "min", "first", "fmin_hz"), "did you mean from?"),
    "begin": "did you mean from?",
    "initial": "did you mean from?",
}

BESIDE_WORDS: Final[Mapping[str, str]] = (
    {
        key: f"{key} belongs to the verb: inside its braces, or indented below it"
        for key in ("for", "until", "capacity", "to", "hold_until", "hold_for", "current", "voltage")
    }
    | {
        key: f"{key} belongs to a block: put the step below steps:"
        for key in ("repeat", "each", "if", "cycle", "stop_if", "abort_if")
    }
    | dict.fromkeys(
        ("every", "dV", "dI"), "it belongs into record, on a line of its own beside the verb: record: {every: 10 s}"
    )
    | dict.fromkeys(
        ("cycles", "loops", "loop", "n_cycles", "times", "count"),
        "write a block: repeat: 5, with this step and its like below steps:",
    )
)

BLOCK_WORDS: Final[Mapping[str, str]] = {
    "formation": "write cycle: formation",
    "check": "write cycle: check",
    "until": "did you mean stop_if?",
    "stop": "did you mean stop_if?",
    "while": "write stop_if: with the opposite condition",
    "break_if": "did you mean stop_if?",
    "loop": "did you mean repeat?",
    "cycles": "did you mean repeat, with cycle: true?",
    "times": "did you mean repeat?",
    "matrix": "did you mean each?",
    "sweep": "did you mean each?",
    "foreach": "did you mean each?",
    "for_each": "did you mean each?",
    "when": "did you mean if?",
    "limits": "limits stand once for the whole file; a block has stop_if: voltage >= 4.15 V, and its steps have to:",
    "params": "params stand once for the whole file",
    "timeout": "did you mean for?",
    "duration": "did you mean for?",
    "do": "did you mean steps?",
    "then": "did you mean steps?",
    "else": "write a second block with the opposite if",
}

CYCLE_WORDS: Final = {"yes": "write true", "on": "write true", "false": "leave cycle out", "rpt": "did you mean check?"}
RANGE_WORDS: Final = {
    **dict.fromkeys(("max", "maximum", "until", "last", "high"), "did you mean to?"),
    **dict.fromkeys(("min", "minimum", "first", "low", "begin"), "did you mean from?"),
    **dict.fromkeys(("increment", "delta", "interval"), "did you mean by?"),
    "start": "did you mean from?",
    "stop": "did you mean to?",
    "end": "did you mean to?",
    "step": "did you mean by?",
    "ratio": "did you mean factor?",
    **dict.fromkeys(
        ("count", "steps", "points", "n", "num", "number"), "write by:, what is added in each pass, or factor:"
    ),
}
USE_WORDS: Final = {
    "params": "did you mean with?",
    "args": "did you mean with?",
    "inputs": "did you mean with?",
    "steps": "a use has no steps of its own: put both into a block",
    **dict.fromkeys(
        ("repeat", "each", "if", "cycle", "stop_if", "abort_if", "for"), "put the use into a block with steps:"
    ),
    "record": "the inserted file has its own record",
    "every": "put the use into a block: repeat: or each: with every: 1 h, or if: every 10 cycles, and steps:",
}
