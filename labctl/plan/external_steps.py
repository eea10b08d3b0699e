"""Steps of a stage, a chamber or a person, and the measured capacity: what a line of theirs asks for."""

import math
import re
from typing import Final

from labctl.plan.line_draft import LineDraft, StepDrafter
from labctl.plan.step import (
    Number,
    Setting,
)
from labctl.protocol.model import Given, Template, Text
from labctl.protocol.step_model import (
    BendStep,
    Nominal,
    Prompt,
    Temperature,
)

_MEASURED: Final = re.compile(r"(charge_capacity|discharge_capacity)(?:\s+of\s+(?:(check|cycles)|cycle\s+(\d+)))?")
WITHIN: Final = 1.0  # K of a chamber for which nothing is said


class ExternalSteps(StepDrafter):
    """Makes lines of what the cell's own instrument does not do."""

    __slots__ = ()

    def bend(self, verb: BendStep) -> LineDraft:
        """Return a bend of the stage."""
        part = LineDraft("bend", "Bend", options={"confirm": verb.confirm})
        if verb.angle is not None:
            part.settings["angle"] = self.draft.number(self.place, verb.angle, "angle")
        if verb.radius is not None:
            part.settings["radius"] = self.draft.number(self.place, verb.radius, "length")
        part.settings["times"] = 1 if verb.times is None else self.draft.count(self.place, verb.times)
        return part

    def temperature(self, verb: Temperature) -> LineDraft:
        """Return a temperature of the chamber."""
        part = LineDraft(
            "temperature", "Chamber", {"temperature": self.draft.number(self.place, verb.to, "temperature")}
        )
        part.origins["temperature"] = self.origin(verb.to)
        within = WITHIN if verb.within is None else self.draft.number(self.place, verb.within, "temperature step")
        soak = 0.0 if verb.soak is None else self.draft.number(self.place, verb.soak, "duration")
        part.settings |= {"within": within, "soak": soak}
        if verb.for_ is not None:
            part.options["for"] = self.draft.number(self.place, verb.for_, "duration")
        return part

    def prompt(self, verb: Prompt) -> LineDraft:
        """Return a question to a person."""
        part = LineDraft("prompt", "Rest", options={"say": self.draft.text(self.place, verb.say)})
        if verb.for_ is not None:
            part.options["for"] = self.draft.number(self.place, verb.for_, "duration")
        if verb.state:
            part.options["state"] = {name: self.state(value) for name, value in verb.state.items()}
        return part

    def nominal(self, verb: Nominal) -> LineDraft:
        """Return the step that makes a measured capacity what 1C and 100 % mean."""
        text = self.draft.text(self.place, verb.from_)
        match = _MEASURED.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            message = f"wanted charge_capacity or discharge_capacity, also of check or of cycle 3, found {text}"
            which = (
                of[0] if isinstance(text, str) and (of := re.search(r" of (?:check|cycles|cycle \d+)$", text)) else ""
            )
            which = which or (" of check" if len(self.draft.cycles) > 1 else "")
            self.draft.say("nominal.from", message, self.step.mark, f"write from: discharge_capacity{which}")
            return LineDraft("nominal", "Rest")
        kinds, which = self.draft.cycles, match[2] or ("check" if self.draft.cycles == {"check"} else "cycles")
        if not kinds or (match[2] and match[2] not in kinds):
            message = f"wanted a cycle whose {match[1]} is the measure, found none"
            hint = (
                "write cycle: check at the block that measures it: each of its passes is then a check"
                if match[2] == "check"
                else "write cycle: true at the block that measures it: each of its passes is then a cycle"
            )
            self.draft.say("nominal.from", message, self.step.mark, hint)
        if len(kinds) > 1 and not match[2] and not match[3]:
            message = f"wanted `of check` or `of cycles` after {match[1]}, as there are both here, found neither"
            self.draft.say("condition.which", message, self.step.mark)
        low, high = (1.0 if side is None else self.draft.fixed(self.place, side, "fraction") for side in verb.within)
        number = int(match[3]) if match[3] else 0
        return LineDraft(
            "nominal", "Rest", options={"quantity": match[1], "kind": which, "cycle": number, "low": low, "high": high}
        )

    def state(self, value: Given | Text) -> Setting:
        """Return a condition that a person has set: SI, or a text."""
        if isinstance(value, str | Template):
            return self.draft.text(self.place, value)
        return self.draft.caught(lambda: self.plain(value), math.nan)

    def plain(self, given: Given) -> Number:
        """Return a quantity of any kind in SI, as it was written."""
        blocks, number = self.place.scope.quantities(given)
        return self.place.scope.table(blocks, [quantity.value_si for quantity in number])
