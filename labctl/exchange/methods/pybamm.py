"""PyBaMM experiments: a Python expression of lists, tuples and strings, written as text and read without being run.

Facts: `pybamm.step.string`: "Charge at 1 A for 3600 s or until 4.2 V", "Hold at 4.2 V until 0.05 A", "Rest for 600 s"; a string
ends by a time, by one voltage or current, or by both; "(10 second period)" says how often it records. In the list of an experiment
a tuple is a cycle, and a string alone is a cycle of its own. A discharge is a step of its own word, not of a sign.
"""

import ast
import re
from collections.abc import Callable, Iterator

from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    EndQuantity,
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    StepKind,
    steps_in,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "pybamm"
SHORTEST = 1e-9  # of a decimal that is written
UNITS: dict[str, tuple[StepKind, float]] = {
    "A": ("current", 1.0), "mA": ("current", 1e-3), "V": ("voltage", 1.0), "mV": ("voltage", 1e-3), "W": ("power", 1.0),
    "mW": ("power", 1e-3), "Ohm": ("load", 1.0), "mOhm": ("load", 1e-3), "C": ("current", 1.0),
}  # fmt: skip
SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
}

# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return an experiment as text, and what it cannot say."""
    writer = _ExperimentWriter()
    body = writer.listed(method.items)
    if any(side is not None for side in (*method.voltage, *method.current)):
        writer.losses.add("limits", "", "limits")
    head = f'"""{method.name}, for pybamm.Experiment(experiment)."""'
    return f"{head}\n\nexperiment = {body}\n", writer.losses.all


class _ExperimentWriter:
    """Writes items as an expression."""

    def __init__(self) -> None:
        self.losses = LossList(NAME)

    def listed(self, items: tuple[MethodItem, ...], indent: str = "") -> str:
        """Return items outside a cycle as a sum of lists."""
        parts: list[str] = []
        deeper = indent + "    "
        for item in items:
            if isinstance(item, MethodStep):
                if (text := self.said(item)) is not None:
                    self.losses.add("no cycle", item.where, text)
                    parts.append(f'["{text}"]')
            elif item.cycle:
                if inner := self.tupled(item.items, deeper):
                    parts.append(f"[{inner}]" + (f" * {item.passes}" if item.passes != 1 else ""))
            elif (inner := self.listed(item.items, deeper)) != "[]":
                parts.append(f"({inner}) * {item.passes}")
        joined = f"\n{indent}    + ".join(parts)
        return f"(\n{indent}    {joined}\n{indent})" if parts else "[]"

    def tupled(self, items: tuple[MethodItem, ...], indent: str) -> str:
        """Return items inside a cycle as a sum of tuples; loops in it are part of the cycle."""
        parts: list[str] = []
        for item in items:
            if isinstance(item, MethodStep):
                if (text := self.said(item)) is not None:
                    parts.append(f'("{text}",)')
            elif inner := self.tupled(item.items, indent + "    "):
                parts.append(f"({inner}) * {item.passes}")
        return f"\n{indent}+ ".join(parts)

    def said(self, step: MethodStep) -> str | None:
        """Return a step in words, None where there are none for it."""
        match step.kind:
            case "rest":
                words = "Rest"
            case "current" | "power":
                unit = "A" if step.kind == "current" else "W"
                words = f"{'Charge' if step.value > 0 else 'Discharge'} at {decimal(abs(step.value))} {unit}"
            case "load":
                words = f"Discharge at {decimal(step.value)} Ohm"
            case "voltage" if not step.versus:
                words = f"Hold at {decimal(step.value)} V"
            case "voltage":
                self.losses.add("open circuit", step.where, step.kind)
                return None
            case _:
                self.losses.add(step.kind, step.where, step.kind)
                return None
        if step.most is not None:
            self.losses.add("most", step.where, f"at most {step.most:g} A")
        ends = self._ends(step)
        if not ends:
            self.losses.add("endless", step.where, step.kind)
            return None
        changes = ((step.record.voltage, "V"), (step.record.current, "A"))
        if lost := [f"{decimal(value)} {unit} apart" for value, unit in changes if value is not None]:
            self.losses.add("record", step.where, f"record {' or '.join(lost)}")
        period = f" ({decimal(step.record.every)} second period)" if step.record.every is not None else ""
        return f"{words} {ends}{period}"

    def _ends(self, step: MethodStep) -> str:
        seconds = step.end("time")
        time = None if seconds is None else seconds.value
        if (charge := step.end("charge")) is not None:
            if step.kind == "current":
                self.losses.add("charge", step.where, f"{charge.value / 3.6:g} mAh")
                time = min(charge.value / abs(step.value), time or float("inf"))
            else:
                self.losses.add("end", step.where, f"{charge.value / 3.6:g} mAh")
        other = self._other(step)
        parts = [] if time is None else [f"for {decimal(time)} seconds"]
        if other is not None:
            parts.append(f"until {decimal(other.value)} {'V' if other.quantity == 'voltage' else 'A'}")
        return " or ".join(parts)

    def _other(self, step: MethodStep) -> MethodEnd | None:
        """Return the one end beside its time that a step can have."""
        chosen = None
        for end in step.ends:
            if end.quantity in {"time", "charge"}:
                continue
            fits = step.kind != "rest" and (
                end.above == (step.value > 0)
                if end.quantity == "voltage" and step.kind in {"current", "power"}
                else not end.above
                if end.quantity == "current" or step.kind == "load"
                else False
            )
            if not fits:
                self.losses.add("wrong side", step.where, f"{end.quantity} {end.value:g}")
            elif chosen is not None:
                self.losses.add("second end", step.where, f"{end.quantity} {end.value:g}")
            else:
                chosen = end
        return chosen


def decimal(value: float) -> str:
    """Return a number without an exponent, which the strings do not take, to nine digits."""
    text = f"{value:.9g}"
    if "e" in text:
        text = f"{value:.18f}"
        whole = re.match(r"-?\d*\.0*\d{1,9}", text)
        text = whole[0] if whole else text
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- read ---


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of an experiment: an expression of lists and tuples, `experiment = ...`, or one string a line.

    Nothing of it is run.

    Raises:
        VendorFileError: It is something else; the message names the line.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        items = tuple(_of_lines(text, name))
        return Method(name, items), ()
    reader = _ExperimentReader(name)
    body = [each for each in tree.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    if len(body) != 1 or not isinstance(body[0], ast.Assign | ast.Expr):
        raise VendorFileError(f"{name}: wanted one list of strings, found {len(body)} statements")
    items = reader.listed(body[0].value)
    if not any(True for _ in steps_in(items)):
        raise VendorFileError(f"{name}: wanted steps, found none")
    title = ast.get_docstring(tree) or name
    return Method(title.partition(", for pybamm")[0], items), ()


def _of_lines(text: str, name: str) -> Iterator[MethodItem]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].strip().strip('",')
        if words:
            yield step_of(words, f"{name}:{number}")


class _ExperimentReader:
    """Reads an expression of lists, tuples, strings, sums and products with whole numbers."""

    def __init__(self, name: str) -> None:
        self.name = name

    def listed(self, node: ast.expr) -> tuple[MethodItem, ...]:
        """Return the items of a list: a tuple in it is a cycle."""
        return self._items(node, ast.List, self._element)

    def _items(
        self, node: ast.expr, kind: type[ast.List | ast.Tuple], element: Callable[[ast.expr], MethodItem]
    ) -> tuple[MethodItem, ...]:
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements) if isinstance(node, kind):
                return tuple(element(each) for each in elements)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return (*self._items(left, kind, element), *self._items(right, kind, element))
            case ast.BinOp(op=ast.Mult(), left=left, right=ast.Constant(value=int() as passes)) if passes > 0:
                inner = self._items(left, kind, element)
                if len(inner) == 1 and isinstance(inner[0], MethodLoop) and inner[0].cycle:
                    return (MethodLoop(passes * inner[0].passes, inner[0].items, cycle=True),)
                return (MethodLoop(passes, inner),)
        raise self._wrong(node)

    def _element(self, node: ast.expr) -> MethodItem:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._step(node)
        return MethodLoop(1, self._items(node, ast.Tuple, self._step), cycle=True)

    def _step(self, node: ast.expr) -> MethodStep:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return step_of(node.value, f"{self.name}:{node.lineno}")
        raise self._wrong(node)

    def _wrong(self, node: ast.expr) -> VendorFileError:
        found = ast.unparse(node)[:60]
        return VendorFileError(f"{self.name}:{node.lineno}: wanted lists and tuples of strings, found {found}")


def step_of(text: str, where: str) -> MethodStep:
    """Return the step that a string stands for.

    Raises:
        VendorFileError: It stands for none.
    """
    match = re.fullmatch(
        r"(Rest|(?:Charge|Discharge|Hold) at (?P<set>[^()]+?))(?: for (?P<time>[^()]+?))?(?:(?: or)? until (?P<until>[^()]+?))?"
        r"(?: \((?P<period>.+) period\))?",
        text.strip(),
    )
    if match is None or not (match["time"] or match["until"]):
        raise VendorFileError(f"{where}: wanted a step such as Charge at 1 A until 4.2 V, found {text[:60]!r}")
    word = text.split(maxsplit=1)[0]
    kind, value, relative = ("rest", 0.0, False) if match["set"] is None else electric(match["set"], where)
    if (word == "Hold") != (kind == "voltage"):
        raise VendorFileError(
            f"{where}: wanted Hold with a voltage, or Charge and Discharge with another, found {text[:60]!r}"
        )
    value = -value if word == "Discharge" and kind in {"current", "power"} else value
    ends = []
    if match["time"]:
        ends.append(MethodEnd("time", above=True, value=seconds(match["time"], where)))
    if match["until"]:
        ends.append(_until(match["until"], kind, value, where))
    every = seconds(match["period"], where) if match["period"] else None
    return MethodStep(kind, value, tuple(ends), MethodRecord(every), relative=relative, where=where)  # type: ignore[arg-type]


def _until(text: str, kind: str, value: float, where: str) -> MethodEnd:
    sign = re.match(r"\s*([<>])", text)
    quantity, limit, relative = electric(text.replace("<", "").replace(">", ""), where)
    if quantity not in {"voltage", "current"}:
        raise VendorFileError(f"{where}: wanted a voltage or a current after until, found {text!r}")
    above = sign[1] == ">" if sign else quantity == "voltage" and kind != "load" and value > 0
    named: EndQuantity = "voltage" if quantity == "voltage" else "current"
    return MethodEnd(named, above, abs(limit) if named == "current" else limit, relative)


def electric(text: str, where: str) -> tuple[StepKind, float, bool]:
    """Return what a quantity is of, its SI value, and whether it is a rate: multiples of 1C.

    Raises:
        VendorFileError: It is none.
    """
    if (rate := re.fullmatch(r"\s*C\s*/\s*([\d.]+)\s*", text)) is not None and float(rate[1]):
        return "current", 1.0 / float(rate[1]), True
    match = re.fullmatch(r"\s*(-?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None or match[2] not in UNITS:
        raise VendorFileError(f"{where}: wanted a number in A, C, V, W or Ohm, found {text.strip()!r}")
    kind, factor = UNITS[match[2]]
    return kind, float(match[1]) * factor, match[2] == "C"


def seconds(text: str, where: str) -> float:
    """Return a time in s.

    Raises:
        VendorFileError: It is none.
    """
    match = re.fullmatch(r"\s*([\d.]+(?:[eE][-+]?\d+)?)\s*([a-z]+?)s?\s*", text)
    unit = None if match is None else SECONDS.get(match[2] or "s")
    if match is None or unit is None:
        raise VendorFileError(f"{where}: wanted a time in seconds, minutes or hours, found {text.strip()!r}")
    return float(match[1]) * unit
