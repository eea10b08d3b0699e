"""The values of a protocol against its limits: set-points, cut-offs, charges, ranges, voltages against the last rest."""

from collections.abc import Iterator
from typing import Final

from labctl.document import Finding, Mark
from labctl.driver import Bounds
from labctl.errors import ProtocolError
from labctl.protocol.bounds import TOLERANCE, Envelope, magnitudes, resolve_limits, shown, with_kinds, within
from labctl.protocol.cell import FIELD_EXAMPLES, Cell
from labctl.protocol.expression import Environment, settle
from labctl.protocol.model import (
    Block,
    Condition,
    CyclicVoltammetry,
    Drive,
    Given,
    Hold,
    Impedance,
    Limits,
    LinearSweep,
    Pair,
    Profile,
    Protocol,
    Step,
    Temperature,
    Term,
)
from labctl.protocol.verbs import is_unread
from labctl.protocol.walk import NO_CELL, Visit, Walk, conditions, givens
from labctl.units import VOLTAGE, Kind, Quantity, display


def check_values(protocol: Protocol, environment: Environment, cell: Cell | None) -> list[Finding]:
    """Return what is wrong with the values of a protocol: as far as they are known, and absolute without a cell."""
    return list(_Values(protocol, environment, cell).findings.values())


SET_POINT: Final = "limit.set_point"
CUT_OFF: Final = "limit.cut_off"


class _Values:
    def __init__(self, protocol: Protocol, environment: Environment, cell: Cell | None) -> None:
        self.cell = cell or NO_CELL
        self.known = cell is not None
        self.findings: dict[tuple[Mark, str], Finding] = {}
        self.envelopes: dict[tuple[int, int, bool], Envelope] = {}
        self.environment = environment
        self.kept: list[object] = []  # keeps ids of environments alive while they are keys
        for limits_of in (protocol,):
            self.limits(limits_of, environment)
        walk = Walk(protocol, environment)
        for visit in walk.steps():
            self.visit(visit)
        for finding in walk.findings:
            self.add(finding)

    # --- findings ---

    def add(self, finding: Finding) -> None:
        self.findings.setdefault((finding.mark, finding.code), finding)

    def report(self, code: str, message: str, mark: Mark | None, hint: str = "") -> None:
        self.add(Finding(code, message, mark or Mark(self.cell.file, 1, 1), hint))

    # --- values ---

    def quantity(self, given: Given | None) -> Quantity | None:
        """Return a value where it is known; report one that cannot be evaluated for another reason than a missing value."""
        if given is None or is_unread(given):
            return None
        try:
            return settle(given, self.environment)
        except ProtocolError as error:
            for finding in error.findings:
                if finding.code != "reference.unknown":
                    self.add(finding)
        return None

    def absolute(self, given: Given | None, kind: Kind) -> float | None:
        """Return a value in SI, or None where it is not known, relative without a cell, or against ocv."""
        quantity = self.quantity(given)
        if quantity is None or quantity.versus == "ocv":
            return None
        value, missing = self.cell.absolute(quantity, kind)
        if value is None and self.known and missing:
            examples = ", ".join(FIELD_EXAMPLES[name] for name in missing)
            message = f"wanted the cell's {' and '.join(missing)} for {quantity.text}, found none in {self.cell.name or 'the cell'}"
            self.report("cell.missing", message, quantity.mark, f"add to the cell file: {examples}")
        return value

    # --- limits ---

    def limits(self, protocol: Protocol, environment: Environment) -> None:
        """Check the envelope itself and the range of the open circuit."""
        self.environment = environment
        kinds: tuple[tuple[str, Pair | None, Kind], ...] = (
            ("voltage limits", protocol.limits.voltage, "potential"),
            ("current limits", protocol.limits.current, "current"),
            ("temperature limits", protocol.limits.temperature, "temperature"),
            ("range of ocv", protocol.requires.ocv, "potential"),
        )
        for name, pair, kind in kinds:
            if pair is not None:
                self.ordered(name, pair, kind)

    def ordered(self, name: str, pair: Pair, kind: Kind) -> None:
        quantities = [self.quantity(item) for item in pair]
        for quantity in quantities:
            if quantity is not None and quantity.versus == "ocv":
                self.report(
                    "limit.ocv",
                    f"wanted a fixed voltage in the {name}, found {quantity.text}",
                    quantity.mark,
                    "for example 4.2 V",
                )
        low, high = (self.absolute(item, kind) for item in pair)
        if low is not None and high is not None and low > high:
            self.report(
                "limit.order",
                f"wanted the lower value first in the {name}, found {pair[0].text} before {pair[1].text}",
                pair[0].mark,
            )

    def around(self, visit: Visit) -> Iterator[Envelope]:
        """Yield the envelopes in force at a step: of the files around it, and the cell's."""
        for limits, environment in visit.limits:
            here = limits.mark is None or limits.mark.file == visit.item.mark.file
            key = (id(limits), id(environment), here)
            if key not in self.envelopes:
                self.kept.append((limits, environment))
                where = "the limits of the file" if here or not limits.mark else f"the limits of {limits.mark.file}"
                self.envelopes[key] = Envelope(self.bounds(limits, environment), where)
            yield self.envelopes[key]
        if self.known:
            yield Envelope(self.cell.limits, f"the limits of the cell {self.cell.name}")

    def bounds(self, limits: Limits, environment: Environment) -> Bounds:
        try:
            bounds = resolve_limits(limits, environment, self.cell)
        except ProtocolError as error:
            for finding in error.findings:
                if finding.code != "reference.unknown":
                    self.add(finding)
            return Bounds()
        if self.known:
            outer, self.environment = self.environment, environment
            for given, kind in with_kinds(limits):
                self.absolute(given, kind)  # says which field of the cell is missing
            self.environment = outer
        return bounds

    # --- visits ---

    def visit(self, visit: Visit) -> None:
        self.environment = visit.environment
        envelopes = list(self.around(visit))
        item = visit.item
        if isinstance(item, Block):
            for given in givens((item.repeat, item.for_, item.record, item.if_)):
                self.quantity(given)
            for condition in (item.stop_if, item.abort_if):
                self.condition(condition, visit, envelopes)
            if item.if_ is not None:
                self.condition(item.if_, visit, [])
            return
        for given in givens(item):
            found = self.quantity(given)
            if found is not None and found.versus:
                self.versus(found, visit)
        for _, condition in conditions(item):
            self.condition(condition, visit, envelopes)
        self.step(item, visit, envelopes)

    def versus(self, quantity: Quantity, visit: Visit) -> None:
        """Check what a voltage is against: a rest before it, or the reference of the cell."""
        if quantity.versus == "ocv":
            if not visit.rested:
                self.report(
                    "ocv.rest",
                    f"wanted a rest before {quantity.text}, found none",
                    quantity.mark,
                    "ocv is the last voltage of the last rest: add - rest: 10 min before",
                )
        elif self.known and self.cell.reference and quantity.versus != self.cell.reference:
            message = (
                f"wanted a voltage vs {self.cell.reference}, the reference of {self.cell.name}, found {quantity.text}"
            )
            self.report("cell.reference", message, quantity.mark)

    def step(self, step: Step, visit: Visit, envelopes: list[Envelope]) -> None:
        match step.verb:
            case Drive() as verb:
                self.drive(step, verb, envelopes)
            case Hold() as verb:
                self.voltage(verb.voltage, envelopes)
                self.magnitude(verb.current, envelopes)
            case LinearSweep() as verb:
                self.sweep(step, (verb.from_, verb.to), envelopes)
            case CyclicVoltammetry() as verb:
                self.sweep(step, (verb.from_, verb.to), envelopes)
                if verb.back is not None:
                    self.sweep(step, (verb.to, verb.back), envelopes)
            case Impedance() as verb:
                self.impedance(verb, visit, step, envelopes)
            case Temperature() as verb:
                self.inside(verb.to, "temperature", envelopes)
            case Profile() as verb:
                self.profile(verb, step, envelopes)

    def drive(self, step: Step, drive: Drive, envelopes: list[Envelope]) -> None:
        self.inside(drive.to, "potential", envelopes, CUT_OFF)
        charge = self.absolute(drive.capacity, "capacity")
        for envelope in envelopes:
            most = envelope.bounds.charge
            if charge is not None and most is not None and charge > most * (1 + TOLERANCE):
                self.beyond(CUT_OFF, "capacity", (charge, drive.capacity), display(most, "capacity"), envelope)
        if drive.control != "current":
            self.absolute(drive.setting, "power" if drive.control == "power" else "resistance")
            return
        current = self.absolute(drive.setting, "current")
        if current is None:
            return
        self.signed(current if drive.raises else -current, drive.setting, envelopes)
        self.passed(step, drive, current, envelopes)

    def passed(self, step: Step, drive: Drive, current: float, envelopes: list[Envelope]) -> None:
        """Find a step that ends by time alone and passes more charge by then than it may."""
        lasting = self.absolute(drive.for_, "duration")
        if lasting is None or drive.to is not None or drive.capacity is not None or drive.until is not None:
            return
        limits = [(item.bounds.charge, item.where) for item in envelopes if item.bounds.charge is not None]
        if not limits and self.known and self.cell.nominal:
            limits = [(2 * self.cell.nominal, "twice the nominal capacity")]
        for most, where in limits:
            if current * lasting > most * (1 + TOLERANCE):
                charge = display(current * lasting, "capacity")
                message = f"wanted at most {display(most, 'capacity')} in {step.word} by {where}, found {charge}"
                hint = "shorten for:, or say so with limits: {capacity: ...}"
                self.report("limit.charge", message, drive.setting.mark, hint)

    def voltage(self, given: Given | None, envelopes: list[Envelope]) -> None:
        self.inside(given, "potential", envelopes)

    def inside(self, given: Given | None, kind: Kind, envelopes: list[Envelope], code: str = SET_POINT) -> None:
        value = self.absolute(given, kind)
        if value is None:
            return
        for envelope in envelopes:
            pair = envelope.bounds.temperature if kind == "temperature" else envelope.bounds.voltage
            if pair is not None and not within(value, pair):
                self.beyond(code, kind, (value, given), shown(pair, kind), envelope)

    def signed(self, current: float, given: Given, envelopes: list[Envelope]) -> None:
        for envelope in envelopes:
            pair = envelope.bounds.current
            if pair is not None and not within(current, pair):
                self.beyond(SET_POINT, "current", (current, given), shown(pair, "current"), envelope)

    def magnitude(self, given: Given | None, envelopes: list[Envelope]) -> None:
        value = self.absolute(given, "current")
        for envelope in envelopes:
            pair = envelope.bounds.current
            if value is not None and pair is not None and value > max(map(abs, pair)) * (1 + TOLERANCE):
                self.beyond(SET_POINT, "current", (value, given), shown(pair, "current"), envelope)

    def beyond(self, code: str, kind: str, found: tuple[float, Given | None], limit: str, envelope: Envelope) -> None:
        """Report a value outside an envelope."""
        value, given = found
        name = "voltage" if kind == "potential" else kind
        text, plain = given.text if given else "", display(value, kind)
        said = plain if not text or text.replace(" ", "") == plain.replace(" ", "") else f"{text} = {plain}"
        if value < 0 and text.replace(" ", "") == plain.replace(" ", "").lstrip("-"):
            said = f"{text} that discharges"
        message = f"wanted a {name} inside {envelope.where}, {limit}, found {said}"
        self.report(code, message, given.mark if given else None)

    # --- verbs ---

    def sweep(self, step: Step, ends: tuple[Given, Given], envelopes: list[Envelope]) -> None:
        for end in ends:
            self.voltage(end, envelopes)
        first, last = (self.quantity(end) for end in ends)
        if first and last and first.versus == last.versus and first.value_si == last.value_si:
            self.report("sweep.none", f"wanted two voltages to sweep between, found {first.text} twice", step.mark)

    def impedance(self, verb: Impedance, visit: Visit, step: Step, envelopes: list[Envelope]) -> None:
        amplitude, bias = self.quantity(verb.amplitude), self.quantity(verb.at)
        if amplitude is None:
            return
        potentiostatic = amplitude.dimension == VOLTAGE
        if bias is not None and (bias.dimension == VOLTAGE) != potentiostatic:
            wanted = "a voltage" if potentiostatic else "a current"
            self.report(
                "eis.bias",
                f"wanted {wanted} as the bias of an amplitude of {amplitude.text}, found {bias.text}",
                bias.mark,
                "both in V, or both in A",
            )
        elif potentiostatic and verb.at is None and not visit.rested:
            self.report(
                "ocv.rest",
                "wanted a rest before eis, whose bias is ocv, found none",
                step.mark,
                "add - rest: 10 min before, or at: 3.8 V",
            )
        elif potentiostatic:
            self.voltage(verb.at, envelopes)
        else:
            self.magnitude(verb.amplitude, envelopes)
            self.absolute(verb.at, "current")

    def profile(self, verb: Profile, step: Step, envelopes: list[Envelope]) -> None:
        table, scale = verb.table, self.quantity(verb.scale) if verb.scale else None
        if table is None or table.quantity != "current" or (verb.scale and scale is None):
            return
        unit, missing = self.cell.absolute(table.unit, "current")
        if unit is None:
            if self.known:
                self.report(
                    "cell.missing",
                    f"wanted the cell's {' and '.join(missing)} for a profile in {table.unit.text[2:]}, found none",
                    step.mark,
                )
            return
        factor = unit * (scale.value_si if scale else 1.0) * (1 if verb.positive == "charge" else -1)
        for value in (min(table.values), max(table.values)):
            for envelope in envelopes:
                pair = envelope.bounds.current
                if pair is not None and not within(value * factor, pair):
                    limit = shown(pair, "current")
                    self.report(
                        "limit.set_point",
                        f"wanted a profile inside {envelope.where}, {limit}, found {display(value * factor, 'current')}",
                        step.mark,
                        "lower scale:",
                    )

    # --- conditions ---

    def condition(self, condition: Condition | None, visit: Visit, envelopes: list[Envelope]) -> None:
        for alternative in condition.any_of if condition else ():
            for term in alternative:
                found = self.quantity(term.value)
                if found is not None and found.versus and isinstance(visit.item, Block):
                    self.versus(found, Visit(visit.item, visit.environment, visit.limits, rested=True))
                self.term(term, envelopes)

    def term(self, term: Term, envelopes: list[Envelope]) -> None:
        """Check that a cut-off lies where it can be met: on the limits or between them."""
        kinds: dict[str, Kind] = {
            "voltage": "potential",
            "temperature": "temperature",
            "current": "current",
            "capacity": "capacity",
            "power": "power",
        }
        kind = kinds.get(term.quantity)
        value = self.absolute(term.value, kind) if kind and term.value is not None else None
        if value is None:
            return
        for envelope in envelopes:
            bounds = envelope.bounds
            pair = {"potential": bounds.voltage, "temperature": bounds.temperature, "current": bounds.current}.get(
                kind or ""
            )
            if kind == "capacity" and bounds.charge is not None:
                pair = (0.0, bounds.charge)
            if pair is not None and not within(value, magnitudes(pair) if term.absolute or kind == "current" else pair):
                self.beyond(CUT_OFF, kind or "", (value, term.value), shown(pair, kind or ""), envelope)
