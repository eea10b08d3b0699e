"""Keithley source meters: the driver, and its line."""

from labctl_drivers.keithley.instrument import Keithley2400, Keithley2450

__all__ = ["Keithley2400", "Keithley2450"]
