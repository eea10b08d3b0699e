"""Arbin cyclers through CTI."""

from labctl_drivers.arbin.instrument import Arbin

__all__ = ["Arbin"]
