"""What other programs and people call the keys of a cell file, and how their values are written here."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.quantity.parse import parse
from labctl.quantity.units import NUMBER, display, reads
from labctl.text.nodes import Entries, Items, Node, Scalar

_METALS: Final = {"lithium": "Li", "li": "Li", "sodium": "Na", "na": "Na", "potassium": "K", "zinc": "Zn", "zn": "Zn"}
MEAN_VOLTAGE: Final = 3.7  # V, of a lithium-ion cell, as an example


def labelled(text: str) -> str:
    """Return how a reference with its voltage is written."""
    match = re.fullmatch(r"(\S+?)[,;]?\s+\(?([-+]?\d[\d.]*\s*m?V)\b(?:\s*vs\.?\s*(\S+?))?\)?", text)
    if match is None:
        named = next((label for word, label in _METALS.items() if re.match(rf"{word}\b", text.lower())), "")
        return f"write reference: {named}" if named else "for example reference: Li"
    return f"write reference: {{name: {match[1]}, vs: {{{match[3] or 'Li'}: {match[2] if match[3] else '...'}}}}}"


def as_charge(node: Node) -> str:
    """Return how much charge an energy is at a usual voltage, "" of anything else."""
    if not isinstance(node, Scalar) or reads(node.text, "capacity") or not reads(node.text, "energy"):
        return ""
    energy = parse(node.text, "energy")
    if energy.text.partition("/")[2]:
        return "a charge is an energy over the mean voltage of the cell"
    charge = display(energy.value_si / MEAN_VOLTAGE, "capacity", 3)
    return f"a charge is an energy over the mean voltage of the cell: at {MEAN_VOLTAGE} V {energy.text} are {charge}"


_FARADS: Final = re.compile(rf"({NUMBER})\s*([um\u00b5]?)F(/g|/cm2)?")


def over_window(node: Node, limits: Node | None) -> str:
    """Return the hint at a capacitance in the place of a capacity: the charge that it holds in the window of the file; or ""."""
    match = _FARADS.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
    pairs = {key.text: value for key, value in limits.entries} if isinstance(limits, Entries) else {}
    window = pairs.get("voltage")
    ends = [item.text for item in window.items if isinstance(item, Scalar)] if isinstance(window, Items) else []
    if match is None or len(ends) != 2 or not all(reads(end, "potential") for end in ends):
        return ""
    low, high = (parse(end, "potential").value_si for end in ends)
    farads = float(match[1]) * {"": 1.0, "m": 1e-3}.get(match[2], 1e-6)
    if high <= low:
        return ""
    charge = (
        f"{farads * (high - low) / 3.6:.4g} mAh{match[3]}" if match[3] else display(farads * (high - low), "capacity")
    )
    return f"write {charge}: so much do {match[0]} hold from {ends[0]} to {ends[1]}, the voltage limits of this file"


NOMINAL_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("current", "1c", "C", "c_rate", "rate"), "did you mean 1C?"),
    **dict.fromkeys(("voltage", "energy"), "leave it out: the window stands in limits, and 100 % is a charge"),
    "charge": "did you mean capacity?",
}
CELL_KEY_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("mass", "am_mass", "active_material", "active_material_mass"), "did you mean active_mass?"),
    **dict.fromkeys(
        (
            "voltage",
            "voltage_window",
            "voltage_range",
            "voltage_limits",
            "window",
            "potential_range",
            "cutoff",
            "cutoffs",
        ),
        "write limits: {voltage: [2.5 V, 4.3 V]}",
    ),
    **dict.fromkeys(("current", "current_range", "current_limits"), "write limits: {current: [-1 mA, 1 mA]}"),
    **dict.fromkeys(
        ("temperature", "rate", "c_rate", "cycles", "steps"), "that belongs to the protocol, not to the cell"
    ),
    **dict.fromkeys(
        ("formula", "material", "manufacturer", "maker", "operator", "date", "cathode", "anode"),
        "write it below about:",
    ),
    "loading": "write active_mass: 1.2 mg/cm2",
    "thickness": "did you mean film_thickness or electrolyte_thickness?",
    **dict.fromkeys(("capacity", "nominal_capacity"), "write nominal: {capacity: 19.5 uAh/cm2}"),
    "1c": "write nominal: {1C: 170 mA/g}",
    "type": "did you mean kind?",
    "chemistry": "did you mean kind, or about?",
    "id": "did you mean name?",
    "notes": "did you mean about?",
    "comment": "did you mean about?",
    "safety": "did you mean limits?",
    **dict.fromkeys(("electrode_diameter", "disk", "disc"), "write diameter: 14 mm"),
    "basis": "basis belongs into nominal",
    "soc": "write state: {soc: 30 %}",
    "ref": "did you mean reference?",
    "electrolyte": "write it below about:",
    "electrode": "write it below about:",
}
