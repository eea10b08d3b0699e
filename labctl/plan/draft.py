"""A plan in the making: the cell and channel it is for, what was found wrong so far, and quantities made absolute."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from labctl.document import Finding, Mark, Severity
from labctl.driver import Capabilities, RecordRule
from labctl.errors import FileError
from labctl.plan.limit import Envelope
from labctl.plan.scope import Scope, mark_of, refused
from labctl.plan.step import ByPass, Condition, End, EndKind, Number, Term, VersusOcv, Voltage
from labctl.protocol.cell import Cell
from labctl.protocol.condition import KINDS
from labctl.protocol.model import Condition as Written
from labctl.protocol.model import Given
from labctl.protocol.model import RecordRule as WrittenRule
from labctl.protocol.model import Term as WrittenTerm
from labctl.units import Kind, Quantity

SLOPES: Final = {"dV/dt": "voltage", "dI/dt": "current"}
OF_TWO_CYCLES: Final = frozenset({"charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention"})
Found = TypeVar("Found")
Other = TypeVar("Other")
WINDOW: Final = 60.0  # s, of a slope for which none is said


@dataclass(frozen=True, slots=True)
class Place:
    """What holds where a step stands.

    Attributes:
        scope: Names in force.
        envelope: Limits in force.
        said: Quantities that file or cell limits; those of the channel do not count.
        record: Record rules in force.
        cycle: A cycle block is around.
        checks: The block around has `check` cycles, whose results alone count.
        sure: A line here ends for sure, with the fused block around it.
    """

    scope: Scope = field(default_factory=Scope)
    envelope: Envelope = field(default_factory=Envelope)
    said: frozenset[str] = frozenset()
    record: tuple[RecordRule, ...] = ()
    cycle: bool = False
    checks: bool = False
    sure: bool = False


@dataclass(slots=True)
class Draft:
    """What grows while a protocol is read: findings, numbers given out, and what was seen on the way.

    Attributes:
        cell: For which the plan is made.
        capabilities: Of the channel, None where it is not known yet.
        findings: Errors so far.
        lines: Lines so far.
        blocks: Blocks so far; the whole file is block 0.
        rested: A rest is sure to have come before.
        energised: A step that energises has come before.
        ocv: Range of the open circuit that inserted files require before the first energised step.
        told: Findings that are said once, however many steps they concern.
    """

    cell: Cell
    capabilities: Capabilities | None
    findings: list[Finding] = field(default_factory=list)
    lines: int = 0
    blocks: int = 0
    rested: bool = False
    energised: bool = False
    ocv: tuple[float, float] | None = None
    told: set[str] = field(default_factory=set)

    def next_line(self) -> int:
        """Give out the next line's id."""
        self.lines += 1
        return self.lines

    def next_block(self) -> int:
        """Give out the next block's id."""
        self.blocks += 1
        return self.blocks

    def say(self, code: str, message: str, mark: Mark, hint: str = "", severity: Severity = "error") -> None:
        """Note what is wrong."""
        self.findings.append(Finding(code, message, mark, hint, severity=severity))

    def say_once(self, code: str, message: str, mark: Mark, hint: str = "") -> None:
        """Note what is wrong with the whole plan, at the first place that shows it."""
        if code not in self.told:
            self.told.add(code)
            self.say(code, message, mark, hint)

    # --- values -------------------------------------------------------------------------------------------------------

    def number(self, place: Place, given: Given, kind: Kind) -> Number:
        """Return a quantity in SI, a table where it differs between passes; NaN where something is wrong with it."""
        return self.caught(lambda: self._number(place, given, kind), math.nan)

    def caught(self, find: Callable[[], Found], instead: Other) -> Found | Other:
        """Return what is found; note what is wrong with it and return something else, to go on with the next value."""
        try:
            return find()
        except FileError as error:
            self.findings.extend(error.findings)
            return instead

    def _number(self, place: Place, given: Given, kind: Kind) -> Number:
        blocks, found = place.scope.quantities(given)
        return place.scope.table(blocks, [self.absolute(quantity, kind) for quantity in found])

    def voltage(self, place: Place, given: Given, kind: Kind = "potential") -> Voltage:
        """Return a voltage, which may be against the last rest; a rest is needed before one that is."""
        return self.caught(lambda: self._voltage(place, given, kind), math.nan)

    def _voltage(self, place: Place, given: Given, kind: Kind) -> Voltage:
        versus = {quantity.versus == "ocv" for quantity in place.scope.quantities(given)[1]}
        number = self._number(place, given, kind)
        if True not in versus:
            return number
        if False in versus:
            message = f"wanted {given.text} against the open circuit in every pass or in none, found both"
            raise refused("voltage.mixed", message, mark_of(given))
        self._needs_rest(given)
        return VersusOcv(number)

    def _needs_rest(self, given: Given) -> None:
        if not self.rested:
            hint = "put - rest: 10 min before it; its last voltage is the ocv"
            raise refused("ocv.rest", f"wanted a rest before {given.text}, found none", mark_of(given), hint)

    def fixed(self, place: Place, given: Given, kind: Kind) -> float:
        """Return a quantity in SI that must be the same in every pass; NaN where something is wrong with it."""
        found = self.number(place, given, kind)
        if isinstance(found, ByPass):
            hint = "write one block for each value"
            found_text = f"wanted one value in every pass, found {given.text}, which differs"
            self.say("each.fixed", found_text, mark_of(given), hint)
            return math.nan
        return found

    def count(self, place: Place, given: Given, kind: Kind = "count") -> int:
        """Return a count that is the same in every pass; 1 where something is wrong with it."""
        found = self.fixed(place, given, kind)
        return 1 if math.isnan(found) else round(found)

    def absolute(self, quantity: Quantity, kind: Kind) -> float:
        """Return a quantity in SI, by the cell where it is relative.

        Raises:
            FileError: The cell does not state what it needs, or has another reference.
        """
        reference = self.cell.reference
        if quantity.versus not in {"", "ocv"} and reference and quantity.versus != reference:
            raise refused(
                "cell.reference",
                f"wanted a voltage vs {reference}, the cell's reference, found {quantity.text}",
                mark_of(quantity),
                "convert the voltage to the cell's reference",
            )
        return self.cell.resolve(quantity, kind)

    # --- conditions ---------------------------------------------------------------------------------------------------

    def condition(self, place: Place, written: Written) -> Condition:
        """Return a condition in SI."""
        alternatives = tuple(tuple(self._term(place, term) for term in terms) for terms in written.any_of)
        return Condition(written.text, alternatives)

    def _term(self, place: Place, term: WrittenTerm) -> Term:
        self._known(term)
        two = term.quantity in OF_TWO_CYCLES and not place.checks
        return Term(
            quantity=SLOPES.get(term.quantity, term.quantity),
            comparison=term.comparison,
            value=self._value(place, term),
            absolute=term.absolute,
            slope=term.is_slope,
            over=WINDOW if term.over is None else self.fixed(place, term.over, "duration"),
            reference=term.of,
            cycles=2 if two else 1,
        )

    def _value(self, place: Place, term: WrittenTerm) -> Voltage:
        if term.value is None:
            return 0.0
        if term.quantity == "voltage":
            return self.voltage(place, term.value)
        return self.number(place, term.value, KINDS[term.quantity])

    def _known(self, term: WrittenTerm) -> None:
        """Refuse what this cell has not, or this channel does not measure."""
        kind, name = self.cell.kind, term.quantity
        if name in {"short", "short.soft"} and kind not in {"symmetric", "asymmetric"}:
            self.say(
                "cell.kind", f"wanted a symmetric or asymmetric cell for {name}, found a {kind} one", term.mark,
                "set voltage limits and end on voltage instead",
            )  # fmt: skip
        if (name == "coulombic_efficiency" and self.cell.efficiency is None) or (
            name == "retention" and self.cell.retention is None
        ):
            self.say("cell.kind", f"wanted a cell that has a {name}, found a {kind} one", term.mark)
        if name == "temperature":
            self.measured("temperature", term.mark, "this condition")

    def measured(self, name: str, mark: Mark, why: str) -> None:
        """Refuse what rests on a quantity that the channel does not measure."""
        if self.capabilities is not None and name not in self.capabilities.measures:
            self.say(
                "channel.measures",
                f"wanted a channel that measures {name} for {why}, found one that does not",
                mark,
                "name a thermometer in the station file, or leave it out" if name == "temperature" else "",
            )

    def end(self, place: Place, kind: EndKind, written: Written) -> End:
        """Return an end that was written as a condition."""
        return End(kind, self.condition(place, written))

    def end_of_time(self, place: Place, given: Given) -> End:
        """Return the end that a `for` is."""
        term = Term("time", ">=", self.number(place, given, "duration"))
        return End("for", Condition(f"for {self.text_of(place, given)}", ((term,),)))

    def text_of(self, place: Place, given: Given) -> str:
        """Return a quantity as it was written, the value of a parameter in its place unless it differs between passes."""
        found = self.caught(lambda: place.scope.quantities(given)[1], ())
        return found[0].text if len({one.text for one in found}) == 1 else given.text

    # --- record rules -------------------------------------------------------------------------------------------------

    def record(self, place: Place, rules: tuple[WrittenRule, ...]) -> tuple[RecordRule, ...]:
        """Return record rules in SI, each with the step time up to which it holds."""
        found: list[RecordRule] = []
        until = 0.0
        for rule in rules:
            if rule.for_ is not None:
                until += self.fixed(place, rule.for_, "duration")
            found.append(
                RecordRule(
                    every=None if rule.every is None else self.fixed(place, rule.every, "duration"),
                    voltage=None if rule.voltage is None else self.fixed(place, rule.voltage, "voltage"),
                    current=None if rule.current is None else self.fixed(place, rule.current, "current"),
                    until=None if rule.for_ is None else until,
                )
            )
        return tuple(found)

    def recorded(self, place: Place, rules: tuple[WrittenRule, ...] | None) -> Place:
        """Return the place with a nearer record rule, if there is one."""
        return place if rules is None else replace(place, record=self.record(place, rules))
