"""Driver `simulated`: cells that live in the daemon, on a time that is told to them, and can go back to any row."""

from labctl_drivers.simulated.instrument import Simulated

__all__ = ["Simulated"]
