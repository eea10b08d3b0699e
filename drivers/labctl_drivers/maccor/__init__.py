"""Maccor cyclers through MacNet."""

from labctl_drivers.maccor.instrument import Maccor

__all__ = ["Maccor"]
