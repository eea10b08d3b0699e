"""The engine as a run sees it: steps, blocks, ends, cycles, orders, outages."""

from engine_world import (
    BOUNDS, FULL, LOCATES, PUPPET, SYMMETRIC, Bench, Cell, charge, cond, end, hold, plan, prompt, rest, rows, until,
)  # fmt: skip


def test_nothing():
    assert BOUNDS
