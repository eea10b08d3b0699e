"""A plan as steps and loops: what differs between passes is written out, what other programs cannot say is told."""

import math
from collections.abc import Iterator, Mapping

from labctl.driver import RecordRule
from labctl.errors import UsageError
from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    StepKind,
)
from labctl.plan.description import record as record_words
from labctl.plan.description import set_point
from labctl.plan.index import walk
from labctl.plan.program import settle
from labctl.plan.step import Block, ByPass, End, Line, Plan, Relative, Setting, Term, TextByPass, VersusOcv

MOST_STEPS = 10_000
LEFT_OUT = {
    "prompt": "prompt", "mark": "mark", "nominal": "nominal", "temperature": "temperature", "bend": "bend", "profile": "profile",
}  # fmt: skip
QUANTITIES = {"time": "time", "voltage": "voltage", "current": "current", "capacity": "charge"}


def method_of(plan: Plan, to: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return a plan as a method for a format, with what no other program can say of it.

    Raises:
        UsageError: It has too many steps to be written out.
    """
    reader = _PlanReader(to)
    items = tuple(reader.items(plan.root, {}))
    bounds = [line.bounds for _, line in walk(plan.root) if line.energises]
    voltages = [each.voltage for each in bounds if each.voltage is not None]
    currents = [each.current for each in bounds if each.current is not None]
    method = Method(
        plan.name,
        items,
        (min((low for low, _ in voltages), default=None), max((high for _, high in voltages), default=None)),
        (min((low for low, _ in currents), default=None), max((high for _, high in currents), default=None)),
        plan.cell.nominal,
    )
    return method, reader.losses.all


class _PlanReader:
    """Goes through a plan once."""

    def __init__(self, to: str) -> None:
        self.losses = LossList(to)
        self._count = 0

    # --- blocks ---

    def items(self, block: Block, passes: Mapping[int, int]) -> Iterator[MethodItem]:
        """Give what is done in one pass of a block."""
        for child in block.children:
            if isinstance(child, Line):
                yield from self._line(child, passes)
            else:
                yield from self._block(child, passes)

    def _block(self, block: Block, passes: Mapping[int, int]) -> Iterator[MethodItem]:
        where = next((line.where for _, line in walk(block)), "")
        if block.condition is not None:
            self.losses.add("if", where, f"if {block.condition.text}")
            return
        for end in block.ends:
            self.losses.add("block end", where, f"{end.kind}: {end.condition.text}")
        if block.every is not None:
            self.losses.add("every", where, "every")
        if block.cycle in {"formation", "check"}:
            self.losses.add("kind of cycle", where, f"cycle: {block.cycle}")
        cycle = block.cycle is not None
        if not _differs(block):
            items = tuple(self.items(block, passes))
            yield from self._looped(items, block.passes, where, cycle=cycle)
            return
        for number in range(block.passes):
            items = tuple(self.items(block, {**passes, block.id: number}))
            yield from self._looped(items, 1, where, cycle=cycle)

    def _looped(self, items: tuple[MethodItem, ...], passes: int, where: str, *, cycle: bool) -> Iterator[MethodItem]:
        if not items:
            self.losses.add("empty", where, "a block")
        elif passes == 1 and not cycle:
            yield from items
        elif passes:
            yield MethodLoop(passes, items, cycle)

    # --- lines ---

    def _line(self, line: Line, passes: Mapping[int, int]) -> Iterator[MethodStep]:
        self._count += 1
        if self._count > MOST_STEPS:
            raise UsageError(f"wanted at most {MOST_STEPS} steps written out, found more")
        if (feature := LEFT_OUT.get(line.verb)) is not None:
            self.losses.add(feature, line.where, f"{line.verb} {set_point(line)}".rstrip())
            return
        if line.paced:
            self.losses.add("every" if "every" in line.options else "wait", line.where, line.verb)
            return
        step = self._step(line, passes)
        if step is not None:
            yield step

    def _step(self, line: Line, passes: Mapping[int, int]) -> MethodStep | None:
        number, versus = self._numbers(line, passes)
        more: dict[str, object] = {}
        kind: StepKind
        match line.mode:
            case "Rest":
                kind, value = "rest", 0.0
            case "Galvanostatic":
                kind, value = "current", number["current"]
            case "Potentiostatic":
                kind, value = "voltage", number["voltage"]
                more["most"] = number.get("most")
            case "ConstantPower":
                kind, value = "power", number["power"]
            case "ConstantLoad":
                kind, value = "load", number["resistance"]
            case "Sweep":
                kind, value = "sweep", number["end"]
                more |= {"start": number["start"], "rate": number["rate"]}
            case "Spectrum":
                kind, value = "spectrum", number.get("bias", 0.0)
                more |= _spectrum(line, number)
                versus |= {"value"} if line.settings.get("bias") is None and not more["galvanostatic"] else set()
            case _:
                self.losses.add("end", line.where, line.verb)
                return None
        ends = tuple(self._ends(line, passes))
        return MethodStep(
            kind,
            value,
            ends,
            self._record(line),
            versus=frozenset(versus),
            where=line.where,
            **more,  # type: ignore[arg-type]
        )

    @staticmethod
    def _numbers(line: Line, passes: Mapping[int, int]) -> tuple[dict[str, float], set[str]]:
        """Return the numbers of a line, and which of `value` and `start` are against the open circuit."""
        names = {"voltage": "value", "end": "value", "bias": "value", "start": "start"}
        number: dict[str, float] = {}
        versus: set[str] = set()
        for name, setting in line.settings.items():
            inner: Setting = setting.offset if isinstance(setting, VersusOcv) else setting
            value = settle(inner, passes, None)
            if isinstance(value, float | int) and not isinstance(value, bool):
                number[name] = float(value)
                if isinstance(setting, VersusOcv) and name in names:
                    versus.add(names[name])
        return number, versus

    def _ends(self, line: Line, passes: Mapping[int, int]) -> Iterator[MethodEnd]:
        for end in line.ends:
            for terms in end.condition.any_of:
                if len(terms) == 1 and (simple := _simple(terms[0], passes)) is not None:
                    yield simple
                else:
                    self.losses.add("end", line.where, _words(end))

    def _record(self, line: Line) -> MethodRecord:
        """Return the one rule that stands for those of a line by step time: the finest of each quantity."""
        rules = line.record
        finest = MethodRecord(
            min((rule.every for rule in rules if rule.every is not None), default=None),
            min((rule.voltage for rule in rules if rule.voltage is not None), default=None),
            min((rule.current for rule in rules if rule.current is not None), default=None),
        )
        if len(rules) > 1:
            one = record_words((RecordRule(finest.every, finest.voltage, finest.current),))
            self.losses.add("rules by time", line.where, f"record {record_words(rules)}; the finest of each is {one}")
        return finest


def _words(end: End) -> str:
    return f"{end.kind}: {end.condition.text}"


def _simple(term: Term, passes: Mapping[int, int]) -> MethodEnd | None:
    quantity = QUANTITIES.get(term.quantity)
    odd = term.slope or term.dwell or term.since or term.comparison == "in" or isinstance(term.value, VersusOcv)
    if quantity is None or odd or (term.absolute and quantity == "voltage"):
        return None
    value = settle(term.value, passes, None)
    return MethodEnd(quantity, term.comparison in {">", ">="}, float(value))  # type: ignore[arg-type]


def _spectrum(line: Line, number: Mapping[str, float]) -> dict[str, object]:
    frequencies = line.settings["frequencies"]
    assert isinstance(frequencies, tuple)
    decades = abs(math.log10(frequencies[0] / frequencies[-1])) if len(frequencies) > 1 else 0.0
    return {
        "start": frequencies[0],
        "stop": frequencies[-1],
        "per_decade": round((len(frequencies) - 1) / decades) if decades else 1,
        "amplitude": number["amplitude"],
        "galvanostatic": line.settings.get("potentiostatic") is False,
    }


def _differs(block: Block) -> bool:
    """Tell whether a number in a block differs between its passes."""
    return any(block.id in blocks for _, line in walk(block) for blocks in _tables(line))


def _tables(line: Line) -> Iterator[tuple[int, ...]]:
    values: list[object] = [*line.settings.values(), *line.options.values()]
    values += [term.value for end in line.ends for terms in end.condition.any_of for term in terms]
    for value in values:
        inner = value.offset if isinstance(value, VersusOcv) else value
        inner = inner.value if isinstance(inner, Relative) else inner
        if isinstance(inner, ByPass | TextByPass):
            yield inner.blocks
