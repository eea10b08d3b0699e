"""IO Rodeo's Rodeostat: the driver, and the words of its board."""

from labctl_drivers.rodeostat.instrument import Rodeostat

__all__ = ["Rodeostat"]
