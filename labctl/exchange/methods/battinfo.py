"""Protocols as linked data in the words of EMMO's battery domain (BattINFO, JSON-LD), written and read.

Facts: what aurora-unicycler 0.4.6 writes. A task names its quantities as inputs and what comes after it as `hasNext`; a loop is an
`IterativeWorkflow` whose `hasTask` is done so many times. It is a description for archives and papers: no cycler runs it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labctl.errors import UsageError
from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    EndQuantity,
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodStep,
    steps_in,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "battinfo"
MOST = 400  # tasks one after the other: each is written inside the one before it
CONTEXT = [
    "https://w3id.org/emmo/domain/battery/context",
    {"emmo": "https://w3id.org/emmo#", "echem": "https://w3id.org/emmo/domain/electrochemistry#"},
]
ENDS: dict[tuple[EndQuantity, bool], str] = {
    ("voltage", True): "UpperVoltageLimit", ("voltage", False): "LowerVoltageLimit", ("current", False): "LowerCurrentLimit",
    ("current", True): "UpperCurrentLimit",
}  # fmt: skip
QUANTITIES = {word: pair for pair, word in ENDS.items()}
UNITS = {
    "emmo:Second": 1.0, "emmo:Minute": 60.0, "emmo:Hour": 3600.0, "emmo:Volt": 1.0, "emmo:MilliVolt": 1e-3, "emmo:Ampere": 1.0,
    "emmo:MilliAmpere": 1e-3, "emmo:MicroAmpere": 1e-6, "emmo:UnitOne": 1.0,
}  # fmt: skip

# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a protocol as JSON-LD, and what it cannot say.

    Raises:
        UsageError: Nothing of it can be said, or more tasks follow each other than can be written into each other.
    """
    writer = _WorkflowWriter()
    if any(side is not None for side in (*method.voltage, *method.current)):
        writer.losses.add("limits", "", "limits")
    if any(
        step.record.every is not None or step.record.voltage or step.record.current for step in steps_in(method.items)
    ):
        writer.losses.add("record", "", "record rules")
    task = writer.chained(method.items)
    if task is None:
        raise UsageError("wanted a step that BattINFO can say, found none")
    whole = {"@context": CONTEXT, "schema:name": method.name, **task}
    return json.dumps(whole, ensure_ascii=False) + "\n", writer.losses.all


def quantity(kind: object, value: float, unit: str) -> dict[str, object]:
    """Return a quantity as the ontology has it."""
    return {
        "@type": kind,
        "hasNumericalPart": {"@type": "RealData", "hasNumberValue": value},
        "hasMeasurementUnit": unit,
    }


class _WorkflowWriter:
    """Writes items as tasks, each of which names the next."""

    def __init__(self) -> None:
        self.losses = LossList(NAME)

    def chained(self, items: tuple[MethodItem, ...]) -> dict[str, object] | None:
        """Return the first task of items with the others behind it, None where there is none."""
        tasks = list(self._tasks(items))
        if len(tasks) > MOST:
            raise UsageError(f"wanted at most {MOST} tasks one after the other, found {len(tasks)}")
        following: dict[str, object] | None = None
        for task in reversed(tasks):
            following = task if following is None else {**task, "hasNext": following}
        return following

    def _tasks(self, items: tuple[MethodItem, ...]) -> Iterator[dict[str, object]]:
        """Give the tasks of items; a loop of one pass is its tasks."""
        for item in items:
            if isinstance(item, MethodStep):
                if (task := self._step(item)) is not None:
                    yield task
                continue
            where = next((step.where for step in steps_in(item.items)), "")
            if item.cycle:
                self.losses.add("cycle", where, "cycle")
            if item.passes == 1:
                yield from self._tasks(item.items)
            elif (inner := self.chained(item.items)) is None:
                self.losses.add("empty", where, "a loop")
            else:
                count = quantity("NumberOfIterations", item.passes, "emmo:UnitOne")
                yield {"@type": "IterativeWorkflow", "hasInput": [count], "hasTask": inner}

    def _step(self, step: MethodStep) -> dict[str, object] | None:
        inputs: list[dict[str, object]] = []
        match step.kind:
            case "rest":
                kind = "OpenCircuitHold"
            case "current":
                kind = "ConstantCurrentCharging" if step.value > 0 else "ConstantCurrentDischarging"
                inputs.append(quantity("ElectricCurrent", 1e3 * abs(step.value), "emmo:MilliAmpere"))
            case "voltage" if not step.versus:
                kind = "VoltageHold"
                inputs.append(quantity("Voltage", step.value, "emmo:Volt"))
            case _:
                self.losses.add("open circuit" if step.kind == "voltage" else step.kind, step.where, step.kind)
                return None
        if step.most is not None:
            self.losses.add("most", step.where, f"at most {step.most:g} A")
        ends = list(self._ends(step))
        if not ends:
            self.losses.add("endless", step.where, step.kind)
            return None
        return {"@type": kind, "hasInput": [*inputs, *ends]}

    def _ends(self, step: MethodStep) -> Iterator[dict[str, object]]:
        for end in step.ends:
            if end.quantity == "charge":
                self.losses.add("charge" if step.kind == "current" else "end", step.where, f"{end.value / 3.6:g} mAh")
                if step.kind == "current":
                    yield quantity("Duration", end.value / abs(step.value), "emmo:Second")
            elif end.quantity == "time":
                yield quantity("Duration", end.value, "emmo:Second")
            else:
                kind = [ENDS[end.quantity, end.above], "TerminationQuantity"]
                voltage = end.quantity == "voltage"
                yield quantity(
                    kind, end.value if voltage else 1e3 * end.value, "emmo:Volt" if voltage else "emmo:MilliAmpere"
                )


# --- read ---


def is_linked(text: str) -> bool:
    """Tell whether a text is linked data."""
    return text.lstrip().startswith("{") and '"@context"' in text[:4096]


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of a workflow, and what of it is left out.

    Raises:
        VendorFileError: It is none; the message names the task.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VendorFileError(f"{name}: wanted JSON, found {error}") from error
    if not isinstance(whole, dict):
        raise VendorFileError(f"{name}: wanted a workflow in braces, found {type(whole).__name__}")
    reader = _WorkflowReader(name)
    items = reader.items(whole, 0)
    return Method(str(whole.get("schema:name") or name), items), reader.losses.all


class _WorkflowReader:
    """Reads tasks that follow each other, and loops in them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.losses = LossList(NAME)
        self._count = 0

    def items(self, task: object, depth: int) -> tuple[MethodItem, ...]:
        """Return a task and those after it.

        Raises:
            VendorFileError: One of them is not known.
        """
        if depth > 50:
            raise VendorFileError(f"{self.name}: wanted at most 50 loops in each other, found more")
        done: list[MethodItem] = []
        while task is not None:
            self._count += 1
            where = f"{self.name}: task {self._count}"
            if not isinstance(task, dict):
                raise VendorFileError(f"{where}: wanted a task in braces, found {str(task)[:40]}")
            try:
                done.append(self._item(task, where, depth))
            except (KeyError, TypeError, ValueError) as error:
                raise VendorFileError(
                    f"{where}: wanted {task.get('@type')} with its quantities, found {error!r}"
                ) from error
            task = task.get("hasNext")
        return tuple(done)

    def _item(self, task: Mapping[str, Any], where: str, depth: int) -> MethodItem:
        kind = task.get("@type")
        given = dict(self._inputs(task))
        if kind == "IterativeWorkflow":
            return MethodLoop(int(given["NumberOfIterations"]), self.items(task["hasTask"], depth + 1))
        ends = [MethodEnd("time", above=True, value=given["Duration"])] if "Duration" in given else []
        ends += [MethodEnd(*QUANTITIES[word], value) for word, value in given.items() if word in QUANTITIES]
        for word in given.keys() - {"Duration", "ElectricCurrent", "Voltage", *QUANTITIES}:
            self.losses.add("model", where, f"{word} {given[word]:g}")
        match kind:
            case "OpenCircuitHold":
                return MethodStep("rest", 0.0, tuple(ends), where=where)
            case "ConstantCurrentCharging" | "ConstantCurrentDischarging":
                sign = 1.0 if kind == "ConstantCurrentCharging" else -1.0
                return MethodStep("current", sign * given["ElectricCurrent"], tuple(ends), where=where)
            case "VoltageHold":
                return MethodStep("voltage", given["Voltage"], tuple(ends), where=where)
        raise VendorFileError(f"{where}: wanted a rest, a current, a hold or a loop, found {str(kind)[:40]}")

    @staticmethod
    def _inputs(task: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        for each in task.get("hasInput", ()):
            kind = each["@type"]
            word = kind if isinstance(kind, str) else next(word for word in kind if word != "TerminationQuantity")
            unit = each["hasMeasurementUnit"]
            if unit not in UNITS:
                raise ValueError(f"the unit {unit}")
            yield str(word), float(f"{float(each['hasNumericalPart']['hasNumberValue']) * UNITS[unit]:.12g}")
