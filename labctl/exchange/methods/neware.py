"""Neware step files (BTS 8 XML), written and read.

Facts: step files of BTS 8.0. Every value is an attribute `Value`: voltage in 0.1 mV, time in ms, current in mA and always positive,
power in mW, resistance in mohm, capacity in mA s. A step of type 5 goes back to `Start_Step`, and its count is the total of passes;
type 6 is the end; types 7 and 20 are a current and the hold of its voltage as one step, under ends that count over both.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from typing import Final
from xml.sax.saxutils import quoteattr

from labctl.errors import UsageError
from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    EndQuantity,
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    steps_in,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "neware"
MOST_STEPS = 250
HEAD = '<Head_Info><Operate Value="66"/><Scale Value="1"/><Start_Step Value="1" Hide_Ctrl_Step="0"/>'
CHARGES, DISCHARGES = {1, 3, 7, 9}, {2, 8, 10, 19, 20}
REST, LOOP, END = 4, 5, 6
FACTORS: Final = {
    "Time": 1e-3, "Volt": 1e-4, "Stop_Volt": 1e-4, "Curr": 1e-3, "Stop_Curr": 1e-3, "Cap": 1e-3, "Power": 1e-3, "Res": 1e-3,
}  # fmt: skip
"""SI of one unit of a value; what has none is left out and told."""


# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a step file, and what it cannot say.

    Raises:
        UsageError: It has more steps than a step file holds.
    """
    trial = _StepFileWriter(MethodRecord())
    trial.rows(method.items)
    common = Counter(trial.rules).most_common(1)
    writer = _StepFileWriter(common[0][0] if common else MethodRecord())
    rows = writer.rows(method.items)
    if len(rows) >= MOST_STEPS:
        raise UsageError(f"wanted at most {MOST_STEPS} steps of a Neware step file, found {len(rows) + 1}")
    rows.append(f'<Step{len(rows) + 1} Step_ID="{len(rows) + 1}" Step_Type="{END}"/>')
    capacity = (
        "" if method.capacity is None else f'<RateType Value="103"/><MultCap Value="{number(1e3 * method.capacity)}"/>'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<root><config type="Step File" version="17" client_version="BTS Client 8.0.0" date="20260101000000" Guid="">',
        f'{HEAD}<Creator Value="labctl"/><Remark Value={quoteattr(method.name)}/>{capacity}</Head_Info>',
        f"<Whole_Prt><Protect><Main>{_limits(method)}</Main></Protect>{_recording(writer.common)}</Whole_Prt>",
        f'<Step_Info Num="{len(rows)}">',
        *rows,
        "</Step_Info></config></root>",
    ]
    return "\n".join(lines) + "\n", writer.losses.all


def _limits(method: Method) -> str:
    parts = ""
    for tag, factor, (low, high) in (("Volt", 1e4, method.voltage), ("Curr", 1e3, method.current)):
        sides = "".join(
            f'<{side} Value="{number(factor * value)}"/>'
            for side, value in (("Upper", high), ("Lower", low))
            if value is not None
        )
        parts += f"<{tag}>{sides}</{tag}>" if sides else ""
    return parts


def _recording(rule: MethodRecord) -> str:
    values = (("Time", rule.every, 1e3), ("Volt", rule.voltage, 1e4), ("Curr", rule.current, 1e3))
    said = "".join(f'<{tag} Value="{number(factor * value)}"/>' for tag, value, factor in values if value is not None)
    return f"<Record><Main>{said}</Main></Record>" if said else ""


class _StepFileWriter:
    """Writes items as numbered steps, a loop as the step that goes back."""

    def __init__(self, common: MethodRecord) -> None:
        self.losses = LossList(NAME)
        self.common = common  # the rule that the whole file has: a step says its own where it differs
        self.rules: list[MethodRecord] = []

    def rows(self, items: tuple[MethodItem, ...], done: int = 0, sign: float = 1.0) -> list[str]:
        """Return the elements of items that begin after so many."""
        rows: list[str] = []
        for item in items:
            number = done + len(rows) + 1
            if isinstance(item, MethodStep):
                sign = item.value if item.kind in {"current", "power"} else sign
                if (inner := self._inner(item, sign)) is not None:
                    rows.append(f'<Step{number} Step_ID="{number}" {inner}</Step{number}>')
                continue
            where = next((step.where for step in steps_in(item.items)), "")
            if item.cycle:
                self.losses.add("cycle", where, "cycle")
            inside = self.rows(item.items, done + len(rows), sign)
            rows += inside
            if not inside:
                self.losses.add("empty", where, "a loop")
            elif item.passes > 1:
                at = number + len(inside)
                other = f'<Start_Step Value="{number}"/><Cycle_Count Value="{item.passes}"/>'
                rows.append(
                    f'<Step{at} Step_ID="{at}" Step_Type="{LOOP}"><Limit><Other>{other}</Other></Limit></Step{at}>'
                )
        return rows

    def _inner(self, step: MethodStep, sign: float) -> str | None:
        """Return type and content of a step, None where there is none for it; a hold goes the way of the step before."""
        values: dict[str, float]
        match step.kind:
            case "rest":
                kind, values = REST, {}
            case "current":
                kind, values = (1 if step.value > 0 else 2), {"Curr": abs(step.value)}
            case "voltage" if not step.versus:
                kind, values = (3 if sign > 0 else 19), {"Volt": step.value}
                if step.most is not None:
                    values["Curr"] = step.most
            case "power":
                kind, values = (9 if step.value > 0 else 8), {"Power": abs(step.value)}
            case "load":
                kind, values = 10, {"Res": step.value}
            case _:
                self.losses.add("open circuit" if step.kind == "voltage" else step.kind, step.where, step.kind)
                return None
        ends = self._ends(step)
        if not ends:
            self.losses.add("endless", step.where, step.kind)
            return None
        self.rules.append(step.record)
        main = "".join(f'<{tag} Value="{number(value / FACTORS[tag])}"/>' for tag, value in (values | ends).items())
        record = "" if step.record == self.common else _recording(step.record)
        return f'Step_Type="{kind}"><Limit><Main>{main}</Main></Limit>{record}'

    def _ends(self, step: MethodStep) -> dict[str, float]:
        """Return the ends that a step of its kind has; of several of one kind the one that is met first."""
        rises = step.value > 0 and step.kind != "load"
        able = {"current": ("time", "charge", "voltage"), "power": ("time", "charge", "voltage"),
                "load": ("time", "charge", "voltage"), "voltage": ("time", "charge", "current"), "rest": ("time",)}  # fmt: skip
        ends: dict[str, float] = {}
        for end in step.ends:
            towards = {"time": True, "charge": True, "voltage": rises, "current": False}[end.quantity] == end.above
            tag = {"time": "Time", "charge": "Cap", "voltage": "Stop_Volt", "current": "Stop_Curr"}[end.quantity]
            if end.quantity not in able[step.kind]:
                self.losses.add("end", step.where, f"{end.quantity} {end.value:g}")
            elif not towards:
                self.losses.add("wrong side", step.where, f"{end.quantity} {end.value:g}")
            elif tag in ends:
                self.losses.add("second end", step.where, f"{end.quantity} {end.value:g}")
                ends[tag] = (min if end.above else max)(ends[tag], end.value)
            else:
                ends[tag] = end.value
        return dict(sorted(ends.items(), key=lambda pair: list(FACTORS).index(pair[0])))


def number(value: float) -> str:
    """Return a number to twelve digits, without an exponent."""
    text = f"{value:.12g}"
    return f"{value:.12f}".rstrip("0").rstrip(".") if "e" in text else text


# --- read ---


def is_step_file(text: str) -> bool:
    """Tell whether a text is a step file."""
    return "<root" in text[:4096] and "Step_Info" in text


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of a step file, and what of it is left out.

    Raises:
        VendorFileError: It is none; the message names the step.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise VendorFileError(f"{name}: wanted a step file, found a document type of its own")
    try:
        root = ET.fromstring(text)  # noqa: S314 - no entities: they are refused above
    except ET.ParseError as error:
        raise VendorFileError(f"{name}: wanted XML, found {error}") from error
    whole = root.find(".//Whole_Prt")
    reader = _StepFileReader(name, MethodRecord() if whole is None else _record(whole))
    items = reader.items([each for each in root.iter() if re.fullmatch(r"Step\d+", each.tag)])
    remark = root.find(".//Remark")
    title = "" if remark is None else remark.get("Value", "")
    volt, current = (
        _pair(root.find(f".//Whole_Prt/Protect/Main/{kind}"), factor)
        for kind, factor in (("Volt", 1e-4), ("Curr", 1e-3))
    )
    capacity = _value(root, "config/Head_Info/MultCap")
    try:
        nominal = round(float(capacity) * 1e-3, 9) if capacity else None
    except ValueError as error:
        raise VendorFileError(f"{name}: wanted a capacity in mA s, found {capacity!r}") from error
    return Method(title or name, items, volt, current, nominal), reader.losses.all


def _pair(node: ET.Element | None, factor: float) -> tuple[float | None, float | None]:
    sides = [None if node is None else node.find(side) for side in ("Lower", "Upper")]
    low, high = (None if side is None else round(float(side.get("Value", "nan")) * factor, 9) for side in sides)
    return low, high


class _StepFileReader:
    """Reads the steps of a file with their loops as a tree."""

    def __init__(self, name: str, record: MethodRecord) -> None:
        self.name, self.record = name, record
        self.losses = LossList(NAME)

    def items(self, nodes: list[ET.Element]) -> tuple[MethodItem, ...]:
        """Return the steps with their loops.

        Raises:
            VendorFileError: A step is not known, or a loop goes nowhere.
        """
        done: list[tuple[int, MethodItem]] = []  # each with the number of its first step
        for at, node in enumerate(nodes, 1):
            where = f"{self.name}: step {at}"
            try:
                kind = int(node.get("Step_Type", ""))
                if kind == LOOP:
                    back = int(_value(node, "Limit/Other/Start_Step") or 1)
                    passes = int(_value(node, "Limit/Other/Cycle_Count") or 0)
                    inner = tuple(item for first, item in done if first >= back)
                    if not inner or passes < 1:
                        raise VendorFileError(
                            f"{where}: wanted steps to go back to and a count, found {back} and {passes}"
                        )
                    done = [pair for pair in done if pair[0] < back]
                    done.append((back, MethodLoop(passes, inner)))
                elif kind != END:
                    done += [(at, step) for step in self._steps(kind, node, where)]
            except ValueError as error:
                raise VendorFileError(f"{where}: wanted numbers, found {error}") from error
        if not done:
            raise VendorFileError(f"{self.name}: wanted steps, found none")
        return tuple(item for _, item in done)

    def _steps(self, kind: int, node: ET.Element, where: str) -> list[MethodStep]:
        if kind not in {REST, *CHARGES, *DISCHARGES}:
            raise VendorFileError(f"{where}: wanted a type of step that is known, found {kind}")
        values = self._values(node, where)
        record, sign = self.record if node.find("Record") is None else _record(node), 1.0 if kind in CHARGES else -1.0
        time, charge = self._end(values, "Time", "time"), self._end(values, "Cap", "charge")
        both = (*time, *charge)
        cut = self._end(values, "Stop_Volt", "voltage", above=sign > 0)
        low = self._end(values, "Stop_Curr", "current", above=False)
        match kind:
            case 4:
                return [MethodStep("rest", 0.0, time, record, where=where)]
            case 1 | 2:
                return [MethodStep("current", sign * _wanted(values, "Curr"), (*both, *cut), record, where=where)]
            case 3 | 19:
                most = values.get("Curr")
                return [MethodStep("voltage", _wanted(values, "Volt"), (*both, *low), record, most=most, where=where)]
            case 7 | 20:
                if both:
                    self.losses.add("both parts", where, "a time or capacity of a current and its hold together")
                to = MethodEnd("voltage", above=sign > 0, value=_wanted(values, "Volt"))
                first = MethodStep("current", sign * _wanted(values, "Curr"), (*both, to), record, where=where)
                return [first, MethodStep("voltage", _wanted(values, "Volt"), (*both, *low), record, where=where)]
            case 10:
                return [MethodStep("load", _wanted(values, "Res"), (*both, *cut), record, where=where)]
        return [MethodStep("power", sign * _wanted(values, "Power"), (*both, *cut), record, where=where)]

    def _values(self, node: ET.Element, where: str) -> dict[str, float]:
        values: dict[str, float] = {}
        for child in node.findall("Limit/Main/*"):
            text = child.get("Value", "")
            if child.tag in FACTORS and text:
                values[child.tag] = round(float(text) * FACTORS[child.tag], 12)
            else:
                self.losses.add("model", where, f"{child.tag} {text}".strip())
        return values

    @staticmethod
    def _end(
        values: dict[str, float], name: str, quantity: EndQuantity, *, above: bool = True
    ) -> tuple[MethodEnd, ...]:
        return (MethodEnd(quantity, above, values[name]),) if values.get(name) else ()


def _wanted(values: dict[str, float], name: str) -> float:
    if name not in values:
        raise ValueError(f"no {name}")
    return values[name]


def _value(node: ET.Element, path: str) -> str:
    inner = node.find(path)
    return "" if inner is None else inner.get("Value", "")


def _record(node: ET.Element) -> MethodRecord:
    said = [
        (_value(node, f"Record/Main/{tag}"), factor) for tag, factor in (("Time", 1e-3), ("Volt", 1e-4), ("Curr", 1e-3))
    ]
    return MethodRecord(*(round(float(text) * factor, 12) if text else None for text, factor in said))
