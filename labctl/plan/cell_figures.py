"""What of a cell a plan keeps, and where the numbers of a cell file do not fit each other."""

from labctl.plan.context import CompileContext
from labctl.plan.step import (
    CellFigures,
)
from labctl.protocol.cell import Cell
from labctl.protocol.cell_fit import misfits
from labctl.protocol.cellfile import reread
from labctl.quantity.units import display


def figures_of_cell(cell: Cell) -> CellFigures:
    """Return what of a cell a plan keeps."""
    return CellFigures(
        name=cell.name,
        kind=cell.kind,
        area=cell.area,
        active_mass=cell.active_mass,
        film_thickness=cell.film_thickness,
        nominal=None if cell.nominal is None else float(cell.nominal),
        efficiency=cell.efficiency,
        retention=cell.retention,
        electrolyte_thickness=cell.electrolyte_thickness,
        reference=", ".join(
            [cell.reference, *(f"{display(volts, 'voltage')} vs {name}" for name, volts in cell.references.items())]
        ),
        references=dict(cell.references),
    )


def warn_of_misfits(draft: CompileContext) -> None:
    """Warn where the numbers of a cell file do not fit each other."""
    if draft.known:
        for finding in misfits(draft.cell, reread):
            draft.say(finding.code, finding.message, finding.mark, finding.hint, "warning")
