"""Simulated cells: exact in time, numpy only.

A cell is diagonal linear memory, a static voltage map and slow states; `chemistry` says how a kind of cell plugs in.
One parameter set serves three paths (`segment`, `stepper`, `batch`) and the impedance. SI units; positive current
charges the cell.
"""

from labctl_simulators.cell.drive import Current, Drive, Load, Power, Rest, Stop, Sweep, Voltage
from labctl_simulators.cell.model import Cell
from labctl_simulators.cell.segment import Rows, Segment
from labctl_simulators.cell.state import State

__all__ = [
    "Cell",
    "Current",
    "Drive",
    "Load",
    "Power",
    "Rest",
    "Rows",
    "Segment",
    "State",
    "Stop",
    "Sweep",
    "Voltage",
]
