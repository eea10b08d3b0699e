"""The rules of the language that need the whole file, and those that need a cell."""

from collections.abc import Iterable, Iterator

from labctl.document import Finding, with_lines
from labctl.protocol.cell import Cell
from labctl.protocol.envelope import check_values
from labctl.protocol.expression import Environment
from labctl.protocol.kinds import check_kinds
from labctl.protocol.model import (
    Block,
    Condition,
    CyclicVoltammetry,
    Drive,
    Hold,
    Item,
    Protocol,
    Rest,
    Step,
    Term,
    Use,
    Variable,
)
from labctl.protocol.walk import conditions, every_item, references
from labctl.reading import near
from labctl.units import Quantity

MOST_STEPS = 20_000
_OWN = {"time", "capacity", "dV/dt", "dI/dt"}


def check(protocol: Protocol) -> list[Finding]:
    """Return what is wrong with a protocol as far as no cell is needed to say it."""
    findings: list[Finding] = []
    for file in files(protocol):
        findings += _Structure(file).findings
    findings += check_kinds(protocol, None)
    defaults = {item.name: item.default for item in protocol.parameters if item.default is not None}
    return [*findings, *_size(protocol), *check_values(protocol, defaults, None)]


def check_with_cell(protocol: Protocol, cell: Cell, environment: Environment) -> tuple[Finding, ...]:
    """Return what is wrong with a protocol on a cell, with these values of its parameters; warnings too."""
    findings = [*check_kinds(protocol, cell), *check_values(protocol, environment, cell)]
    texts = {file.file: file.text for file in files(protocol)} | {cell.file: cell.text}
    return with_lines({(item.mark, item.code, item.message): item for item in findings}.values(), texts)


def files(protocol: Protocol) -> list[Protocol]:
    """Return a protocol and those it uses, each once."""
    found = {protocol.file: protocol}
    todo = [protocol]
    while todo:
        for item in every_item(todo.pop().children):
            if isinstance(item, Use) and item.protocol.file not in found:
                found[item.protocol.file] = item.protocol
                todo.append(item.protocol)
    return list(found.values())


def _size(protocol: Protocol) -> Iterator[Finding]:
    """Find a file whose uses multiply beyond measure."""
    known: dict[str, int] = {}

    def count(file: Protocol) -> int:
        if file.file not in known:
            known[file.file] = sum(
                count(item.protocol) if isinstance(item, Use) else 1 for item in every_item(file.children)
            )
        return known[file.file]

    if count(protocol) > MOST_STEPS and protocol.children:
        message = f"wanted at most {MOST_STEPS} steps with those of the files used, found {count(protocol)}"
        yield Finding("steps.many", message, protocol.children[0].mark, "write loops with repeat and each")


class _Structure:
    """The rules of one file."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.findings: list[Finding] = []
        self.used: set[str] = set()
        self.has_cycle = any(_counts(item) for item in _with_uses(protocol.children))
        names = {item.name: item.mark.line for item in protocol.parameters}
        self.names_of((protocol.limits, protocol.record, protocol.requires, protocol.interruption), names)
        self.items(protocol.children, names, [])
        self.unused()

    def report(
        self, code: str, message: str, place: Step | Block | Condition | Term | Variable, hint: str = ""
    ) -> None:
        self.findings.append(Finding(code, message, place.mark, hint))

    # --- names ---

    def names_of(self, node: object, names: dict[str, int]) -> None:
        for reference in references(node):
            self.used.add(reference.name)
            if reference.name not in names:
                hint = near(reference.name, names) or (
                    "known here are " + ", ".join(names) if names else "define it in params"
                )
                message = f"wanted a parameter or loop variable, found ${reference.name}"
                self.findings.append(Finding("name.unknown", message, reference.mark, hint))

    def unused(self) -> None:
        for parameter in self.protocol.parameters:
            if parameter.name not in self.used:
                message = f"wanted a use of the parameter {parameter.name}, found none"
                self.findings.append(
                    Finding(
                        "params.unused",
                        message,
                        parameter.mark,
                        f"write ${parameter.name} where it belongs",
                        severity="warning",
                    )
                )

    # --- items ---

    def items(self, children: tuple[Item, ...], names: dict[str, int], around: list[Block]) -> None:
        for item in children:
            match item:
                case Step():
                    self.names_of(item, names)
                    self.step(item)
                case Block():
                    self.block(item, names, around)
                case Use():
                    self.names_of((item.with_, item.name), names)
                    self.nested_use(item, around)

    def block(self, block: Block, names: dict[str, int], around: list[Block]) -> None:
        self.names_of((block.repeat, block.each, block.if_, block.for_, block.record), names)
        inner = dict(names)
        for variable in block.each:
            if variable.name in names:
                self.report(
                    "name.taken",
                    f"wanted a new name, found {variable.name!r} again",
                    variable,
                    f"it is defined in line {names[variable.name]}",
                )
            inner[variable.name] = variable.mark.line
        self.names_of((block.name, block.stop_if, block.abort_if), inner)
        if block.cycle is not None and any(outer.cycle is not None for outer in around):
            self.report(
                "cycle.nested",
                "wanted no cycle block inside another, found one",
                block,
                "leave cycle out of the inner or the outer block",
            )
        self.watched(block, [*around, block])
        self.items(block.children, inner, [*around, block])

    def nested_use(self, use: Use, around: list[Block]) -> None:
        if any(block.cycle is not None for block in around):
            for item in every_item(use.protocol.children):
                if isinstance(item, Block) and item.cycle is not None:
                    message = f"wanted no cycle block inside another, found one in {use.file}"
                    self.findings.append(
                        Finding("cycle.nested", message, use.mark, "leave cycle out of the block around it")
                    )
                    return

    def watched(self, block: Block, around: list[Block]) -> None:
        """Check the conditions of a block: no step-own quantities, results only where cycles are counted."""
        for key, condition in (("if", block.if_), ("stop_if", block.stop_if), ("abort_if", block.abort_if)):
            for term in _terms(condition):
                if term.quantity in _OWN:
                    hint = {
                        "time": "a budget of the block is for: 48 h",
                        "capacity": "a result such as charge_capacity, or limits: {capacity: ...}",
                    }.get(term.quantity, "put it into the until of a step")
                    self.report(
                        "condition.own",
                        f"wanted voltage, current, temperature or a result in {key}, found {term.quantity}, which is of one step",
                        term,
                        hint,
                    )
                elif term.is_result and not term.quantity.startswith("short"):
                    self.counted(key, term, around)

    def counted(self, key: str, term: Term, around: list[Block]) -> None:
        counted = (
            self.has_cycle
            if key == "if"
            else any(block.cycle for block in around) or any(map(_counts, _with_uses(around[-1].children)))
        )
        if not counted:
            self.report(
                "condition.no_cycle",
                f"wanted a block with cycles for {term.quantity}, found none",
                term,
                "add cycle: true to the block whose passes are cycles",
            )

    # --- steps ---

    def step(self, step: Step) -> None:
        for key, condition in conditions(step):
            self.in_time(step, key, condition)
            for term in _terms(condition):
                if term.is_result:
                    self.report(
                        "condition.result",
                        f"wanted a quantity of the step in {key}, found the result {term.quantity}",
                        term,
                        f"write stop_if: {term.quantity} ... at the block around it",
                    )
        match step.verb:
            case Rest() as rest if rest.for_ is None:
                self.report(
                    "rest.for",
                    "wanted for in a rest, found none",
                    step,
                    "say how long at most: rest: {for: 2 h, until: ...}",
                )
            case Drive() as drive:
                self.drive(step, drive)
            case Hold() as hold if hold.for_ is None and hold.until is None:
                self.report(
                    "safety.end", "wanted an end of hold, found none", step, "add for: 1 h or until: current < C/50"
                )
            case CyclicVoltammetry() | _:
                pass

    def in_time(self, step: Step, key: str, condition: Condition) -> None:
        """Warn of an end that waits for a time at which `for` has ended the step already."""
        longest = getattr(step.verb, "for_", None)
        if not isinstance(longest, Quantity):
            return
        for term in _terms(condition):
            late = isinstance(term.value, Quantity) and term.value.value_si >= longest.value_si
            if term.quantity == "time" and term.comparison in {">", ">="} and late:
                message = (
                    f"wanted a time before for: {longest.text} in {key}, found {term.value.text if term.value else ''}"
                )
                hint = "it can never come: lengthen for, or shorten the time"
                self.findings.append(Finding("end.late", message, term.mark, hint, severity="warning"))

    def drive(self, step: Step, drive: Drive) -> None:
        if (
            drive.to is None
            and drive.capacity is None
            and drive.for_ is None
            and drive.until is None
            and not drive.holds
        ):
            self.report(
                "safety.end",
                f"wanted an end of {step.word}, found none",
                step,
                "add to: 4.2 V, capacity: 1 mAh/cm2, for: 12 h or until: ...",
            )
        for alternative in drive.until.any_of if drive.until else ():
            if len(alternative) == 1:
                self.side(step, drive, alternative[0])

    def side(self, step: Step, drive: Drive, term: Term) -> None:
        """Check a single term that ends a driven step: the right side of its voltage, a current that can change."""
        above = term.comparison in {">", ">="}
        if term.quantity == "voltage" and not term.absolute and above != drive.raises:
            moves = "raises" if drive.raises else "lowers"
            right = ">" if drive.raises else "<"
            self.report(
                "end.side",
                f"wanted voltage {right} ... as an end of {step.word}, which {moves} it, found {term.comparison}",
                term,
                f"write voltage {right} ... or another verb",
            )
        if term.quantity == "current" and drive.control == "current":
            message = f"wanted an end that can come, found one on the current that {step.word} holds constant"
            self.findings.append(
                Finding(
                    "end.constant",
                    message,
                    term.mark,
                    "to let the current fall at constant voltage, write to: 4.2 V, hold_until: current < C/20",
                    severity="warning",
                )
            )


def _terms(condition: Condition | None) -> Iterator[Term]:
    for alternative in condition.any_of if condition else ():
        yield from alternative


def _with_uses(children: Iterable[Item]) -> Iterator[Item]:
    """Yield items at all depths, and those of each used file once."""
    todo, seen = [tuple(children)], set[str]()
    while todo:
        for item in every_item(todo.pop()):
            yield item
            if isinstance(item, Use) and item.protocol.file not in seen:
                seen.add(item.protocol.file)
                todo.append(item.protocol.children)


def _counts(item: Item) -> bool:
    """Tell whether an item counts cycles."""
    return (isinstance(item, Block) and item.cycle is not None) or (
        isinstance(item, Step) and isinstance(item.verb, CyclicVoltammetry)
    )
