"""Insertion cells from their parameter sets."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, tau
from typing import Any, NamedTuple

from labctl_simulators.assembly.potential import diffusion, entropy, potential
from labctl_simulators.assembly.tree import HIGHEST, LOWEST, Numbers, Size, bend, refuse_sizes
from labctl_simulators.cell.chemistry.electrode import EDGE, Arc, Electrode, Metal, PorousElectrode
from labctl_simulators.cell.chemistry.electrolyte import Electrolyte, Layer
from labctl_simulators.cell.chemistry.hysteresis import Hysteresis
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.chemistry.insertion_parameters import InsertionParameters
from labctl_simulators.cell.chemistry.ocp import OpenCircuit
from labctl_simulators.cell.physics import WALL_WIDTH, Array, Heat
from labctl_simulators.parameters import ParameterError, ParameterSet
from labctl_simulators.parameters.expression import compile_expression, evaluated

_WALLS = 2.0 * WALL_WIDTH
"""Stoichiometry from an end at which no wall stands."""


def build(parameters: ParameterSet, size: Size, read: set[str] | None = None) -> Insertion:
    """Build an insertion cell of a size.

    Raises:
        ParameterError: a number is missing, or a size cannot act.
    """
    numbers = Numbers(parameters.values, parameters.name, read)
    scale = _scale(numbers, size)
    names = ("positive", "negative") if numbers.has("positive") else ("working", "counter")
    hosts = [_electrode(numbers, name, scale.area) for name in names]
    positive, negative = (_scaled(host, scale) for host in hosts)
    if not isinstance(positive, Electrode):
        raise ParameterError(f"{parameters.name}: wanted a host as {names[0]} electrode, found a metal")
    positive, negative = _windows(numbers, positive, negative)
    return Insertion(
        InsertionParameters(
            name=parameters.name,
            kind=parameters.kind,
            positive=positive,
            negative=negative,
            arcs=_arcs(numbers, scale),
            electrolyte=_modes(numbers, scale) if size.electrolyte else None,
            bend=bend(numbers, scale.area),
            ageing=_ageing(numbers, scale, abs(positive.high - positive.low) * positive.capacity),
            temperature=numbers.number("temperature"),
            lowest=numbers.above("lowest_temperature", LOWEST),
            highest=numbers.above("highest_temperature", HIGHEST),
            highest_current=numbers.above("highest_current", inf) * scale.exchange * scale.area,
            heat=_heat(numbers, scale) if size.heat else None,
            hysteresis=_hysteresis(numbers, dict(zip(names, (positive, negative), strict=True))),
            leak=_leak(numbers, scale),
            layers=size.layers,
            **_series(numbers, scale),
        )
    )


def _heat(numbers: Numbers, scale: "_Scale") -> Heat | None:
    """Return the thermal numbers of a cell, which go with its area; None where it has none."""
    if not numbers.has("heat"):
        return None
    given, own = numbers.at("heat"), scale.area / numbers.above("area")
    return Heat(given.above("capacity") * own, given.number("transfer") * own)


def _hysteresis(numbers: Numbers, hosts: Mapping[str, Electrode | Metal]) -> Hysteresis | None:
    """Return the hysteresis of the one electrode that has some.

    Raises:
        ParameterError: both have.
    """
    having = [
        name for name, host in hosts.items() if numbers.at(name).has("hysteresis") and isinstance(host, Electrode)
    ]
    if len(having) > 1:
        raise ParameterError(f"{numbers.path}.{having[1]}.hysteresis: wanted it in one electrode, found it in both")
    if not having:
        return None
    given, host = numbers.at(having[0]).at("hysteresis"), hosts[having[0]]
    assert isinstance(host, Electrode)
    return Hysteresis(given.number("gap"), given.share("reach") * host.capacity)


def _leak(numbers: Numbers, scale: "_Scale") -> float:
    """Return the conductance beside a cell that discharges itself, S; 0 where it does not."""
    if not numbers.has("self_discharge"):
        return 0.0
    return scale.area / numbers.at("self_discharge").above("resistance")


class _Scale(NamedTuple):
    """Hold what a size makes of a parameter set's own cell: the area in m2, and factors on what it has by area.

    Attributes:
        area: m2.
        capacity: factor on what an electrode takes up.
        exchange: factor on its exchange current; a film has the same face however thick it is.
        time: factor on its time of diffusion.
        layer: factor on the thickness of the electrolyte.
    """

    area: float
    capacity: float = 1.0
    exchange: float = 1.0
    time: float = 1.0
    layer: float = 1.0


def _scale(numbers: Numbers, size: Size) -> _Scale:
    """Return what a size makes of the cell.

    Raises:
        MisfitError: one of its numbers cannot act.
    """
    film, loading = numbers.optional("film_thickness"), numbers.optional("loading")
    if film is None:
        refuse_sizes(numbers, {"film_thickness": size.film}, "the electrodes of this parameter set are no film")
    layer = 1.0 if size.layer is None else size.layer / _layer(numbers, size.layer)
    numbers.optional("electrolyte_thickness")
    area, share = size.area or numbers.number("area"), 1.0
    if size.mass is not None and loading is not None:
        area = size.area or size.mass / loading
        share = size.mass / area / loading
    thickness = share if size.film is None or film is None else size.film / film
    if film is None:
        return _Scale(area, share, share, 1.0, layer)
    return _Scale(area, thickness if size.mass is None else share, 1.0, thickness**2, layer)


def _layer(numbers: Numbers, wanted: float) -> float:
    """Return the parameter set's own thickness of the electrolyte between its electrodes, m."""
    if numbers.has("separator"):
        return numbers.at("separator").number("thickness")
    own = numbers.optional("electrolyte_thickness")
    if own is None:
        refuse_sizes(
            numbers, {"electrolyte_thickness": wanted}, "the parameter set does not say of what thickness it is"
        )
    return own or wanted


def _scaled(host: Electrode | Metal, scale: _Scale) -> Electrode | Metal:
    """Return the electrode at the loading and thickness of the cell; a metal has none."""
    if isinstance(host, Metal):
        return host
    return replace(
        host,
        capacity=host.capacity * scale.capacity,
        exchange=host.exchange * scale.exchange,
        time=host.time * scale.time,
    )


def _series(numbers: Numbers, scale: _Scale) -> dict[str, float]:
    """Return the ohmic resistances of a cell and how they are activated, as `InsertionParameters` names them."""
    if not numbers.has("series"):
        return {}
    series = numbers.at("series")
    return {
        "resistance": series.number("resistance") / scale.area,
        "resistance_activation": series.number("resistance_activation", 0.0),
        "layer": series.number("electrolyte", 0.0) / scale.area * scale.layer,
        "layer_activation": series.number("electrolyte_activation", 0.0),
    }


def _modes(numbers: Numbers, scale: _Scale) -> Electrolyte | None:
    """Return the electrolyte of a cell of two porous electrodes, if all its numbers are given."""
    if not numbers.has("positive") or not (
        numbers.has("separator") and numbers.has("electrolyte") and numbers.at("electrolyte").has("conductivity")
    ):
        return None
    bulk = numbers.at("electrolyte")
    positive, separator, negative = (_porous_layer(numbers.at(key)) for key in ("positive", "separator", "negative"))
    return Electrolyte(
        positive=positive,
        separator=replace(separator, thickness=separator.thickness * scale.layer),
        negative=negative,
        area=scale.area,
        concentration=bulk.above("concentration"),
        diffusivity=bulk.above("diffusivity"),
        conductivity=bulk.above("conductivity"),
        transference=bulk.share("transference"),
        diffusivity_activation=bulk.number("diffusivity_activation", 0.0),
        conductivity_activation=bulk.number("conductivity_activation", 0.0),
        factor=bulk.number("thermodynamic_factor", 1.0),
        shape=_shape(bulk),
        temperature=numbers.number("temperature"),
    )


def _shape(bulk: Numbers) -> Callable[[Array], Array] | None:
    """Return the salt's diffusivity by relative concentration, against that at rest; None where no formula is given.

    Raises:
        ParameterError: the formula is none, or not above 0 at rest.
    """
    if not bulk.has("diffusivity_curve"):
        return None
    given, rest = bulk.at("diffusivity_curve"), 1e-3 * bulk.above("concentration")  # mol/l
    try:
        formula = compile_expression(given.word("expression"))
        own = float(formula(rest))
    except (ValueError, ArithmeticError) as error:
        raise ParameterError(f"{given.path}: {error}") from None
    if not own > 0.0:
        raise ParameterError(f"{given.path}: wanted a diffusivity above 0 at {rest:g} mol/l, found {own:g}")
    return lambda relative: evaluated(formula, relative * rest) / own


def _porous_layer(given: Numbers) -> Layer:
    return Layer(
        thickness=given.above("thickness"),
        porosity=given.share("porosity"),
        bruggeman=given.number("bruggeman", 1.5),
        conductivity=given.number("conductivity", inf)
        * given.number("active_fraction", 1.0) ** given.number("conductivity_bruggeman", 0.0),
    )


def _electrode(numbers: Numbers, name: str, area: float) -> Electrode | Metal:
    """Return one electrode, its window still open."""
    given = numbers.at(name)
    if given.has("particle_radius"):
        return _porous(numbers, given, area)
    if not given.has("ocp"):
        exchange, layer = given.number("exchange") * area, given.number("double_layer", 0.0) * area
        return Metal(exchange, given.number("exchange_activation", 0.0), layer)
    if given.has("capacity"):
        capacity = given.above("capacity")
    else:
        capacity = given.number("specific_capacity") * numbers.number("loading") * given.number("mass_ratio", 1.0)
    shape = given.word("shape")
    if shape not in ("film", "sphere"):
        raise ParameterError(f"{given.path}.shape: wanted film or sphere, found {shape!r}")
    return Electrode(
        shape=shape,  # type: ignore[arg-type]
        capacity=capacity * area,
        time=given.above("diffusion_time"),
        exchange=given.above("exchange") * area,
        potential=potential(given.at("ocp")),
        low=0.5,
        high=0.5,
        time_activation=given.number("diffusion_activation", 0.0),
        exchange_activation=given.number("exchange_activation", 0.0),
        double_layer=given.number("double_layer", 0.0) * area,
        entropy=entropy(given),
    )


def _porous(numbers: Numbers, given: Numbers, area: float) -> Electrode:
    largest = given.above("largest_concentration")
    diffusivity, speed = diffusion(given)
    return PorousElectrode(
        area=area,
        thickness=given.above("thickness"),
        active_fraction=given.share("active_fraction"),
        radius=given.above("particle_radius"),
        largest=largest,
        diffusivity=diffusivity,
        speed=speed,
        rate_constant=given.above("rate_constant"),
        salt=numbers.at("electrolyte").above("concentration"),
        potential=potential(given.at("ocp")),
        low=0.5,
        high=0.5,
        start=_fresh(given, largest) if numbers.has("positive") or given.has("initial_concentration") else None,
        diffusivity_activation=given.number("diffusivity_activation", 0.0),
        rate_activation=given.number("rate_activation", 0.0),
        double_layer=given.number("double_layer", 0.0),
        entropy=entropy(given),
    ).electrode()


def _fresh(given: Numbers, largest: float) -> float:
    """Return the stoichiometry of a fresh electrode.

    Raises:
        ParameterError: it lies outside 0..1.
    """
    start = given.above("initial_concentration") / largest
    if not start < 1.0:
        raise ParameterError(
            f"{given.path}.initial_concentration: wanted less than largest_concentration, found {start:.4g} times it"
        )
    return start


def _windows(numbers: Numbers, positive: Electrode, negative: Electrode | Metal) -> tuple[Electrode, Electrode | Metal]:
    """Return the electrodes with the stoichiometries that belong to the voltage window and the fresh cell."""
    window = numbers.number("lower_voltage"), numbers.number("upper_voltage")
    if isinstance(negative, Metal):
        low, high = (_solve(positive.potential, v) for v in window)
        _reached(numbers, (low, high), "working", tuple(_at(positive.potential, x) for x in (1.0 - _WALLS, _WALLS)))
        start, fresh = numbers.optional("start_voltage"), positive.start
        if start is not None and fresh is not None:
            raise ParameterError(f"{numbers.path}.start_voltage: wanted it or initial_concentration, found both")
        fresh = fresh if start is None else _solve(positive.potential, start)
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
    ends = n + ratio * (p - low), n + ratio * (p - high)
    outer = min(1.0 - _WALLS, p + (n - _WALLS) / ratio), max(_WALLS, p - (1.0 - _WALLS - n) / ratio)
    reach = tuple(voltage(x) for x in outer)
    _reached(numbers, (low, high), "positive", reach)
    _reached(numbers, ends, "negative", reach)
    return replace(positive, low=low, high=high), replace(negative, low=ends[0], high=ends[1])


def _reached(numbers: Numbers, ends: tuple[float, float], host: str, reach: tuple[float, ...]) -> None:
    """Refuse a voltage window that the open-circuit potential does not reach: its end would be the numeric wall.

    Args:
        numbers: of the cell.
        ends: stoichiometries that belong to the window.
        host: whose they are.
        reach: voltages between which the cell can rest, V.

    Raises:
        ParameterError: in words.
    """
    for x, key in zip(ends, ("lower_voltage", "upper_voltage"), strict=True):
        if not WALL_WIDTH < x < 1.0 - WALL_WIDTH:
            raise ParameterError(
                f"{numbers.path}.{key}: wanted a voltage that the open-circuit potentials reach, found "
                f"{numbers.number(key):g} V, where the {host} electrode is {'empty' if x < 0.5 else 'full'}; they reach from "
                f"about {min(reach):.3g} to {max(reach):.3g} V: let them reach beyond it, or narrow the window"
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


def _arcs(numbers: Numbers, scale: _Scale) -> list[Arc]:
    """Return the arcs in series; each is given by its resistance, the frequency of its top, and its exponent.

    `layer: electrolyte` marks the one whose resistance goes with the thickness of the electrolyte.
    """
    if not numbers.has("arcs"):
        return []
    given = numbers.at("arcs")
    arcs = []
    for name in given.values:
        one = given.at(name)
        thick = scale.layer if one.word("layer") == "electrolyte" else 1.0
        resistance, alpha = one.number("resistance") / scale.area * thick, one.number("alpha", 1.0)
        own = 1.0 / (tau * one.number("frequency"))
        arcs.append(Arc(resistance, own**alpha / resistance, alpha, one.number("resistance_activation", 0.0)))
    return arcs


def _ageing(numbers: Numbers, scale: _Scale, capacity: float) -> Any:
    """Return how a cell of `capacity` C ages; its currents and capacities are given by area."""
    if not numbers.has("ageing"):
        return None
    from labctl_simulators.assembly.ageing import ageing  # noqa: PLC0415 - not every cell ages

    return ageing(numbers.at("ageing"), scale.area * scale.capacity, capacity, numbers.number("temperature"))
