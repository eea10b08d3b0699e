"""Powers and loads whose current leaves the limits on the way: what a cell gives them depends on its voltage."""

from collections.abc import Iterator, Mapping

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import LOWERING, RAISING, mark_of, target_of, warning
from labctl.plan.number import values
from labctl.plan.step import ByPass, Line, Plan, Relative
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]


def demands(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a power or load that draws more than the current limit at a voltage to which its step comes."""
    reached = 0.0
    for _, line in walk(plan.root):
        low, high = line.bounds.current or (-OPEN, OPEN)
        most = high if line.verb in RAISING else -low
        if most < OPEN and line.mode == "ConstantPower":
            yield from _power(line, most, places)
        if most < OPEN and line.mode == "ConstantLoad":
            yield from _load(line, most, reached or max(map(abs, line.bounds.voltage or (0.0,))), places)
        if line.verb in RAISING:
            reached = max(_numbers(target_of(line)), default=reached)


def _numbers(value: object) -> tuple[float, ...]:
    return values(value) if isinstance(value, float | ByPass | Relative) else ()


def _power(line: Line, most: float, places: Places) -> Iterator[Finding]:
    """Give a discharge whose power asks for more than the limit before it comes to its voltage."""
    power, ends = max(map(abs, _numbers(line.settings.get("power"))), default=0.0), _numbers(target_of(line))
    lowest = min(ends, default=0.0)
    if line.verb not in LOWERING or lowest <= 0.0 or power / lowest <= most:
        return
    drawn, limit, below = display(power / lowest, "current"), display(most, "current"), display(power / most, "voltage")
    message = (
        f"wanted a power that draws at most {limit} down to {display(lowest, 'voltage')}, found {display(power, 'power')}, which "
        f"draws {drawn} there: the current limit trips the run below {below}"
    )
    hint = f"write power: {display(most * lowest, 'power')} or less, or end at {below}"
    yield warning("plan.forestalled", message, mark_of(line, places, "power"), hint)


def _load(line: Line, most: float, begins: float, places: Places) -> Iterator[Finding]:
    """Give a load that draws more than the limit where the cell may begin."""
    least = min(_numbers(line.settings.get("resistance")), default=0.0)
    if not least or begins >= OPEN or begins / least <= most:
        return
    drawn, limit, at = display(begins / least, "current"), display(most, "current"), display(begins, "voltage")
    message = (
        f"wanted a load that draws at most {limit}, found {display(least, 'resistance')}, which draws {drawn} at {at}: the "
        f"current limit trips the run above {display(most * least, 'voltage')}"
    )
    hint = f"write resistance: {display(begins / most, 'resistance')} or more"
    yield warning("plan.forestalled", message, mark_of(line, places, "resistance"), hint)
