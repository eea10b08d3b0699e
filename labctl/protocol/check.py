"""The rules of the language that need the whole file and no value: names, where conditions and verbs may stand."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labctl.finding import Finding
from labctl.protocol.analysis_needs import without_matter
from labctl.protocol.condition import KINDS
from labctl.protocol.model import (
    Item,
    Protocol,
    Reference,
    Step,
    Use,
    Variable,
    WrittenBlock,
    WrittenCondition,
    WrittenTerm,
)
from labctl.protocol.step_model import CyclicVoltammetry, Drive, RestStep
from labctl.protocol.walk import conditions, every_item, references
from labctl.quantity.units import Quantity
from labctl.text.fields import near

MOST_STEPS = 20_000
MEASURABLE = ("charge_capacity", "discharge_capacity")  # what may become the nominal capacity
_OWN = {"time", "capacity", "energy", "dV/dt", "dI/dt", "dT/dt"}


def check(protocol: Protocol) -> list[Finding]:
    """Return what is wrong with a protocol as far as no value is needed to say it."""
    findings: list[Finding] = []
    for file in files(protocol):
        findings += _Structure(file).findings
    return [*findings, *_size(protocol), *without_matter(protocol, files(protocol))]


def files(protocol: Protocol) -> list[Protocol]:
    """Return a protocol and those it uses, each once."""
    by_file = {protocol.file: protocol}
    todo = [protocol]
    while todo:
        for item in every_item(todo.pop().children):
            if isinstance(item, Use) and item.protocol.file not in by_file:
                by_file[item.protocol.file] = item.protocol
                todo.append(item.protocol)
    return list(by_file.values())


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
        self.loops = {
            variable.name: variable.mark.line
            for item in every_item(protocol.children)
            if isinstance(item, WrittenBlock)
            for variable in item.each
        }
        self.through = {
            variable.values.name: variable.name
            for item in every_item(protocol.children)
            if isinstance(item, WrittenBlock)
            for variable in item.each
            if isinstance(variable.values, Reference)
        }
        self.names_of((protocol.limits, protocol.record, protocol.requires, protocol.interruption), names)
        self.items(protocol.children, names, [])
        self.unused()

    def report(
        self,
        code: str,
        message: str,
        place: Step | WrittenBlock | WrittenCondition | WrittenTerm | Variable,
        hint: str = "",
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
                if looped := self.through.get(near(reference.name, names).removeprefix("did you mean ").rstrip("?")):
                    hint = f"did you mean ${looped}?"
                if line := self.loops.get(reference.name):
                    hint = f"it is of the loop in line {line}: put the step into that block, or define it in params"
                if reference.name in KINDS:
                    hint = "what is measured stands in conditions only: a plan is made before it is known"
                    if reference.name in MEASURABLE:
                        hint += f"; - nominal: {{from: {reference.name}, within: [80 %, 120 %]}} makes it 1C and 100 %: write C/3"
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

    def unused_variables(self, block: WrittenBlock) -> None:
        """Warn of a loop variable that nothing in its block uses: every pass is then the same."""
        if not block.each:
            return
        own = (block.name, block.stop_if, block.abort_if, *(item for item in every_item(block.children)))
        used = {reference.name for node in own for reference in references(node)}
        for variable in block.each:
            if variable.name not in used:
                message = f"wanted a use of the loop variable {variable.name}, found none: its passes are all the same"
                hint = f"write ${variable.name} where it belongs, or repeat: in place of each"
                self.findings.append(Finding("each.unused", message, variable.mark, hint, severity="warning"))

    # --- items ---

    def items(self, children: tuple[Item, ...], names: dict[str, int], around: list[WrittenBlock]) -> None:
        for item in children:
            match item:
                case Step():
                    self.names_of(item, names)
                    self.step(item)
                case WrittenBlock():
                    self.block(item, names, around)
                case Use():
                    self.names_of((item.file, item.with_, item.name), names)

    def block(self, block: WrittenBlock, names: dict[str, int], around: list[WrittenBlock]) -> None:
        self.names_of((block.repeat, block.each, block.if_, block.choice, block.for_, block.every, block.record), names)
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
        self.unused_variables(block)
        self.watched(block, [*around, block])
        self.items(block.children, inner, [*around, block])

    def watched(self, block: WrittenBlock, around: list[WrittenBlock]) -> None:
        """Check the conditions of a block: no step-own quantities, results only where cycles are counted."""
        for key, condition in (("if", block.if_), ("stop_if", block.stop_if), ("abort_if", block.abort_if)):
            for term in _terms(condition):
                if term.quantity in _OWN:
                    hint = _instead(term)
                    self.report(
                        "condition.own",
                        f"wanted voltage, current, temperature or a result in {key}, found {term.quantity}, which is of one step",
                        term,
                        hint,
                    )
                elif term.is_result and not term.quantity.startswith("short"):
                    self.counted(key, term, around)

    def counted(self, key: str, term: WrittenTerm, around: list[WrittenBlock]) -> None:
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
            case RestStep() as rest if rest.for_ is None:
                self.report(
                    "rest.for",
                    "wanted for in a rest, found none",
                    step,
                    "say how long at most: rest: {for: 2 h, until: ...}",
                )
            case Drive() as drive:
                self.drive(step, drive)
            case CyclicVoltammetry() | _:
                pass

    def in_time(self, step: Step, key: str, condition: WrittenCondition) -> None:
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
        for alternative in drive.until.any_of if drive.until else ():
            if len(alternative) == 1:
                self.side(step, drive, alternative[0])
            elif drive.control == "current" and not drive.holds:
                self.tied(step, drive, alternative)

    def tied(self, step: Step, drive: Drive, terms: tuple[WrittenTerm, ...]) -> None:
        """Warn of a small current that a constant current is to come to, joined to other comparisons by `and`."""
        low = next((each for each in terms if each.quantity == "current" and each.comparison in {"<", "<="}), None)
        if low is None:
            return
        voltage = next((each.value for each in terms if each.quantity == "voltage" and each.value), None)
        message = f"wanted an end that can come, found one joined by `and` to a current that {step.word} holds constant"
        held = _held(drive if voltage is None else replace(drive, to=voltage), low)
        hint = f"the current is held constant: write {held}, in place of until"
        self.findings.append(Finding("end.constant", message, low.mark, hint, severity="warning"))

    def side(self, step: Step, drive: Drive, term: WrittenTerm) -> None:
        """Check a single term that ends a driven step: the right side of its voltage, a current that can change."""
        above = term.comparison in {">", ">="}
        if term.quantity == "voltage" and not term.absolute and above != drive.raises:
            moves = "raises" if drive.raises else "lowers"
            right = ">" if drive.raises else "<"
            self.report(
                "end.side",
                f"wanted voltage {right} ... as an end of {step.word}, which {moves} it, found {term.comparison}",
                term,
                f"write voltage {right} {'...' if term.value is None else term.value.text}, or another verb",
            )
        if term.quantity == "current" and drive.control == "current":
            message = f"wanted an end that can come, found one on the current that {step.word} holds constant"
            self.findings.append(
                Finding(
                    "end.constant",
                    message,
                    term.mark,
                    ("a charge is capacity: 5 mAh; " if term.comparison in {">", ">="} else "")
                    + f"to let the current fall at constant voltage, write {_held(drive, term)}",
                    severity="warning",
                )
            )


def _held(drive: Drive, term: WrittenTerm) -> str:
    """Return the hold that an end on the current asks for, with the author's voltage and current."""
    to = "..." if drive.to is None else drive.to.text
    value = term.value.text if term.value is not None and term.comparison in {"<", "<="} else "C/20"
    return f"to: {to}, hold_until: current < {value}"


def _terms(condition: WrittenCondition | None) -> Iterator[WrittenTerm]:
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
    """Tell whether an item counts cycles, or may: a file whose name is not known yet."""
    return (
        (isinstance(item, Use) and not isinstance(item.file, str))
        or (isinstance(item, WrittenBlock) and item.cycle is not None)
        or (isinstance(item, Step) and isinstance(item.verb, CyclicVoltammetry))
    )


def _instead(term: WrittenTerm) -> str:
    """Return what stands for a quantity of one step in a condition of a block, with the author's value."""
    value = term.value.text if term.value is not None else "..."
    if term.quantity == "time":
        return f"a budget of the block is for: {value}" if term.comparison in {">", ">="} else "a budget is for: 48 h"
    if term.quantity != "capacity":
        return "put it into the until of a step"
    if term.comparison in {"<", "<="}:
        return f"write retention < {value} (of the first cycle), or discharge_capacity < {value}"
    return f"in all passes together: discharged since block >= {value}; of a cycle: discharge_capacity >= {value}"
