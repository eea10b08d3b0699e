"""Steps to lines: what each verb of the language asks of an instrument, in SI, and what ends it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from labctl.document import Mark
from labctl.plan.draft import Draft, Place
from labctl.plan.number import inverse, magnitude, negative, scaled
from labctl.plan.safety import hold_ends, hold_line, hold_verb, sure
from labctl.plan.scope import file_name, mark_of
from labctl.plan.step import Block, ByPass, Condition, End, Line, Number, Setting, Term, TextByPass
from labctl.protocol.cell import factors
from labctl.protocol.model import (
    Bend,
    CyclicVoltammetry,
    Drive,
    Given,
    Hold,
    Impedance,
    LinearSweep,
    MarkEvent,
    Profile,
    Prompt,
    Rest,
    Step,
    Temperature,
    Template,
    Text,
)
from labctl.units import CURRENT, VOLTAGE, Quantity

PER_DECADE: Final = 10
MOST_FREQUENCIES: Final = 1000
WITHIN: Final = 1.0  # K of a chamber for which nothing is said


@dataclass(slots=True)
class Part:
    """A line in the making: `marks` is where each setting, and each end by its number, was written."""

    verb: str
    mode: str
    settings: dict[str, Setting] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    marks: dict[str | int, Mark] = field(default_factory=dict)

    def ended(self, end: End, mark: Mark) -> None:
        """Add an end."""
        self.marks[len(self.ends)] = mark
        self.ends.append(end)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the lines of one step."""

    draft: Draft
    place: Place
    step: Step

    def items(self) -> Iterator[Line | Block]:
        """Give the line, or the fused block of lines, that a step is."""
        hold_verb(self.draft, self.step)
        match self.step.verb:
            case Drive() as verb if verb.holds and verb.to is not None:
                yield self.held_drive(verb, verb.to)
            case CyclicVoltammetry() as verb:
                yield self.voltammetry(verb)
            case verb:
                yield self.line(self.part(verb))

    def part(  # noqa: C901 - a match whose arms are single calls
        self,
        verb: Rest | Drive | Hold | LinearSweep | Profile | Impedance | Bend | Temperature | Prompt | MarkEvent,
    ) -> Part:
        """Return what one line asks for."""
        match verb:
            case Rest():
                return self.until(Part("rest", "Rest"), verb)
            case Drive():
                return self.drive(verb)
            case Hold():
                return self.hold(verb)
            case LinearSweep():
                return self.sweep(verb)
            case Profile():
                return self.profile(verb)
            case Impedance():
                return self.impedance(verb)
            case Bend():
                return self.bend(verb)
            case Temperature():
                return self.temperature(verb)
            case Prompt():
                return self.prompt(verb)
            case MarkEvent():
                return Part("mark", "Rest", options={"text": self.place.scope.text(verb.text)})
        assert_never(verb)

    def line(self, part: Part) -> Line:
        """Return the finished line, held against the envelope and the rules of safety."""
        name = self.draft.caught(lambda: self.place.scope.text(self.step.name), "")
        written = self.step.name if isinstance(self.step.name, str) else self.step.name.text
        line = Line(
            id=self.draft.next_line(),
            verb=part.verb,
            mode=part.mode,
            settings=part.settings,
            ends=tuple(part.ends),
            record=self.draft.recorded(self.place, self.step.record).record,
            bounds=self.place.envelope.bounds,
            name=written if isinstance(name, TextByPass) else name,
            options=part.options | ({"name": name} if isinstance(name, TextByPass) else {}),  # type: ignore[arg-type]
            where=f"{file_name(self.step.mark.file)}:{self.step.mark.line}",
        )
        hold_line(self.draft, self.place, line, part.marks, self.step.mark)
        return line

    # --- values -------------------------------------------------------------------------------------------------------

    def until(self, part: Part, verb: Rest | Hold | LinearSweep | Profile) -> Part:
        """Add the ends that `until` and `for` state."""
        if verb.until is not None:
            part.ended(self.draft.end(self.place, "until", verb.until), verb.until.mark)
        if not isinstance(verb, LinearSweep) and verb.for_ is not None:
            part.ended(self.draft.end_of_time(self.place, verb.for_), mark_of(verb.for_))
        return part

    def mark(self, given: Given) -> Mark:
        """Return where a value stands."""
        return mark_of(given, self.step.mark)

    # --- charge, discharge, strip, plate ------------------------------------------------------------------------------

    def drive(self, verb: Drive) -> Part:
        """Return constant current, power or load, with every end of the step."""
        part = self.drive_alone(verb)
        if verb.to is not None:
            part.ended(self.end_at(verb, verb.to), self.mark(verb.to))
        self.whole_ends(verb, part)
        return part

    def drive_alone(self, verb: Drive) -> Part:
        """Return constant current, power or load without an end."""
        setting = self.draft.number(self.place, verb.setting, verb.control)
        mark = self.mark(verb.setting)
        match verb.control:
            case "current":
                current = setting if verb.raises else negative(setting)
                return Part(verb.direction, "Galvanostatic", {"current": current}, marks={"current": mark})
            case "power":
                power = setting if verb.raises else negative(setting)
                return Part(verb.direction, "ConstantPower", {"power": power}, marks={"power": mark})
            case "resistance":
                return Part(verb.direction, "ConstantLoad", {"resistance": setting}, marks={"resistance": mark})
        assert_never(verb.control)

    def end_at(self, verb: Drive, to: Given) -> End:
        """Return the end at a voltage, in the direction of the verb."""
        term = Term("voltage", ">=" if verb.raises else "<=", self.draft.voltage(self.place, to))
        return End("to", Condition(f"to {self.draft.text_of(self.place, to)}", ((term,),)))

    def whole_ends(self, verb: Drive, part: Part) -> None:
        """Add the ends of the whole step: capacity, until, for."""
        if verb.capacity is not None:
            term = Term("capacity", ">=", self.draft.number(self.place, verb.capacity, "capacity"))
            text = f"capacity {self.draft.text_of(self.place, verb.capacity)}"
            part.ended(End("capacity", Condition(text, ((term,),))), self.mark(verb.capacity))
        if verb.until is not None:
            part.ended(self.draft.end(self.place, "until", verb.until), verb.until.mark)
        if verb.for_ is not None:
            part.ended(self.draft.end_of_time(self.place, verb.for_), self.mark(verb.for_))

    def held_drive(self, verb: Drive, to: Given) -> Block:
        """Return CC-CV: the drive to a voltage, that voltage held, in a block that ends with the whole step's ends."""
        block = self.draft.next_block()
        first = self.drive_alone(verb)
        first.ended(self.end_at(verb, to), self.mark(to))
        whole = Part(verb.direction, first.mode)
        self.whole_ends(verb, whole)
        second = Part(
            "hold", "Potentiostatic", {"voltage": self.draft.voltage(self.place, to)}, marks={"voltage": self.mark(to)}
        )
        second.settings["most"] = self.most(verb, first, second.settings["voltage"])
        if verb.hold_until is not None:
            second.ended(self.draft.end(self.place, "until", verb.hold_until), verb.hold_until.mark)
        if verb.hold_for is not None:
            second.ended(self.draft.end_of_time(self.place, verb.hold_for), self.mark(verb.hold_for))
        maker = replace(self, place=replace(self.place, sure=self.place.sure or sure(whole.ends)))
        lines = (maker.line(first), maker.line(second))
        hold_ends(self.draft, self.place, whole.ends, whole.marks, self.step.mark)
        return Block(block, lines, ends=tuple(whole.ends), name=lines[0].name, fused=True)

    def most(self, verb: Drive, first: Part, voltage: Setting) -> Number | None:
        """Return the magnitude of current that the held part may draw: what flowed when its voltage was reached."""
        if verb.control == "current":
            return magnitude(first.settings["current"])
        if not isinstance(voltage, float) or not voltage:
            return None
        if verb.control == "power":
            return scaled(magnitude(first.settings["power"]), 1.0 / abs(voltage))
        return inverse(first.settings["resistance"], abs(voltage))

    # --- hold and sweeps ----------------------------------------------------------------------------------------------

    def hold(self, verb: Hold) -> Part:
        """Return a constant voltage."""
        part = Part("hold", "Potentiostatic", {"voltage": self.draft.voltage(self.place, verb.voltage)})
        part.marks["voltage"] = self.mark(verb.voltage)
        if verb.current is not None:
            part.settings["most"] = self.draft.number(self.place, verb.current, "current")
            part.marks["most"] = self.mark(verb.current)
        return self.until(part, verb)

    def sweep(self, verb: LinearSweep) -> Part:
        """Return a linear sweep."""
        return self.until(self.between("lsv", verb.from_, verb.to, verb.rate), verb)

    def between(self, word: str, start: Given, end: Given, rate: Given) -> Part:
        """Return a sweep between two voltages."""
        return Part(
            word,
            "Sweep",
            {
                "start": self.draft.voltage(self.place, start),
                "end": self.draft.voltage(self.place, end),
                "rate": self.draft.number(self.place, rate, "scan rate"),
            },
            marks={"start": self.mark(start), "end": self.mark(end), "rate": self.mark(rate)},
        )

    def voltammetry(self, verb: CyclicVoltammetry) -> Block:
        """Return the sweeps of a `cv`: the first cycle from where it begins, the others from where it comes back to."""
        outer = self.draft.next_block()
        back = verb.from_ if verb.back is None else verb.back
        cycles = 1 if verb.cycles is None else self.draft.count(self.place, verb.cycles)
        ends: tuple[End, ...] = ()
        if verb.until is not None:
            whole = Part("cv", "Sweep")
            whole.ended(self.draft.end(self.place, "until", verb.until), verb.until.mark)
            hold_ends(self.draft, self.place, whole.ends, whole.marks, self.step.mark)
            ends = tuple(whole.ends)
        if self.draft.voltage(self.place, back) == self.draft.voltage(self.place, verb.from_):
            lines = self.there_and_back(verb.from_, verb, back)
            name = lines[0].name
            return Block(outer, lines, cycles, None if self.place.cycle else "true", ends=ends, name=name, fused=True)
        turns = [self.turn(verb.from_, verb, back, 1)]
        if cycles > 1:
            turns.append(self.turn(back, verb, back, cycles - 1))
        return Block(outer, tuple(turns), ends=ends, name=turns[0].name, fused=True)

    def turn(self, start: Given, verb: CyclicVoltammetry, back: Given, passes: int) -> Block:
        """Return some equal cycles of a `cv`."""
        block = self.draft.next_block()
        lines = self.there_and_back(start, verb, back)
        return Block(block, lines, passes, None if self.place.cycle else "true", name=lines[0].name, fused=True)

    def there_and_back(self, start: Given, verb: CyclicVoltammetry, back: Given) -> tuple[Line, Line]:
        """Return the two sweeps of one cycle."""
        there = self.between("cv", start, verb.to, verb.rate)
        return self.line(there), self.line(self.between("cv", verb.to, back, verb.rate))

    # --- profile and spectrum -----------------------------------------------------------------------------------------

    def profile(self, verb: Profile) -> Part:
        """Return a table of set-points in SI."""
        part = Part("profile", "Profile")
        table = verb.table
        if table is None:
            self.draft.say(
                "profile.name", "wanted the name of a table as text, found one that is computed", self.step.mark
            )
            part.settings |= {"times": (0.0, 1.0), "values": (0.0, 0.0), "quantity": "current"}  # stands for the table
            return part
        unit = self.draft.caught(lambda: self.draft.absolute(table.unit, table.quantity), math.nan)
        unit = unit if verb.positive == "charge" else -unit
        scale = 1.0 if verb.scale is None else self.draft.number(self.place, verb.scale, "number")
        if isinstance(scale, ByPass):
            part.settings["scale"] = scale
        else:
            unit *= scale
        part.settings |= {"times": table.times, "quantity": table.quantity}
        part.settings["values"] = tuple(unit * value for value in table.values)
        part.marks["values"] = self.step.mark
        return self.until(part, verb)

    def impedance(self, verb: Impedance) -> Part:
        """Return a spectrum with its frequencies."""
        quantities: tuple[Quantity, ...] = self.draft.caught(lambda: self.place.scope.quantities(verb.amplitude)[1], ())
        potentiostatic = all(quantity.dimension == VOLTAGE for quantity in quantities)
        part = Part("eis", "Spectrum", {"frequencies": self.frequencies(verb), "potentiostatic": potentiostatic})
        part.settings["amplitude"] = self.draft.number(
            self.place, verb.amplitude, "voltage" if potentiostatic else "current"
        )
        part.settings["bias"] = self.bias(verb, potentiostatic=potentiostatic)
        part.marks = {"amplitude": self.mark(verb.amplitude), "bias": self.mark(verb.at or verb.amplitude)}
        return part

    def bias(self, verb: Impedance, *, potentiostatic: bool) -> Setting:
        """Return the bias: None for the open circuit, in V or A of what is controlled."""
        if verb.at is None:
            return None if potentiostatic else 0.0
        at = verb.at
        for quantity in self.draft.caught(lambda: self.place.scope.quantities(at)[1], ()):
            if (quantity.dimension == VOLTAGE) != potentiostatic or (
                not potentiostatic and factors(quantity.dimension, CURRENT) is None
            ):
                what = "voltage" if potentiostatic else "current"
                self.draft.say(
                    "eis.bias", f"wanted a {what} for at, as for amplitude, found {quantity.text}", self.mark(at)
                )
                return math.nan
        if not potentiostatic:
            return self.draft.number(self.place, at, "current")
        if at.text == "ocv":
            return None
        return self.draft.voltage(self.place, at)

    def frequencies(self, verb: Impedance) -> tuple[float, ...]:
        """Return the frequencies in order, evenly spaced in their logarithm, both ends included."""
        first = self.draft.fixed(self.place, verb.from_, "frequency")
        last = self.draft.fixed(self.place, verb.to, "frequency")
        density = PER_DECADE if verb.per_decade is None else self.draft.count(self.place, verb.per_decade)
        if math.isnan(first) or math.isnan(last) or first <= 0 or last <= 0:
            return ()
        decades = abs(math.log10(last / first))
        intervals = math.ceil(decades * density - 1e-9)
        if intervals >= MOST_FREQUENCIES:
            found = f"wanted at most {MOST_FREQUENCIES} frequencies, found {intervals + 1}"
            self.draft.say("eis.size", found, self.mark(verb.per_decade or verb.from_))
            return ()
        inner = (first * (last / first) ** (number / intervals) for number in range(1, intervals))
        return (first, *inner, last) if intervals else (first,)

    # --- stage, chamber, person ---------------------------------------------------------------------------------------

    def bend(self, verb: Bend) -> Part:
        """Return a bend of the stage."""
        part = Part("bend", "Bend", options={"confirm": verb.confirm})
        if verb.angle is not None:
            part.settings["angle"] = self.draft.number(self.place, verb.angle, "angle")
        if verb.radius is not None:
            part.settings["radius"] = self.draft.number(self.place, verb.radius, "length")
        part.settings["times"] = 1 if verb.times is None else self.draft.count(self.place, verb.times)
        return part

    def temperature(self, verb: Temperature) -> Part:
        """Return a temperature of the chamber."""
        part = Part("temperature", "Chamber", {"temperature": self.draft.number(self.place, verb.to, "temperature")})
        part.marks["temperature"] = self.mark(verb.to)
        within = WITHIN if verb.within is None else self.draft.number(self.place, verb.within, "temperature step")
        soak = 0.0 if verb.soak is None else self.draft.number(self.place, verb.soak, "duration")
        part.settings |= {"within": within, "soak": soak}
        if verb.for_ is not None:
            part.options["for"] = self.draft.number(self.place, verb.for_, "duration")
        return part

    def prompt(self, verb: Prompt) -> Part:
        """Return a question to a person."""
        part = Part("prompt", "Rest", options={"say": self.place.scope.text(verb.say)})
        if verb.for_ is not None:
            part.options["for"] = self.draft.number(self.place, verb.for_, "duration")
        if verb.state:
            part.options["state"] = {name: self.state(value) for name, value in verb.state.items()}
        return part

    def state(self, value: Given | Text) -> Setting:
        """Return a condition that a person has set: SI, or a text."""
        if isinstance(value, str | Template):
            return self.draft.caught(lambda: self.place.scope.text(value), "")
        return self.draft.caught(lambda: self.plain(value), math.nan)

    def plain(self, given: Given) -> Number:
        """Return a quantity of any kind in SI, as it was written."""
        blocks, found = self.place.scope.quantities(given)
        return self.place.scope.table(blocks, [quantity.value_si for quantity in found])
