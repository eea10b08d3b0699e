"""Bio-Logic potentiostats through EClib, the vendor's library."""

from labctl_drivers.biologic.instrument import BioLogic

__all__ = ["BioLogic"]
