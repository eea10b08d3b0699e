"""Keithley source meters: the driver, the languages of its families, and its line."""

from labctl_drivers.keithley.instrument import Keithley2400, Keithley2450, Keithley2600

__all__ = ["Keithley2400", "Keithley2450", "Keithley2600"]
