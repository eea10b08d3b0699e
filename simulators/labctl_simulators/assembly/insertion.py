"""Insertion cells from their parameter sets."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, tau
from typing import Any

from labctl_simulators.assembly.tree import Numbers, bend
from labctl_simulators.cell.insertion import EDGE, Arc, Electrode, Insertion, Metal, Parameters, porous
from labctl_simulators.cell.ocp import OpenCircuit, from_table, from_terms
from labctl_simulators.parameters import ParameterError, ParameterSet


def build(found: ParameterSet, area: float | None, mass: float | None) -> Insertion:
    """Build an insertion cell.

    Args:
        found: the parameter set.
        area: m2; None: its own.
        mass: kg of active material; None: its own loading times the area. A set without a loading is told by its area alone.

    Raises:
        ParameterError: a number is missing.
    """
    numbers = Numbers(found.values, found.name)
    at = numbers.number("temperature")
    size, share = _scale(numbers, area, mass)
    names = ("positive", "negative") if numbers.has("positive") else ("working", "counter")
    hosts = [_electrode(numbers, name, size) for name in names]
    positive, negative = (_loaded(host, share) for host in hosts)
    if not isinstance(positive, Electrode):
        raise ParameterError(f"{found.name}: wanted a host as {names[0]} electrode, found a metal")
    positive, negative = _windows(numbers, positive, negative)
    series = numbers.at("series") if numbers.has("series") else None
    return Insertion(
        Parameters(
            name=found.name,
            kind=found.kind,
            positive=positive,
            negative=negative,
            resistance=series.number("resistance") / size if series else 0.0,
            resistance_activation=series.number("resistance_activation", 0.0) if series else 0.0,
            arcs=_arcs(numbers, size),
            bend=bend(numbers, size),
            ageing=_ageing(numbers, size * share),
            temperature=at,
            lowest=numbers.number("lowest_temperature", 230.0),
            highest=numbers.number("highest_temperature", 400.0),
        )
    )


def _scale(numbers: Numbers, area: float | None, mass: float | None) -> tuple[float, float]:
    """Return the area in m2, and the loading against the parameter set's own."""
    own = numbers.number("area")
    if mass is None or not numbers.has("loading"):
        return area or own, 1.0
    loading = numbers.number("loading")
    return (mass / loading, 1.0) if area is None else (area, mass / area / loading)


def _loaded(host: Electrode | Metal, share: float) -> Electrode | Metal:
    """Return the electrode with another loading of active material; a metal has none."""
    if isinstance(host, Metal):
        return host
    return replace(host, capacity=host.capacity * share, exchange=host.exchange * share)


def _electrode(numbers: Numbers, name: str, area: float) -> Electrode | Metal:
    """Return one electrode, its window still open."""
    given = numbers.at(name)
    if given.has("particle_radius"):
        return _porous(numbers, given, area)
    if not given.has("ocp"):
        exchange, layer = given.number("exchange") * area, given.number("double_layer", 0.0) * area
        return Metal(exchange, given.number("exchange_activation", 0.0), layer)
    if given.has("capacity"):
        capacity = given.number("capacity")
    else:
        capacity = given.number("specific_capacity") * numbers.number("loading") * given.number("mass_ratio", 1.0)
    shape = given.word("shape")
    if shape not in ("film", "sphere"):
        raise ParameterError(f"{given.path}: wanted shape film or sphere, found {shape!r}")
    return Electrode(
        shape=shape,  # type: ignore[arg-type]
        capacity=capacity * area,
        time=given.number("diffusion_time"),
        exchange=given.number("exchange") * area,
        potential=potential(given.at("ocp")),
        low=0.5,
        high=0.5,
        time_activation=given.number("diffusion_activation", 0.0),
        exchange_activation=given.number("exchange_activation", 0.0),
        double_layer=given.number("double_layer", 0.0) * area,
    )


def _porous(numbers: Numbers, given: Numbers, area: float) -> Electrode:
    largest = given.number("largest_concentration")
    return porous(
        area=area,
        thickness=given.number("thickness"),
        active_fraction=given.number("active_fraction"),
        radius=given.number("particle_radius"),
        largest=largest,
        diffusivity=given.number("diffusivity"),
        rate_constant=given.number("rate_constant"),
        salt=numbers.at("electrolyte").number("concentration"),
        potential=potential(given.at("ocp")),
        low=0.5,
        high=0.5,
        start=given.number("initial_concentration") / largest,
        diffusivity_activation=given.number("diffusivity_activation"),
        rate_activation=given.number("rate_activation"),
        double_layer=given.number("double_layer"),
    )


def potential(numbers: Numbers) -> OpenCircuit:
    """Return U(x): a table of points, or constant + linear x + exponentials + steps; `stretch` multiplies x first.

    `exp_height` a and `exp_rate` r add a exp(-r x); `rise_height` a and `rise_rate` r add a exp(-r (1 - x));
    `step_height`, `step_centre`, `step_width` add a tanh((x - c)/w); `tanh_height`, `tanh_offset`, `tanh_slope` add
    a tanh(o + s x).
    """
    if numbers.has("points"):
        return from_table(numbers.row("stoichiometry"), numbers.row("points"))
    stretch = numbers.number("stretch", 1.0)
    falls = [(a, -r * stretch) for a, r in _rows(numbers, "exp_height", "exp_rate")]
    rises = [(a * exp(-r), r * stretch) for a, r in _rows(numbers, "rise_height", "rise_rate")]
    steps = [(a, c / stretch, w / stretch) for a, c, w in _rows(numbers, "step_height", "step_centre", "step_width")]
    lines = [
        (height, -offset / slope / stretch, 1.0 / slope / stretch)
        for height, offset, slope in _rows(numbers, "tanh_height", "tanh_offset", "tanh_slope")
    ]
    linear = numbers.number("linear", 0.0) * stretch
    return from_terms(numbers.number("constant"), linear, falls + rises, steps + lines)


def _rows(numbers: Numbers, *keys: str) -> list[tuple[float, ...]]:
    rows = [numbers.row(key) for key in keys]
    if len({len(row) for row in rows}) != 1:
        raise ParameterError(f"{numbers.path}: wanted rows of one length for {', '.join(keys)}")
    return list(zip(*rows, strict=True))


def _windows(numbers: Numbers, positive: Electrode, negative: Electrode | Metal) -> tuple[Electrode, Electrode | Metal]:
    """Return the electrodes with the stoichiometries that belong to the voltage window and the fresh cell."""
    window = numbers.number("lower_voltage"), numbers.number("upper_voltage")
    if isinstance(negative, Metal):
        low, high = (_solve(positive.potential, v) for v in window)
        start = numbers.optional("start_voltage")
        fresh = None if start is None else _solve(positive.potential, start)
        return replace(positive, low=low, high=high, start=fresh), negative
    if positive.start is None or negative.start is None:
        positive = replace(positive, start=numbers.at("positive").number("start"))
        negative = replace(negative, start=numbers.at("negative").number("start"))
    ratio = positive.capacity / negative.capacity
    assert positive.start is not None
    assert negative.start is not None
    p, n = positive.start, negative.start

    def voltage(x: float) -> float:
        y = min(max(n + ratio * (p - x), 1e-6), 1.0 - 1e-6)
        return _at(positive.potential, x) - _at(negative.potential, y)

    least, most = max(1e-6, p - (1.0 - 1e-6 - n) / ratio), min(1.0 - 1e-6, p + (n - 1e-6) / ratio)
    low, high = (_bisect(voltage, v, least, most) for v in window)
    return replace(positive, low=low, high=high), replace(
        negative, low=n + ratio * (p - low), high=n + ratio * (p - high)
    )


def _at(table: OpenCircuit, x: float) -> float:
    return float(table(float(x)))


def _solve(table: OpenCircuit, voltage: float) -> float:
    return _bisect(lambda x: _at(table, x), voltage, 10.0 * EDGE, 1.0 - 10.0 * EDGE)


def _bisect(falling: Callable[[float], float], wanted: float, least: float, most: float) -> float:
    """Return where a falling function takes a value, or the end of the range that is nearest."""
    for _ in range(60):
        middle = 0.5 * (least + most)
        least, most = (middle, most) if falling(middle) > wanted else (least, middle)
    return 0.5 * (least + most)


def _arcs(numbers: Numbers, area: float) -> list[Arc]:
    """Return the arcs in series; each is given by its resistance, the frequency of its top, and its exponent."""
    if not numbers.has("arcs"):
        return []
    given = numbers.at("arcs")
    arcs = []
    for name in given.values:
        one = given.at(name)
        resistance, alpha = one.number("resistance") / area, one.number("alpha", 1.0)
        own = 1.0 / (tau * one.number("frequency"))
        arcs.append(Arc(resistance, own**alpha / resistance, alpha, one.number("resistance_activation", 0.0)))
    return arcs


def _ageing(numbers: Numbers, area: float) -> Any:
    """Return how the cell ages; its currents and capacities are given by area."""
    if not numbers.has("ageing"):
        return None
    from labctl_simulators.assembly.ageing import ageing  # noqa: PLC0415 - not every cell ages

    return ageing(numbers.at("ageing"), area)
