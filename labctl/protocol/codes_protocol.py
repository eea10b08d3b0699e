"""Codes of references, conditions, steps, blocks, uses and limits."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "reference.alone": (
        "a reference with more around it",
        "Arithmetic goes inside: $(2 * j).",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: 2 * $j, for: 1 h}",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(2 * j), for: 1 h}",
    ),
    "reference.bracket": ("$( without its closing bracket", "", '- rest: "$(2 * 3"', "- rest: 6 h"),
    "reference.form": ("a $ without a name or bracket", "", "- rest: $5", "- rest: 5 h"),
    "reference.function": (
        "a function other than abs",
        "",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(sqrt(j)), for: 1 h}",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(abs(j)), for: 1 h}",
    ),
    "reference.kind": (
        "a text or a list in arithmetic",
        "",
        "params: {j: many}\nsteps:\n  - charge: {current: $(2 * j), for: 1 h}",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(2 * j), for: 1 h}",
    ),
    "reference.long": ("an expression of more than 500 characters or 32 brackets inside each other",),
    "reference.syntax": (
        "what is no expression",
        "Names without $, bare numbers, + - * /, abs and brackets.",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(2 j), for: 1 h}",
        "params: {j: 1 mA}\nsteps:\n  - charge: {current: $(2 * j), for: 1 h}",
    ),
    "reference.units": (
        "unlike units added, or a scale without a true zero multiplied",
        "Units go along in expressions: mA and h cannot be added.",
        "params: {j: 1 mA, t: 1 h}\nsteps:\n  - charge: {current: $(j + t), for: 1 h}",
        "params: {j: 1 mA, k: 2 mA}\nsteps:\n  - charge: {current: $(j + k), for: 1 h}",
    ),
    "reference.unknown": ("a name without a value where one is needed",),
    "reference.zero": (
        "a division by zero, or a value that is not finite",
        "",
        "params: {q: 1 mAh, j: 0 mA}\nsteps:\n  - rest: $(q / j)",
        "params: {q: 1 mAh, j: 1 mA}\nsteps:\n  - rest: $(q / j)",
    ),
    "params.kind": (
        "a value of another kind than the parameter's default",
        "A parameter keeps the kind of its default: mA, mA/cm2 and C are all currents.",
    ),
    "params.reference": (
        "a reference as the value of a parameter",
        "",
        "params: {a: 1 mA, b: $a}",
        "params: {a: 1 mA, b: 1 mA}",
    ),
    "params.required": ("a parameter that needs a value and has none", "Give it with --set NAME=VALUE, or by with."),
    "params.unknown": ("a name that is no parameter of the file",),
    "params.unused": ("a parameter that nothing uses (warning)", "", "params: {a: 1 mA}", ""),
    # --- conditions ---
    "condition.bars": (
        "bars around a quantity",
        "",
        "- rest: {for: 2 h, until: '|dV/dt| < 1 mV/h'}",
        "- rest: {for: 2 h, until: abs(dV/dt) < 1 mV/h}",
    ),
    "condition.brackets": (
        "brackets in a condition",
        "`and` binds before `or`; there are no brackets but those of abs( ).",
        "- rest: {for: 2 h, until: (voltage > 3 V)}",
        "- rest: {for: 2 h, until: voltage > 3 V}",
    ),
    "condition.comparison": (
        "no comparison, or one that does not exist",
        "A measured value meets no equality: <, <=, >, >=.",
        "- rest: {for: 2 h, until: voltage = 3 V}",
        "- rest: {for: 2 h, until: voltage >= 3 V}",
    ),
    "condition.empty": (
        "nothing where a comparison belongs",
        "",
        "- rest: {for: 2 h, until: voltage > 3 V and}",
        "- rest: {for: 2 h, until: voltage > 3 V}",
    ),
    "condition.flag": (
        "short in a comparison",
        "It is true or not.",
        "- repeat: 2\n  cycle: true\n  stop_if: short > 1\n  steps: [{rest: 1 h}]",
        "- repeat: 2\n  stop_if: short\n  steps: [{rest: 1 h}]",
    ),
    "condition.long": ("a condition of more than 1000 characters or 40 comparisons",),
    "condition.no_cycle": (
        "a result of cycles where nothing counts cycles",
        "",
        "- repeat: 2\n  stop_if: retention < 80 %\n  steps: [{discharge: {current: 1 mA, for: 1 h}}]",
        "- repeat: 2\n  cycle: true\n  stop_if: retention < 80 %\n  steps: [{discharge: {current: 1 mA, for: 1 h}}]",
    ),
    "condition.which": (
        "a result that does not say of which cycles, in a block that has checks and others",
        "The capacity of a check and that of a cycle between two checks are not compared with one value.",
        (
            "- steps:\n  - repeat: 5\n    cycle: true\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]\n"
            "  - cycle: check\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]\n  repeat: 3\n  stop_if: retention < 80 %"
        ),
        (
            "- steps:\n  - repeat: 5\n    cycle: true\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]\n"
            "  - cycle: check\n    steps: [{discharge: {current: 1 mA, for: 1 h}}]\n  repeat: 3\n"
            "  stop_if: retention of check < 80 %"
        ),
    ),
    "condition.since": (
        "charge that is counted since something that is not sure to have come",
        "A mark names an instant: charged, discharged and net count since it, since cycle or since block.",
        "- rest: {for: 1 h, until: discharged since full >= 10 %}",
        "- mark: full\n- rest: {for: 1 h, until: discharged since full >= 10 %}",
    ),
    "block.every": (
        "a time from pass to pass for a block of one pass",
        "",
        "- every: 1 h\n  steps: [{rest: 1 min}]",
        "- repeat: 3\n  every: 1 h\n  steps: [{rest: 1 min}]",
    ),
    "condition.more": ("a stop after more cycles than a number, which is one more than that number (warning)",),
    "condition.inside": (
        "a result that is watched inside a cycle, where it could act in the next one alone",
        "",
        (
            "- repeat: 9\n  cycle: true\n  steps:\n  - stop_if: discharge_capacity < 1 mAh\n"
            "    steps: [{discharge: {current: 1 mA, for: 1 h}}]"
        ),
        "- repeat: 9\n  cycle: true\n  stop_if: discharge_capacity < 1 mAh\n  steps: [{discharge: {current: 1 mA, for: 1 h}}]",
    ),
    "condition.of": (
        "`of` after something that it does not belong to",
        "",
        "- repeat: 2\n  cycle: true\n  stop_if: cycle of max > 3\n  steps: [{rest: 1 h}]",
        "- repeat: 2\n  cycle: true\n  stop_if: retention of max < 80 %\n  steps: [{discharge: {current: 1 mA, for: 1 h}}]",
    ),
    "condition.order": (
        "a value before its quantity",
        "The quantity stands first; so it survives YAML without quotes.",
        "- rest: {for: 2 h, until: 3 V < voltage}",
        "- rest: {for: 2 h, until: voltage > 3 V}",
    ),
    "condition.over": (
        "`over` without a slope",
        "",
        "- rest: {for: 2 h, until: voltage > 3 V over 1 min}",
        "- rest: {for: 2 h, until: abs(dV/dt) < 1 mV/h over 1 min}",
    ),
    "condition.own": (
        "a step's own quantity in a condition of a block",
        "time, capacity and slopes belong to one step; a block has for: and results.",
        "- repeat: 2\n  stop_if: time > 5 h\n  steps: [{rest: 1 h}]",
        "- repeat: 2\n  for: 5 h\n  steps: [{rest: 1 h}]",
    ),
    "condition.quantity": (
        "a quantity that cannot be compared",
        "",
        "- rest: {for: 2 h, until: Ewe > 3 V}",
        "- rest: {for: 2 h, until: voltage > 3 V}",
    ),
    "condition.result": (
        "a result in an end of a step",
        "Results are of cycles: stop_if of the block asks for them.",
        "- rest: {for: 2 h, until: retention < 80 %}",
        "- repeat: 2\n  cycle: true\n  stop_if: retention < 80 %\n  steps: [{discharge: {current: 1 mA, for: 1 h}}]",
    ),
    "condition.value": (
        "a word where a value belongs",
        "",
        "- rest: {for: 2 h, until: voltage > low}",
        "- rest: {for: 2 h, until: voltage > 3 V}",
    ),
    "condition.word": (
        "&&, || or not",
        "",
        "- rest: {for: 2 h, until: voltage > 3 V && time > 1 h}",
        "- rest: {for: 2 h, until: voltage > 3 V and time > 1 h}",
    ),
    # --- steps, blocks, uses ---
    "step.control": (
        "not exactly one of current, power and resistance",
        "",
        "- charge: {for: 1 h}",
        "- charge: {current: 1 mA, for: 1 h}",
    ),
    "step.form": ("a step that is a text", "", "- rest", "- rest: 2 h"),
    "step.hold": (
        "a hold without the voltage `to`",
        "",
        "- charge: {current: 1 mA, hold_for: 1 h}",
        "- charge: {current: 1 mA, to: 4 V, hold_for: 1 h}",
    ),
    "step.verb": ("no verb in a step, or a word that is none", "", "- sleep: 2 h", "- rest: 2 h"),
    "step.verbs": ("more than one verb in a step", "", "- rest: 1 h\n  mark: now", "- rest: 1 h\n- mark: now"),
    "steps.empty": ("no step where there must be one", "", "steps: []", "- rest: 2 h"),
    "steps.many": ("more than 20 000 steps with those of the files used", "Write loops with repeat and each."),
    "rest.for": (
        "a rest without for",
        "An open circuit may never become steady.",
        "- rest: {until: abs(dV/dt) < 1 mV/h}",
        "- rest: {for: 2 h, until: abs(dV/dt) < 1 mV/h}",
    ),
    "record.empty": ("a record rule that asks for nothing", "", "record: {}", "record: {every: 10 s}"),
    "record.for": (
        "a list of record rules whose times do not follow each other",
        "Every rule but the last says how long it holds, the last does not.",
        "record: [{every: 1 s}, {every: 10 s}]",
        "record: [{every: 1 s, for: 10 s}, {every: 10 s}]",
    ),
    "block.form": (
        "more than one of repeat, each and if in a block",
        "",
        "- repeat: 2\n  if: voltage > 3 V\n  steps: [{rest: 1 h}]",
        "- if: voltage > 3 V\n  steps: [{repeat: 2, steps: [{rest: 1 h}]}]",
    ),
    "cycle.nested": (
        "a cycle block inside another",
        "A row belongs to one cycle.",
        "- repeat: 2\n  cycle: true\n  steps: [{repeat: 2, cycle: true, steps: [{rest: 1 h}]}]",
        "- repeat: 2\n  steps: [{repeat: 2, cycle: true, steps: [{rest: 1 h}]}]",
    ),
    "each.length": (
        "lists of unlike length in one each",
        "They go in step.",
        "- each: {a: [1 h, 2 h], b: [1 h]}\n  steps: [{rest: $a}, {rest: $b}]",
        "- each: {a: [1 h, 2 h], b: [3 h, 4 h]}\n  steps: [{rest: $a}, {rest: $b}]",
    ),
    "each.list": (
        "a reference to what is no list",
        "",
        "params: {a: 1 h}\nsteps:\n  - each: {t: $a}\n    steps: [{rest: $t}]",
        "params: {a: [1 h, 2 h]}\nsteps:\n  - each: {t: $a}\n    steps: [{rest: $t}]",
    ),
    "each.unused": (
        "a loop variable that nothing in its block uses (warning)",
        "Every pass is then the same.",
        "- each: {v: [3.4 V, 3.5 V]}\n  steps: [{hold: {voltage: 3.4 V, for: 1 h}}]",
        "- each: {v: [3.4 V, 3.5 V]}\n  steps: [{hold: {voltage: $v, for: 1 h}}]",
    ),
    "range.long": (
        "a range of more than 20 000 values",
        "",
        "- each: {t: {from: 1 s, to: 1 d, by: 1 s}}\n  steps: [{rest: $t}]",
        "- each: {t: {from: 1 h, to: 1 d, by: 1 h}}\n  steps: [{rest: $t}]",
    ),
    "range.never": (
        "a range that never arrives at its end",
        "",
        "- each: {t: {from: 2 h, to: 1 h, by: 10 min}}\n  steps: [{rest: $t}]",
        "- each: {t: {from: 2 h, to: 1 h, by: -10 min}}\n  steps: [{rest: $t}]",
    ),
    "range.step": (
        "a range with neither or both of by and factor",
        "",
        "- each: {t: {from: 1 h, to: 2 h}}\n  steps: [{rest: $t}]",
        "- each: {t: {from: 1 h, to: 2 h, by: 10 min}}\n  steps: [{rest: $t}]",
    ),
    "range.units": (
        "a range whose values are of unlike units",
        "",
        "- each: {j: {from: 1 mA, to: 2 C, by: 1 mA}}\n  steps: [{charge: {current: $j, for: 1 h}}]",
        "- each: {j: {from: 1 mA, to: 2 mA, by: 1 mA}}\n  steps: [{charge: {current: $j, for: 1 h}}]",
    ),
    "sweep.none": (
        "a sweep between two equal voltages",
        "",
        "- lsv: {from: 3 V, to: 3 V, rate: 1 mV/s}",
        "- hold: {voltage: 3 V, for: 1 h}\n- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}",
    ),
    "eis.bias": (
        "a bias of another kind than the amplitude",
        "An amplitude in V has a bias in V, one in A a bias in A.",
        "- eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV, at: 1 mA}",
        "- hold: {voltage: 3 V, for: 1 h}\n- eis: {from: 1 MHz, to: 1 Hz, amplitude: 10 mV, at: 3 V}",
    ),
    "profile.beside": (
        "a key that has no effect with a profile's kind of table",
        "`positive`, `only`, `scale` and `clip` are for currents and powers, `current` for voltages.",
    ),
    "profile.encoding": ("a profile's file that is not UTF-8", "Save it with the encoding UTF-8."),
    "profile.header": (
        "a profile without the columns time and current, power, voltage or temperature",
        "The header is `time / s` and `current / A`, in any units.",
    ),
    "profile.missing": ("a profile's file that is not there", "", "- profile: {file: none.csv, positive: charge}", ""),
    "profile.name": (
        "a profile's file outside the protocol's folder",
        "",
        "- profile: {file: ../a.csv, positive: charge}",
        "- profile: {file: a.csv, positive: charge}",
    ),
    "profile.row": ("a row of a profile that is not two numbers, or too few rows",),
    "profile.size": ("a profile of more than 200 000 rows",),
    "profile.ms": (
        "a profile whose times look like milliseconds (warning)",
        "Its rows are multiples of 100 s apart, and of no whole minutes; the header says s.",
    ),
    "profile.time": ("a profile whose times do not rise",),
    "profile.unit": ("a column of a profile without a unit",),
    "use.depth": ("a file that uses itself, or more than 8 uses inside each other",),
    "use.missing": (
        "a used file that is neither beside this one nor in the library",
        "",
        "- use: nowhere",
        "- use: activation",
    ),
    "use.name": ("a used name with a path, an address or a reference", "", "- use: ../activation", "- use: activation"),
    "analyse.nothing": (
        "an analysis for which the file has no steps (warning)",
        "It would have nothing to tell: spectra want eis, GITT and pulses want rests between them.",
        "steps: [{rest: 1 h}]\nanalyse: [impedance]",
        "steps: [{rest: 1 h}]\nanalyse: [open_circuit]",
    ),
    "analyse.steps": (
        "an analysis of which the steps, or the cell, leave less than it is asked for (warning)",
        "Retention wants cycles, a b-value three scan rates, a critical current one that rises: said before the days are spent.",
        "steps:\n  - rest: 1 h\n  - cv: {from: ocv, to: 4 V, rate: 1 mV/s}\nanalyse: [b_value]",
        (
            "steps:\n  - each: {v: [1 mV/s, 2 mV/s, 5 mV/s]}\n    steps: [{rest: 1 h}, {cv: {from: ocv, to: 4 V, rate: $v}}]\n"
            "analyse: [b_value]"
        ),
    ),
    "analyse.unknown": ("an analysis that does not exist", "", "analyse: [magic]", "analyse: [capacity]"),
    "circuit.element": (
        "an element that no equivalent circuit has, or one named twice",
        "Elements are R, C, L, CPE, W, Ws, Wo and G, each with a number of its own.",
        'analyse: [{impedance: {circuit: "R0-p(R1,Q1)"}}]',
        'analyse: [{impedance: {circuit: "R0-p(R1,CPE1)"}}]',
    ),
    "circuit.syntax": (
        "a circuit that cannot be read",
        "A hyphen is series, p( , ) is parallel.",
        'analyse: [{impedance: {circuit: "R0-(R1,C1)"}}]',
        'analyse: [{impedance: {circuit: "R0-p(R1,C1)"}}]',
    ),
    "end.side": (
        "a voltage end on the wrong side of its verb",
        "It would be met at once, or never.",
        "- charge: {current: 1 mA, until: voltage < 3 V}",
        "- charge: {current: 1 mA, until: voltage > 4 V}",
    ),
    "end.late": (
        "a time in until that comes after for has ended the step (a warning)",
        "`for` is an end like any other, so a condition that waits longer can never be met.",
        "- rest: {for: 30 min, until: time > 1 h and abs(dV/dt) < 1 mV/h}",
        "- rest: {for: 4 h, until: time > 1 h and abs(dV/dt) < 1 mV/h}",
    ),
    "end.constant": (
        "an end on the current of a step that holds it constant (warning)",
        "The current falls only while a voltage is held.",
        "- charge: {current: 1 mA, until: current < C/20, for: 1 h}",
        "- charge: {current: 1 mA, to: 4 V, hold_until: current < C/20, for: 1 h}",
    ),
    "limit.order": (
        "limits with the higher value first",
        "",
        "limits: {voltage: [4 V, 3 V]}",
        "limits: {voltage: [3 V, 4 V]}",
    ),
    "limit.unusual": (
        "voltage limits that no cell has, or a required open circuit a thousandfold outside those of the cell (warning)",
        "Most often the unit lacks its prefix, mV.",
        "limits: {voltage: [2500 V, 4200 V]}",
        "limits: {voltage: [2500 mV, 4200 mV]}",
    ),
    "limit.ocv": (
        "a limit against the open circuit",
        "A limit is one voltage for the whole run.",
        "limits: {voltage: [ocv, 4 V]}",
        "limits: {voltage: [3 V, 4 V]}",
    ),
}
