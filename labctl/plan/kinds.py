"""What the kind of a cell allows: its verbs and its results. Where no cell is known, of every kind that it may be of."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from labctl.plan.context import CompileContext
from labctl.plan.step_context import StepContext
from labctl.protocol.cell import CELL_KINDS
from labctl.protocol.model import Protocol, Step, WrittenCondition, WrittenTerm
from labctl.protocol.step_model import Drive
from labctl.quantity.units import Quantity

Kinds: TypeAlias = frozenset[str]

ANY: Final[Kinds] = frozenset(CELL_KINDS)
METAL: Final[Kinds] = frozenset({"symmetric", "asymmetric"})  # working electrodes that are stripped and plated
WITH_RETENTION: Final[Kinds] = ANY - {"symmetric", "blocking"}
WITH_ELECTRODES: Final[Kinds] = ANY - {"symmetric", "asymmetric", "blocking"}
VERBS: Final = {"charge": WITH_ELECTRODES, "discharge": WITH_ELECTRODES, "strip": METAL, "plate": METAL}
RESULTS: Final = {
    "short": METAL,
    "short.soft": METAL,
    "retention": WITH_RETENTION,
    "coulombic_efficiency": WITH_RETENTION,
}
_REVERSED: Final = {"charge": "discharge", "discharge": "charge", "strip": "plate", "plate": "strip"}
_OTHER: Final = {"charge": "strip", "discharge": "plate", "strip": "charge", "plate": "discharge"}

_ON_THE_NEGATIVE: Final = {
    "plate": "charge, which plates the negative electrode, or discharge, which brings lithium into the positive one",
    "strip": "discharge, which strips the negative electrode, or charge, which takes lithium out of the positive one",
}


def check_verb(draft: CompileContext, place: StepContext, step: Step) -> None:
    """Refuse a verb that means nothing for this kind of cell."""
    if place.kinds & VERBS.get(step.word, ANY):
        return
    kind, other = " or ".join(sorted(place.kinds)), _OTHER[step.word]
    known = isinstance(step.verb, Drive) and isinstance(step.verb.to, Quantity) and place.envelope.bounds.voltage
    if _ends_opposite(place, step) and place.kinds & VERBS[_REVERSED[other]]:
        other = _REVERSED[other]
    fits = bool(place.kinds & VERBS[other])
    hint = f"on {kind} cells write {other}" if fits else "hold, lsv, cv and eis run on it"
    if fits and step.word in _ON_THE_NEGATIVE and "full" in place.kinds and not known:
        hint = f"on {kind} cells write {_ON_THE_NEGATIVE[step.word]}"
    draft.say("cell.kind", f"wanted a step for a {kind} cell, found {step.word}", step.mark, hint)


def _ends_opposite(place: StepContext, step: Step) -> bool:
    """Tell whether a step ends at a voltage in that half of the limits from which its verb leads away."""
    verb, limits = step.verb, place.envelope.bounds.voltage
    if not isinstance(verb, Drive) or not isinstance(verb.to, Quantity) or limits is None:
        return False
    return (verb.to.value_si > (limits[0] + limits[1]) / 2.0) != verb.raises


def check_results(draft: CompileContext, place: StepContext, condition: WrittenCondition) -> None:
    """Refuse a result that this kind of cell has not."""
    kind = " or ".join(sorted(place.kinds))
    for term in terms(condition):
        if not place.kinds & RESULTS.get(term.quantity, ANY):
            short = term.quantity.startswith("short")
            hint = (
                "shorts are looked for in symmetric and asymmetric cells: set voltage limits and end on voltage instead"
                if short
                else "it is not defined for symmetric and blocking cells"
            )
            draft.say("cell.kind", f"wanted a result of a {kind} cell, found {term.quantity}", term.mark, hint)


def check_analyses(draft: CompileContext, place: StepContext, files: Iterable[Protocol]) -> None:
    """Warn of analyses of a result that this kind of cell has not."""
    kind = " or ".join(sorted(place.kinds))
    for request in (request for file in files for request in file.analyses):
        if not place.kinds & RESULTS.get(request.name, ANY):
            message = f"wanted an analysis of a {kind} cell, found {request.name}"
            hint = "it is not defined for symmetric and blocking cells: life and ccd tell of stripping and plating"
            draft.say("analyse.nothing", message, request.mark, hint, "warning")


def terms(condition: WrittenCondition | None) -> Iterator[WrittenTerm]:
    """Give the comparisons of a condition in order."""
    for alternative in condition.any_of if condition else ():
        yield from alternative
