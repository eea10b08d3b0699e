"""A plan in the making: the cell and channel it is for, what was found wrong so far, and quantities made absolute.

A value that is not known is NaN: a parameter that nobody has given yet, a quantity relative to a cell of which nothing is
known. Nothing is found wrong with it, as no comparison with NaN is true; where all is known, it cannot occur.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

from labctl.driver import Capabilities, RecordRule
from labctl.errors import FileError
from labctl.finding import Finding, Mark, Severity
from labctl.plan.outside import Outside
from labctl.plan.relative import DENSEST, by_nominal, fields_for, mark_hint, or_correct, too_dense
from labctl.plan.scope import mark_of, refused
from labctl.plan.step import ByPass, Condition, End, EndKind, Number, Relative, Term, TextByPass, VersusOcv, Voltage
from labctl.plan.step_context import Origins, Spot, StepContext, ValueOrigin
from labctl.protocol.cell import Cell
from labctl.protocol.condition import kind_of
from labctl.protocol.model import Given, Text, WrittenTerm
from labctl.protocol.model import WrittenCondition as Written
from labctl.protocol.model import WrittenRecordRule as WrittenRule
from labctl.quantity.dimension import CURRENT, Kind
from labctl.quantity.units import Quantity
from labctl.text.fields import near

SLOPES: Final = {"dV/dt": "voltage", "dI/dt": "current", "dT/dt": "temperature"}
OF_TWO_CYCLES: Final = frozenset({"charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention"})
Found = TypeVar("Found")
Other = TypeVar("Other")
WINDOW: Final = 60.0  # s, of a slope for which none is said
SHORTEST_RECORD: Final = 1e-5  # s between two rows: no instrument measures faster
MOST_EXPANDED: Final = 200_000  # values of loops in a whole protocol
UNKNOWN: Final = "reference.unknown"


@dataclass(slots=True)
class CompileContext:
    """What grows while a protocol is read: findings, numbers given out, and what was seen on the way.

    Attributes:
        cell: For which the plan is made; without `known` one of which nothing is known.
        known: The cell is known.
        capabilities: Of the channel, None where it is not known yet.
        outside: Seed and time.
        findings: Errors so far.
        unknown: What cannot be said without a value or a cell that is not known.
        lines: Lines so far.
        blocks: Blocks so far; the whole file is block 0.
        rested: A rest is sure to have come before.
        energised: A step that energises has come before.
        hardware: Lowest and highest voltage of the channel itself, V: no row is meant to lie beyond.
        ocv: Range of the open circuit that inserted files require before the first energised step.
        told: Findings that are said once, however many steps they concern.
        cycles: Kinds of cycles that the whole file has.
        measurable: What part of the cell file's nominal capacity a measured one may be, None where none is ever measured.
        within: The same from where it may have been measured on.
        marks: Names of marks that are sure to have come before.
        expanded: Values of loops so far, over all passes.
        places: Where lines, blocks and their ends were written.
        rests_on: Fields of the cell by which the current at a place was made absolute.
        marked: Where marks stand.
    """

    cell: Cell
    capabilities: Capabilities | None
    known: bool = True
    outside: Outside = field(default_factory=Outside)
    findings: list[Finding] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)
    lines: int = 0
    blocks: int = 0
    rested: bool = False
    energised: bool = False
    hardware: tuple[float, float] = (-math.inf, math.inf)
    ocv: tuple[float, float] | None = None
    told: set[str] = field(default_factory=set)
    cycles: frozenset[str] = frozenset()
    measurable: tuple[float, float] | None = None
    within: tuple[float, float] | None = None
    marks: frozenset[str] = frozenset()
    expanded: int = 0
    places: dict[Spot, Mark] = field(default_factory=dict)
    rests_on: dict[Mark, tuple[str, ...]] = field(default_factory=dict)
    marked: dict[str, Mark] = field(default_factory=dict)

    def place(self, what: Literal["line", "block"], number: int, mark: Mark, origins: Origins) -> None:
        """Note where a line or block, and everything of it, was written."""
        self.places[what, number, ""] = mark
        self.places |= {(what, number, key): origin.mark for key, origin in origins.items()}

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

    def number(self, place: StepContext, given: Given, kind: Kind) -> Number:
        """Return a quantity in SI, a table where it differs between passes; NaN where something is wrong with it."""
        return self.caught(lambda: self._number(place, given, kind), math.nan)

    def caught(self, find: Callable[[], Found], instead: Other) -> Found | Other:
        """Return what is found; note what is wrong with it and return something else, to go on with the next value."""
        try:
            return find()
        except FileError as error:
            for finding in error.findings:
                self.note(finding)
            return instead

    def note(self, finding: Finding) -> None:
        """Note a finding: as something that is not known, where it only waits for a value or a cell."""
        waits = finding.code == UNKNOWN or (finding.code == "cell.missing" and not self.known)
        (self.unknown if waits else self.findings).append(finding)

    def say_beyond(self, code: str, why: str, origin: ValueOrigin, hint: str = "") -> None:
        """Note that a value lies beyond a limit: once for each place, whatever else is wrong with it in other passes."""
        key = f"{origin.mark} {code.partition('.')[0]}"
        if key not in self.told:
            self.told.add(key)
            self.say(code, why, origin.mark, hint)

    def expand(self, values: int, mark: Mark) -> None:
        """Count values of loops; 0 asks whether there is room for more.

        Raises:
            ProtocolError: They are more than any protocol means; that is said once, and no loop is looked at any more.
        """
        exceeded = self.expanded > MOST_EXPANDED
        self.expanded += values if values > 1 else 0
        if self.expanded > MOST_EXPANDED:
            message = f"wanted at most {MOST_EXPANDED} values over all loops of a protocol, found more"
            code = UNKNOWN if exceeded else "each.size"
            raise refused(code, message, mark, "a long list of set-points is a profile")

    def _number(self, place: StepContext, given: Given, kind: Kind) -> Number:
        self.expand(0, mark_of(given))
        blocks, quantities = place.scope.quantities(given)
        self.expand(len(quantities), mark_of(given))
        if kind == "current":
            self._of_the_cell(given, quantities)
        table = place.scope.table(blocks, [self.absolute(quantity, kind) for quantity in quantities])
        relative = {by_nominal(quantity, kind) for quantity in quantities} if self.within is not None else {False}
        if True not in relative or self.within is None:
            return table
        if False in relative:
            message = f"wanted {given.text} relative to the nominal capacity in every pass or in none, found both"
            raise refused("nominal.mixed", message, mark_of(given))
        return Relative(table, self.within)

    def _of_the_cell(self, given: Given, quantities: tuple[Quantity, ...]) -> None:
        """Note by which fields of the cell a current is made absolute; warn of a density that no cell of a laboratory has."""
        self.rests_on[mark_of(given)] = fields_for(quantities, CURRENT)
        self.warn_of_density(quantities, mark_of(given))

    def warn_of_density(self, quantities: Iterable[Quantity], mark: Mark) -> None:
        """Warn once of a current density that no cell of a laboratory has, at its own place where it has one."""
        dense = too_dense(quantities)
        if dense is not None and "density" not in self.told:
            self.told.add("density")
            message = f"wanted a current density of at most {DENSEST / 10.0:g} mA/cm2, found {dense.text}"
            self.say("plan.rate", message, mark_of(dense, mark), "is mA/cm2 meant?", "warning")

    def voltage(self, place: StepContext, given: Given, kind: Kind = "potential") -> Voltage:
        """Return a voltage, which may be against the last rest; a rest is needed before one that is."""
        return self.caught(lambda: self._voltage(place, given, kind), math.nan)

    def _voltage(self, place: StepContext, given: Given, kind: Kind) -> Voltage:
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
            hint = "ocv is the last voltage of the last rest: add - rest: 10 min before"
            raise refused("ocv.rest", f"wanted a rest before {given.text}, found none", mark_of(given), hint)

    def fixed(self, place: StepContext, given: Given, kind: Kind) -> float:
        """Return a quantity in SI that must be the same in every pass; NaN where something is wrong with it."""
        number = self.number(place, given, kind)
        if isinstance(number, Relative):
            message = f"wanted a value that does not change with the measured nominal capacity, found {given.text}"
            self.say("nominal.fixed", message, mark_of(given), "write it in mA or mAh")
            return math.nan
        if isinstance(number, ByPass):
            hint = "write one block for each value"
            found_text = f"wanted one value in every pass, found {given.text}, which differs"
            self.say("each.fixed", found_text, mark_of(given), hint)
            return math.nan
        return number

    def count(self, place: StepContext, given: Given, kind: Kind = "count") -> int:
        """Return a count that is the same in every pass; 1 where something is wrong with it."""
        number = self.fixed(place, given, kind)
        return 1 if math.isnan(number) else round(number)

    def absolute(self, quantity: Quantity, kind: Kind) -> float:
        """Return a quantity in SI, by the cell where it is relative.

        Raises:
            FileError: The cell does not state what it needs, or has another reference.
        """
        reference = self.cell.reference
        known = {"", "ocv", reference, *self.cell.references}
        if self.known and not reference and quantity.versus not in known:
            self.say(
                "cell.reference",
                f"wanted the cell's reference in its file for {quantity.text}, found none: the voltage is taken as it stands",
                mark_of(quantity),
                f"add to the cell file reference: {quantity.versus}, if that is what its voltages are against",
                "warning",
            )
        if reference and quantity.versus not in known:
            raise refused(
                "cell.reference",
                f"wanted a voltage vs {reference}, the cell's reference, found {quantity.text}",
                mark_of(quantity),
                f"write {quantity.text.partition(' vs ')[0]} vs {reference} if that is meant; else say in the cell file, its "
                f"voltage in place of ...: reference: {{name: {reference}, vs: {{{quantity.versus}: ...}}}}"
                + or_correct(self.cell.stated("reference")),
            )
        return self.cell.resolve(quantity, kind)

    # --- conditions ---------------------------------------------------------------------------------------------------

    def condition(self, place: StepContext, written: Written) -> Condition:
        """Return a condition in SI."""
        alternatives = tuple(tuple(self._term(place, term) for term in terms) for terms in written.any_of)
        return Condition(written.text, alternatives)

    def _term(self, place: StepContext, term: WrittenTerm) -> Term:
        if term.quantity in {"temperature", "dT/dt"}:
            self.measured("temperature", term.mark, "this condition")
        kind = self._which(place, term)
        return Term(
            quantity=SLOPES.get(term.quantity, term.quantity),
            comparison=term.comparison,
            value=self._value(place, term),
            absolute=term.absolute,
            slope=term.is_slope,
            over=WINDOW if term.over is None else self.fixed(place, term.over, "duration"),
            reference=term.of,
            cycles=self._running(place, term, kind),
            kind=kind,  # type: ignore[arg-type]
            figure=term.figure,
            among=0 if term.among is None else self.count(place, term.among),
            members=tuple(self.count(place, number) for number in term.members),
            since=self._since(place, term),
            dwell=0.0 if term.dwell is None else self.fixed(place, term.dwell, "duration"),
        )

    def _since(self, place: StepContext, term: WrittenTerm) -> str:
        """Return since what a charge is counted; refuse a mark that is not sure to have come, and a cycle where none is."""
        if term.since == "block":
            return f"block {place.block}"
        if term.since == "cycle" and not place.cycle:
            hint = "cycle: true makes each pass of a block a cycle; or count since block"
            self.say(
                "condition.since", f"wanted a cycle around {term.quantity} since cycle, found none", term.mark, hint
            )
        elif term.since not in {"", "cycle", *self.marks, *place.marks}:
            hint = near(term.since, self.marks | place.marks) or mark_hint(term.since, self.marked)
            message = f"wanted a mark {term.since} before {term.quantity} since {term.since}, found none"
            self.say("condition.since", message, term.mark, hint)
        return term.since

    def _which(self, place: StepContext, term: WrittenTerm) -> str:
        """Return of which completed cycles a result is; refuse one that does not say so where there are both."""
        if term.quantity == "cycle":
            return "block" if term.which else "run"
        if term.quantity not in OF_TWO_CYCLES:
            return "cycles" if term.quantity == "every" else ""
        if not term.which and len(place.cycles) > 1:
            message = f"wanted `of check` or `of cycles` after {term.quantity}, as there are both here, found neither"
            self.say(
                "condition.which", message, term.mark, f"write {term.quantity} of cycles, or {term.quantity} of check"
            )
        if term.which and place.cycles and term.which not in place.cycles:
            there = "no check cycles" if term.which == "check" else "check cycles alone"
            counted = "check" if term.which == "check" else "true"
            hint = f"leave of {term.which} out, or write cycle: {counted} at the block of those"
            message = f"wanted cycles for {term.quantity} of {term.which}, found {there}"
            self.say("condition.which", message, term.mark, hint)
        return term.which or ("check" if place.cycles == {"check"} else "cycles")

    def _running(self, place: StepContext, term: WrittenTerm, kind: str) -> int:
        """Return in how many cycles running a result must meet its comparison: two, one of checks, of an `if`, of a spread."""
        if term.cycles is not None:
            return self.count(place, term.cycles)
        return 1 if place.once or kind == "check" or term.figure or term.quantity not in OF_TWO_CYCLES else 2

    def _value(self, place: StepContext, term: WrittenTerm) -> Voltage:
        if term.value is None:
            return 0.0
        if term.quantity == "voltage":
            return self.voltage(place, term.value)
        return self.number(place, term.value, kind_of(term))

    def measured(self, name: str, mark: Mark, why: str) -> None:
        """Refuse what rests on a quantity that the channel does not measure."""
        if self.capabilities is not None and name not in self.capabilities.measures:
            self.say(
                "channel.measures",
                f"wanted a channel that measures {name} for {why}, found one that does not",
                mark,
                "leave it out, or run it on an instrument with a thermometer" if name == "temperature" else "",
            )

    def end(self, place: StepContext, kind: EndKind, written: Written) -> End:
        """Return an end that was written as a condition."""
        return End(kind, self.condition(place, written))

    @staticmethod
    def origins(written: Written, number: int) -> dict[str | int | tuple[int, int, int], ValueOrigin]:
        """Return where an end of this number, and the value of each of its comparisons, stands."""
        by_number: dict[str | int | tuple[int, int, int], ValueOrigin] = {
            number: ValueOrigin(written.mark, written.text)
        }
        for at, terms in enumerate(written.any_of):
            for which, term in enumerate(terms):
                value = term.value
                mark = term.mark if value is None else mark_of(value, term.mark)
                by_number[number, at, which] = ValueOrigin(mark, "" if value is None else value.text)
        return by_number

    def end_of_time(self, place: StepContext, given: Given) -> End:
        """Return the end that a `for` is."""
        term = Term("time", ">=", self.number(place, given, "duration"))
        return End("for", Condition(f"for {self.text_of(place, given)}", ((term,),)))

    def text(self, place: StepContext, text: Text) -> str | TextByPass:
        """Return a text with its references filled in, as it was written where one has no value."""
        return self.caught(lambda: place.scope.text(text), text if isinstance(text, str) else text.text)

    def text_of(self, place: StepContext, given: Given) -> str:
        """Return a quantity as it was written, the value of a parameter in its place unless it differs between passes."""
        texts = self.caught(lambda: place.scope.quantities(given)[1], ())
        return texts[0].text if len({one.text for one in texts}) == 1 else given.text

    # --- record rules -------------------------------------------------------------------------------------------------

    def record(self, place: StepContext, rules: tuple[WrittenRule, ...]) -> tuple[RecordRule, ...]:
        """Return record rules in SI, each with the step time up to which it holds."""
        compiled: list[RecordRule] = []
        until = 0.0
        for rule in rules:
            if rule.for_ is not None:
                until += self.fixed(place, rule.for_, "duration")
            compiled.append(
                RecordRule(
                    every=None if rule.every is None else self._every(place, rule.every),
                    voltage=None if rule.voltage is None else self.fixed(place, rule.voltage, "voltage"),
                    current=None if rule.current is None else self.fixed(place, rule.current, "current"),
                    until=None if rule.for_ is None else until,
                )
            )
        return tuple(compiled)

    def _every(self, place: StepContext, given: Given) -> float:
        """Return a record interval in s; one that no instrument measures, and no disk holds, is an error."""
        every = self.fixed(place, given, "duration")
        if every < SHORTEST_RECORD:
            wanted = f"wanted 10 us or more between two rows, found {given.text}"
            self.say("record.short", wanted, mark_of(given), "dV and dI write a row when something happens")
        return every

    def recorded(self, place: StepContext, rules: tuple[WrittenRule, ...] | None) -> StepContext:
        """Return the place with a nearer record rule, if there is one."""
        return place if rules is None else replace(place, record=self.record(place, rules))
