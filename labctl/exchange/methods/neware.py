"""Neware step files (BTS 8 XML), read.

Facts: step files of BTS 8.0. Every value is an attribute `Value`: voltage in 0.1 mV, time in ms, current in mA and always positive,
power in mW, resistance in mohm, capacity in mA s. A step of type 5 goes back to `Start_Step`, and its count is the total of passes;
type 6 is the end; types 7 and 20 are a current and the hold of its voltage as one step, under ends that count over both.
"""

import re
import xml.etree.ElementTree as ET
from typing import Final

from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    EndQuantity,
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "neware"
CHARGES, DISCHARGES = {1, 3, 7, 9}, {2, 8, 10, 19, 20}
REST, LOOP, END = 4, 5, 6
FACTORS: Final = {
    "Time": 1e-3, "Volt": 1e-4, "Stop_Volt": 1e-4, "Curr": 1e-3, "Stop_Curr": 1e-3, "Cap": 1e-3, "Power": 1e-3, "Res": 1e-3,
}  # fmt: skip
"""SI of one unit of a value; what has none is left out and told."""


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
    return Method(title or name, items, volt, current), reader.losses.all


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
