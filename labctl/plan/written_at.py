"""Where a value was written that a name stands for, and voltages that stand under each other's names."""

from collections.abc import Iterable
from typing import Final

from labctl.errors import FileError
from labctl.finding import Finding, Mark
from labctl.plan.context import CompileContext
from labctl.plan.scope import NO_BLOCKS, Scope
from labctl.plan.step_context import StepContext, ValueOrigin
from labctl.protocol import model
from labctl.protocol.expression import Environment
from labctl.quantity.dimension import VOLTAGE
from labctl.quantity.units import Quantity

SAME: Final = 1e-9  # of a value: rounding
CROSSED: Final = "crossed in "
FOLLOW: Final = frozenset({"plan.crossed", "end.wrong_side", "end.at_once"})
"""What is found of the steps of a file whose lowest and highest voltage are swapped."""


def written_at(draft: CompileContext, place: StepContext, origin: ValueOrigin, quantity: str, value: float) -> str:
    """Return ` (60C of line 4)` for what a name stands for where a value was used, as far as another line has it; else ""."""
    name = origin.text.removeprefix("$")
    if name == origin.text or not name.isidentifier() or _given_by_use(place.scope, name):
        return ""
    kind = "current" if quantity == "current" else "potential"
    blocks = place.scope.ordered(place.scope.depends.get(name, NO_BLOCKS))
    for at in place.scope.combinations(blocks):
        one = place.scope.environment(at).get(name)
        mark = one.mark if isinstance(one, Quantity) else None
        given = mark is not None and mark.file.startswith("--set")
        if not isinstance(one, Quantity) or mark is None or one.versus or not (given or mark.file == origin.mark.file):
            continue
        try:
            found = draft.absolute(one, kind)  # type: ignore[arg-type]
        except FileError:
            continue
        if abs(abs(found) - abs(value)) <= SAME * abs(value) and (given or mark.line != origin.mark.line):
            return f" ({mark.file})" if given else f" ({one.text} of line {mark.line})"
    return ""


def _given_by_use(scope: Scope | None, name: str) -> bool:
    """Tell whether the value of a name comes from the `with` of the file's insertion: it is told there."""
    while scope is not None and scope.use is None:
        scope = scope.parent
    return scope is not None and scope.use is not None and name in scope.use.with_


def warn_of_swapped(draft: CompileContext, environment: Environment, use: model.Use) -> None:
    """Warn where `with` gives a file its lowest voltage above its highest."""
    mark = use.marks.get("low") or use.marks.get("high")
    if mark is not None:
        _swapped(draft, environment, mark, use.protocol.file, "with:")


def warn_of_swapped_parameters(draft: CompileContext, environment: Environment, file: str) -> None:
    """Warn where `--set` gives a file its lowest voltage above its highest."""
    values = (environment.get(name) for name in ("low", "high"))
    marks = [one.mark for one in values if isinstance(one, Quantity) and one.mark is not None and one.mark.file != file]
    if marks:
        _swapped(draft, environment, marks[0], file, "--set")


def _swapped(draft: CompileContext, environment: Environment, mark: Mark, file: str, where: str) -> None:
    low, high = (environment.get(name) for name in ("low", "high"))
    if not isinstance(low, Quantity) or not isinstance(high, Quantity):
        return
    if (
        low.dimension != VOLTAGE
        or high.dimension != VOLTAGE
        or low.versus != high.versus
        or low.value_si <= high.value_si
    ):
        return
    message = f"wanted low below high in {where}, found low: {low.text} and high: {high.text}"
    hint = (
        f"low: {high.text}, high: {low.text}"
        if where == "with:"
        else f"--set 'low={high.text}' --set 'high={low.text}'"
    )
    draft.say("plan.crossed", message, mark, f"are the two swapped? write {hint}", "warning")
    draft.told.add(f"{CROSSED}{file}")


def without_what_follows(draft: CompileContext, findings: Iterable[Finding]) -> list[Finding]:
    """Return findings without those of the steps of a file to which swapped voltages were given."""
    return [one for one in findings if one.code not in FOLLOW or f"{CROSSED}{one.mark.file}" not in draft.told]
