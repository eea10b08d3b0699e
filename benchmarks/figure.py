"""One measured figure beside what was wanted of it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promised:
    """A figure: its name, what was wanted and found in words, whether it was met, and a remark.

    `met` is None where it could not be measured here; the remark then says why, and what measures it.
    """

    name: str
    wanted: str
    found: str
    met: bool | None
    remark: str = ""


def at_least(name: str, wanted: float, found: float, unit: str = "", remark: str = "") -> Promised:
    """Return a figure that should not be smaller."""
    return Promised(
        name, f"at least {wanted:g}{unit}", f"{found:.3g}{unit}", found >= wanted, remark or shortfall(found / wanted)
    )


def at_most(name: str, wanted: float, found: float, unit: str = "", remark: str = "") -> Promised:
    """Return a figure that should not be larger."""
    return Promised(
        name,
        f"at most {wanted:g}{unit}",
        f"{found:.3g}{unit}",
        found <= wanted,
        remark or (shortfall(wanted / found) if found else ""),
    )


def unmeasured(name: str, wanted: str, remark: str) -> Promised:
    """Return a figure that could not be measured here; the remark says why, and what measures it."""
    return Promised(name, wanted, "nothing", met=None, remark=remark)


def shortfall(ratio: float) -> str:
    """Return by how much a figure is missed, or nothing."""
    return "" if ratio >= 1 else f"missed: {100 * ratio:.0f} % of what was wanted"


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """Return the median wall time of a call in s, after one that warms up."""
    run()
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def cpu_seconds(run: Callable[[], object], times: int = 5) -> float:
    """Return the median CPU time of a call in s, after one that warms up: others on the machine do not count."""
    run()
    found = []
    for _ in range(times):
        begin = time.process_time()
        run()
        found.append(time.process_time() - begin)
    return statistics.median(found)
