"""What a kind of cell allows: its verbs and its results; and whether a step is sure to end on it."""

from collections.abc import Iterator

from labctl.document import Finding, Mark
from labctl.protocol.cell import CELL_KINDS, Cell
from labctl.protocol.model import (
    Block,
    Condition,
    CyclicVoltammetry,
    Drive,
    Hold,
    Impedance,
    Item,
    Limits,
    LinearSweep,
    Profile,
    Protocol,
    Step,
    Term,
    Use,
)
from labctl.protocol.walk import every_item
from labctl.units import VOLTAGE, Quantity

METAL = frozenset({"symmetric", "asymmetric"})
WITH_RETENTION = frozenset(CELL_KINDS) - {"symmetric", "blocking"}
WITH_ELECTRODES = frozenset(CELL_KINDS) - {"symmetric", "asymmetric", "blocking"}
ANY = frozenset(CELL_KINDS)


def allowed_by(item: Item) -> frozenset[str]:
    """Return the kinds of cell that an item by itself can run on."""
    if isinstance(item, Step):
        if item.word in {"charge", "discharge"}:
            return WITH_ELECTRODES
        return METAL if item.word in {"strip", "plate"} else ANY
    allowed = ANY
    for term in _terms(item):
        if term.quantity in {"short", "short.soft"}:
            allowed &= METAL
        elif term.quantity in {"retention", "coulombic_efficiency"}:
            allowed &= WITH_RETENTION
    return allowed


def _terms(item: Item) -> Iterator[Term]:
    if isinstance(item, Block):
        for condition in (item.if_, item.stop_if, item.abort_if):
            yield from _of(condition)


def _of(condition: Condition | None) -> Iterator[Term]:
    for alternative in condition.any_of if condition else ():
        yield from alternative


def check_kinds(protocol: Protocol, cell: Cell | None) -> list[Finding]:
    """Return what the kind of cell forbids: of the cell, or of all that `requires` names where no cell is known."""
    return list(_Kinds(protocol, cell).file(protocol, frozenset({cell.kind}) if cell else ANY, None, ()))


class _Kinds:
    def __init__(self, protocol: Protocol, cell: Cell | None) -> None:
        self.protocol = protocol
        self.cell = cell
        self.seen: set[tuple[str, frozenset[str], tuple[Limits, ...]]] = set()

    def file(
        self, protocol: Protocol, kinds: frozenset[str], use: Use | None, around: tuple[Limits, ...]
    ) -> Iterator[Finding]:
        """Find what one file asks of the cell; a file that is used must agree with what is around it, whose limits hold too."""
        if protocol.requires.kinds:
            left = kinds & frozenset(protocol.requires.kinds)
            if not left:
                yield self._unlike(protocol, kinds, use)
                return
            kinds = left
        limits = (*around, protocol.limits)
        if (protocol.file, kinds, limits) in self.seen:
            return
        self.seen.add((protocol.file, kinds, limits))
        for item in every_item(protocol.children):
            if not kinds & allowed_by(item):
                yield from self._forbidden(item, kinds)
            if isinstance(item, Use):
                yield from self.file(item.protocol, kinds, item, limits)
            if self.cell is not None and isinstance(item, Step):
                yield from sure_to_end(item, limits, self.cell)
                yield from needs_limits(item, limits, self.cell)

    def _unlike(self, protocol: Protocol, kinds: frozenset[str], use: Use | None) -> Finding:
        wanted = " or ".join(protocol.requires.kinds)
        found = f"the cell {self.cell.name} of kind {self.cell.kind}" if self.cell else " or ".join(sorted(kinds))
        mark = use.mark if use else protocol.requires.mark or Mark(protocol.file, 1, 1)
        if use is None:
            return Finding("cell.kind", f"wanted a {wanted} cell, found {found}", mark)
        here = found if self.cell else f"one of kind {found}"
        message = f"wanted a {wanted} cell, which {use.file} requires, found {here}"
        return Finding("cell.kind", message, mark, "use a protocol that is made for this kind of cell")

    def _forbidden(self, item: Item, kinds: frozenset[str]) -> Iterator[Finding]:
        kind = " or ".join(sorted(kinds))
        if isinstance(item, Step):
            right = {"charge": "strip", "discharge": "plate", "strip": "charge", "plate": "discharge"}[item.word]
            hint = (
                f"on {kind} cells write {right}"
                if kinds & allowed_by_word(right)
                else "hold, lsv, cv and eis run on it"
            )
            yield Finding("cell.kind", f"wanted a step for a {kind} cell, found {item.word}", item.mark, hint)
            return
        for term in _terms(item):
            metal = term.quantity in {"short", "short.soft"}
            if (metal and not kinds & METAL) or (
                term.quantity in {"retention", "coulombic_efficiency"} and not kinds & WITH_RETENTION
            ):
                hint = (
                    "shorts are looked for in symmetric and asymmetric cells"
                    if metal
                    else "it is not defined for symmetric and blocking cells"
                )
                yield Finding("cell.kind", f"wanted a result of a {kind} cell, found {term.quantity}", term.mark, hint)


def allowed_by_word(word: str) -> frozenset[str]:
    """Return the kinds of cell that a verb of direction can run on."""
    return WITH_ELECTRODES if word in {"charge", "discharge"} else METAL


# --- with a cell ------------------------------------------------------------------------------------------------------


def _sure(condition: Condition | None) -> bool:
    """Tell whether a condition is sure to come: an alternative of nothing but time and capacity above a value."""
    return condition is not None and any(
        all(term.quantity in {"time", "capacity"} and term.comparison in {">", ">="} for term in alternative)
        for alternative in condition.any_of
    )


def sure_to_end(step: Step, limits: tuple[Limits, ...], cell: Cell) -> Iterator[Finding]:
    """Find an energised step that might never end: no `for`, no `capacity`, and no capacity limit either."""
    verb = step.verb
    if not isinstance(verb, Drive | Hold) or verb.for_ is not None or _sure(verb.until):
        return
    capacity = verb.capacity if isinstance(verb, Drive) else None
    limited = any(item.capacity is not None for item in limits)
    if capacity is None and not limited and cell.limits.charge is None and cell.nominal is None:
        message = f"wanted an end of {step.word} that is sure to come, found none"
        hint = "add for: 12 h or capacity:, or a capacity limit, or the nominal capacity of the cell, twice which is the limit"
        yield Finding("safety.end", message, step.mark, hint)


def needs_limits(step: Step, limits: tuple[Limits, ...], cell: Cell) -> Iterator[Finding]:
    """Find an energised step without a voltage limit, or one that sets a voltage without a current limit."""
    if not isinstance(step.verb, Drive | Hold | LinearSweep | CyclicVoltammetry | Profile | Impedance):
        return
    if cell.limits.voltage is None and all(item.voltage is None for item in limits):
        message = f"wanted a voltage limit in the file or the cell for {step.word}, found none"
        yield Finding("safety.voltage", message, step.mark, "add limits: {voltage: [2.5 V, 4.3 V]}")
    current = cell.limits.current is not None or any(item.current is not None for item in limits)
    if not current and _sets_voltage(step):
        also = ", or current: in the hold" if step.word == "hold" else ""
        message = f"wanted a current limit in the file or the cell for {step.word}{also}, found none"
        hint = "add limits: {current: [-1 mA, 1 mA]}" + (", or current: 1 mA to the hold" if also else "")
        yield Finding("safety.current", message, step.mark, hint)


def _sets_voltage(step: Step) -> bool:
    match step.verb:
        case Hold(current=current):
            return current is None
        case LinearSweep() | CyclicVoltammetry():
            return True
        case Impedance(at=at):
            at_rest = isinstance(at, Quantity) and at.value_si == 0 and (at.versus == "ocv" or at.dimension != VOLTAGE)
            return at is not None and not at_rest
    return False
