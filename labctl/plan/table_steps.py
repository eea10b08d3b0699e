"""Tables of set-points, waits and spectra: what a line of theirs asks for."""

import itertools
import math
from dataclasses import replace
from typing import Final

from labctl.driver import OPEN
from labctl.errors import Misread
from labctl.plan.beyond_envelope import check_ends
from labctl.plan.external_steps import ExternalSteps
from labctl.plan.line_draft import LineDraft
from labctl.plan.number import as_filed, scaled
from labctl.plan.outside import moment_of
from labctl.plan.relative import by_nominal
from labctl.plan.step import (
    Block,
    ByPass,
    Condition,
    End,
    Number,
    Relative,
    Setting,
    Term,
    TextByPass,
)
from labctl.plan.step_context import ValueOrigin
from labctl.protocol.cell import factors
from labctl.protocol.step_model import (
    Impedance,
    ProfileStep,
    ProfileTable,
    Wait,
)
from labctl.protocol.value import Given, Pair
from labctl.quantity.dimension import CURRENT, TABLES, VOLTAGE
from labctl.quantity.units import Quantity, display

PER_DECADE: Final = 10
MOST_FREQUENCIES: Final = 1000


class TableSteps(ExternalSteps):
    """Makes lines of profiles, waits and spectra."""

    __slots__ = ()

    def wait(self, verb: Wait) -> LineDraft:
        """Return open circuit until a date and time."""
        part = LineDraft("rest", "Rest")
        text = self.draft.text(self.place, verb.until)
        if isinstance(text, TextByPass):
            message = "wanted one date in every pass, found one that differs"
            self.draft.say("each.fixed", message, self.step.mark, "write one wait for each date")
            return part
        if "$" in text or not text:  # not known yet, or reported already
            return part
        try:
            moment, shown = moment_of(text, self.draft.outside.local)
        except Misread as error:
            self.draft.say(error.code, str(error), verb.mark or self.step.mark, error.hint)
            return part
        left = moment - self.draft.outside.begins
        term = Term("time", ">=", max(left, 0.0))
        part.ended(End("until", Condition(f"until {shown}", ((term,),))), ValueOrigin(self.step.mark))
        part.options |= {"until": moment, "moment": shown}
        return part

    def temperatures(self, verb: ProfileStep, table: ProfileTable) -> Block:
        """Return a table of the chamber's temperatures: each set when its time comes, and not waited for."""
        number = self.draft.next_block()
        spans = tuple(later - earlier for earlier, later in itertools.pairwise(table.times))
        settings: dict[str, Setting] = {
            "temperature": ByPass((number,), (len(spans),), table.values[:-1]),
            "within": OPEN,
            "soak": ByPass((number,), (len(spans),), spans),
        }
        part = LineDraft("temperature", "Chamber", settings, origins={"temperature": ValueOrigin(self.step.mark)})
        whole = self.until(LineDraft("profile", "Chamber"), verb)
        check_ends(self.draft, self.place, whole.ends, whole.origins, self.step.mark)
        self.draft.place("block", number, self.step.mark, whole.origins)
        line = self.line(part)
        return Block(number, (line,), len(spans), ends=tuple(whole.ends), name=line.name, fused=True)

    def profile(self, verb: ProfileStep) -> LineDraft:
        """Return a table of set-points in SI."""
        part = LineDraft("profile", "Profile")
        table = verb.table
        if table is None:
            part.settings |= {"times": (0.0, 1.0), "values": (0.0, 0.0), "quantity": "current"}  # stands for the table
            return part
        if verb.current is not None:
            part.settings["most"] = self.draft.number(self.place, verb.current, "current")
            part.origins["most"] = self.origin(verb.current)
        elif table.quantity == "voltage" and (most := self.most_unsaid()) is not None:
            part.settings["most"] = most
        if verb.clip is not None:
            part.settings["clip"] = self.clip(verb.clip)
        if table.quantity == "voltage":
            part.settings |= {"times": table.times, "values": table.values, "quantity": "voltage"}
            part.origins["values"] = ValueOrigin(self.step.mark)
            return self.until(part, verb)
        unit = self.draft.caught(lambda: self.draft.absolute(self.unit_of(table), table.quantity), math.nan)
        unit = unit if verb.positive == "charge" else -unit
        factor = self.factor(verb, table, unit)
        if isinstance(factor, float):
            unit *= factor
        else:
            part.settings["scale"] = factor
        part.settings |= {"times": table.times, "quantity": table.quantity}
        part.settings["values"] = tuple(unit * value for value in table.values)
        if verb.only:
            part.options["only"] = verb.only
        part.origins["values"] = ValueOrigin(self.step.mark)
        return self.until(part, verb)

    def factor(self, verb: ProfileStep, table: ProfileTable, unit: float) -> Number:
        """Return what every value of a table is multiplied by."""
        if verb.peak is not None:
            return self.peak(verb.peak, table, unit)
        scale = 1.0 if verb.scale is None else as_filed(self.draft.number(self.place, verb.scale, "number"))
        if self.draft.within is not None and by_nominal(table.unit, table.quantity):
            return Relative(scale, self.draft.within)
        return scale

    def peak(self, peak: Given, table: ProfileTable, unit: float) -> Number:
        """Return the factor that makes the largest value of a table, up or down, what it is to be; `unit` is its unit in SI."""
        driven = TABLES["power" if table.quantity == "power" else "current"].accepted
        quantities: tuple[Quantity, ...] = self.draft.caught(lambda: self.place.scope.quantities(peak)[1], ())
        if wrong := next((each for each in quantities if each.dimension not in driven), None):
            message = f"wanted a peak that is a {table.quantity}, as the table is, found {wrong.text}"
            self.draft.say(
                "unit.kind", message, self.mark(peak), "write the header's quantity, or a table of the other"
            )
            return 1.0
        largest = abs(unit) * max(map(abs, table.values[:-1]))
        if not largest > 0.0:
            return 1.0  # nothing flows, or what is wrong is said already
        return scaled(self.draft.number(self.place, peak, "peak"), 1.0 / largest)

    def clip(self, pair: Pair) -> Setting:
        """Return the voltages between which a profile is held, low and high in V; refuse what the instrument cannot hold."""
        known = self.draft.capabilities
        if known is not None and not known.clips:
            message = "wanted an instrument that holds a voltage within a profile for clip, found one that does not"
            self.draft.say("channel.mode", message, self.step.mark, "end the profile with until: voltage > 4.2 V")
        low, high = (
            side if given is None else self.draft.fixed(self.place, given, "potential")
            for given, side in zip(pair, (-OPEN, OPEN), strict=True)
        )
        if low >= high:
            message = f"wanted the lower voltage first in clip, found {display(low, 'voltage')} and {display(high, 'voltage')}"
            shown = f"{display(high, 'voltage')}, {display(low, 'voltage')}"
            self.draft.say("limit.order", message, self.step.mark, f"write clip: [{shown}]")
        return (low, high)

    def unit_of(self, table: ProfileTable) -> Quantity:
        """Return the unit of a table's values, as if it were written in the step."""
        text = f"a profile in {table.unit.text.partition(' ')[2]}"
        return replace(table.unit, text=text, mark=self.step.mark)

    def impedance(self, verb: Impedance) -> LineDraft:
        """Return a spectrum with its frequencies."""
        quantities: tuple[Quantity, ...] = self.draft.caught(lambda: self.place.scope.quantities(verb.amplitude)[1], ())
        potentiostatic = all(quantity.dimension == VOLTAGE for quantity in quantities)
        part = LineDraft("eis", "Spectrum", {"frequencies": self.frequencies(verb), "potentiostatic": potentiostatic})
        part.settings["amplitude"] = self.draft.number(
            self.place, verb.amplitude, "voltage" if potentiostatic else "current"
        )
        part.settings["bias"] = self.bias(verb, potentiostatic=potentiostatic)
        part.origins = {"amplitude": self.origin(verb.amplitude), "bias": self.origin(verb.at or verb.amplitude)}
        return part

    def bias(self, verb: Impedance, *, potentiostatic: bool) -> Setting:
        """Return the bias: None for the open circuit, in V or A of what is controlled."""
        if verb.at is None:
            if potentiostatic and not self.draft.rested:
                message, hint = (
                    "wanted a rest before eis, whose bias is ocv, found none",
                    "add - rest: 10 min before, or at: 3.8 V",
                )
                self.draft.say("ocv.rest", message, self.step.mark, hint)
            return None if potentiostatic else 0.0
        at = verb.at
        for quantity in self.draft.caught(lambda: self.place.scope.quantities(at)[1], ()):
            if (quantity.dimension == VOLTAGE) != potentiostatic or (
                not potentiostatic and factors(quantity.dimension, CURRENT) is None
            ):
                what = "a voltage" if potentiostatic else "a current"
                message = f"wanted {what} as the bias of an amplitude of {verb.amplitude.text}, found {quantity.text}"
                self.draft.say("eis.bias", message, self.mark(at), "both in V, or both in A")
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
            message = f"wanted at most {MOST_FREQUENCIES} frequencies, found {intervals + 1}"
            self.draft.say(
                "eis.size", message, self.mark(verb.per_decade or verb.from_), "5 to 12 in a decade are usual"
            )
            return ()
        inner = (first * (last / first) ** (number / intervals) for number in range(1, intervals))
        return (first, *inner, last) if intervals else (first,)
