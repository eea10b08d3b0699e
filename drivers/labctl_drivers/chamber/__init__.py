"""Temperature chambers: ESPEC by its text commands, Memmert by AtmoWEB, Binder and others by Modbus."""

from labctl_drivers.chamber.espec import Espec
from labctl_drivers.chamber.memmert import Memmert
from labctl_drivers.chamber.modbus import Modbus

__all__ = ["Espec", "Memmert", "Modbus"]
