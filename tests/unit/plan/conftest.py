"""Cells and plans of short protocols."""

from collections.abc import Callable, Mapping

import pytest

from labctl.driver import Bounds, Capabilities
from labctl.errors import FileError
from labctl.finding import Finding
from labctl.plan.compile import compile_plan
from labctl.plan.outside import Outside
from labctl.plan.step import Plan
from labctl.protocol.cell import Cell
from labctl.protocol.load import load

FULL = Cell(
    "full cell", "full", area=1e-4, active_mass=1e-6, film_thickness=3e-7, nominal=3.6, reference="Li",
    limits=Bounds(voltage=(2.0, 4.3), current=(-0.01, 0.01)), file="cell.yaml", text="labctl_cell: 1",
)  # fmt: skip
SYMMETRIC = Cell("symmetric cell", "symmetric", area=1e-4, limits=Bounds((-5.0, 5.0), (-0.01, 0.01)))
BARE = Cell("bare cell", "full")
CELLS = {"full": FULL, "symmetric": SYMMETRIC, "bare": BARE}

Planner = Callable[..., Plan]


def protocol_text(steps: str, head: str = "") -> str:
    return f"labctl: 1\n{head}steps:\n{steps}"


def plan_of(
    steps: str,
    cell: Cell | str = "full",
    *,
    head: str = "",
    capabilities: Capabilities | None = None,
    channel: Bounds | None = None,
    files: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    outside: Outside | None = None,
) -> Plan:
    chosen = CELLS[cell] if isinstance(cell, str) else cell
    protocol = load(protocol_text(steps, head), "test.yaml", (files or {}).get)
    return compile_plan(protocol, chosen, capabilities, channel, values or {}, outside)


def findings_of(steps: str, *args: object, **kwargs: object) -> list[Finding]:
    try:
        plan_of(steps, *args, **kwargs)  # type: ignore[arg-type]
    except FileError as error:
        return list(error.findings)
    return []


@pytest.fixture
def plan() -> Planner:
    """Compile steps for a cell."""
    return plan_of


@pytest.fixture
def refused() -> Callable[..., list[Finding]]:
    """Return what is wrong with steps for a cell."""
    return findings_of


@pytest.fixture
def full() -> Cell:
    return FULL


@pytest.fixture
def symmetric() -> Cell:
    return SYMMETRIC
