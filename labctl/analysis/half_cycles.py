"""Every charge and discharge of a run by itself, whether or not it belongs to a cycle."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from labctl.analysis.capacity import scales
from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.sample import SECONDS_PER_HOUR

DRIVEN: Final = frozenset({"charge", "discharge", "strip", "plate", "hold"})


class Half(NamedTuple):
    """Neighbouring steps that pass charge in one direction: their places in `steps`, and the net charge, Ah."""

    places: tuple[int, ...]
    charge: float


def halves(record: RunRecord) -> list[Half]:
    """Return what a run charged and discharged: steps of one direction together, whatever of marks and rests lies between."""
    verbs = [str(verb) for verb in record.steps["step_type"]]
    net = np.asarray(record.steps["charging_capacity_ah"], dtype=float) - np.asarray(
        record.steps["discharging_capacity_ah"], dtype=float
    )
    found: list[Half] = []
    for at, verb in enumerate(verbs):
        charge = float(net[at])
        if verb not in DRIVEN or not charge:
            continue
        if found and found[-1].charge * charge > 0:
            found[-1] = Half((*found[-1].places, at), found[-1].charge + charge)
        else:
            found.append(Half((at,), charge))
    return found


def analyse_half_cycles(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell charge, mean current and end voltage of every charge and discharge, in every unit that the cell allows.

    Steps that follow each other in one direction are one, whatever of rests and marks lies between, and a `hold` goes with
    what it follows. What was cut short counts as far as it went, and is named.
    """
    del options
    found = halves(record)
    if not found:
        return Analysis("half_cycles", flags=("no charge and no discharge",))
    steps, units = record.steps, scales(record.cell)
    seconds = np.asarray(steps["step_time_second"], dtype=float)
    last = np.asarray(steps["last_voltage_volt"], dtype=float)
    hours = [float(seconds[list(each.places)].sum()) / SECONDS_PER_HOUR for each in found]
    words = ["charge" if each.charge > 0 else "discharge" for each in found]
    table: dict[str, tuple[float | int | str, ...]] = {
        "step": tuple(int(steps["step_count"][each.places[0]]) for each in found),
        "direction": tuple(words),
        "time / h": tuple(hours),
        "end voltage / V": tuple(float(last[each.places[-1]]) for each in found),
    }
    for unit, factor in units.items():
        table[f"charge passed / {unit}"] = tuple(abs(each.charge) * factor for each in found)
    table["mean current / mA"] = tuple(
        1e3 * each.charge / time if time > 0 else float("nan") for each, time in zip(found, hours, strict=True)
    )
    latest = {word: at for at, word in enumerate(words)}
    figures = [
        Figure(f"last {word} capacity", abs(found[at].charge) * factor, unit)
        for word, at in latest.items()
        for unit, factor in units.items()
    ]
    figures.append(Figure("end voltage", float(last[found[-1].places[-1]]), "V"))
    complete = complete_steps(record)
    cut = steps_left_out(record, [at for each in found for at in each.places if not complete[at]])
    return Analysis(
        "half_cycles",
        tuple(figures),
        table,
        tuple(words.replace(" left out", " counted as far as it went") for words in cut),
    )
