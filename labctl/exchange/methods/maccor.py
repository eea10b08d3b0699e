"""Maccor procedures (`.000`, XML), written and read.

Facts: the procedures of BEEP (BTVersion 11). A step has a type and a mode in fields of eight characters, `Dischrge` among them;
each of its ends names the step that follows; `Do n` and `Loop n` are the begin and end of a loop, whose count is taken as the total
of its passes; `AdvCycle` counts a cycle. A current with a limit of voltage goes on as the hold of that voltage in the same step.
Times are `hh:mm:ss`, where a part that is nothing may be left out. Nothing was ever opened in Maccor's own program by us.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

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

NAME = "maccor"
MOST = 999  # steps: their numbers have three digits
ENDS: dict[EndQuantity, str] = {"time": "StepTime", "voltage": "Voltage ", "current": "Current "}
QUANTITIES: dict[str, EndQuantity] = {word.strip(): quantity for quantity, word in ENDS.items()}
DECIMALS = 9
BUILD = "".join(
    f"<{part}>{value}</{part}>" for part, value in (("major", 1), ("minor", 5), ("release", 7006), ("build", 32043))
)
HEAD = f"<BuildTestVersion>{BUILD}</BuildTestVersion><FileFormatVersion><BTVersion>11</BTVersion></FileFormatVersion>"

# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a procedure, and what it cannot say.

    Raises:
        UsageError: It has more steps than a procedure numbers.
    """
    writer = _ProcedureWriter(method)
    writer.add(method.items, 1.0)
    last = len(writer.steps) + 1
    if last > MOST:
        raise UsageError(f"wanted at most {MOST} steps of a Maccor procedure, found {last}")
    if any(side is not None for side in method.current):
        writer.losses.add("limits", "", f"current {method.current[0]} to {method.current[1]} A")
    steps = [step.replace("{END}", f"{last:03d}") for step in writer.steps]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>', '<?maccor-application progid="Maccor Procedure File"?>',
        "<MaccorTestProcedure>",
        f"<header>{HEAD}<ProcDesc><desc>{escape(method.name)}</desc></ProcDesc></header>",
        "<ProcSteps>", *steps, _bare("  End   "), "</ProcSteps>", "</MaccorTestProcedure>",
    ]  # fmt: skip
    return "\n".join(lines) + "\n", writer.losses.all


def _bare(kind: str, ends: str = "") -> str:
    """Return a step that imposes nothing."""
    return _framed(kind, " " * 8, "", "", ends, "", "", "")


def _framed(kind: str, mode: str, value: str, limits: str, ends: str, reports: str, span: str, option: str) -> str:
    """Return a step with its fields in their order."""
    parts = (
        ("StepType", kind), ("StepMode", mode), ("StepValue", value), ("Limits", limits), ("Ends", ends), ("Reports", reports),
        ("Range", span), ("Option1", option), ("Option2", option), ("Option3", option), ("StepNote", ""),
    )  # fmt: skip
    return "<TestStep>" + "".join(f"<{name}>{inner}</{name}>" for name, inner in parts) + "</TestStep>"


def _end(word: str, oper: str, step: str, value: str, safety: str = "") -> str:
    return (
        f"<EndEntry><EndType>{word}</EndType><SpecialType> </SpecialType><Oper>{escape(oper)}</Oper><Step>{step}</Step>"
        f"<Value>{value}</Value>{safety}</EndEntry>"
    )


class _ProcedureWriter:
    """Writes items as numbered steps; `{END}` stands for the number of the last one."""

    def __init__(self, method: Method) -> None:
        self.losses = LossList(NAME)
        self.steps: list[str] = []
        safety = "<ChanSafetyEnd>True</ChanSafetyEnd>"
        low, high = method.voltage
        self._safety = "".join(
            _end("Voltage ", oper, "{END}", decimal(value), safety)
            for oper, value in ((">= ", high), ("<= ", low)) if value is not None
        )  # fmt: skip

    def add(self, items: tuple[MethodItem, ...], sign: float) -> float:
        """Write items; return the direction in which the last of them goes, which a hold goes on with."""
        for item in items:
            if isinstance(item, MethodStep):
                sign = item.value if item.kind in {"current", "power"} else sign
                self._add_step(item, charging=sign > 0)
                continue
            level = _height(item)
            begin = len(self.steps)
            self.steps.append(_bare(f"  Do {level}  "))
            sign = self.add(item.items, sign)
            if len(self.steps) == begin + 1:
                self.steps.pop()
                self.losses.add("empty", next((step.where for step in steps_in(item.items)), ""), "a loop")
                continue
            if item.cycle:
                self.steps.append(_bare("AdvCycle"))
            following = f"{len(self.steps) + 2:03d}"
            self.steps.append(_bare(f" Loop {level} ", _end("Loop Cnt", " = ", following, str(item.passes))))
        return sign

    def _add_step(self, step: MethodStep, *, charging: bool) -> None:
        limits = ""
        match step.kind:
            case "rest":
                kind, mode, value = "  Rest  ", " " * 8, ""
            case "current":
                kind, mode, value = (" Charge " if step.value > 0 else "Dischrge"), "Current ", decimal(abs(step.value))
            case "voltage" if not step.versus:
                kind, mode, value = (" Charge " if charging else "Dischrge"), "Voltage ", decimal(step.value)
                limits = "" if step.most is None else f"<Current>{decimal(step.most)}</Current>"
            case _:
                out = step.kind if step.kind != "voltage" else "open circuit"
                self.losses.add(out, step.where, step.kind)
                return
        following = f"{len(self.steps) + 2:03d}"
        ends = "".join(self._ends(step, following))
        if not ends:
            self.losses.add("endless", step.where, step.kind)
            return
        self.steps.append(_framed(kind, mode, value, limits, ends + self._safety, _reports(step.record), "A", "N"))

    def _ends(self, step: MethodStep, following: str) -> Iterator[str]:
        """Give the ends of a step; a charge is the time in which its current passes it."""
        for end in step.ends:
            quantity, value = end.quantity, end.value
            if quantity == "charge":
                self.losses.add("charge" if step.kind == "current" else "end", step.where, f"{value / 3.6:g} mAh")
                if step.kind != "current":
                    continue
                quantity, value = "time", value / abs(step.value)
            if quantity == "time":
                yield _end("StepTime", " = ", following, clock(value))
            else:
                yield _end(ENDS[quantity], ">= " if end.above else "<= ", following, decimal(value))


def _height(loop: MethodLoop) -> int:
    """Return the level of a loop: one more than that of the loops in it."""
    return 1 + max((_height(item) for item in loop.items if isinstance(item, MethodLoop)), default=0)


def _reports(rule: MethodRecord) -> str:
    said = [("StepTime", None if rule.every is None else clock(rule.every))]
    said += [(word, None if value is None else decimal(value)) for word, value in _changes(rule)]
    return "".join(
        f"<ReportEntry><ReportType>{word}</ReportType><Value>{value}</Value></ReportEntry>"
        for word, value in said
        if value is not None
    )


def _changes(rule: MethodRecord) -> tuple[tuple[str, float | None], ...]:
    return ("Voltage ", rule.voltage), ("Current ", rule.current)


def decimal(value: float) -> str:
    """Return a number to nine digits, without an exponent."""
    text = f"{value:.{DECIMALS}g}"
    return f"{value:.18f}".rstrip("0").rstrip(".") if "e" in text else text


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds; a fraction of a second stays behind them."""
    whole = int(seconds + 1e-9)
    fraction = round(seconds - whole, 6)
    tail = f"{fraction:.6f}".rstrip("0")[1:] if fraction > 0 else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{tail}"


# --- read ---


def is_procedure(text: str) -> bool:
    """Tell whether a text is a procedure."""
    return "<MaccorTestProcedure" in text[:4096]


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of a procedure, and what of it is left out.

    Raises:
        VendorFileError: It is none; the message names the step.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise VendorFileError(f"{name}: wanted a procedure, found a document type of its own")
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 - no entities: they are refused above
    except ET.ParseError as error:
        raise VendorFileError(f"{name}: wanted XML, found {error}") from error
    nodes = root.findall("ProcSteps/TestStep")
    reader = _ProcedureReader(name, nodes)
    items = reader.items(nodes)
    title = (root.findtext("header/ProcDesc/desc") or "").strip()
    return Method(title or name, items, reader.limits()), reader.losses.all


@dataclass(slots=True)
class _Level:
    """A loop that is open: its number, what is in it, and whether each pass is a cycle."""

    number: str
    items: list[MethodItem]
    cycle: bool = False


class _ProcedureReader:
    """Reads numbered steps with their loops as a tree."""

    def __init__(self, name: str, nodes: list[ET.Element]) -> None:
        self.name = name
        self.losses = LossList(NAME)
        self.last = {at for at, node in enumerate(nodes, 1) if _word(node, "StepType") == "End"}
        self._safety: dict[bool, Counter[float]] = {False: Counter(), True: Counter()}
        ended = [node for node in nodes if node.find("Ends/EndEntry/EndType") is not None]
        where_to = Counter(goal for node in ended for goal in {_goal(each) for each in node.findall("Ends/EndEntry")})
        self._of_all = {
            goal for goal, count in where_to.items() if 2 * count >= len(ended)
        }  # ends that most steps have
        for word, oper, text, goes in sorted(self._of_all):
            if word == "Voltage" and goes not in {str(at).zfill(3) for at in self.last}:
                self.losses.add("goes on", name, f"end Voltage {oper} {text} of most steps, step {goes}")

    def limits(self) -> tuple[float | None, float | None]:
        """Return the voltages that end the whole test: those of most steps; another one of a step is told."""
        found: list[float | None] = []
        for above in (False, True):
            counted = self._safety[above].most_common()
            found.append(counted[0][0] if counted else None)
            for value, count in counted[1:]:
                self.losses.add("model", self.name, f"the test's end at {value:g} V of {count} steps")
        return found[0], found[1]

    def items(self, nodes: list[ET.Element]) -> tuple[MethodItem, ...]:
        """Return the steps with their loops.

        Raises:
            VendorFileError: A step is not known, or loops do not fit into each other.
        """
        levels = [_Level("", [])]  # of loops that are open
        for at, node in enumerate(nodes, 1):
            where, kind = f"{self.name}: step {at}", _word(node, "StepType")
            if opened := re.fullmatch(r"Do (\d)", kind):
                levels.append(_Level(opened[1], []))
            elif closed := re.fullmatch(r"Loop (\d)", kind):
                done = levels.pop() if len(levels) > 1 else levels[0]
                if closed[1] != done.number or not done.items:
                    wanted = f"the end of Do {done.number}" if done.number else "no end of a loop"
                    raise VendorFileError(f"{where}: wanted {wanted}, found {kind}")
                levels[-1].items.append(MethodLoop(self._count(node, where), tuple(done.items), done.cycle))
            elif kind == "AdvCycle":
                self._count_cycle(levels[-1], nodes[at:], where)
            elif kind != "End":
                levels[-1].items += self._steps(kind, node, where, at)
        if len(levels) > 1 or not levels[0].items:
            found = f"no end of Do {levels[-1].number}" if len(levels) > 1 else "none"
            raise VendorFileError(f"{self.name}: wanted steps and whole loops, found {found}")
        return tuple(levels[0].items)

    def _count_cycle(self, level: "_Level", following: list[ET.Element], where: str) -> None:
        """Take what counts a cycle: at the end of a loop each of its passes is one, elsewhere it is left out."""
        if level.number and following and _word(following[0], "StepType").startswith("Loop"):
            level.cycle = True
        else:
            self.losses.add("model", where, "AdvCycle")

    @staticmethod
    def _count(node: ET.Element, where: str) -> int:
        text = (node.findtext("Ends/EndEntry/Value") or "").strip()
        if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or int(text) < 1:
            raise VendorFileError(f"{where}: wanted a count of passes, found {text!r}")
        return int(text)

    def _steps(self, kind: str, node: ET.Element, where: str, at: int) -> list[MethodStep]:
        try:
            return self._known(kind, node, where, at)
        except ValueError as error:
            raise VendorFileError(f"{where}: wanted numbers, found {error}") from error

    def _known(self, kind: str, node: ET.Element, where: str, at: int) -> list[MethodStep]:
        ends, record, mode = tuple(self._ends(node, where, at)), _rules(node), _word(node, "StepMode")
        if kind == "Rest":
            return [MethodStep("rest", 0.0, ends, record, where=where)]
        if kind not in {"Charge", "Dischrge"} or mode not in {"Current", "Voltage"}:
            raise VendorFileError(
                f"{where}: wanted a rest, charge or discharge by current or voltage, found {kind} {mode}".strip()
            )
        sign = 1.0 if kind == "Charge" else -1.0
        value, relative = _number(node.findtext("StepValue"))
        limits = {child.tag: _number(child.text)[0] for child in node.findall("Limits/*")}
        if mode == "Voltage":
            return [MethodStep("voltage", value, ends, record, most=limits.get("Current"), where=where)]
        if "Voltage" not in limits:
            return [MethodStep("current", sign * value, ends, record, relative=relative, where=where)]
        both = tuple(end for end in ends if end.quantity == "time")
        if both:
            self.losses.add("both parts", where, "a time of a current and its hold together")
        to = MethodEnd("voltage", above=sign > 0, value=limits["Voltage"])
        low = tuple(end for end in ends if end.quantity == "current")
        return [
            MethodStep("current", sign * value, (*both, to), record, relative=relative, where=where),
            MethodStep("voltage", limits["Voltage"], (*both, *low), record, where=where),
        ]

    def _ends(self, node: ET.Element, where: str, at: int) -> Iterator[MethodEnd]:
        for entry in node.findall("Ends/EndEntry"):
            word, oper, text = _word(entry, "EndType"), _word(entry, "Oper"), (entry.findtext("Value") or "").strip()
            goes = int(_word(entry, "Step") or 0)
            at_the_end = goes in self.last and (goes != at + 1 or _word(entry, "ChanSafetyEnd") == "True")
            safety = at_the_end or (goes != at + 1 and _goal(entry) in self._of_all)
            if word == "Voltage" and safety:
                self._safety[">" in oper][_number(text)[0]] += 1
            elif word not in QUANTITIES or goes != at + 1:
                self.losses.add("model", where, f"end {word} {oper} {text}, step {goes}")
            elif word == "StepTime":
                yield MethodEnd("time", above=True, value=seconds(text))
            else:
                value, relative = _number(text)
                yield MethodEnd(QUANTITIES[word], ">" in oper, value, relative)


def _goal(entry: ET.Element) -> tuple[str, str, str, str]:
    """Return what an end is of, and the step that follows it."""
    return _word(entry, "EndType"), _word(entry, "Oper"), _word(entry, "Value"), _word(entry, "Step")


def _word(node: ET.Element, name: str) -> str:
    return (node.findtext(name) or "").strip()


def _number(text: str | None) -> tuple[float, bool]:
    """Return a number, and whether it is a rate.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"\s*([\d.]+(?:[eE][-+]?\d+)?|-[\d.]+)\s*(C?)\s*", text or "")
    if match is None:
        raise ValueError(repr(text))
    return float(match[1]), match[2] == "C"


def seconds(text: str) -> float:
    """Return a time, s.

    Raises:
        ValueError: It is none.
    """
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(repr(text))
    hours, minutes, rest = (float(part or 0) for part in parts)
    return round(3600.0 * hours + 60.0 * minutes + rest, 9)


def _rules(node: ET.Element) -> MethodRecord:
    said = {
        _word(entry, "ReportType"): (entry.findtext("Value") or "").strip()
        for entry in node.findall("Reports/ReportEntry")
    }
    return MethodRecord(
        seconds(said["StepTime"]) if "StepTime" in said else None,
        _number(said["Voltage"])[0] if "Voltage" in said else None,
        _number(said["Current"])[0] if "Current" in said else None,
    )
