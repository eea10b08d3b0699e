"""The protocol library through every driver's planner: what is accepted can be told to the instrument, line by line."""

from pathlib import Path

import pytest

from labctl.driver import Translating
from labctl.errors import FileError
from labctl.plan.compile import compile_plan
from labctl.plan.runnable import runnable
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load

LIBRARY = Path(__file__).parents[2] / "protocols"
CELLS = {"ccd-capacity-constant": "phl-symmetric", "ccd-time-constant": "phl-symmetric", "stripping-life": "phl-symmetric",
         "activation": "voc1-atfb", "bending-cycling": "voc1-atfb"}  # fmt: skip
VALUES = {"gitt": {"low": "3.1 V", "high": "4.1 V"}}
BEFORE = ("cell.", "limit.", "safety.", "channel.", "param")  # what a plan refuses of a protocol on another cell


def planned(path, driver, channel):
    """The plan of a protocol on a driver's channel, None where it is refused with a code for it."""
    cell = LIBRARY / "cells" / f"{CELLS.get(path.stem, 'marquis2019')}.yaml"
    try:
        return compile_plan(
            load(
                path.read_text(encoding="utf-8"), str(path), lambda name: (LIBRARY / name).read_text(encoding="utf-8")
            ),
            load_cell(cell.read_text(encoding="utf-8"), str(cell)),
            driver.capabilities(channel),
            None,
            VALUES.get(path.stem, {}),
        )
    except FileError as error:
        errors = [finding for finding in error.findings if finding.severity == "error"]
        assert [finding for finding in errors if not finding.code.startswith(BEFORE)] == []
        return None


async def test_the_library_is_refused_at_start_or_runs_to_the_end(make_bench):
    bench = make_bench()
    await bench.start()
    try:
        driver = bench.driver
        if "Galvanostatic" not in driver.capabilities(bench.channel).modes:
            pytest.skip("not offered: it drives no cell")
        told = (lambda program: driver.translate(bench.channel, program)) if isinstance(driver, Translating) else None
        accepted = 0
        for path in sorted(LIBRARY.glob("*.yaml")):
            plan = planned(path, driver, bench.channel)
            if plan is not None:
                accepted += 1
                found = runnable(plan, driver.capabilities(bench.channel), told)
                assert [finding for finding in found if finding.severity == "error"] == []
        assert accepted
    finally:
        await bench.stop()
