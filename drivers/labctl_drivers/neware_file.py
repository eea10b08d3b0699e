"""A program as a Neware step file (BTS 8, version 17).

Facts: step files of BTS 8.0. Every value is an attribute `Value`; voltage in 0.1 mV, time in ms, current in mA and always positive,
capacity in mA s; the last step is of type 6, a step of type 5 goes back to `Start_Step` and holds the total number of cycles.
What the cycler's language cannot say is refused, never approximated.
"""

from collections.abc import Sequence
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


def step_file(program: Program, most_current: float = 6.0, version: str = "17") -> str:
    """Return the XML of a program.

    Raises:
        SettingRefused: A step asks for what a step file cannot say.
    """
    for step in program.steps:
        if (
            isinstance(step, ProgramStep)
            and isinstance(step.mode, Galvanostatic)
            and abs(step.mode.current) > most_current
        ):
            found = f"{step.mode.current:g} A, the device gives {most_current:g} A"
            raise SettingRefused(f"line {step.line}: wanted {found}", safe=True)
    bounds = tightest([step.bounds for step in program.steps if isinstance(step, ProgramStep)])
    rows = [written(number, step) for number, step in enumerate(program.steps, 1)]
    rows.append(f'      <Step{len(rows) + 1} Step_ID="{len(rows) + 1}" Step_Type="{END}"/>')
    head = '    <Head_Info><Operate Value="66"/><Scale Value="1"/><Start_Step Value="1" Hide_Ctrl_Step="0"/>'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<root>",
        f'  <config type="Step File" version="{version}" client_version="BTS Client 8.0.0" date="20260101000000" Guid="">',
        f'{head}<Creator Value="labctl"/><Remark Value={quoteattr(program.label)}/><RateType Value="103"/></Head_Info>',
        protection(bounds),
        f'    <Step_Info Num="{len(rows)}">',
        *rows,
        "    </Step_Info>",
        "  </config>",
        "</root>",
    ]
    return "\n".join(lines) + "\n"


def written(number: int, step: ProgramStep | Loop) -> str:
    """Return one step element."""
    if isinstance(step, Loop):
        other = f'<Other><Start_Step Value="{step.to + 1}"/><Cycle_Count Value="{step.passes}"/></Other>'
        return f'      <Step{number} Step_ID="{number}" Step_Type="{CYCLE}"><Limit>{other}</Limit></Step{number}>'
    kind, limits = set_point(step)
    for end in step.ends:
        limits |= ending(step, end)
    main = "".join(f'<{name} Value="{value}"/>' for name, value in limits.items())
    head = f'      <Step{number} Step_ID="{number}" Step_Type="{kind}">'
    return f"{head}<Limit><Main>{main}</Main></Limit>{recording(step.record)}</Step{number}>"


def set_point(step: ProgramStep) -> tuple[int, dict[str, str]]:
    """Return the step type and its set-point."""
    match step.mode:
        case Rest():
            return REST, {}
        case Galvanostatic(current):
            return (1 if current > 0 else 2), {"Curr": milli(abs(current))}
        case Potentiostatic(voltage, most):
            most = most if most is not None else largest(step.bounds)
            return (3 if charges(step) else 19), {"Volt": tenth_millivolt(voltage), "Curr": milli(most)}
        case ConstantPower(power):
            return (9 if power > 0 else 8), {"Power": milli(abs(power))}
        case ConstantLoad(resistance):
            return 10, {"Res": milli(resistance)}
    raise SettingRefused(f"line {step.line}: a Neware step file has no {type(step.mode).__name__}", safe=True)


def charges(step: ProgramStep) -> bool:
    """Tell whether a constant-voltage step lies in the upper half of its envelope: there it charges."""
    low, high = step.bounds.voltage or (0.0, 0.0)
    return isinstance(step.mode, Potentiostatic) and step.mode.voltage >= (low + high) / 2


def largest(bounds: Bounds) -> float:
    """Return the largest current of an envelope in A."""
    if bounds.current is None:
        raise SettingRefused("a voltage is not held without a current limit", safe=True)
    return max(abs(bounds.current[0]), abs(bounds.current[1]))


def ending(step: ProgramStep, end: Threshold) -> dict[str, str]:
    """Return the limit that stands for an end."""
    rising = isinstance(step.mode, Galvanostatic) and step.mode.current > 0
    match end.quantity, step.mode:
        case "time", Rest() if end.above:
            return {"Time": str(round(1e3 * max(end.value, SHORTEST_REST)))}
        case "time", _ if end.above:
            return {"Time": str(round(1e3 * end.value))}
        case "charge", Galvanostatic() | Potentiostatic() | ConstantPower() | ConstantLoad() if end.above:
            return {"Cap": milli(end.value)}
        case "current", Potentiostatic() if not end.above:
            return {"Stop_Curr": milli(end.value)}
        case "voltage", Galvanostatic() | ConstantPower() | ConstantLoad() if end.above == rising:
            return {"Stop_Volt": tenth_millivolt(end.value)}
    side = "above" if end.above else "below"
    raise SettingRefused(
        f"line {step.line}: a Neware step file cannot end it by {end.quantity} {side} {end.value:g}", safe=True
    )


def recording(rules: Sequence[RecordRule]) -> str:
    """Return the record rule: a step file has one for the whole step, so the first that asks for a time is taken."""
    if not rules:
        return ""
    if len(rules) > 1:
        raise SettingRefused("a Neware step file has one record rule a step", safe=True)
    rule = rules[0]
    parts = {"Time": None if rule.every is None else str(round(1e3 * rule.every))}
    parts["Volt"] = None if rule.voltage is None else tenth_millivolt(rule.voltage)
    parts["Curr"] = None if rule.current is None else milli(rule.current)
    main = "".join(f'<{name} Value="{value}"/>' for name, value in parts.items() if value is not None)
    return f"<Record><Main>{main}</Main></Record>"


def tightest(all_bounds: Sequence[Bounds]) -> Bounds:
    """Return the envelope of the whole file: the widest of its steps, since each step is inside it."""
    voltages = [bounds.voltage for bounds in all_bounds if bounds.voltage is not None]
    currents = [bounds.current for bounds in all_bounds if bounds.current is not None]
    voltage = (min(low for low, _ in voltages), max(high for _, high in voltages)) if voltages else None
    current = (min(low for low, _ in currents), max(high for _, high in currents)) if currents else None
    return Bounds(voltage, current)


def protection(bounds: Bounds) -> str:
    """Return the protection of the whole file.

    Raises:
        SettingRefused: There is no voltage limit.
    """
    if bounds.voltage is None:
        raise SettingRefused("a cycler is not started without a voltage limit", safe=True)
    low, high = (tenth_millivolt(value) for value in bounds.voltage)
    volt = f'<Volt><Upper Value="{high}"/><Lower Value="{low}"/></Volt>'
    curr = ""
    if bounds.current is not None:
        curr = f'<Curr><Upper Value="{milli(bounds.current[1])}"/><Lower Value="{milli(bounds.current[0])}"/></Curr>'
    return f"    <Whole_Prt><Protect><Main>{volt}{curr}</Main></Protect></Whole_Prt>"


def milli(value: float) -> str:
    """Write a value in thousandths, as short as it is exact: A in mA, C in mA s, W in mW, ohm in mohm."""
    return f"{value * 1e3:.9g}"


def tenth_millivolt(value: float) -> str:
    """Write a voltage in 0.1 mV."""
    return f"{value * 1e4:.9g}"
