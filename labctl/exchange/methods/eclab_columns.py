"""Settings files of EC-Lab as text: a header, and a table of one technique, Modulo Bat, in columns of twenty characters.

Facts: files of EC-Lab and BT-Lab and those of aurora-unicycler. A column is a sequence; a value has three decimals beside its unit;
a sequence has up to three limits, and any of them goes on to the next; `Loop` goes back `ctrl_repeat` times to `ctrl_seq`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

WIDTH: Final = 20
LIMITS: Final = 3
HEADS: Final = ("EC-LAB SETTING FILE", "BT-LAB SETTING FILE")
ENCODING: Final = "cp1252"

_LIMIT = {
    "type": "Time",
    "comp": ">",
    "Q": "",
    "value": "0.000",
    "value_unit": "s",
    "action": "Next sequence",
    "seq": "",
}
_RULE = {"type": "Time", "value": "0.000", "value_unit": "s"}
ROWS: Final[Mapping[str, str]] = {
    "Ns": "", "ctrl_type": "", "Apply I/C": "I", "current/potential": "current",
    **{f"ctrl{n}_{part}": "" for n in (1, 2, 3) for part in ("val", "val_unit", "val_vs")},
    "N": "0.00", "charge/discharge": "Charge", "charge/discharge_1": "Charge", "Apply I/C_1": "I", "N1": "0.00",
    "ctrl4_val": "", "ctrl4_val_unit": "", "ctrl5_val": "", "ctrl5_val_unit": "", "ctrl_tM": "0", "ctrl_seq": "0",
    "ctrl_repeat": "0", "ctrl_trigger": "Falling Edge", "ctrl_TO_t": "0.000", "ctrl_TO_t_unit": "d", "ctrl_Nd": "6",
    "ctrl_Na": "1", "ctrl_corr": "0", "lim_nb": "0",
    **{f"lim{n}_{part}": value for n in range(1, LIMITS + 1) for part, value in _LIMIT.items()},
    "rec_nb": "0", **{f"rec{n}_{part}": value for n in range(1, 4) for part, value in _RULE.items()},
    "E range min (V)": "0.000", "E range max (V)": "5.000", "I Range": "Auto", "I Range min": "Unset",
    "I Range max": "Unset", "I Range init": "Unset", "auto rest": "1", "Bandwidth": "5",
}  # fmt: skip
"""The rows of the table in their order, each with what a sequence has that says nothing of it."""

UNITS: Final[Mapping[str, Sequence[tuple[float, str]]]] = {
    "current": ((1.0, "A"), (1e-3, "mA"), (1e-6, "uA"), (1e-9, "nA"), (1e-12, "pA")),
    "voltage": ((1.0, "V"), (1e-3, "mV"), (1e-6, "uV")),
    "frequency": ((1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"), (1e-3, "mHz"), (1e-6, "uHz")),
    "time": ((1.0, "s"), (1e-3, "ms")),
    "rate": ((1.0, "V/s"), (1e-3, "mV/s"), (1e-6, "uV/s")),
}
KNOWN: Final = {unit: factor for pairs in UNITS.values() for factor, unit in pairs} | {
    "mn": 60.0, "h": 3600.0, "d": 86400.0, "us": 1e-6, "\u00b5A": 1e-6, "\u00b5V": 1e-6, "mV/mn": 1e-3 / 60.0, "V/mn": 1 / 60.0,
}  # fmt: skip
"""SI of every unit that a value may have."""
RANGES: Final = (
    (1e-8, "10 nA"), (1e-7, "100 nA"), (1e-6, "1 \u00b5A"), (1e-5, "10 \u00b5A"), (1e-4, "100 \u00b5A"),
    (1e-3, "1 mA"), (1e-2, "10 mA"), (0.1, "100 mA"), (1.0, "1 A"), (10.0, "10 A"), (1e9, "Auto"),
)  # fmt: skip
WINDOWS: Final = ((0.0, 5.0), (-2.5, 2.5), (-5.0, 5.0), (-10.0, 10.0))


def told(value: float, kind: str) -> tuple[str, str, bool]:
    """Return a number with three decimals, its unit, and whether that is the whole of it.

    The largest unit in which nothing is lost is taken, else the one that loses least.
    """
    fitting = [pair for pair in UNITS[kind] if abs(value) >= pair[0]] or [UNITS[kind][-1]]
    if not value:
        fitting = [next(pair for pair in UNITS[kind] if pair[0] == 1.0)]
    for factor, unit in fitting:
        text = f"{value / factor:.3f}"
        if abs(float(text) * factor - value) <= 1e-9 * abs(value):
            return text, unit, True
    factor, unit = fitting[-1]
    return f"{value / factor:.3f}", unit, False


def range_of(current: float) -> str:
    """Return the smallest range of a current, A."""
    return next(name for full, name in RANGES if abs(current) <= full * (1 + 1e-9))


def window_of(voltages: Iterable[float]) -> tuple[float, float]:
    """Return the smallest window of control that holds all voltages, V."""
    held = list(voltages)
    return next((each for each in WINDOWS if all(each[0] <= value <= each[1] for value in held)), WINDOWS[-1])


def table(sequences: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the lines of the table."""
    return [
        name.ljust(WIDTH) + "".join(each.get(name, default).ljust(WIDTH) for each in sequences)
        for name, default in ROWS.items()
    ]


def columns(lines: Sequence[str]) -> list[dict[str, str]]:
    """Return the sequences of a table, by the names of its rows."""
    rows = {line[:WIDTH].strip(): line[WIDTH:] for line in lines if line[:WIDTH].strip()}
    count = len(rows.get("Ns", "").split())
    return [
        {name: values[WIDTH * at : WIDTH * (at + 1)].strip() for name, values in rows.items()} for at in range(count)
    ]
