"""A cycler of a thousand channels that is polled, and what one of its stored samples costs beside raw sqlite3.

Measured alone, since it takes two minutes: `python -m benchmarks.many_cyclers`.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.emulated import CELL, PACE
from benchmarks.figure import Promised, at_most, shortfall
from benchmarks.instruments import cyclers

CHANNELS = 1000
ASKED = 1.7  # times raw sqlite3
WITHIN = 60.0  # s in which all are started


def figures() -> Iterator[Promised]:
    """Measure it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cell.yaml").write_text(CELL)
        (folder / "pace.yaml").write_text(PACE)
        seen = asyncio.run(cyclers(folder, CHANNELS))
    yield from seen.figures()
    cost = seen.cpu / seen.stored
    beside = f"{1e6 * cost:.1f} us beside {1e6 * seen.raw:.1f} us; with the parse of its record alone raw comes to "
    beside += f"{1e6 * (seen.raw + seen.parsed):.1f} us"
    remark = "; ".join(filter(None, (beside, shortfall(ASKED * seen.raw / cost))))
    yield at_most("CPU of a stored sample beside raw sqlite3", ASKED, cost / seen.raw, remark=remark)
    yield at_most("from the first start until all record", WITHIN, seen.started, " s")


if __name__ == "__main__":
    for figure in figures():
        print(figure)
