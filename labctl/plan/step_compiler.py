"""Steps to lines: what each verb of the language asks of an instrument, in SI, and what ends it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from labctl.plan.beyond_envelope import check_ends
from labctl.plan.kinds import check_verb
from labctl.plan.line_draft import LineDraft
from labctl.plan.number import inverse, magnitude, negative, scaled
from labctl.plan.program import combinations, settle
from labctl.plan.safety import sure
from labctl.plan.scope import mark_of
from labctl.plan.step import (
    Block,
    ByPass,
    Condition,
    End,
    Line,
    Number,
    Setting,
    Term,
    VersusOcv,
    Voltage,
)
from labctl.plan.table_steps import TableSteps
from labctl.protocol.model import Given
from labctl.protocol.step_model import (
    BendStep,
    CyclicVoltammetry,
    Drive,
    HoldStep,
    Impedance,
    LinearSweep,
    MarkEvent,
    Nominal,
    ProfileStep,
    ProfileTable,
    Prompt,
    RestStep,
    Temperature,
    Wait,
)


class StepCompiler(TableSteps):
    """Makes the lines of one step."""

    __slots__ = ()

    def items(self) -> Iterator[Line | Block]:
        """Give the line, or the fused block of lines, that a step is."""
        check_verb(self.draft, self.place, self.step)
        if self.step.temperature is not None:
            before = replace(self.step, verb=self.step.temperature, word="temperature", name="", record=None)
            yield replace(self, step=before).line(self.temperature(self.step.temperature))
        match self.step.verb:
            case Drive() as verb if verb.holds and verb.to is not None:
                yield self.held_drive(verb, verb.to)
            case Drive() as verb if verb.holds:  # what it is to hold was not read: it may be its end
                yield replace(self, place=replace(self.place, sure=True)).line(self.drive(verb))
            case CyclicVoltammetry() as verb:
                yield self.voltammetry(verb)
            case ProfileStep(table=ProfileTable(quantity="temperature") as table) as verb:
                yield self.temperatures(verb, table)
            case verb:
                yield self.line(self.part(verb))

    def part(  # noqa: C901 - a match whose arms are single calls
        self,
        verb: RestStep
        | Wait
        | Drive
        | HoldStep
        | LinearSweep
        | ProfileStep
        | Impedance
        | BendStep
        | Temperature
        | Prompt
        | Nominal
        | MarkEvent,
    ) -> LineDraft:
        """Return what one line asks for."""
        match verb:
            case RestStep():
                return self.until(LineDraft("rest", "Rest"), verb)
            case Wait():
                return self.wait(verb)
            case Drive():
                return self.drive(verb)
            case HoldStep():
                return self.hold(verb)
            case LinearSweep():
                return self.sweep(verb)
            case ProfileStep():
                return self.profile(verb)
            case Impedance():
                return self.impedance(verb)
            case BendStep():
                return self.bend(verb)
            case Temperature():
                return self.temperature(verb)
            case Prompt():
                return self.prompt(verb)
            case Nominal():
                return self.nominal(verb)
            case MarkEvent():
                return LineDraft("mark", "Rest", options={"text": self.draft.text(self.place, verb.text)})
        assert_never(verb)

    # --- charge, discharge, strip, plate ------------------------------------------------------------------------------

    def drive(self, verb: Drive) -> LineDraft:
        """Return constant current, power or load, with every end of the step."""
        part = self.drive_alone(verb)
        if verb.to is not None:
            part.ended(self.end_at(verb, verb.to), self.origin(verb.to))
        self.whole_ends(verb, part)
        return part

    def drive_alone(self, verb: Drive) -> LineDraft:
        """Return constant current, power or load without an end."""
        setting = self.draft.number(self.place, verb.setting, verb.control)
        origin = self.origin(verb.setting)
        match verb.control:
            case "current":
                current = setting if verb.raises else negative(setting)
                return LineDraft(verb.direction, "Galvanostatic", {"current": current}, origins={"current": origin})
            case "power":
                power = setting if verb.raises else negative(setting)
                return LineDraft(verb.direction, "ConstantPower", {"power": power}, origins={"power": origin})
            case "resistance":
                return LineDraft(
                    verb.direction, "ConstantLoad", {"resistance": setting}, origins={"resistance": origin}
                )
        assert_never(verb.control)

    def end_at(self, verb: Drive, to: Given) -> End:
        """Return the end at a voltage, in the direction of the verb."""
        term = Term("voltage", ">=" if verb.raises else "<=", self.draft.voltage(self.place, to))
        return End("to", Condition(f"to {self.draft.text_of(self.place, to)}", ((term,),)))

    def whole_ends(self, verb: Drive, part: LineDraft) -> None:
        """Add the ends of the whole step: capacity, until, for."""
        if verb.capacity is not None:
            term = Term("capacity", ">=", self.draft.number(self.place, verb.capacity, "capacity"))
            text = f"capacity {self.draft.text_of(self.place, verb.capacity)}"
            part.ended(End("capacity", Condition(text, ((term,),))), self.origin(verb.capacity))
        if verb.energy is not None:
            term = Term("energy", ">=", self.draft.number(self.place, verb.energy, "energy"))
            text = f"energy {self.draft.text_of(self.place, verb.energy)}"
            part.ended(End("energy", Condition(text, ((term,),))), self.origin(verb.energy))
        if verb.until is not None:
            part.ended_by(self.draft.end(self.place, "until", verb.until), verb.until)
        if verb.for_ is not None:
            part.ended(self.draft.end_of_time(self.place, verb.for_), self.origin(verb.for_))

    def held_drive(self, verb: Drive, to: Given) -> Block:
        """Return CC-CV: the drive to a voltage, that voltage held, in a block that ends with the whole step's ends."""
        block = self.draft.next_block()
        first = self.drive_alone(verb)
        first.ended(self.end_at(verb, to), self.origin(to))
        whole = LineDraft(verb.direction, first.mode)
        self.whole_ends(verb, whole)
        second = LineDraft(
            "hold",
            "Potentiostatic",
            {"voltage": self.draft.voltage(self.place, to)},
            origins={"voltage": self.origin(to)},
        )
        second.settings["most"] = self.most(verb, first, second.settings["voltage"])
        if verb.hold_until is not None:
            second.ended_by(self.draft.end(self.place, "until", verb.hold_until), verb.hold_until)
        if verb.hold_for is not None:
            second.ended(self.draft.end_of_time(self.place, verb.hold_for), self.origin(verb.hold_for))
        maker = replace(self, place=replace(self.place, sure=self.place.sure or sure(whole.ends)))
        lines = (maker.line(first), maker.line(second))
        check_ends(self.draft, self.place, whole.ends, whole.origins, self.step.mark)
        self.draft.place("block", block, self.step.mark, whole.origins)
        return Block(block, lines, ends=tuple(whole.ends), name=lines[0].name, fused=True)

    def most(self, verb: Drive, first: LineDraft, voltage: Setting) -> Number | None:
        """Return the magnitude of current that the held part may draw: what flowed when its voltage was reached."""
        if verb.control == "current":
            return magnitude(first.settings["current"])
        if not isinstance(voltage, float) or not voltage:
            return None
        if verb.control == "power":
            return scaled(magnitude(first.settings["power"]), 1.0 / abs(voltage))
        return inverse(first.settings["resistance"], abs(voltage))

    # --- hold and sweeps ----------------------------------------------------------------------------------------------

    def hold(self, verb: HoldStep) -> LineDraft:
        """Return a constant voltage."""
        part = LineDraft("hold", "Potentiostatic", {"voltage": self.draft.voltage(self.place, verb.voltage)})
        part.origins["voltage"] = self.origin(verb.voltage)
        if verb.current is not None:
            part.settings["most"] = self.draft.number(self.place, verb.current, "current")
            part.origins["most"] = self.origin(verb.current)
        elif (most := self.most_unsaid()) is not None:
            part.settings["most"] = most
        return self.until(part, verb)

    def sweep(self, verb: LinearSweep) -> LineDraft:
        """Return a linear sweep."""
        return self.until(self.between("lsv", verb.from_, verb.to, verb.rate), verb)

    def between(self, word: str, start: Given, end: Given, rate: Given) -> LineDraft:
        """Return a sweep between two voltages."""
        voltages = self.draft.voltage(self.place, start), self.draft.voltage(self.place, end)
        if _alike(*voltages):
            message = f"wanted two voltages to sweep between, found {self.draft.text_of(self.place, start)} twice"
            later = max(mark_of(start, self.step.mark), mark_of(end, self.step.mark))
            self.draft.say("sweep.none", message, later, "write another voltage in one of the two places")
        return LineDraft(
            word,
            "Sweep",
            {"start": voltages[0], "end": voltages[1], "rate": self.draft.number(self.place, rate, "scan rate")},
            origins={"start": self.origin(start), "end": self.origin(end), "rate": self.origin(rate)},
        )

    def voltammetry(self, verb: CyclicVoltammetry) -> Block:
        """Return the sweeps of a `cv`: the first cycle from where it begins, the others from where it comes back to."""
        outer = self.draft.next_block()
        back = verb.from_ if verb.back is None else verb.back
        cycles = 1 if verb.cycles is None else self.draft.count(self.place, verb.cycles)
        ends: tuple[End, ...] = ()
        if verb.until is not None:
            whole = LineDraft("cv", "Sweep")
            whole.ended_by(self.draft.end(self.place, "until", verb.until), verb.until)
            check_ends(self.draft, self.place, whole.ends, whole.origins, self.step.mark)
            ends = tuple(whole.ends)
        if self.draft.voltage(self.place, back) == self.draft.voltage(self.place, verb.from_):
            lines = self.there_and_back(verb.from_, verb, back)
            name = lines[0].name
            return Block(outer, lines, cycles, None if self.place.cycle else "cv", ends=ends, name=name, fused=True)
        turns = [self.turn(verb.from_, verb, back, 1)]
        if cycles > 1:
            turns.append(self.turn(back, verb, back, cycles - 1))
        return Block(outer, tuple(turns), ends=ends, name=turns[0].name, fused=True)

    def turn(self, start: Given, verb: CyclicVoltammetry, back: Given, passes: int) -> Block:
        """Return some equal cycles of a `cv`."""
        block = self.draft.next_block()
        lines = self.there_and_back(start, verb, back)
        return Block(block, lines, passes, None if self.place.cycle else "cv", name=lines[0].name, fused=True)

    def there_and_back(self, start: Given, verb: CyclicVoltammetry, back: Given) -> tuple[Line, Line]:
        """Return the two sweeps of one cycle."""
        there = self.between("cv", start, verb.to, verb.rate)
        return self.line(there), self.line(self.between("cv", verb.to, back, verb.rate))


def _alike(first: Voltage, second: Voltage) -> bool:
    """Tell whether two voltages are the same in some pass; one against the open circuit is none that is not."""
    if isinstance(first, VersusOcv) != isinstance(second, VersusOcv):
        return False
    pair = [each.offset if isinstance(each, VersusOcv) else each for each in (first, second)]
    tables = [each for each in pair if isinstance(each, ByPass)]
    return any(settle(pair[0], passes, None) == settle(pair[1], passes, None) for passes in combinations(tables))
