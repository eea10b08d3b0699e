"""Temperature chambers: ESPEC by its text commands, Memmert by AtmoWEB."""

from labctl_drivers.chamber.espec import Espec
from labctl_drivers.chamber.memmert import Memmert

__all__ = ["Espec", "Memmert"]
