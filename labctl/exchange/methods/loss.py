"""What a program cannot say of a protocol, and what becomes of it: one table, from which every note is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EVERY: Final = "*"

LOSSES: Final[Mapping[str, Mapping[str, str]]] = {
    "prompt": {EVERY: "it asks nobody: left out"},
    "mark": {EVERY: "it knows no marks: left out"},
    "nominal": {EVERY: "its 1C is the cell file's from beginning to end: left out"},
    "temperature": {EVERY: "no chamber is driven by it: left out, set the chamber by hand"},
    "bend": {EVERY: "no stage is driven by it: left out"},
    "profile": {EVERY: "no table of set-points is written: left out, the cell rests for none of its time"},
    "if": {EVERY: "it asks nothing on its way: the block is left out"},
    "every": {EVERY: "its passes follow each other: the wait for the next begin is left out"},
    "wait": {EVERY: "it waits for no time of day: left out"},
    "block end": {EVERY: "it ends no block by a condition: every pass is done"},
    "end": {EVERY: "it cannot end a step so: the end is left out"},
    "endless": {EVERY: "no end is left that it could say: the step is left out"},
    "empty": {EVERY: "nothing is left in it: the loop is left out"},
    "kind of cycle": {EVERY: "it has one kind of cycle: formation and check are cycles like others"},
    "charge": {
        "pybamm": "it ends no step by a charge: written as the time in which the current passes it",
        "unicycler": "it ends no step by a charge: written as the time in which the current passes it",
        "eclab": "how it ends a step by a charge is not known: written as the time in which the current passes it",
        "maccor": "how it ends a step by a charge is not known: written as the time in which the current passes it",
        "battinfo": "it has no word for an end by a charge: written as the time in which the current passes it",
    },
    "second end": {
        "pybamm": "a step has one end beside its time: the others are left out",
        "neware": "a step has one end of each kind: the one that is met first is written",
        "eclab": "a sequence has three limits: the others are left out",
    },
    "wrong side": {
        EVERY: "a voltage ends a step on the side towards which it goes: left out",
        "neware": "a voltage ends a step on the side towards which it goes, a current a hold from above: left out",
    },
    "decimals": {"eclab": "a value has three decimals beside its unit: rounded"},
    "nested": {EVERY: "its loops hold no loops: written out"},
    "open circuit": {
        "eclab": "its voltages are written against the reference only: left out",
        "maccor": "it knows no voltage against the open circuit: left out",
        "battinfo": "it knows no voltage against the open circuit: left out",
        "neware": "it knows no voltage against the open circuit: left out",
        "pybamm": "it knows no voltage against the open circuit: left out",
        "unicycler": "it knows no voltage against the open circuit: left out",
    },
    "bias": {EVERY: "a spectrum is measured at open circuit: the bias is left out"},
    "most": {
        "battinfo": "a held voltage has no limit of its current: left out",
        "eclab": "a held voltage has no limit of its current: left out",
        "pybamm": "a held voltage has no limit of its current: left out",
        "unicycler": "a held voltage has no limit of its current: left out",
    },
    "rules by time": {
        EVERY: "a step has one rule for all of its time: the finest is written",
        "battinfo": "it has no word for when rows are written: left out",
        "unicycler": "one rule holds for the whole file: the finest is written",
    },
    "record": {
        "battinfo": "it has no word for when rows are written: left out",
        "pybamm": "a step records by one period: changes of voltage and current are left out",
        "unicycler": "one rule holds for the whole file: the finest is written",
    },
    "limits": {
        "battinfo": "a workflow has no limits of its own: left out",
        "eclab": "it has one limit of current for both directions: the larger is written",
        "maccor": "only voltages end a test from every step: left out",
        "pybamm": "its limits are those of the model: left out",
    },
    "sweep": {"pybamm": "its strings know no sweep: left out", EVERY: "it sweeps no voltage: left out"},
    "spectrum": {"pybamm": "its strings know no spectrum: left out", EVERY: "it measures no spectrum: left out"},
    "power": {EVERY: "no constant power is written for it: left out"},
    "load": {EVERY: "no load is written for it: left out"},
    "no cycle": {"pybamm": "every step outside a cycle is a cycle of its own there"},
    "cycle": {EVERY: "it does not say what counts as a cycle: left out"},
    "both parts": {EVERY: "each part is ended by it alone"},
    "goes on": {EVERY: "read as a limit of the protocol, which ends the run: what follows there does not"},
    "sign": {EVERY: "a positive current beside the word Discharge: read as a discharge"},
    "model": {EVERY: "left out on reading"},
}
"""Reason by what is lost and to whom; `*` is everybody."""


@dataclass(frozen=True, slots=True)
class MethodLoss:
    """Something that the other side cannot say: where it stands, what it is, and what becomes of it."""

    where: str
    what: str
    reason: str

    def __str__(self) -> str:
        """Return it as a line for people."""
        return f"{self.where}: {self.what}: {self.reason}" if self.where else f"{self.what}: {self.reason}"


def loss(feature: str, to: str, where: str, what: str) -> MethodLoss:
    """Return a loss as the table has it for a feature and a format."""
    reasons = LOSSES[feature]
    return MethodLoss(where, what, reasons.get(to) or reasons[EVERY])


class LossList:
    """What one writing or reading loses, in the order in which it was met, each once."""

    def __init__(self, to: str) -> None:
        """Begin with nothing lost; `to` is the format that cannot say it."""
        self.to = to
        self._losses: list[MethodLoss] = []

    def add(self, feature: str, where: str, what: str) -> None:
        """Note a loss of the table."""
        self._losses.append(loss(feature, self.to, where, what))

    @property
    def all(self) -> tuple[MethodLoss, ...]:
        """Everything that was lost."""
        return tuple(dict.fromkeys(self._losses))
