"""The kinds of cells and of quantities in parameter files, and the units that each quantity may have."""

from collections.abc import Mapping
from typing import Final

UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "length": ("m", "cm", "mm", "um", "nm"),
    "area": ("m2", "cm2"),
    "number": ("1", "%"),
    "voltage": ("V", "mV"),
    "energy": ("J/mol", "kJ/mol", "eV"),
    "time": ("s", "min", "h", "d"),
    "charge": ("C", "Ah", "mAh", "uAh"),
    "charge by area": ("C/m2", "mAh/cm2", "uAh/cm2"),
    "charge by mass": ("mAh/g",),
    "current by area": ("A/m2", "mA/cm2", "uA/cm2"),
    "resistance times area": ("ohm m2", "ohm cm2"),
    "conductivity": ("S/m", "S/cm", "mS/cm", "uS/cm"),
    "capacitance by area": ("F/m2", "uF/cm2", "mF/cm2", "nF/cm2"),
    "concentration": ("mol/m3", "mol/l"),
    "diffusivity": ("m2/s", "cm2/s"),
    "frequency": ("Hz", "kHz", "mHz"),
    "temperature": ("K", "degC"),
    "rate": ("1/s", "1/h"),
    "angle": ("deg",),
    "mass by area": ("kg/m2", "mg/cm2"),
    "entropy": ("V/K", "mV/K"),
    "rate constant": ("(A/m2)(m3/mol)^1.5",),
    "phase element": ("ohm-1 s^n/m2",),
    "heat capacity": ("J/K",),
    "heat transfer": ("W/K",),
}
"""The units of each kind of quantity."""
CELL_KINDS: Final = ("full", "half_cathode", "half_anode", "symmetric", "asymmetric", "blocking", "capacitor")
"""What a cell file may call the cell that a set stands for."""
