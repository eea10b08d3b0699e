"""What other programs call the quantities of a condition, and what they are here."""

import re
from collections.abc import Mapping
from typing import Final

QUANTITY_WORDS: Final[Mapping[str, str]] = {
    "v": "voltage",
    "e": "voltage",
    "u": "voltage",
    "ewe": "voltage",
    "ecell": "voltage",
    "potential": "voltage",
    "ocv": "voltage",
    "i": "current",
    "j": "current",
    "<i>": "current",
    "t": "time for the step's time, temperature for the cell's",
    "duration": "time",
    "q": "capacity",
    "charge": "capacity, or charge_capacity of a cycle",
    "discharge": "discharge_capacity",
    "ce": "coulombic_efficiency",
    "efficiency": "coulombic_efficiency",
    "capacity_retention": "retention",
    **dict.fromkeys(
        ("energy_efficiency", "ee", "voltage_efficiency"),
        "coulombic_efficiency: of energies nothing ends a block, labctl analyse tells their efficiency",
    ),
    "soh": "retention",
    "soc": "discharged since full >= ... after - mark: full where the cell is full (at 90 % that is 10 %): a state of charge is "
    "counted from there; of this step alone capacity >= ...",
    **dict.fromkeys(
        ("cycles", "cycle_number", "cycle_no", "cycle_index", "n_cycle", "cyclenumber", "cycle_id"), "cycle"
    ),
    **dict.fromkeys(("spannung", "tension", "电压", "電圧", "voltaje", "ecell/v", "ewe/v"), "voltage"),
    **dict.fromkeys(("strom", "courant", "电流", "電流", "corriente"), "current"),
    **dict.fromkeys(("zeit", "dauer", "temps", "时间", "時間", "tiempo", "step_time", "steptime"), "time"),
    **dict.fromkeys(("kapazität", "kapazitaet", "capacité", "容量", "capacidad", "ladung"), "capacity"),
    **dict.fromkeys(("temperatur", "température", "温度", "temperatura"), "temperature"),
    "cycle_count": "cycle",
    "temp": "temperature",
    "p": "power",
    "shorted": "short",
    "de/dt": "dV/dt",
    "du/dt": "dV/dt",
    "di/dt": "dI/dt",
    "dv/dt": "dV/dt",
    "dq/dv": "a slope in time: dV/dt or dI/dt",
}


_CHANGE: Final = re.compile(
    r"(?:abs\s*\()?\s*(?:relative\s+)?(?:change|spread|drift|delta)\s+(?:of\s+|in\s+)?(voltage|current|temperature)"
    r"|(voltage|current|temperature)\s+(?:change|drift|vari)\w*"
)
_OF_WHAT: Final = re.compile(
    r"([\d.]+\s*%)\s*(?:of|from)\s*(?:the\s+)?(cycle\s+\d+|first|max(?:imum)?|best|highest|initial|begin|start|original|nominal)"
)
_DWELL_FIRST: Final = re.compile(r"(?:for|during)\s+(\d\S*(?:\s*[A-Za-z]+)?)\s+(voltage|current|temperature|power)")


def change_hint(quantity: str, value: str) -> str:
    """Return how what has changed within a time is written, or for how long something is so, where somebody means that; or ""."""
    if match := _CHANGE.match(quantity):
        what = match[1] or match[2]
        least = {"voltage": "1 mV", "current": "1 %", "temperature": "0.5 K"}[what]
        return f"write change of {what} over 30 min < {least}"
    if re.fullmatch(r"capacity\s+retention|retention of (?:the )?(?:first|1st|initial)(?: cycle)?", quantity):
        return "write retention"
    if quantity in {"charge_capacity", "discharge_capacity"} and (
        match := re.fullmatch(r"([\d.]+\s*%)\s*(?:of|from)\s*(?:the\s+)?(cycle\s+\d+|first|max).*", value)
    ):
        return f"write retention of {match[2]} < {match[1]}"
    if quantity == "retention" and (match := _OF_WHAT.match(value)):
        if match[2] == "nominal":
            return f"write discharge_capacity < {match[1]}: there % is of the nominal capacity"
        of = {"best": "max", "highest": "max", "maximum": "max"}.get(match[2], match[2])
        which = f" of {of}" if of == "max" or of.startswith("cycle") else ""
        return f"write retention{which} < {match[1]}" + ("" if which else ", which is of the first cycle")
    if match := _DWELL_FIRST.match(quantity):
        return f"the time stands behind the value: {match[2]} < ... for {match[1]}"
    slope = {"dV/dt": "voltage", "dI/dt": "current", "dT/dt": "temperature"}.get(quantity)
    if slope is None or "%" not in value:
        return ""
    share = re.match(r"[\d.]+\s*%", value)
    return f"write change of {slope} over 30 min < {share[0] if share else '1 %'}"
