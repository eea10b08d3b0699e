"""Neware cyclers: the driver, its step files, the records that it drains, and what it keeps beside a step file."""

from labctl_drivers.neware.instrument import Neware

__all__ = ["Neware"]
