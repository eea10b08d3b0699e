"""A program as a Neware step file (BTS 8, version 17).

Facts: step files of BTS 8.0. Every value is an attribute `Value`; voltage in 0.1 mV, time in ms, current in mA and always positive,
capacity in mA s; the last step is of type 6, a step of type 5 goes back to `Start_Step` and holds the total number of cycles. A
current and its hold under ends that count over both are one step of type 7 or 20. What the cycler's language cannot say is refused,
never approximated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from labctl.driver import (
    Bounds,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Loop,
    Potentiostatic,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Threshold,
)
from labctl.errors import SettingRefused

REST, CYCLE, END = 4, 5, 6
SHORTEST_REST = 1.0  # s: a look at the open circuit takes one record, and a time of zero would be none
SHORTEST_RECORD = 0.1  # s between two records
MOST_STEPS = 250


@dataclass(frozen=True, slots=True)
class ProgramSpan:
    """Which steps of the program a step of the file is: one, or a current and its hold (`first` < `last`)."""

    first: int
    last: int


def places(program: Program) -> tuple[ProgramSpan, ...]:
    """Return the steps of the file in order, loops included, without the end."""
    spans = {span.first: span.last for span in program.spans}
    inside = {at for first, last in spans.items() for at in range(first + 1, last + 1)}
    return tuple(ProgramSpan(at, spans.get(at, at)) for at in range(len(program.steps)) if at not in inside)


def step_file(program: Program, most_current: float = 6.0, version: str = "17") -> str:
    """Return the XML of a program.

    Raises:
        SettingRefused: A step asks for what a step file cannot say.
    """
    laid = places(program)
    if len(laid) > MOST_STEPS:
        raise SettingRefused(f"wanted at most {MOST_STEPS} steps, found {len(laid)}", safe=True)
    steps = [step for step in program.steps if isinstance(step, ProgramStep)]
    for step in steps:
        if isinstance(step.mode, Galvanostatic) and abs(step.mode.current) > most_current:
            wanted = f"{step.mode.current:g} A, the device gives {most_current:g} A"
            raise SettingRefused(f"line {step.line}: wanted {wanted}", safe=True)
    rows = [written(number, place, program, laid) for number, place in enumerate(laid, 1)]
    rows.append(f'      <Step{len(rows) + 1} Step_ID="{len(rows) + 1}" Step_Type="{END}"/>')
    head = '    <Head_Info><Operate Value="66"/><Scale Value="1"/><Start_Step Value="1" Hide_Ctrl_Step="0"/>'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<root>",
        f'  <config type="Step File" version="{version}" client_version="BTS Client 8.0.0" date="20260101000000" Guid="">',
        f'{head}<Creator Value="labctl"/><Remark Value={quoteattr(program.label)}/><RateType Value="103"/></Head_Info>',
        protection(envelope([step.bounds for step in steps])),
        f'    <Step_Info Num="{len(rows)}">',
        *rows,
        "    </Step_Info>",
        "  </config>",
        "</root>",
    ]
    return "\n".join(lines) + "\n"


def written(number: int, place: ProgramSpan, program: Program, laid: Sequence[ProgramSpan]) -> str:
    """Return one step element."""
    step = program.steps[place.first]
    if isinstance(step, Loop):
        back = next(at for at, other in enumerate(laid, 1) if other.first == step.to)
        other = f'<Other><Start_Step Value="{back}"/><Cycle_Count Value="{step.passes}"/></Other>'
        return f'      <Step{number} Step_ID="{number}" Step_Type="{CYCLE}"><Limit>{other}</Limit></Step{number}>'
    if place.last > place.first:
        kind, limits = pair(program, place)
    else:
        kind, limits = set_point(step, before(program, place.first))
        limits |= endings(step, step.ends)
    main = "".join(f'<{name} Value="{value}"/>' for name, value in limits.items())
    head = f'      <Step{number} Step_ID="{number}" Step_Type="{kind}">'
    return f"{head}<Limit><Main>{main}</Main></Limit>{recording(rules_of(program, place))}</Step{number}>"


def before(program: Program, at: int) -> ProgramStep | None:
    """Return the step before one, None where there is none or a loop."""
    step = program.steps[at - 1] if at else None
    return step if isinstance(step, ProgramStep) else None


def rules_of(program: Program, place: ProgramSpan) -> tuple[RecordRule, ...]:
    """Return the record rules of all steps of the program that a step of the file is."""
    steps = program.steps[place.first : place.last + 1]
    return tuple(dict.fromkeys(rule for step in steps if isinstance(step, ProgramStep) for rule in step.record))


def pair(program: Program, place: ProgramSpan) -> tuple[int, dict[str, str]]:
    """Return the type and the limits of a current and its hold as one step: the ends of both, and those that count over both."""
    first, hold = program.steps[place.first], program.steps[place.last]
    (span,) = (span for span in program.spans if span.first == place.first)
    if not isinstance(first, ProgramStep) or not isinstance(hold, ProgramStep):
        raise SettingRefused("wanted a current and its hold under one span, found a loop", safe=True)
    match first.mode, hold.mode:
        case Galvanostatic(current), Potentiostatic(voltage):
            limits = {"Curr": milli(abs(current)), "Volt": tenth_millivolt(voltage)}
            return (7 if current > 0 else 20), limits | endings(hold, (*hold.ends, *span.ends))
    modes = f"{type(first.mode).__name__} and {type(hold.mode).__name__}"
    raise SettingRefused(f"line {first.line}: wanted a current and its hold under one span, found {modes}", safe=True)


def set_point(step: ProgramStep, earlier: ProgramStep | None) -> tuple[int, dict[str, str]]:
    """Return the step type and its set-point."""
    match step.mode:
        case Rest():
            return REST, {}
        case Galvanostatic(current):
            return (1 if current > 0 else 2), {"Curr": milli(abs(current))}
        case Potentiostatic(voltage, most):
            most = most if most is not None else largest(step.bounds)
            return (3 if charges(step, earlier) else 19), {"Volt": tenth_millivolt(voltage), "Curr": milli(most)}
        case ConstantPower(power):
            return (9 if power > 0 else 8), {"Power": milli(abs(power))}
        case ConstantLoad(resistance):
            return 10, {"Res": milli(resistance)}
    raise SettingRefused(f"line {step.line}: a Neware step file has no {type(step.mode).__name__}", safe=True)


def charges(step: ProgramStep, earlier: ProgramStep | None) -> bool:
    """Tell whether a constant-voltage step charges: as the current did that led there, else in the upper half of its envelope."""
    low, high = step.bounds.voltage or (0.0, 0.0)
    if earlier is not None and isinstance(earlier.mode, Galvanostatic):
        return earlier.mode.current > 0.0
    return isinstance(step.mode, Potentiostatic) and step.mode.voltage >= (low + high) / 2


def largest(bounds: Bounds) -> float:
    """Return the largest current of an envelope in A."""
    if bounds.current is None:
        raise SettingRefused("a voltage is not held without a current limit", safe=True)
    return max(abs(bounds.current[0]), abs(bounds.current[1]))


def endings(step: ProgramStep, ends: Iterable[Threshold]) -> dict[str, str]:
    """Return the limits that stand for ends: of several of one kind that which is met first."""
    chosen: dict[str, Threshold] = {}
    for end in ends:
        name = limit_of(step, end)
        other = chosen.get(name)
        if other is None or (end.value < other.value if end.above else end.value > other.value):
            chosen[name] = end
    return {name: valued(name, step, end.value) for name, end in chosen.items()}


def limit_of(step: ProgramStep, end: Threshold) -> str:
    """Return the name of the limit that stands for an end.

    Raises:
        SettingRefused: None does.
    """
    driven = Galvanostatic | ConstantPower | ConstantLoad
    match end.quantity, step.mode:
        case "time", _ if end.above:
            return "Time"
        case "charge", Galvanostatic() | Potentiostatic() | ConstantPower() | ConstantLoad() if end.above:
            return "Cap"
        case "current", Potentiostatic() if not end.above:
            return "Stop_Curr"
        case "voltage", mode if isinstance(mode, driven) and end.above == rises(step):
            return "Stop_Volt"
    side = "above" if end.above else "below"
    raise SettingRefused(
        f"line {step.line}: a Neware step file cannot end it by {end.quantity} {side} {end.value:g}", safe=True
    )


def rises(step: ProgramStep) -> bool:
    """Tell whether a step raises the voltage of the cell."""
    match step.mode:
        case Galvanostatic(value) | ConstantPower(value):
            return value > 0.0
    return False


def valued(name: str, step: ProgramStep, value: float) -> str:
    """Return the value of a limit as the file writes it."""
    match name:
        case "Time":
            looks = isinstance(step.mode, Rest) and value < SHORTEST_RECORD
            return str(round(1e3 * (SHORTEST_REST if looks else value)))
        case "Stop_Volt":
            return tenth_millivolt(value)
    return milli(value)


def recording(rules: Sequence[RecordRule]) -> str:
    """Return the one record rule that a step of a file has: the finest of all asked; what is too much is let go when it is read."""
    if not rules:
        return ""
    every = [rule.every for rule in rules if rule.every is not None]
    voltage = [rule.voltage for rule in rules if rule.voltage is not None]
    current = [rule.current for rule in rules if rule.current is not None]
    parts = {
        "Time": str(round(1e3 * max(min(every), SHORTEST_RECORD))) if every else None,
        "Volt": tenth_millivolt(min(voltage)) if voltage else None,
        "Curr": milli(min(current)) if current else None,
    }
    main = "".join(f'<{name} Value="{value}"/>' for name, value in parts.items() if value is not None)
    return f"<Record><Main>{main}</Main></Record>"


def envelope(all_bounds: Sequence[Bounds]) -> Bounds:
    """Return the envelope of the whole file: what every one of its steps allows, since a file has one."""
    voltages = [bounds.voltage for bounds in all_bounds if bounds.voltage is not None]
    currents = [bounds.current for bounds in all_bounds if bounds.current is not None]
    charges = [bounds.charge for bounds in all_bounds if bounds.charge is not None]
    voltage = (max(low for low, _ in voltages), min(high for _, high in voltages)) if voltages else None
    current = (max(low for low, _ in currents), min(high for _, high in currents)) if currents else None
    return Bounds(voltage, current, charge=min(charges, default=None))


def protection(bounds: Bounds) -> str:
    """Return the protection of the whole file; its capacity is that of one step.

    Raises:
        SettingRefused: There is no voltage limit.
    """
    if bounds.voltage is None:
        raise SettingRefused("a cycler is not started without a voltage limit", safe=True)
    low, high = (tenth_millivolt(value) for value in bounds.voltage)
    parts = f'<Volt><Upper Value="{high}"/><Lower Value="{low}"/></Volt>'
    if bounds.current is not None:
        parts += f'<Curr><Upper Value="{milli(bounds.current[1])}"/><Lower Value="{milli(bounds.current[0])}"/></Curr>'
    if bounds.charge is not None:
        parts += f'<Cap><Upper Value="{milli(bounds.charge)}"/></Cap>'
    return f"    <Whole_Prt><Protect><Main>{parts}</Main></Protect></Whole_Prt>"


def milli(value: float) -> str:
    """Write a value in thousandths, as short as it is exact: A in mA, C in mA s, W in mW, ohm in mohm."""
    return f"{value * 1e3:.9g}"


def tenth_millivolt(value: float) -> str:
    """Write a voltage in 0.1 mV."""
    return f"{value * 1e4:.9g}"
