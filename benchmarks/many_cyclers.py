"""A cycler of a thousand channels that is polled, and what one of its stored samples costs beside a script that asks and stores.

Measured alone, since it takes two minutes: `python -m benchmarks.many_cyclers`.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.emulated import CELL, PACE
from benchmarks.figure import Promised, at_most, shortfall
from benchmarks.instruments import PolledLoad, cyclers

LOAD = PolledLoad(1000, 10.0, 10.0, "embedded")  # polled as seldom as the driver does unless told otherwise
ASKED = 1.7  # times the script
WITHIN = 60.0  # s in which all are started


def figures() -> Iterator[Promised]:
    """Measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE.format(every=1.0 / LOAD.hertz))
        seen = asyncio.run(cyclers(folder, LOAD))
    yield from seen.figures()
    cost, script = seen.cpu / seen.stored, seen.asked + seen.raw
    beside = f"{1e6 * cost:.1f} us beside {1e6 * script:.1f} us; {cost / seen.raw:.2f} times raw sqlite3 alone"
    remark = "; ".join(filter(None, (beside, shortfall(ASKED * script / cost))))
    name = f"CPU of a stored sample, {LOAD.channels} polled channels at {LOAD.hertz:g} Hz, beside a script"
    yield at_most(name, ASKED, cost / script, remark=remark)
    yield at_most("from the first start until all record", WITHIN, seen.started, " s")


if __name__ == "__main__":
    for figure in figures():
        print(figure)
