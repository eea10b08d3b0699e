"""Codes of what needs the whole file, a cell, a channel or a station."""

from collections.abc import Mapping
from typing import Final

_EMPTY: Final = "- discharge: {current: 1 mA, to: 3 V, for: 12 h}\n"

CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "safety.end": (
        "an energised step without an end, or without one that is sure to come",
        "A voltage may never be reached. for, capacity, or the capacity limit (twice the nominal capacity if not said) is sure.",
        "- charge: {current: 1 mA}",
        "- charge: {current: 1 mA, to: 4 V, for: 12 h}",
    ),
    "safety.voltage": (
        "an energised step without a voltage limit in file or cell",
        "Add limits: {voltage: [2.0 V, 4.2 V]} to one of them.",
    ),
    "safety.current": (
        "a step that sets a voltage without a current limit in file or cell",
        "Nothing else bounds the current of a hold, a sweep or a biased spectrum.",
    ),
    "safety.temperature": (
        "a temperature of the chamber below -60 degC or above 150 degC without limits of temperature in file or cell",
        "Most often a digit or the unit is not what was meant. limits: {temperature: [0 degC, 300 degC]} says that it is.",
        "- temperature: 450 degC",
        "- temperature: 45 degC",
    ),
    "record.short": (
        "a record interval shorter than 10 microseconds",
        "No instrument measures so fast, and no disk holds the rows.",
        "record: {every: 1e-9 s}",
        "record: {every: 10 ms}",
    ),
    "limit.charge": (
        "a step that passes more charge in its time than any one step may",
        "",
        "limits: {capacity: 1 mAh}\nsteps:\n  - charge: {current: 1 mA, for: 2 h}",
        "limits: {capacity: 3 mAh}\nsteps:\n  - charge: {current: 1 mA, for: 2 h}",
    ),
    "limit.cut_off": (
        "a cut-off outside the limits",
        "It could never be an ordinary end: the limit trips the run first. A cut-off may lie on a limit.",
        "limits: {voltage: [3 V, 4 V]}\nsteps:\n  - charge: {current: 1 mA, to: 4.2 V, for: 2 h}",
        "limits: {voltage: [3 V, 4.2 V]}\nsteps:\n  - charge: {current: 1 mA, to: 4.2 V, for: 2 h}",
    ),
    "limit.set_point": (
        "a set-point outside the limits",
        "",
        "limits: {voltage: [3 V, 4 V]}\nsteps:\n  - hold: {voltage: 4.2 V, for: 2 h}",
        "limits: {voltage: [3 V, 4.2 V]}\nsteps:\n  - hold: {voltage: 4.2 V, for: 2 h}",
    ),
    "limit.empty": ("limits of file, cell and channel that leave nothing between them",),
    "ocv.rest": (
        "a voltage vs ocv with no rest before it",
        "ocv is the last voltage of the last rest.",
        "- lsv: {from: ocv, to: 4 V, rate: 1 mV/s}",
        "- rest: 10 min\n- lsv: {from: ocv, to: 4 V, rate: 1 mV/s}",
    ),
    "voltage.mixed": ("a voltage that is vs ocv in some passes of a loop and not in others",),
    "each.fixed": ("a value that must be the same in every pass of a loop, and is not",),
    "each.one": (
        "a range whose step is wider than the range, so that it has one value (warning)",
        "Most often the step has another unit than was meant.",
        "- each: {v: {from: 3.4 V, to: 3.5 V, by: 5 V}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]",
        "- each: {v: {from: 3.4 V, to: 3.5 V, by: 5 mV}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]",
    ),
    "each.short": (
        "a range whose steps go past its last value (warning)",
        "from, to and by of several units, mA/m2 and mA/cm2, are most often a slip.",
        "- each: {v: {from: 3.4 mV, to: 3.5 V, by: 0.1 V}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]",
        "- each: {v: {from: 3.4 V, to: 3.5 V, by: 0.1 V}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]",
    ),
    "each.size": ("too many values of one key over all passes of the loops around it",),
    "eis.size": ("a spectrum of too many points",),
    "cell.kind": (
        "a verb or result that means nothing for this kind of cell",
        "charge and discharge need electrodes; strip and plate a symmetric or asymmetric cell; retention a cell that has one.",
        "requires: {cell: symmetric}\nsteps:\n  - charge: {current: 1 mA, for: 1 h}",
        "requires: {cell: symmetric}\nsteps:\n  - strip: {current: 1 mA, for: 1 h}",
    ),
    "cell.model": (
        "a model that does not fit the cell that it stands in for",
        "Its kind, its capacity at the cell's size, the sizes that act on it, and the temperatures for which it is valid.",
    ),
    "cell.parameters": (
        "a parameter file that says what no cell can be, or a number that nothing reads",
        "docs/reference/cells.md has the numbers of each model, their units and ranges.",
    ),
    "cell.missing": (
        "a relative quantity, and the cell file lacks what it is relative to",
        "mA/cm2 needs area, mA/g active_mass, C and % nominal, uAh/cm2/um film_thickness.",
    ),
    "cell.together": (
        "numbers of a cell file that do not fit each other (warning)",
        "Most often an area in mm2 or m2; else a mass in g, or a capacity in Ah.",
    ),
    "cell.area": (
        "an area that is said twice, by itself and by a diameter",
        "The area of a disk is pi/4 times its diameter squared.",
    ),
    "cell.nominal": ("a nominal capacity that is not said in one way", "Either capacity, or 1C."),
    "cell.state": (
        "a state that a simulated cell cannot begin in",
        "Either soc, from 0 % to 100 %, or voltage; cycles may stand beside them.",
    ),
    "cell.reference": ("a voltage against another reference than the cell's",),
    "channel.measures": ("a limit or end on what the channel cannot measure",),
    "channel.mode": ("a step that the instrument cannot do",),
    "channel.program": (
        "a step that the instrument of the channel cannot be told",
        "Before the first output every program is translated for the instrument; the message says what it lacks.",
    ),
    "channel.late": (
        "an end that would be seen too late",
        "The instrument cannot locate it, and the daemon would see it after more than 1 % of what a step may pass.",
    ),
    "channel.record": (
        "rows asked for more often than the channel gives any",
        "The record rule is kept as far as the instrument gives rows.",
    ),
    "channel.role": (
        "a bend or a temperature on a channel without a stage or a chamber",
        "A person is asked to do it, and the run waits (warning); nobody can follow a table of temperatures.",
    ),
    "channel.range": ("a value beyond what the channel can source or measure",),
    "channel.compliance": (
        "a hold on an instrument that does not hold its current back (warning; an error where the limits leave it no room)",
        "A PalmSens module holds a voltage whatever flows; what lies beyond the current limits trips the run.",
    ),
    "channel.place": ("an `at` that the instrument of a channel does not have",),
    "channel.shared": ("two channels on one output of an instrument",),
    "driver.options": ("a setting that the driver does not have, one that it needs, or one of the wrong kind",),
    "instrument.shared": (
        "two instruments of a station file on one line",
        "Each would take the other's answers. One entry stands for one connection, its channels are told apart by `at`.",
    ),
    "clock.real": ("a clock faster than real beside instruments that are (warning)", "It is for simulated cells only."),
    "driver.unknown": (
        "a driver that is not installed, cannot be loaded, or lacks a verb",
        "labctl drivers lists those that are. Your own package is installed by pip install -e ., and the daemon started anew.",
    ),
    "instrument.unknown": ("a part of a channel on an instrument that the file does not have",),
    "end.at_once": (
        "an end that is true as the step begins (warning)",
        "It does nothing: a capacity below a value, a hold whose current begins below its end, a charge to below the cell.",
    ),
    "end.tied": (
        "a voltage end that waits for another comparison (warning)",
        "Joined by `and`, the voltage alone ends nothing, and the step goes on to the limit.",
    ),
    "end.never": ("an end that can never come (warning)",),
    "nominal.from": ("a measure of the nominal capacity that is no capacity of a cycle",),
    "nominal.within": ("a range of the measured nominal capacity that does not lie around 100 %",),
    "nominal.mixed": ("a value that is relative to the nominal capacity in some passes only, where that is measured",),
    "nominal.fixed": ("a value that may not change with the measured nominal capacity",),
    "plan.time_first": ("for that will come before the voltage end (warning)",),
    "plan.crossed": ("a charge that ends below the discharge beside it (warning)",),
    "plan.profile_sign": (
        "a profile that drives the other way than positive is likely to mean (warning)",
        "It charges and discharges, and more goes in than comes out; or it charges a cell that was charged just before.",
    ),
    "plan.jump": (
        "a sweep or spectrum that begins at another voltage than that of the cell (warning)",
        "It is set there at once and only the limits bound the current: they trip the run. A hold draws at most the limits.",
        f"{_EMPTY}- eis: {{from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV, at: 3.8 V}}",
        f"{_EMPTY}- hold: {{voltage: 3.8 V, for: 1 h}}\n- eis: {{from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV, at: 3.8 V}}",
    ),
    "ocv.old": (
        "a voltage vs the open circuit of before a charge or discharge (warning)",
        "ocv is the last voltage of the last rest, however long ago that was.",
        f"- rest: 1 h\n{_EMPTY}- cv: {{from: ocv, to: 4 V, rate: 1 mV/s}}",
        f"{_EMPTY}- rest: 1 h\n- cv: {{from: ocv, to: 4 V, rate: 1 mV/s}}",
    ),
    "end.ordinary": (
        "a stop_if or abort_if that a step of a cycle meets at its own end (warning)",
        "It is asked before the ends of the step: the block ends in its first cycle, which is then not complete.",
    ),
    "eis.amplitude": (
        "an amplitude to which no cell answers in proportion (warning)",
        "Beyond 50 mV the current of an electrode is no longer proportional to the voltage, nor an impedance defined.",
    ),
    "eis.range": (
        "a spectrum that begins with the lowest of its frequencies (warning)",
        "mHz is millihertz and MHz megahertz.",
    ),
    "plan.unbounded": (
        "a current that neither a limit nor a nominal capacity judges (warning)",
        "A slip in the unit, A for mA, is then held back by nothing but what the channel can give.",
    ),
    "plan.rate": (
        "a current of more than 20 times the nominal one, or of more than 500 mA/cm2 (warning)",
        "Most often A where mA was meant.",
    ),
    "plan.one_side": (
        "limits or a watch on one side of 0 V of a symmetric cell, which plating brings to the other (warning)",
        "plate makes its voltage negative, strip positive: abs(voltage) watches both.",
    ),
    "plan.one_way": (
        "a loop that drives to one voltage in one direction (warning)",
        "From its second pass on the cell is there already. Most often a step fell out of the loop by its indentation.",
    ),
    "plan.passes": (
        "a loop in one direction whose passes are far too few or too many for the voltage that it goes to (warning)",
        "What they pass together is reckoned by their currents and times, and held against the nominal capacity.",
    ),
    "plan.range": (
        "a value far outside the range that is usual in its place (warning)",
        "Most often its unit has another prefix than was meant, or its point stands for thousands: 54.000 s are 54 s.",
        "- bend: {radius: 20 m}",
        "- bend: {radius: 20 mm}",
    ),
    "plan.turn": (
        "a cv that does not turn at to, as back lies on the far side of it (warning)",
        "",
        f"{_EMPTY}- hold: {{voltage: 2.5 V, for: 1 h}}\n- cv: {{from: 2.5 V, to: 3.5 V, back: 4.2 V, rate: 1 mV/s}}",
        f"{_EMPTY}- hold: {{voltage: 2.5 V, for: 1 h}}\n- cv: {{from: 2.5 V, to: 4.2 V, back: 3.5 V, rate: 1 mV/s}}",
    ),
    "plan.twice": (
        "the same charge or discharge twice with nothing between, or in one cycle (warning)",
        "What is in one pass of a block with cycle counts as one cycle, however often it is charged and discharged.",
    ),
    "plan.unbalanced": (
        "a loop that plates more than it strips, or charges more than it discharges, or the other way round (warning)",
        "What drifts in each pass comes to the limits, which trip the run: an end by the voltage holds the cell inside.",
    ),
    "plan.record": (
        "a charge or discharge that is over before its record rule asks for a second row (warning)",
        "The first and the last instant of a step are always stored, but nothing between them.",
    ),
    "plan.long": (
        "a step whose for outlasts every experiment (warning)",
        "Most often its unit is h where s was meant.",
    ),
    "plan.soak": (
        "a spectrum straight behind a new temperature of the chamber (warning)",
        "The air has the temperature then, the cell not yet: it takes minutes to an hour, by its size.",
    ),
    "plan.late": ("a block whose passes take longer than its every (warning)", "The next pass then begins at once."),
    "plan.charge_first": (
        "a limit of charge that trips the run before a step comes to its voltage (warning)",
        "limits: {capacity} is a limit of safety and ends a run; the key capacity of a step is an ordinary end.",
    ),
    "plan.profile_net": ("a profile whose net charge does not fit the cell (warning)",),
    "plan.forestalled": ("an end that the limits forestall (warning)",),
    "wait.until": (
        "a wait until something that is no date and time, or one that does not exist",
        "The clock is that of the computer that runs it, where no zone is said; `labctl plan` prints the zone.",
        "- wait: {until: tomorrow 8 am}",
        "- wait: {until: 2026-12-01 08:00}",
    ),
    "wait.over": ("a wait until a time that is over (warning)", "The step then ends at once."),
    "channel.resolution": (
        "a current, or a dV of record, that is smaller than what the channel tells apart (warning)",
        "What is measured of it is noise, and an end at it comes by chance.",
    ),
    "end.wrong_side": (
        "a charge that ends at the bottom of the voltage limits, or a discharge at their top (warning)",
        "Its end is likely to be true at once, or meant for the other verb.",
    ),
}
