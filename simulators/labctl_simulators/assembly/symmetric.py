"""Metal cells from their parameter sets."""

from math import inf

from labctl_simulators.assembly.tree import HIGHEST, LOWEST, Numbers, Size, bend, refuse_sizes
from labctl_simulators.cell.chemistry.metal_parameters import Collector, Film, MetalParameters, Nucleation, Salt
from labctl_simulators.cell.chemistry.shorts import Shorts
from labctl_simulators.cell.chemistry.symmetric import Symmetric
from labctl_simulators.parameters import ParameterError, ParameterSet


def build(parameters: ParameterSet, size: Size, read: set[str] | None = None) -> Symmetric:
    """Build a metal cell of a size.

    Raises:
        ParameterError: a number is missing, or a size cannot act.
    """
    numbers = Numbers(parameters.values, parameters.name, read)
    refuse_sizes(numbers, {"film_thickness": size.film}, "a metal electrode is no film")
    at, area = numbers.number("temperature"), size.area or numbers.number("area")
    return Symmetric(
        MetalParameters(
            name=parameters.name,
            area=area,
            salt=_salt(numbers.at("electrolyte"), at, size.layer),
            exchange=numbers.at("kinetics").thermal("exchange", at),
            double_layer=numbers.at("kinetics").number("double_layer"),
            film=_film(numbers.at("film"), at),
            nucleation=_nucleation(numbers),
            shorts=_shorts(numbers, at),
            collector=_collector(numbers),
            bend=bend(numbers, area),
            contact=numbers.number("contact", 0.0) / area,
            temperature=at,
            lowest=numbers.above("lowest_temperature", LOWEST),
            highest=numbers.above("highest_temperature", HIGHEST),
            highest_current=numbers.above("highest_current", inf) * area,
        )
    )


def _salt(numbers: Numbers, at: float, thickness: float | None) -> Salt:
    return Salt(
        thickness=thickness or numbers.number("thickness"),
        conductivity=numbers.thermal("conductivity", at),
        transference=numbers.number("transference"),
        concentration=numbers.number("concentration"),
        diffusivity=numbers.thermal("diffusivity", at) if numbers.has("diffusivity") else None,
    )


def _film(numbers: Numbers, at: float) -> Film:
    return Film(
        resistance=numbers.thermal("resistance", at),
        capacitance=numbers.number("capacitance"),
        growth=numbers.thermal("growth", at) if numbers.has("growth") else None,
        hours=numbers.row("hours"),
        factors=numbers.row("factors"),
    )


def _nucleation(numbers: Numbers) -> Nucleation:
    if not numbers.has("nucleation"):
        return Nucleation()
    given = numbers.at("nucleation")
    return Nucleation(
        given.number("height"), given.number("charge"), given.number("again", 1.0), given.number("density", 0.1)
    )


def _shorts(numbers: Numbers, at: float) -> Shorts:
    given, usual = numbers.at("shorts"), Shorts()
    kind = given.word("kind", "hard")
    if kind not in ("hard", "soft", "recovering"):
        raise ParameterError(f"{given.path}: wanted kind hard, soft or recovering, found {kind!r}")
    return Shorts(
        kind=kind,  # type: ignore[arg-type]
        currents=given.row("currents"),
        lives=given.row("lives"),
        critical=given.thermal("critical", at),
        margin=given.number("margin", usual.margin),
        spread=given.number("spread", usual.spread),
        resistance=given.number("resistance", usual.resistance),
        left=given.number("left", usual.left),
        closed=given.number("closed", usual.closed),
        flicker=given.number("flicker", usual.flicker),
        harden=given.number("harden", usual.harden),
        burn=given.number("burn", usual.burn),
        heal=given.number("heal", usual.heal),
        recoveries=int(given.number("recoveries", usual.recoveries)),
    )


def _collector(numbers: Numbers) -> Collector | None:
    if not numbers.has("collector"):
        return None
    given = numbers.at("collector")
    return Collector(given.number("bare"), given.number("charge"), given.number("efficiency"))
