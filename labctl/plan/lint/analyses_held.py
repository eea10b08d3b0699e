"""What analyses of held voltages, sweeps and spectra need of the steps of a plan."""

import math
from collections.abc import Mapping
from typing import Final

from labctl.plan.lint.plan_steps import PlanSteps, Told, lasts
from labctl.plan.number import known
from labctl.plan.step import End, Line, VersusOcv
from labctl.quantity.units import display

SETTLED: Final = 20 * 3600.0  # s of a hold, before its current is leakage alone
POLARISING: Final = 3600.0  # s of a hold, before no ions move any more between blocking plates
POLARISED: Final = 0.03  # V across an electrolyte: with more its salt is no longer nearly even
RATES: Final = 3  # scan rates, or temperatures, that a slope is laid through


def polarised(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a transference number without a spectrum before and after the hold, and of a voltage that is too large."""
    if steps.plan.cell.name and steps.plan.cell.kind != "symmetric":
        return (
            f"wanted a cell with the same metal on both sides for transference, found one of kind {steps.plan.cell.kind}",
            "the electrolyte is polarised between two electrodes of lithium: take a symmetric cell",
        )
    verbs = [line.verb for _, line in steps.lines]
    holds = [at for at, verb in enumerate(verbs) if verb == "hold"]
    if holds and not any("eis" in verbs[:at] and "eis" in verbs[at:] for at in holds):
        side = "after" if "eis" in verbs[: holds[0]] else "before"
        return f"wanted a spectrum before and after the hold, found none {side} it", f"add an eis {side} the hold"
    for line in steps.of("hold"):
        held = line.settings.get("voltage")
        most = max(map(abs, known(held.offset if isinstance(held, VersusOcv) else held)), default=0.0)
        if most > POLARISED and (isinstance(held, VersusOcv) or steps.plan.cell.kind == "symmetric"):
            shown = display(most, "voltage")
            return f"wanted a hold of at most 30 mV, found {shown}: the salt is then far from even", "10 mV is usual"
    return None


def scan_rates(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a b-value from fewer than three scan rates."""
    rates = {f"{one:.3g}" for line in steps.of("cv") for one in known(line.settings.get("rate"))}
    if 0 < len(rates) < RATES:
        return (
            f"wanted three scan rates and more for a slope, found {'one' if len(rates) == 1 else 'two'}",
            "go through them with each: {v: [0.1 mV/s, 0.2 mV/s, 0.5 mV/s, 1 mV/s]} and rate: $v",
        )
    return None


def temperatures(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of an activation energy from fewer than three temperatures."""
    chambers = [line for _, line in steps.lines if line.mode == "Chamber"]
    set_by_hand = any("temperature" in (line.options.get("state") or {}) for line in steps.of("prompt"))  # type: ignore[operator]
    found = {f"{one:.2f}" for line in chambers for one in known(line.settings.get("temperature"))}
    if len(found) < RATES and not set_by_hand:
        count = {0: "no temperature set", 1: "one"}.get(len(found), "two")
        return (
            f"wanted spectra at three temperatures and more for a slope, found {count}",
            "write each: {t: {from: 25 degC, to: 75 degC, by: 10 degC}}, and before each - temperature: {to: $t, soak: 1 h}",
        )
    return None


def through_zero(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of sweeps on one side of the open circuit, of which no exchange current can be told."""
    sides = []
    for line in steps.of("lsv"):
        ends = (line.settings.get("start"), line.settings.get("end"))
        offsets = [known(one.offset) if isinstance(one, VersusOcv) else () for one in ends]
        if not all(offsets):
            return None
        sides.append(min(map(min, offsets)) < 0.0 < max(map(max, offsets)))
    if sides and not any(sides):
        return (
            "wanted a sweep through the open circuit, found one on a single side of it",
            "write from: -100 mV vs ocv, to: 100 mV vs ocv",
        )
    return None


def window(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a stability window between two electrodes of one metal."""
    if steps.plan.cell.name and steps.plan.cell.kind == "symmetric":
        return (
            "wanted an inert electrode for a stability window, found a symmetric cell, whose metal is stripped and plated",
            "sweep an asymmetric or blocking cell: the electrolyte against steel or carbon",
        )
    return None


def polarised_whole(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of holds whose current is still that of ions which go to their plates."""
    if steps.plan.cell.name and steps.plan.cell.kind != "blocking":
        return (
            f"wanted plates that pass no ions for electronic, found a cell of kind {steps.plan.cell.kind}",
            "take a blocking cell: metal passes ions, whose current is told for that of electrons",
        )
    held = [max(lasts(line), default=math.inf) for line in steps.of("hold")]
    if held and max(held) < POLARISING:
        shown = display(max(held), "duration")
        return (
            f"wanted a hold of hours for an electronic current, found {shown} at most: ions still move",
            "10 h is usual",
        )
    return None


def stepped(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a potentiostatic titration without steps of a held voltage."""
    passes = [math.prod(block.passes for block in path) for path, line in steps.lines if line.mode == "Potentiostatic"]
    if sum(passes) < 2:
        found = "one" if passes else "none"
        return (
            f"wanted holds at one voltage after the other for pitt, found {found}",
            "write each: {v: {from: 3 V, to: 4 V, by: 10 mV}} and - hold: {voltage: $v, until: current < C/100, for: 10 h}",
        )
    return None


def _asks_current(end: End) -> bool:
    return any(term.quantity == "current" for terms in end.condition.any_of for term in terms)


def leaking(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of holds that end before their current is leakage."""
    held = [max(lasts(line), default=math.inf) for line in steps.of("hold")]
    if not held:
        return "wanted a hold for leakage, found none", "add - hold: {voltage: 4.1 V, for: 48 h}"
    if all(any(end.kind == "until" and _asks_current(end) for end in line.ends) for line in steps.of("hold")):
        return (
            "wanted a hold that goes on as its current becomes leakage, found until on the current, which ends it before",
            "leave until out of the hold, and write for: 48 h",
        )
    if max(held) < SETTLED:
        shown = display(max(held), "duration")
        return (
            f"wanted a hold of 20 h and more for leakage, found {shown} at most: the cell still charges then",
            "lengthen for: of the hold",
        )
    return None


def reservoir(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a reservoir of which more is cycled than it holds, or of which nothing strips the rest."""
    driven = [(path, line) for path, line in steps.lines if line.verb in {"strip", "plate"}]
    loop = next((at for at, (path, _) in enumerate(driven) if path[-1].passes > 1), None)
    if not loop:
        return None
    plated = next((line for _, line in reversed(driven[:loop]) if line.verb == "plate"), None)
    cycled = next((line for path, line in driven[loop:] if line.verb == "strip" and path[-1].passes > 1), None)
    amounts = [max(charge_of(line), default=0.0) for line in (plated, cycled) if line is not None]
    if len(amounts) == 2 and amounts[1] > amounts[0] > 0.0:
        whole, part = (display(amount, "capacity") for amount in amounts)
        return (
            f"wanted a part of the reservoir in each cycle, found {part} of {whole}",
            "are the two swapped? the reservoir is plated first, a part of it is cycled",
        )
    path, last = driven[-1]
    if path[-1].passes > 1 or last.verb != "strip" or not any(end.kind in {"to", "until"} for end in last.ends):
        return (
            "wanted a strip behind the cycles that its voltage ends, found none: what is left is not known",
            "add - strip: {current: 0.5 mA/cm2, to: 1 V, for: 20 h} behind them",
        )
    return None


def charge_of(line: Line) -> tuple[float, ...]:
    """Return what a line passes by its capacity, or by its time at constant current, C."""
    by_kind = {end.kind: known(end.condition.any_of[0][0].value) for end in line.ends}
    currents = [abs(one) for one in known(line.settings.get("current"))]
    timed = [max(by_kind["for"]) * max(currents)] if currents and by_kind.get("for") else []
    return (min(by_kind["capacity"]),) if by_kind.get("capacity") else tuple(timed)
