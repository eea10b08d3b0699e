"""PalmSens modules: the driver, and its scripts."""

from labctl_drivers.palmsens.instrument import PalmSens

__all__ = ["PalmSens"]
