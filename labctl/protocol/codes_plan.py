"""Codes of what needs the whole file, a cell, a channel or a station."""

from collections.abc import Mapping
from typing import Final

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
    "each.size": ("too many values of one key over all passes of the loops around it",),
    "eis.size": ("a spectrum of too many points",),
    "cell.kind": (
        "a verb or result that means nothing for this kind of cell",
        "charge and discharge need electrodes; strip and plate a symmetric or asymmetric cell; retention a cell that has one.",
        "requires: {cell: symmetric}\nsteps:\n  - charge: {current: 1 mA, for: 1 h}",
        "requires: {cell: symmetric}\nsteps:\n  - strip: {current: 1 mA, for: 1 h}",
    ),
    "cell.missing": (
        "a relative quantity, and the cell file lacks what it is relative to",
        "mA/cm2 needs area, mA/g active_mass, C and % nominal, uAh/cm2/um film_thickness.",
    ),
    "cell.nominal": ("a nominal capacity that is not said in one way", "Either capacity, or 1C."),
    "cell.reference": ("a voltage against another reference than the cell's",),
    "channel.measures": ("a limit or end on what the channel cannot measure",),
    "channel.mode": ("a step that the instrument cannot do",),
    "channel.range": ("a value beyond what the channel can source or measure",),
    "channel.shared": ("two channels on one output of an instrument",),
    "driver.options": ("a setting that the driver does not have, or one that it needs",),
    "driver.unknown": ("a driver that is not installed", "labctl drivers lists those that are."),
    "instrument.unknown": ("a part of a channel on an instrument that the file does not have",),
    "plan.time_first": ("for that will come before the voltage end (warning)",),
    "plan.crossed": ("a charge that ends below the discharge beside it (warning)",),
    "plan.profile_net": ("a profile whose net charge does not fit the cell (warning)",),
    "plan.forestalled": ("an end that the limits forestall (warning)",),
}
