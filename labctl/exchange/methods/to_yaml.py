"""A method as a protocol file of ours, which `labctl check` accepts."""

import json
from collections.abc import Iterable, Iterator

from labctl.exchange.methods.loss import MethodLoss
from labctl.exchange.methods.outline import (
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    steps_in,
)

PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def protocol_text(method: Method, source: str, losses: Iterable[MethodLoss] = ()) -> str:
    """Return the text of a protocol file; what was lost on the way stands above it as comments.

    Args:
        method: To write.
        source: Of what it was read, for people.
        losses: What the file said and the protocol does not.
    """
    limits = list(_limits(method))
    lines = [f"# Read from {source}.", *(f"# Not taken over: {each}" for each in losses)]
    lines += ["labctl: 1", f"name: {json.dumps(method.name, ensure_ascii=False)}"]
    if limits:
        lines.append(f"limits: {{{', '.join(limits)}}}")
    if record := _record(_common(method)):
        lines.append(f"record: {record}")
    lines += ["steps:", *_items(method.items, "  ", _common(method))]
    return "\n".join(lines) + "\n"


def _limits(method: Method) -> Iterator[str]:
    for name, unit, (low, high) in (("voltage", "V", method.voltage), ("current", "A", method.current)):
        if low is not None and high is not None:
            yield f"{name}: [{quantity(low, unit)}, {quantity(high, unit)}]"
        elif low is not None or high is not None:
            side, value = ("min", low) if low is not None else ("max", high)
            yield f"{name}: {{{side}: {quantity(value or 0.0, unit)}}}"


def _common(method: Method) -> MethodRecord:
    """Return the rule that all steps share, one that asks for nothing where they differ."""
    rules = {step.record for step in steps_in(method.items)}
    return next(iter(rules)) if len(rules) == 1 else MethodRecord()


def _record(rule: MethodRecord) -> str:
    parts = [("every", rule.every, "s"), ("dV", rule.voltage, "V"), ("dI", rule.current, "A")]
    said = [f"{key}: {quantity(value, unit)}" for key, value, unit in parts if value is not None]
    return f"{{{', '.join(said)}}}" if said else ""


def _items(items: tuple[MethodItem, ...], indent: str, common: MethodRecord) -> Iterator[str]:
    for item in items:
        if isinstance(item, MethodLoop):
            yield f"{indent}- repeat: {item.passes}"
            if item.cycle:
                yield f"{indent}  cycle: true"
            yield f"{indent}  steps:"
            yield from _items(item.items, indent + "    ", common)
            continue
        yield f"{indent}- {_step(item)}"
        if item.record != common and (record := _record(item.record)):
            yield f"{indent}  record: {record}"


def _step(step: MethodStep) -> str:
    match step.kind:
        case "rest":
            if len(step.ends) == 1 and step.ends[0].quantity == "time":
                return f"rest: {quantity(step.ends[0].value, 's')}"
            return f"rest: {{{', '.join(_ends(step))}}}"
        case "current" | "power" | "load":
            verb = "charge" if step.value > 0 and step.kind != "load" else "discharge"
            key, unit = {"current": ("current", "A"), "power": ("power", "W"), "load": ("resistance", "Ohm")}[step.kind]
            value = rate(step.value) if step.relative else quantity(abs(step.value), unit)
            return f"{verb}: {{{', '.join([f'{key}: {value}', *_ends(step)])}}}"
        case "voltage":
            most = [] if step.most is None else [f"current: {quantity(step.most, 'A')}"]
            voltage = _voltage(step, "value", step.value)
            return f"hold: {{{', '.join([f'voltage: {voltage}', *most, *_ends(step)])}}}"
        case "sweep":
            start, end = _voltage(step, "start", step.start), _voltage(step, "value", step.value)
            parts = [f"from: {start}", f"to: {end}", f"rate: {quantity(step.rate, 'V')}/s", *_ends(step)]
            return f"lsv: {{{', '.join(parts)}}}"
    unit = "A" if step.galvanostatic else "V"
    parts = [f"from: {quantity(step.start, 'Hz')}", f"to: {quantity(step.stop, 'Hz')}"]
    parts += [f"amplitude: {quantity(step.amplitude, unit)}", f"per_decade: {step.per_decade}"]
    if not (step.versus and not step.value) and not (step.galvanostatic and not step.value):
        parts.append(f"at: {quantity(step.value, 'A') if step.galvanostatic else _voltage(step, 'value', step.value)}")
    return f"eis: {{{', '.join(parts)}}}"


def _voltage(step: MethodStep, name: str, value: float) -> str:
    if name not in step.versus:
        return quantity(value, "V")
    return f"{quantity(value, 'V')} vs ocv" if value else "ocv"


def _ends(step: MethodStep) -> Iterator[str]:
    """Give the ends of a step by their short keys, the others as one condition."""
    others: list[str] = []
    named: set[str] = set()
    for end in step.ends:
        key = _key(step, end)
        if key and key not in named:
            named.add(key)
            yield f"{key}: {_value(end)}"
        else:
            others.append(
                f"{'capacity' if end.quantity == 'charge' else end.quantity} {'>' if end.above else '<'} {_value(end)}"
            )
    if others:
        yield f'until: "{" or ".join(others)}"'


def _key(step: MethodStep, end: MethodEnd) -> str:
    """Return the short key of an end, "" where it is a condition."""
    driven = step.kind in {"current", "power", "load"}
    rises = step.value > 0 and step.kind != "load"
    if end.quantity == "time" and end.above:
        return "for"
    if end.quantity == "charge" and end.above and driven:
        return "capacity"
    return "to" if end.quantity == "voltage" and driven and end.above == rises else ""


def _value(end: MethodEnd) -> str:
    if end.relative:
        return rate(end.value)
    if end.quantity == "charge":
        return quantity(end.value / 3600.0, "Ah")
    return quantity(end.value, {"time": "s", "voltage": "V", "current": "A"}[end.quantity])


def rate(value: float) -> str:
    """Return multiples of 1C as the language has them."""
    return f"{decimals(abs(value))}C"


def quantity(value: float, unit: str) -> str:
    """Return a number with its unit, prefixed so that it is short: 50 uA, 3600 s, 1 MHz."""
    if unit == "s" or not value:
        return f"{decimals(value)} {unit}"
    if unit == "Hz" and abs(value) >= 1e3:
        factor, prefix = (1e6, "M") if abs(value) >= 1e6 else (1e3, "k")
        return f"{decimals(value / factor)} {prefix}Hz"
    factor, prefix = next((pair for pair in PREFIXES if abs(value) >= pair[0]), PREFIXES[-1])
    return f"{decimals(value / factor)} {prefix}{unit}"


def decimals(value: float) -> str:
    """Return a number to nine digits, without an exponent."""
    text = f"{value:.9g}"
    return f"{value:.12f}".rstrip("0").rstrip(".") if "e" in text else text
