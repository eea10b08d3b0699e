"""Simulated cells: exact in time, numpy only.

A cell is diagonal linear memory, a static voltage map and slow states; `chemistry` says how a kind of cell plugs in.
One parameter set serves three paths (`segment`, `stepper`, `batch`) and the impedance. SI units; positive current
charges the cell.
"""

from labctl_simulators.cell.drive import AtOpenCircuit, Current, Drive, Load, Power, Stop, Voltage, VoltageSweep
from labctl_simulators.cell.model import CellModel
from labctl_simulators.cell.solve.segment import Rows, Segment
from labctl_simulators.cell.state import CellState

__all__ = [
    "AtOpenCircuit",
    "CellModel",
    "CellState",
    "Current",
    "Drive",
    "Load",
    "Power",
    "Rows",
    "Segment",
    "Stop",
    "Voltage",
    "VoltageSweep",
]
